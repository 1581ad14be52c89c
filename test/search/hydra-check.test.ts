/** The judge of the hydra soak: what it passes, and that each of its claims bites. */
import { expect, test } from 'vitest';
import { type Entry, isSettled, judge, parseLog } from '../../tools/search/hydra/check.js';

const start = (run: number): Entry => ({ type: 'start', run });
const sent = (id: string): Entry[] => [
  { type: 'submit', id },
  { type: 'queued', id },
];
const arrive = (id: string, revision: number): Entry => ({ type: 'arrive', id, revision });
const violations = (logs: Entry[][], messagesOfAPut = 1) => judge(logs, messagesOfAPut).violations;

test('everything everywhere, in order, is no violation', () => {
  const one = [start(0), ...sent('0/0/0'), ...sent('0/0/1'), arrive('0/0/0', 2), arrive('0/0/1', 3)];
  const two = [start(0), arrive('0/0/0', 5), arrive('0/0/1', 9)];
  expect(judge([one, two], 1)).toEqual({ queued: 2, arrivals: 4, putAgain: 0, toldAgain: 0, violations: [] });
  expect(isSettled([one, two])).toBe(true);
  expect(isSettled([one, two.slice(0, 2)])).toBe(false);
});

test('a message that a node put again after it was killed is none either', () => {
  const one = [start(0), ...sent('0/0/0'), arrive('0/0/0', 2), start(1), arrive('0/0/0', 3)];
  expect(violations([one])).toEqual([]);
  expect(judge([one], 1).putAgain).toBe(1);
});

test('nor is one that is told again after a restart', () => {
  const one = [start(0), ...sent('0/0/0'), arrive('0/0/0', 2), start(1), arrive('0/0/0', 2)];
  expect(violations([one])).toEqual([]);
  expect(judge([one], 1).toldAgain).toBe(1);
});

test.each<[string, Entry[], string]>([
  ['queued and nowhere', [start(0), ...sent('0/0/0')], 'lost: 0/0/0'],
  ['never submitted', [start(0), arrive('0/0/0', 2)], 'created: 0/0/0'],
  [
    'twice without a restart',
    [start(0), ...sent('0/0/0'), arrive('0/0/0', 2), arrive('0/0/0', 3)],
    'doubled',
  ],
  [
    'in another order',
    [start(0), ...sent('0/0/0'), ...sent('0/0/1'), arrive('0/0/1', 2), arrive('0/0/0', 3)],
    'order: node 0: 0/0/0 after 0/0/1',
  ],
  [
    'revisions that go back',
    [start(0), ...sent('0/0/0'), ...sent('0/0/1'), arrive('0/0/0', 3), arrive('0/0/1', 2)],
    'revision 2 after 3',
  ],
  ['ended by a status', [start(0), { type: 'end', reason: 'GrpcError: NOT_FOUND' }], 'ended: node 0'],
])('%s is one', (_, log, expected) => {
  expect(violations([log]).join('\n')).toContain(expected);
});

test('more put again than a put holds is one', () => {
  const ids = ['0/0/0', '0/0/1', '0/0/2'];
  const twice = [start(0), ...ids.flatMap(sent), ...ids.map((id) => arrive(id, 2)), start(1)];
  const log = [...twice, ...ids.map((id) => arrive(id, 3))];
  expect(violations([log], 3)).toEqual([]);
  expect(violations([log], 2).join('\n')).toContain('doubled: 3 messages');
});

test('a torn last line of a log counts for nothing', () => {
  expect(parseLog('{"type":"start","run":0}\n{"type":"sub')).toEqual([start(0)]);
});
