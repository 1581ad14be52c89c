/** What goes to one peer takes turns, whatever goes to the others meanwhile. */
import { expect, test } from 'vitest';
import { Outbound } from '../../src/broadcast/outbound.js';
import type { Repair } from '../../src/broadcast/repair.js';
import type { Sources } from '../../src/broadcast/spread/sources.js';
import type { Wings } from '../../src/broadcast/wings.js';
import { fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { Path } from '../../src/path/path.js';
import { SymbolWriter } from '../../src/wire/datagram.js';
import { DATAGRAM_SIZE } from '../../src/wire/limits.js';

const KINDS = ['relayed', 'own', 'served'];

/** The outbound of a peer, with sources that always have something, and which of them were asked. */
function setUp(peer: number, frames: Sources['frames'] = []) {
  const got: string[] = [];
  const symbols = KINDS.map((kind) => ({
    has: () => true,
    // One symbol fills the datagram.
    next: (_now: number, _peer: number, writer: SymbolWriter) => {
      got.push(kind);
      return writer.signed(new Uint8Array(1205));
    },
  }));
  const path = new Path({ controller: () => fixedRate(1e6), rng: new Rng('path'), maxDatagram: 1232 });
  const repair = { readServed: () => {} } as unknown as Repair;
  const outbound = new Outbound(peer, path, { wings: {} as Wings, repair, sources: { frames, symbols } });
  return { outbound, got };
}

test('three peers that are served one after the other each get symbols of every kind', () => {
  const peers = [1, 2, 3].map((peer) => setUp(peer));
  for (let round = 0; round < 3; round++)
    for (const { outbound } of peers)
      outbound.addSymbols(0, new SymbolWriter(new Uint8Array(DATAGRAM_SIZE), [], outbound.manifests));
  expect(peers.map(({ got }) => got.toSorted())).toEqual([1, 2, 3].map(() => KINDS.toSorted()));
});

test('a source of frames leaves room to those behind it, half of the datagram at most', () => {
  const rooms: number[] = [];
  const source = (waits: number) => ({
    dueAt: () => 0,
    waiting: () => waits,
    take: (_now: number, _peer: number, room: number) => {
      rooms.push(room);
      return [];
    },
  });
  const { outbound } = setUp(1, [source(0), source(10_000), source(30)]);
  outbound.takeControl(0, 1000);
  expect(rooms).toEqual([500, 970, 1000]);
});
