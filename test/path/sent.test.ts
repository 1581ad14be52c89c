/** The ring of packets sent: it follows what is in flight. */
import { expect, test } from 'vitest';
import { Fate, SentTable } from '../../src/path/sent.js';

test('a path that is answered in time keeps what it began with, however much it sends', () => {
  const sent = new SentTable(1 << 14);
  const first = sent.fate.length;
  for (let number = 0; number < 10_000; number++) {
    sent.fate[sent.push(number, 100, Fate.InFlight)] = Fate.Acked;
    sent.advance();
  }

  expect(sent.fate.length).toBe(first);
});

test('grows when half of it is in flight, and forgets none of that', () => {
  const sent = new SentTable(1 << 14, 7);
  for (let i = 0; i < 1100; i++) sent.push(i, i, Fate.InFlight);

  const kept = Array.from({ length: 1100 }, (_, i) => sent.size[sent.index(7 + i)]);
  expect([sent.fate.length, kept]).toEqual([2048, Array.from({ length: 1100 }, (_, i) => i)]);
});

test('what it has no room for any more is unknown', () => {
  const sent = new SentTable(32);
  for (let i = 0; i < 40; i++) {
    sent.fate[sent.push(i, 100, Fate.InFlight)] = Fate.Acked;
    sent.advance();
  }

  expect([sent.fateOf(7), sent.fateOf(8)]).toEqual([Fate.Unknown, Fate.Acked]);
});
