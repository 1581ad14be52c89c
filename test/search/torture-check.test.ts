/** The judge of the torture: a history as it should be has nothing against it, and each way to break one is seen. */
import { expect, test } from 'vitest';
import { isSettled, judge } from '../../tools/search/torture/check.js';
import { type Entry, formatEntry, type Id, parseLog } from '../../tools/search/torture/history.js';

type Log = Entry[];
const start = (run: number): Entry => ({ type: 'start', run });
const submit = (digest: string, run = 0): Entry => ({ type: 'submit', run, digest });
const durable = (digest: string, run = 0): Entry => ({ type: 'durable', run, digest });
const deliver = (origin: number, seq: number, digest: string, run = 0): Entry => {
  const id: Id = [origin, 7, seq, 0];
  return { type: 'deliver', run, id, digest };
};

/** Member 0 sends a, b and c; member 1 answers b with d, and is restarted in the middle. */
function history(): [Log, Log] {
  return [
    [
      start(0),
      ...['a', 'b', 'c'].flatMap((digest) => [submit(digest), durable(digest)]),
      deliver(0, 0, 'a'),
      deliver(0, 1, 'b'),
      deliver(1, 0, 'd'),
      deliver(0, 2, 'c'),
    ],
    [
      start(0),
      deliver(0, 0, 'a'),
      deliver(0, 1, 'b'),
      submit('d'),
      durable('d'),
      start(1),
      deliver(0, 1, 'b', 1),
      deliver(1, 0, 'd', 1),
      deliver(0, 2, 'c', 1),
    ],
  ];
}

const found = (logs: Log[], order: 'fifo' | 'causal' = 'causal') =>
  judge(logs, order).violations.map((violation) => violation.split(':')[0]);
const isDelivery = (digest: string) => (entry: Entry) => entry.type === 'deliver' && entry.digest === digest;

test('a history as it should be', () => {
  const logs = history();
  expect(judge(logs, 'causal')).toEqual({
    submitted: 4,
    durable: 4,
    deliveries: 9,
    repeats: 1,
    violations: [],
  });
  expect(isSettled(logs)).toBe(true);
});

test('a message that is at one member only is not settled, and breaks agreement', () => {
  const [zero, one] = history();
  zero.pop();
  expect(isSettled([zero, one])).toBe(false);
  expect(found([zero, one])).toContain('agreement');
});

test('a durable message that nobody delivers is lost', () => {
  const [zero, one] = history();
  const logs = [[...zero, submit('e'), durable('e')], one];
  expect(isSettled(logs)).toBe(false);
  expect(found(logs)).toEqual(['lost']);
});

test('one that was submitted but never known to be durable may be lost', () => {
  const [zero, one] = history();
  expect(found([[...zero, submit('e')], one])).toEqual([]);
});

test('a repeat that is not at a restart', () => {
  const [zero, one] = history();
  expect(found([[...zero, deliver(0, 2, 'c')], one])).toEqual(['order']);
});

test('a restart that skips a message', () => {
  const [zero, one] = history();
  const at = one.findLastIndex(isDelivery('b'));
  one.splice(one.findIndex(isDelivery('b')), 1);
  one.splice(at - 1, 1);
  expect(found([zero, one])).toContain('order');
});

test('a message under two ids', () => {
  const [zero, one] = history();
  const twice = deliver(0, 3, 'c');
  expect(
    found([
      [...zero, twice],
      [...one, { ...twice, run: 1 }],
    ]),
  ).toContain('doubled');
});

test('one id with two contents', () => {
  const [zero, one] = history();
  zero.push(submit('x'));
  const logs = [zero, one.map((entry) => (isDelivery('c')(entry) ? deliver(0, 2, 'x', 1) : entry))];
  expect(found(logs)).toContain('agreement');
});

test('a message that its origin has not submitted', () => {
  const [zero, one] = history();
  const forged = deliver(1, 1, 'x');
  expect(
    found([
      [...zero, forged],
      [...one, { ...forged, run: 1 }],
    ]),
  ).toContain('created');
});

test('messages of one origin in another order than it submitted them', () => {
  const [zero, one] = history();
  const [a, b] = [zero.findIndex((entry) => entry.type === 'submit' && entry.digest === 'a'), 3];
  [zero[a], zero[b]] = [zero[b], zero[a]];
  expect(found([zero, one])).toEqual(['fifo']);
});

test('an answer before the question breaks causal order, and not that of each origin', () => {
  const [zero, one] = history();
  const [answer] = zero.splice(zero.findIndex(isDelivery('d')), 1);
  zero.splice(zero.findIndex(isDelivery('a')) + 1, 0, answer);
  expect(found([zero, one])).toEqual(['causal']);
  expect(found([zero, one], 'fifo')).toEqual([]);
});

test('what a member was told of counts', () => {
  const [zero, one] = history();
  expect(found([[...zero, { type: 'fault', run: 0, text: 'lost: ...' }], one])).toEqual(['member 0, run 0']);
});

test('a log comes back as it was written, but for a line that was cut off', () => {
  const [, log] = history();
  const cut = formatEntry(deliver(0, 2, 'c')).slice(0, -4);
  expect(parseLog(`${log.map(formatEntry).join('')}${cut}${formatEntry(start(2))}`)).toEqual([
    ...log,
    start(2),
  ]);
});
