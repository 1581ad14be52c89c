/** Events of a member that say at once what is wrong: as warnings, and in words. */
import type { VersionRange } from '../../wire/dialect.js';
import type { NodeEvent } from './events.js';
import type { Condition } from './warnings.js';

type Of<T extends NodeEvent['type']> = Extract<NodeEvent, { type: T }>;

/** Events that are warnings, too: who is told of these need not be told of those. */
export const WARNED = [
  'address',
  'foreign-group',
  'foreign-version',
  'older-run',
  'other-version',
  'store-full',
  'superseded',
  'unheard',
] as const;

/** What people read of them. */
export const HINT_TEXTS: { [T in (typeof WARNED)[number]]: (event: Of<T>) => string } = {
  address: (event) => {
    if ('address' in event) return `${event.member.name} is now at ${event.address} (${event.locator})`;
    if (event.problem === 'unknown-name')
      return `${event.locator} of ${event.member.name} is not known (${event.code}): it is looked up again`;
    return `${event.locator} of ${event.member.name} has IPv6 only, and this member is bound to IPv4 (see --bind)`;
  },
  'foreign-group': ({ member }) =>
    `${member?.name ?? 'somebody who knows our key'} seems to have another group file`,
  'foreign-version': ({ member, theirs, ours }) =>
    `${member.name} seems to speak ${versions(theirs)} of the protocol, this member ${versions(ours)}: they have no session until the older one of the two is upgraded`,
  'older-run': ({ member, address }) =>
    `an earlier run of ${member.name}, at ${address}, is refused: its key runs in two places, or its clock was put back`,
  'other-version': ({ member, version }) => `${member.name} runs version ${version}`,
  'store-full': ({ full }) =>
    full ? 'the store is full: nothing more is confirmed' : 'the store has room again',
  superseded: ({ member }) =>
    `${member.name} does not let us in: for it a later run with our key counts (the key runs in two places, or our clock was put back)`,
  unheard: ({ member }) => `we hear ${member.name}, but it does not hear us`,
};

/** What an event is a hint at; with `isOver`, what it says is over. */
export function conditionOf(event: NodeEvent, now: number): (Condition & { isOver?: boolean }) | undefined {
  switch (event.type) {
    case 'address':
      if ('address' in event) return { code: 'unknown-name', member: event.member, text: '', isOver: true };
      return {
        code: event.problem === 'unknown-name' ? 'unknown-name' : 'other-family',
        member: event.member,
        text: HINT_TEXTS.address(event),
      };
    case 'foreign-group':
      return { code: 'other-group', member: event.member, text: HINT_TEXTS['foreign-group'](event) };
    case 'foreign-version':
      return { code: 'other-protocol', member: event.member, text: HINT_TEXTS['foreign-version'](event) };
    case 'other-version':
      return { code: 'other-version', member: event.member, text: HINT_TEXTS['other-version'](event) };
    case 'unheard':
      return { code: 'unheard', member: event.member, text: HINT_TEXTS.unheard(event) };
    case 'superseded': {
      // Runs are numbered by the clock: one of the future was numbered by a clock that is ahead of ours.
      const ahead = event.counting - now;
      return ahead > CLOCK_SLACK_MS
        ? {
            code: 'clock-behind',
            text: `our clock is ${span(ahead)} or more behind that of our last run, whose store is lost: ${event.member.name} lets us in once that run has been silent for 10 s`,
          }
        : {
            code: 'same-key',
            text: `a second process with our key has started after this one: ${event.member.name} hears that one, and not us`,
          };
    }
    default:
      return undefined;
  }
}

/**
 * What an older run of a member is a sign of, that is refused: while the run that counts is here, of two that are alive; and else of a clock
 * that was put back. Which of the two it is takes some seconds to tell.
 */
export function olderRun(
  { member, incarnation, counting, address }: Of<'older-run'>,
  isHere: boolean,
): Condition {
  return isHere
    ? {
        code: 'same-key',
        member,
        text: `a second process runs with the key of ${member.name}: the one that started later counts, the other, at ${address}, is refused`,
      }
    : {
        code: 'clock-behind',
        member,
        text: `${member.name} has started with a clock ${span(counting - incarnation)} behind that of its last run, and without the store of that: it is let in once its last run has been silent for 10 s`,
      };
}

/** A length of time for people. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

const versions = ({ lowest, highest }: VersionRange) =>
  lowest === highest ? `version ${lowest}` : `versions ${lowest} to ${highest}`;

const CLOCK_SLACK_MS = 1000;
