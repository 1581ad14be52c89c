/** The outbox: many small messages make one object, a large one its own, in the order in which they came. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Outbox } from '../../../src/broadcast/delivery/outbox.js';
import { holds } from '../../wire/holds.js';

const KIB = 1024;

test('every message comes out once, in order, whatever their sizes', () =>
  holds(
    'outbox order',
    fc.property(fc.array(fc.nat(40 * KIB), { maxLength: 50 }), (sizes) => {
      const outbox = new Outbox();
      const tickets = sizes.map((size) => outbox.submit(new Uint8Array(size)));
      const taken: { ticket: number; size: number }[] = [];
      while (!outbox.isEmpty) {
        const next = outbox.nextBytes();
        const part = outbox.take();
        expect(part.messages.reduce((sum, { length }) => sum + length, 0)).toBe(next);
        part.tickets.forEach((ticket, i) => {
          taken.push({ ticket, size: part.messages[i].length });
        });
      }
      expect(taken).toEqual(tickets.map((ticket, i) => ({ ticket, size: sizes[i] })));
    }),
  ));

describe('an object', () => {
  test('takes small messages up to 112 KiB with their lengths', () => {
    const outbox = new Outbox();
    for (let i = 0; i < 200; i++) outbox.submit(new Uint8Array(KIB - 4));
    expect([outbox.take().messages.length, outbox.take().messages.length]).toEqual([112, 88]);
  });

  test('of a large message holds no other, however much waits', () => {
    const outbox = new Outbox();
    outbox.submit(new Uint8Array(10));
    outbox.submit(new Uint8Array(100 * KIB));
    outbox.submit(new Uint8Array(10));
    outbox.submit(new Uint8Array(KIB * KIB));
    expect([1, 2, 3].map(() => outbox.take().messages.map(({ length }) => length))).toEqual([
      [10],
      [100 * KIB],
      [10],
    ]);
  });
});

describe('room', () => {
  test('ends at 4096 messages, and comes back as they go', () => {
    const outbox = new Outbox();
    for (let i = 0; i < 4096; i++) outbox.submit(new Uint8Array(1));
    expect(outbox.hasRoom).toBe(false);
    expect(() => outbox.submit(new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'BUSY' }));
    outbox.take();
    expect(outbox.hasRoom).toBe(true);
  });

  test('ends at 8 MiB, though one message larger than that is taken', () => {
    const outbox = new Outbox();
    outbox.submit(new Uint8Array(64 * KIB * KIB));
    expect(outbox.hasRoom).toBe(false);
    outbox.take();
    expect(outbox.hasRoom).toBe(true);
  });

  test('comes back when a message is taken back', () => {
    const outbox = new Outbox();
    const ticket = outbox.submit(new Uint8Array(8 * KIB * KIB));
    expect(outbox.cancel(ticket)).toBe(true);
    expect(outbox.hasRoom).toBe(true);
  });
});

test('what is taken back does not go out; what went out cannot be taken back', () => {
  const outbox = new Outbox();
  const [first, second, third] = [1, 2, 3].map((size) => outbox.submit(new Uint8Array(size)));
  expect(outbox.cancel(second)).toBe(true);
  expect(outbox.cancel(second)).toBe(false);
  expect(outbox.take().tickets).toEqual([first, third]);
  expect(outbox.cancel(first)).toBe(false);
});
