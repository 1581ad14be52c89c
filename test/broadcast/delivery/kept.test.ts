/** Whose objects go first when the store is full: those of the origin that takes most. */
import { expect, test } from 'vitest';
import type { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Streams } from '../../../src/broadcast/agreement/streams.js';
import { Kept } from '../../../src/broadcast/delivery/kept.js';
import { storedSize } from '../../../src/store/store.js';
import { boundsOf } from '../bounds.js';
import { emptyStore, storedObject } from '../objects.js';

const hash = new Uint8Array(32);

function newKept() {
  const streams = new Streams(boundsOf(0, 4), emptyStore());
  const kept = new Kept(streams, emptyStore());
  /** Stores `count` objects of a stream, and delivers them or not. */
  const store = (origin: number, incarnation: number, count: number, length: number, isDelivered = true) => {
    const stream = streams.signed({ origin, incarnation }) as Stream;
    for (let i = 0; i < count; i++) {
      const seq = stream.count;
      stream.hold(seq, hash, length);
      kept.add(stream, seq, length);
      if (isDelivered) stream.onDelivered();
    }
    return stream;
  };
  return { kept, store };
}

test('not those of the stream with most objects, if they are small', () => {
  const { kept, store } = newKept();
  store(1, 7, 100, 10);
  const large = store(2, 7, 20, 10_000);
  expect(kept.first()).toBe(large);
});

test('of an origin with many streams these count together, and the largest of them goes first', () => {
  const { kept, store } = newKept();
  store(1, 7, 10, 1000);
  const streams = [1, 2, 3].map((incarnation) => store(2, incarnation, 3 + incarnation, 1000));
  expect(kept.first()).toBe(streams[2]);
});

test('what is not delivered counts, but only what is delivered can go', () => {
  const { kept, store } = newKept();
  store(1, 7, 10, 1000);
  store(2, 1, 20, 1000, false);
  const small = store(2, 2, 1, 10);
  expect(kept.first()).toBe(small);
});

test('what has been pruned or dropped counts no more', () => {
  const { kept, store } = newKept();
  const pruned = store(1, 7, 128, 1000);
  const dropped = store(2, 7, 64, 900);
  store(2, 7, 128, 1000, false);
  const third = store(3, 7, 65, 950);
  pruned.prune(64);
  kept.drop(dropped, dropped.delivered);
  // They take 96768, 90368 and 95030 bytes.
  expect(kept.first()).toBe(pruned);
  pruned.prune(128);
  expect(kept.first()).toBe(third);
});

test('of what was there before a restart the sum is known', () => {
  const zero = new Uint8Array(32);
  const state = (origin: number, base: number, delivered: number) => {
    return { origin, incarnation: 7, base, delivered, index: 0, chain: zero, baseChain: zero };
  };
  const held = storedObject({ origin: 1, incarnation: 7, seq: 300 }, new Uint8Array(500));
  const loaded = {
    ...emptyStore(),
    streams: [state(1, 200, 300), state(2, 0, 110)],
    held: [held],
    bytes: storedSize(500) + 210 * storedSize(100),
  };
  const streams = new Streams(boundsOf(0, 4), loaded);
  const kept = new Kept(streams, loaded);
  expect(kept.first()?.origin).toBe(2);
  kept.add(streams.find({ origin: 1, incarnation: 7 })!, 301, 5000);
  expect(kept.first()?.origin).toBe(1);
});
