/** Reports: each thing is said once, and one member that does much cannot keep what others do from being said. */
import { expect, test } from 'vitest';
import type { Stream } from '../../src/broadcast/agreement/stream.js';
import type { BroadcastEvent } from '../../src/broadcast/events.js';
import { MAX_REPORTS, Reports } from '../../src/broadcast/reports.js';

const [LIAR, OTHER] = [3, 2];
const idOf = (origin: number, seq: number) => ({ origin, incarnation: 7, seq });

test('each thing is said once', () => {
  const events: BroadcastEvent[] = [];
  const reports = new Reports(events);
  for (let i = 0; i < 3; i++) reports.add(LIAR, idOf(LIAR, 0), 'malformed-object');
  expect([events.length, reports.has(LIAR, idOf(LIAR, 0), 'malformed-object')]).toEqual([1, true]);
});

test('so much of one member, and as much of another', () => {
  const events: BroadcastEvent[] = [];
  const reports = new Reports(events);
  for (let seq = 0; seq < 10 * MAX_REPORTS; seq++) reports.add(LIAR, idOf(LIAR, seq), 'malformed-object');
  reports.add(OTHER, idOf(OTHER, 0), 'wrong-symbols');
  expect(events).toHaveLength(MAX_REPORTS + 1);
});

test('disagreements with a member, of which nobody can tell who lies, use up nothing of what it can be shown to have done', () => {
  const events: BroadcastEvent[] = [];
  const reports = new Reports(events);
  for (let seq = 0; seq < 2 * MAX_REPORTS; seq++)
    reports.addDisagreement(
      { ...idOf(OTHER, 0), delivered: seq, comparison: { disputed: [LIAR] } } as unknown as Stream,
      LIAR,
    );
  reports.add(LIAR, idOf(LIAR, 0), 'equivocation');
  expect(events.filter(({ type }) => type === 'misbehaviour')).toHaveLength(1);
});
