/** Memory of slices that is used again: what is given back is taken first, and nothing that is still in use. */
import { expect, test } from 'vitest';
import { BufferPool } from '../../src/bulk/buffers.js';

test('what is given back is taken before memory is asked for', () => {
  const pool = new BufferPool(100, 2);
  const first = pool.take(100);
  pool.give(first.subarray(0, 60));

  const next = pool.take(80);

  expect(next.buffer).toBe(first.buffer);
  expect(next.length).toBe(80);
});

test('what is given back twice is taken once', () => {
  const pool = new BufferPool(100, 2);
  const bytes = pool.take(100);
  pool.give(bytes);
  pool.give(bytes);

  expect(pool.take(100).buffer).not.toBe(pool.take(100).buffer);
});

test('it keeps no more than it is to, and nothing of another size', () => {
  const pool = new BufferPool(100, 1);
  const [a, b] = [pool.take(100), pool.take(100)];
  for (const bytes of [new Uint8Array(99), a, b]) pool.give(bytes);

  const taken = [pool.take(100), pool.take(100)].map(({ buffer }) => buffer);

  expect(taken[0]).toBe(a.buffer);
  expect([a.buffer, b.buffer]).not.toContain(taken[1]);
});

test('what is larger than its buffers has memory of its own', () => {
  expect(new BufferPool(100, 1).take(101).length).toBe(101);
});
