/** What members are asked after each step, whether their state contradicts itself, finds what does. */
import { expect, test } from 'vitest';
import { Stream } from '../../src/broadcast/agreement/stream.js';
import { Marks } from '../../src/core/marks.js';
import { sha256 } from '../../src/crypto/hash.js';
import { createCluster } from '../../src/sim/cluster.js';
import { storedSize } from '../../src/store/store.js';
import { boundsOf } from '../broadcast/bounds.js';

function heldStream(objects: number): Stream {
  const stream = new Stream({ origin: 0, incarnation: 1 }, boundsOf(1, 3));
  for (let seq = 0; seq < objects; seq++) stream.hold(seq, sha256(new Uint8Array([seq])), 10);
  return stream;
}

test('a stream that has delivered more than it holds is found', () => {
  const stream = heldStream(2);
  expect(stream.check()).toBeUndefined();
  stream.ledger.delivered = 3;
  expect(stream.check()).toBe('base 0, delivered 3, count 2');
});

test('a stream that counts bytes wrong is found', () => {
  const stream = heldStream(2);
  stream.ledger.backlog--;
  expect(stream.check()).toBe(`backlog of ${2 * storedSize(10) - 1} bytes`);
});

test('a peer with news that nobody has marked is found', () => {
  const { markAll } = Marks.prototype;
  const cluster = createCluster({ seed: 'inspection', members: 3 });
  const { endpoint } = cluster.members[0];
  cluster.world.runUntil(1_000_000);
  expect(endpoint.check()).toBeUndefined();
  Marks.prototype.markAll = () => {};
  try {
    cluster.broadcast(0, new Uint8Array(10));
    expect(endpoint.check()).toMatch(/^control to \d is due at/);
  } finally {
    Marks.prototype.markAll = markAll;
    cluster.dispose();
  }
});
