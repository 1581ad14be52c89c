/** What is sealed: each text and its way back, and what is refused of one who has the code and means ill. */
import { describe, expect, test } from 'vitest';
import {
  decodeJoin,
  decodeRequest,
  decodeState,
  encodeJoin,
  encodeRequest,
  encodeState,
  introductionOf,
  type Join,
  piecesOf,
  type State,
} from '../../src/rendezvous/contents.js';
import { joinOf } from './meeting.js';

const join = joinOf(new Uint8Array(32).fill(1), { hosts: ['10.0.0.2', 'fd00::2'], name: 'Ännchen' });

test('a JOIN comes back as it was', () => {
  expect(decodeJoin(encodeJoin(join))).toEqual(join);
});

test.each<Partial<Join>>([
  { port: 0 },
  { name: '' },
  { name: 'x'.repeat(64) },
  { name: '\u001b[2J' },
  { name: 'a\u202eb' },
  { via: 'example.com' },
  { via: '' },
  { hosts: ['0.0.0.0'] },
  { hosts: ['::'] },
  { hosts: ['metadata.internal'] },
  { hosts: ['10.0.0.1:80'] },
  { hosts: ['10.0.0.1]:1'] },
])('a JOIN with %j is refused: nobody is made to look up names or to show controls', (change) => {
  expect(() => decodeJoin(encodeJoin({ ...join, ...change }))).toThrow(
    expect.objectContaining({ code: 'MALFORMED' }),
  );
});

test('each REQUEST and each STATE comes back as it was', () => {
  for (const request of [{ type: 'piece', index: 7 }, { type: 'leave' }] as const)
    expect(decodeRequest(encodeRequest(request))).toEqual(request);
  const states: State[] = [
    { type: 'waiting', here: 2, expected: 3 },
    { type: 'piece', index: 1, count: 2, bytes: Uint8Array.of(1, 2) },
    { type: 'full', expected: 3 },
    { type: 'ended' },
  ];
  for (const state of states) expect(decodeState(encodeState(state))).toEqual(state);
});

describe('refused', () => {
  test.each([
    ['an unknown request', () => decodeRequest(Uint8Array.of(9, 0, 0))],
    ['a request with more behind it', () => decodeRequest(Uint8Array.of(2, 0))],
    ['an unknown state', () => decodeState(Uint8Array.of(9))],
    ['a piece beyond the last', () => decodeState(Uint8Array.of(2, 0, 2, 0, 2))],
    ['more pieces than a group has', () => decodeState(Uint8Array.of(2, 0, 0, 255, 255))],
    ['nothing', () => decodeState(new Uint8Array(0))],
  ])('%s', (_what, decode) => {
    expect(decode).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
  });
});

test('an introduction of any length is cut into pieces that fit, and put together again', () => {
  const introduction = { sender: new Uint8Array(32).fill(9), group: 'ä'.repeat(5000) };
  const pieces = piecesOf(introduction);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(1024);
  expect(introductionOf(pieces)).toEqual(introduction);
});
