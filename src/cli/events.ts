/** What happens to a member, for people and programs: as text and JSON, and what it says of members that do not answer. */

import { type MemberEvent, mapWho } from '../events.js';
import type { Member } from '../group/group.js';
import type { Node, NodeEvent } from '../node/node.js';
import { plainEvent } from '../node/status/events.js';
import { HINT_TEXTS } from '../node/status/hints.js';
import { formatBytes, isTold, note, tellJson } from './io.js';
import { levelOf } from './logging/level.js';

/** Tells events as they come, and remembers why a member may be out of reach. */
export class Events {
  private readonly json: boolean;
  private readonly quiet: readonly NodeEvent['type'][];
  private readonly causes = new Map<Member, string>();
  private readonly heard = new Set<Member>();
  private readonly told = new Map<string, number>();

  /** @param quiet events that people are not told of */
  constructor(json: boolean, quiet: readonly NodeEvent['type'][] = []) {
    this.json = json;
    this.quiet = quiet;
  }

  on(event: NodeEvent): void {
    this.remember(event);
    if (this.json) tellJson(eventJson(event));
    else if (!this.quiet.includes(event.type) && !this.isSaidElsewhere(event)) this.tell(event);
  }

  /** Why a member has not confirmed, as far as can be known here. */
  why(member: Member, node: Node): string {
    const cause = this.causes.get(member);
    if (cause !== undefined) return cause;
    const isHere = peersOf(node).some((peer) => peer.member === member && peer.reachable);
    if (isHere) return 'it is here, but has not got all of it';
    return this.heard.has(member) ? 'it has gone' : 'nothing was heard of it';
  }

  private remember(event: NodeEvent): void {
    if (!('member' in event) || !event.member) return;
    const { member } = event;
    if (event.type === 'peer') {
      this.heard.add(member);
      if (event.reachable) this.causes.delete(member);
    } else if (event.type === 'address' && 'address' in event) this.causes.delete(member);
    else if (CAUSES.includes(event.type)) this.causes.set(member, eventText(event));
  }

  /** That a member has gone that was here is told as such. */
  private isSaidElsewhere(event: NodeEvent): boolean {
    if (event.type !== 'warning' || event.code !== 'member-away') return false;
    return this.quiet.includes('peer') || (this.heard.has(event.member!) && isTold('info'));
  }

  /** The same is not told more than once a minute, but for members that come and go, what is lost, and warnings, which are rare. */
  private tell(event: NodeEvent): void {
    const text = eventText(event);
    const now = performance.now();
    if (!['peer', 'lost', 'warning'].includes(event.type)) {
      if (now - (this.told.get(text) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return;
      if (this.told.size >= MAX_TOLD) this.told.clear();
      this.told.set(text, now);
    }
    note(text, levelOf(event));
  }
}

/** All other members, and whether they are here. */
export function peersOf(node: Node): { member: Member; reachable: boolean }[] {
  const { members } = node.group;
  return node
    .status()
    .peers.map(({ name, reachable }) => ({ member: members.find((each) => each.name === name)!, reachable }));
}

function eventJson(event: NodeEvent): object {
  const { type, ...rest } = plainEvent(event);
  return { event: type, ...rest };
}

function eventText(event: NodeEvent): string {
  return (TEXTS[event.type] as (event: NodeEvent) => string)(event);
}

/** The same of one that came as plain data, from a trace or another process; undefined if it is none. */
export function plainText(plain: { type: unknown } & Record<string, unknown>): string | undefined {
  if (!Object.hasOwn(TEXTS, String(plain.type))) return undefined;
  const error = { message: String(plain.error) };
  const event = mapWho(plain as unknown as MemberEvent<string>, (name) => ({ name }) as Member);
  try {
    return eventText({ ...event, ...('error' in plain ? { error } : {}) } as NodeEvent);
  } catch {
    // A field is not what it should be.
    return undefined;
  }
}

/** What people read; TypeScript names the one that is missing. */
export const TEXTS: { [T in NodeEvent['type']]: (event: Extract<NodeEvent, { type: T }>) => string } = {
  ...HINT_TEXTS,
  peer: (event) => `${event.member.name} is ${event.reachable ? 'here' : 'gone'}`,
  misbehaviour: (event) => `${event.member.name} misbehaves: ${event.what}`,
  lost: (event) =>
    `older messages of ${event.member.name} do not come here: it sent them before this member was there, or while it was away for long, and nobody keeps them any more`,
  disagreement: (event) =>
    `${event.against.map(({ name }) => name).join(', ')} and we hold other messages of ${event.member.name}: somebody lies`,
  'begun-anew': () =>
    'the store of this member is a copy, or the others know messages of it that the store does not (its key was used with another): what they lack of ours is sent again',
  damaged: (event) => `the disk has damaged messages of ${event.member.name}: the others are asked for them`,
  'dead-letter': (event) =>
    `a message of ${event.member.name} is set aside, as several runs in a row have ended at it: see headwater dead-letters`,
  overflow: (event) =>
    `messages of ${event.member.name} dropped for want of room; ${event.lacking.map(({ name }) => name).join(', ')} lack them`,
  'too-large': (event) =>
    `${event.member.name} sends ${formatBytes(event.length)}, more than this member takes (see --max-size): what it sends after that waits, too`,
  warning: ({ code, state, text, since }) => {
    const when = new Date(since).toISOString();
    return state === 'over'
      ? `${code}: over, since ${when} it was so: ${text}`
      : `${text} (${code}, since ${when})`;
  },
  epoch: ({ epoch, active }) =>
    active
      ? `epoch ${epoch} has begun here`
      : `epoch ${epoch} is known: what is broadcast waits until it begins here`,
  'epoch-unknown': (event) =>
    `${event.member.name} knows epoch ${event.epoch}, which the group file of this member does not have, or another one in its place`,
  'store-error': (event) => `store: ${event.error.message}`,
  'consumer-error': (event) => `delivery: ${String(event.error)}`,
};

/** What keeps a member from confirming. */
const CAUSES: readonly NodeEvent['type'][] = [
  'address',
  'foreign-group',
  'foreign-version',
  'older-run',
  'superseded',
  'unheard',
];
const REPEAT_MS = 60_000;
const MAX_TOLD = 1000;
