/** How members tell each other how they stand: until it is heard, and nothing of what an earlier run has said counts. */
import { beforeEach, expect, test } from 'vitest';
import { OFFER, Telling } from '../../src/bulk/telling.js';
import { BulkTransfer } from '../../src/bulk/transfer.js';
import { Marks } from '../../src/core/marks.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import type { TransferFrame } from '../../src/wire/frames/transfer.js';
import { frameSize } from '../../src/wire/frames.js';
import { MAX_TRANSFER_REASON } from '../../src/wire/limits.js';
import { TRANSFER_BIT } from '../../src/wire/symbol.js';

const PEER = 1;
const ROOM = 1000;
let transfer: BulkTransfer;
let telling: Telling;
let copies: number;
let first: number[];

beforeEach(() => {
  copies = 1;
  first = [];
  transfer = new BulkTransfer({ origin: 0, incarnation: TRANSFER_BIT + 7 });
  telling = tellingOf(0);
  telling.touch(0, transfer);
});

function tellingOf(self: number): Telling {
  return new Telling({
    members: 2,
    self,
    changed: new Marks(2),
    speaks: () => true,
    timeoutOf: () => 100 * MILLISECOND,
    copiesFor: () => copies,
    onFirst: (_now, peer) => first.push(peer),
  });
}

/** What the peer says. */
function saying(version: number, heard: number): TransferFrame {
  const { origin, incarnation } = transfer;
  const none = new Uint8Array(0);
  const stands = { state: 'receiving', count: 0, sent: 0, reason: none, ahead: none } as const;
  return { kind: 'transfer', origin, incarnation, version, heard, ...stands };
}

test('what is heard is not said again', () => {
  const [{ version }] = telling.take(0, PEER, ROOM);
  telling.onFrame(MILLISECOND, PEER, transfer, saying(0, version));
  expect(telling.isHeard(PEER, transfer)).toBe(true);
});

test('where much is lost news goes out several times at once, and then as rarely as ever', () => {
  copies = 3;
  const sentAt: number[] = [];
  for (let now = 0; now < 300 * MILLISECOND; now += MILLISECOND)
    if (telling.take(now, PEER, ROOM).length > 0) sentAt.push(now / MILLISECOND);
  expect(sentAt).toEqual([0, 8, 16, 116, 266]);
});

test('a peer that has heard nothing of it is told for the first time, until it has', () => {
  const [{ version }] = telling.take(0, PEER, ROOM);
  expect(first).toEqual([PEER]);
  telling.onFrame(MILLISECOND, PEER, transfer, saying(0, version));
  telling.touch(SECOND, transfer);
  telling.take(SECOND, PEER, ROOM);
  expect(first).toEqual([PEER]);
});

test('who has heard more than was said has heard an earlier run of ours, and is told anew', () => {
  telling.take(0, PEER, ROOM);
  telling.onFrame(MILLISECOND, PEER, transfer, saying(1, 50));
  expect(telling.isHeard(PEER, transfer)).toBe(false);
  const [frame] = telling.take(SECOND, PEER, ROOM);
  expect(frame.version).toBeGreaterThan(0);
});

test('what is offered again by the same run is news to who has heard of it before', () => {
  telling.touch(0, transfer);
  const [before] = telling.take(SECOND, PEER, ROOM);
  telling.forget(transfer);
  telling.begin(transfer);
  telling.touch(2 * SECOND, transfer);
  telling.onFrame(2 * SECOND, PEER, transfer, saying(0, before.version));

  const [again] = telling.take(3 * SECOND, PEER, ROOM);

  expect(again.version).toBeGreaterThan(before.version);
});

test('how a peer stood before it heard of our offer is not taken in', () => {
  telling.begin(transfer);
  expect(telling.onFrame(0, PEER, transfer, saying(1, 0))).toBe(false);
  expect(telling.onFrame(0, PEER, transfer, saying(1, OFFER))).toBe(true);
});

test('whose origin offers it once more is told again how we stand, though it had heard it', () => {
  const ours = tellingOf(1);
  ours.touch(0, transfer);
  ours.onFrame(0, 0, transfer, saying(OFFER, 0));
  const [{ version }] = ours.take(SECOND, 0, ROOM);
  ours.onFrame(SECOND, 0, transfer, saying(0, version));

  ours.onFrame(2 * SECOND, 0, transfer, saying(2 * OFFER, 0));

  expect(ours.take(3 * SECOND, 0, ROOM)[0].version).toBe(version);
});

test('what comes late says nothing over what came before it', () => {
  expect(telling.onFrame(0, PEER, transfer, saying(2, 0))).toBe(true);
  expect(telling.onFrame(0, PEER, transfer, saying(1, 0))).toBe(false);
});

test('however much a peer says, it is answered once in 10 ms', () => {
  telling.take(0, PEER, ROOM);
  let answers = 0;
  for (let now = 0, version = 1; now < 100 * MILLISECOND; now += MILLISECOND, version++) {
    telling.onFrame(now, PEER, transfer, saying(version, 0));
    answers += telling.take(now, PEER, ROOM).length;
  }
  expect(answers).toBeLessThanOrEqual(10);
});

test.each(['ä'.repeat(150), `x${'ä'.repeat(150)}`])(
  'a reason is cut between two characters: %s',
  (reason) => {
    transfer.reason = reason;
    const [frame] = telling.take(0, PEER, ROOM);
    expect(frame.reason.length).toBeLessThanOrEqual(MAX_TRANSFER_REASON);
    const said = new TextDecoder('utf-8', { fatal: true }).decode(frame.reason);
    expect(reason.startsWith(said)).toBe(true);
  },
);

test('where there is little room, as beside a long ACK, the bitmap is cut to it', () => {
  for (let seq = 1; seq < 4000; seq += 2) transfer.hold(seq, new Uint8Array(0));
  const [frame] = telling.take(0, PEER, 100);
  expect(frameSize(frame)).toBe(100);
});

test('what waits for a peer is counted until it is heard, so that others leave room for it', () => {
  expect(telling.waiting(PEER, ROOM)).toBeGreaterThan(0);

  const [{ version }] = telling.take(0, PEER, ROOM);
  telling.onFrame(MILLISECOND, PEER, transfer, saying(0, version));
  telling.take(SECOND, PEER, ROOM);

  expect(telling.waiting(PEER, ROOM)).toBe(0);
});
