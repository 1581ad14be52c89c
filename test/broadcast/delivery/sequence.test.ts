/** How far each stream may be let go of, by the order in which objects were delivered. */
import { describe, expect, test } from 'vitest';
import type { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Sequence } from '../../../src/broadcast/delivery/sequence.js';

/** A stream as far as this looks at it. */
const streamOf = (delivered = 0, base = 0) => ({ delivered, base }) as Stream;

describe('an object may go', () => {
  test('once all that was delivered before it is held by all', () => {
    const [a, b] = [streamOf(), streamOf()];
    const sequence = new Sequence([]);
    sequence.onDelivered(a, 1);
    sequence.onDelivered(b, 1);

    const held = new Map([
      [a, 0],
      [b, 1],
    ]);
    expect(sequence.settle(held).get(b) ?? 0).toBe(0);
    held.set(a, 1);
    expect([...sequence.settle(held).values()]).toEqual([1, 1]);
  });

  test('of a stream alone as it is held, without those after it', () => {
    const a = streamOf();
    const sequence = new Sequence([]);
    for (const count of [1, 2, 3]) sequence.onDelivered(a, count);

    expect(sequence.settle(new Map([[a, 2]])).get(a)).toBe(2);
  });

  test('though a stream before it is over: nothing of that is kept', () => {
    const [a, b] = [streamOf(), streamOf()];
    const sequence = new Sequence([]);
    sequence.onDelivered(a, 1);
    sequence.onDelivered(b, 1);

    sequence.forget(a);

    expect(sequence.settle(new Map([[b, 1]])).get(b)).toBe(1);
  });

  test('though one before it went before its turn, for want of room', () => {
    const [a, b] = [streamOf(1, 1), streamOf()];
    const sequence = new Sequence([]);
    sequence.onDelivered(a, 1);
    sequence.onDelivered(b, 1);

    const held = new Map([
      [a, 0],
      [b, 1],
    ]);
    expect(sequence.settle(held).get(b)).toBe(1);
  });

  test('of those from former runs only all together: their order is not known', () => {
    const [a, b] = [streamOf(3), streamOf(5, 2)];
    const sequence = new Sequence([a, b]);

    const held = new Map([
      [a, 3],
      [b, 4],
    ]);
    expect(sequence.settle(held).size).toBe(0);
    held.set(b, 5);
    expect([...sequence.settle(held).values()]).toEqual([3, 5]);
  });
});

test('what is remembered is bounded: the oldest go in pairs, never earlier than in their turn', () => {
  const [a, b] = [streamOf(), streamOf()];
  const sequence = new Sequence([]);
  const all = 10_000;
  for (let i = 1; i <= all; i++) for (const stream of [a, b]) sequence.onDelivered(stream, i);

  const [first] = [10, 20].map((count) => {
    const settled = sequence.settle(
      new Map([
        [a, all],
        [b, count],
      ]),
    );
    return settled.get(a) ?? 0;
  });

  expect(first).toBeLessThanOrEqual(11);
  const end = sequence.settle(new Map([a, b].map((stream) => [stream, all])));
  expect([end.get(a), end.get(b)]).toEqual([all, all]);
});
