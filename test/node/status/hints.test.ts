/** What single events say to be wrong, and that it is over. */
import { expect, test } from 'vitest';
import type { NodeEvent } from '../../../src/node/node.js';
import { conditionOf, olderRun } from '../../../src/node/status/hints.js';
import { paperGroup } from '../../network/members.js';

const [ann, ben] = paperGroup(2).members;
const NOW = Date.UTC(2026, 10, 30);
const HOUR = 3_600_000;

test.each<[string, NodeEvent, string, RegExp]>([
  [
    'a name that is not known',
    { type: 'address', member: ben, locator: 'nosuch:1', problem: 'unknown-name', code: 'ENOTFOUND' },
    'unknown-name',
    /nosuch:1 .*ENOTFOUND/,
  ],
  [
    'an address of the other family',
    { type: 'address', member: ben, locator: '[::1]:1', problem: 'other-family' } as NodeEvent,
    'other-family',
    /IPv6 only/,
  ],
  ['another group file', { type: 'foreign-group', member: ben }, 'other-group', /another group file/],
  [
    'another protocol',
    {
      type: 'foreign-version',
      member: ben,
      theirs: { lowest: 7, highest: 9 },
      ours: { lowest: 1, highest: 1 },
    },
    'other-protocol',
    /versions 7 to 9 .* version 1/,
  ],
  ['another version', { type: 'other-version', member: ben, version: 5 }, 'other-version', /version 5/],
  ['a member that does not hear us', { type: 'unheard', member: ben }, 'unheard', /does not hear us/],
  [
    'a run of ours of the future',
    { type: 'superseded', member: ben, counting: NOW + 3 * HOUR },
    'clock-behind',
    /our clock is 3 h or more behind/,
  ],
  [
    'a run of ours that has begun since',
    { type: 'superseded', member: ben, counting: NOW },
    'same-key',
    /second process with our key/,
  ],
])('%s', (_, event, code, text) => {
  expect(conditionOf(event, NOW)).toMatchObject({ code, text: expect.stringMatching(text) });
});

test('a name that leads somewhere again is no problem any more', () => {
  const event: NodeEvent = { type: 'address', member: ben, locator: 'host:1', address: '10.0.0.1:1' };
  expect(conditionOf(event, NOW)).toMatchObject({ code: 'unknown-name', member: ben, isOver: true });
});

test('that a member comes is nothing wrong', () => {
  expect(conditionOf({ type: 'peer', member: ben, reachable: true }, NOW)).toBeUndefined();
});

test('an older run is one of two while the later is here, and else one with a clock that was put back', () => {
  const event = {
    type: 'older-run',
    member: ann,
    incarnation: NOW,
    counting: NOW + 50 * HOUR,
    address: '10.0.0.9:7801',
  } as const;
  expect(olderRun(event, true)).toMatchObject({
    code: 'same-key',
    member: ann,
    text: expect.stringContaining('at 10.0.0.9:7801'),
  });
  expect(olderRun(event, false)).toMatchObject({
    code: 'clock-behind',
    text: expect.stringMatching(/clock 2 days behind/),
  });
});
