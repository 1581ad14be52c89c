/** How many transfers one member can make another know. */
import { expect, test } from 'vitest';
import type { Manifest } from '../../src/bulk/manifest.js';
import { MAX_MANIFESTS, MAX_NAMED, Transfers } from '../../src/bulk/transfers.js';
import { TRANSFER_BIT } from '../../src/wire/symbol.js';

const id = (number: number) => ({ origin: 0, incarnation: TRANSFER_BIT + number });

test('who speaks of too many is not listened to any more; others are', () => {
  const transfers = new Transfers(3);
  for (let i = 0; i < MAX_NAMED; i++) expect(transfers.open(1, id(i))).toBeDefined();
  expect(transfers.open(1, id(1000))).toBeUndefined();
  expect(transfers.open(2, id(1000))).toBeDefined();
});

test('what others made a member speak of leaves room for its own', () => {
  const transfers = new Transfers(3);
  for (let i = 0; i < MAX_NAMED; i++) transfers.open(1, id(i));
  const own = { origin: 1, incarnation: TRANSFER_BIT };
  expect(transfers.open(1, own)).toBeDefined();
});

test('of those that are over one that may be made up goes first', () => {
  const transfers = new Transfers(3);
  for (let i = 0; i < MAX_NAMED; i++) transfers.open(1, id(i));
  const [real, made] = [3, 7].map((number) => transfers.find(id(number))!);
  for (const over of [real, made]) over.state = 'failed';
  real.manifest = {} as Manifest;
  expect(transfers.open(1, id(1000))!.instead).toBe(made);
});

test('one that is over makes room', () => {
  const transfers = new Transfers(3);
  for (let i = 0; i < MAX_NAMED; i++) transfers.open(1, id(i));
  const over = transfers.find(id(7))!;
  over.state = 'saved';
  expect(transfers.open(1, id(1000))!.instead).toBe(over);
});

test('lists of files of one origin have so many bytes; those that are over make room', () => {
  const transfers = new Transfers(3);
  const [first, second, next] = [1, 2, 3].map((number) => transfers.open(0, id(number))!.transfer);
  for (const open of [first, second]) open.manifestBytes = new Uint8Array(MAX_MANIFESTS / 2);
  expect(transfers.roomFor(next, 1)).toBeUndefined();

  second.state = 'saved';

  expect(transfers.roomFor(next, 1)).toEqual([second]);
});

test('those of another origin have room of their own', () => {
  const transfers = new Transfers(3);
  transfers.open(0, id(1))!.transfer.manifestBytes = new Uint8Array(MAX_MANIFESTS);
  const other = transfers.open(1, { origin: 1, incarnation: TRANSFER_BIT })!.transfer;
  expect(transfers.roomFor(other, MAX_MANIFESTS)).toEqual([]);
});
