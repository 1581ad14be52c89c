/** Reports: each thing is said once, and one member that does much cannot keep what others do from being said. */
import { expect, test } from 'vitest';
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
