/** What peers still lack of an object, as they say. */
import { expect, test } from 'vitest';
import { Deficits } from '../../../../src/broadcast/spread/outgoing/deficits.js';
import { NEVER } from '../../../../src/core/time.js';

const PEERS = [1, 2];
/** Two blocks, of 10 and 9 symbols. */
const newDeficits = () => new Deficits(PEERS, [10, 9]);
const frame = (complete: number, ...missing: [sbn: number, symbols: number][]) => ({
  kind: 'progress' as const,
  id: { origin: 0, incarnation: 1, seq: 0 },
  sourceBlocks: 2,
  complete: Uint8Array.of(complete),
  missing: missing.map(([sbn, symbols]) => ({ sbn, symbols })),
});

test('a peer lacks each block until it says that it has it, or confirms the object', () => {
  const deficits = newDeficits();
  deficits.onProgress(0, 1, frame(0b01));
  deficits.onConfirm(2);
  expect([deficits.lacking(0), deficits.lacking(1)]).toEqual([[], [1]]);
});

test('what a peer has said is no part of the datagram, whose memory the next one is written to', () => {
  const deficits = newDeficits();
  const said = frame(0b01);
  deficits.onProgress(0, 1, said);
  said.complete.fill(0);
  expect(deficits.lacking(0)).toEqual([2]);
});

test('a peer that starts again lacks all of it', () => {
  const deficits = newDeficits();
  deficits.onProgress(0, 1, frame(0b11));
  deficits.onRestart(1);
  expect([deficits.lacking(0), deficits.lacking(1)]).toEqual([PEERS, PEERS]);
});

test('only what is more than it had said before is progress', () => {
  const deficits = newDeficits();
  const advanced = [frame(0, [0, 5]), frame(0, [0, 5]), frame(0, [0, 7]), frame(0, [0, 4], [1, 3])].map(
    (said, now) => deficits.onProgress(now, 1, said),
  );
  expect(advanced).toEqual([[0], [], [], [0, 1]]);
  expect([deficits.advance(1, 0).at, deficits.advance(2, 0).at]).toEqual([3, -NEVER]);
});

test('what it says of another number of blocks, or after its confirm, is not heard', () => {
  const deficits = newDeficits();
  const other = deficits.onProgress(0, 1, { ...frame(0b11), sourceBlocks: 3 });
  deficits.onConfirm(2);
  expect([other, deficits.onProgress(0, 2, frame(0, [0, 1])), deficits.lacking(0)]).toEqual([[], [], [1]]);
});
