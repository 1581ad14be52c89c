/** Keys of our messages: of the last 65,536 it is known where they went, also after a restart. */
import { expect, test } from 'vitest';
import { SentKeys } from '../../../src/broadcast/delivery/sent.js';
import { Rng } from '../../../src/core/rng.js';
import { MAX_SENT_KEYS, type SentKey } from '../../../src/store/store.js';

const key = (name: number) => new TextEncoder().encode(`${name}`);

/** As many as are kept and `more`, each in an object of its own. */
function fill(more: number): { sent: SentKeys; stored: SentKey[] } {
  const sent = new SentKeys(3, []);
  const stored: SentKey[] = [];
  for (let seq = 0; seq < MAX_SENT_KEYS + more; seq++) {
    const entries = sent.entries(7, seq, [undefined, key(seq)]);
    sent.remember(entries);
    stored.push(...entries);
  }
  return { sent, stored };
}

test('a key names its message while it is one of the last', () => {
  const { sent } = fill(2);
  expect([0, 1, 2].map((name) => sent.find(key(name)))).toEqual([
    undefined,
    undefined,
    { origin: 3, incarnation: 7, seq: 2, index: 1 },
  ]);
});

test('numbers go on where they were: what is stored next takes the place of the oldest', () => {
  const { stored } = fill(0);
  const again = new SentKeys(3, stored);
  expect(again.entries(8, 0, [key(-1)])).toMatchObject([{ number: MAX_SENT_KEYS }]);
  again.remember([{ number: MAX_SENT_KEYS, key: key(-1), incarnation: 8, seq: 0, index: 0 }]);
  expect([again.find(key(0)), again.find(key(1))?.seq]).toEqual([undefined, 1]);
});

test('keys of any length are found as in a map that keeps the last, whatever is sent again', () => {
  const rng = new Rng('sent');
  const sent = new SentKeys(3, []);
  const model = new Map<string, number>();
  for (let seq = 0; seq < 5000; seq++) {
    // Few names, of 1 to 64 bytes, so that many come again.
    const name = String(rng.integer(0, 1500)).repeat(rng.integer(1, 16));
    const bytes = new TextEncoder().encode(name);
    expect(sent.find(bytes)?.seq).toBe(model.get(name));
    sent.remember(sent.entries(7, seq, [bytes]));
    model.set(name, seq);
  }
  for (const [name, seq] of model) expect(sent.keysOf(7, seq)).toEqual([new TextEncoder().encode(name)]);
});

test('what is not in the store is not known', () => {
  const sent = new SentKeys(3, []);
  sent.entries(7, 0, [key(1)]);
  expect(sent.find(key(1))).toBeUndefined();
});

test('a message that is sent again in another object keeps its key', () => {
  const sent = new SentKeys(3, []);
  sent.remember(sent.entries(7, 0, [key(1), undefined, key(2)]));
  sent.remember(sent.entries(8, 5, sent.keysOf(7, 0)));
  expect([sent.find(key(1)), sent.find(key(2))]).toMatchObject([
    { incarnation: 8, seq: 5, index: 0 },
    { incarnation: 8, seq: 5, index: 2 },
  ]);
});
