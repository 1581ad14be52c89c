/** What the members that take a transfer are told of how to listen to its group. In: how they stand, time. Out: CAST frames for each. */
import type { Paths } from '../../broadcast/spread/rtts.js';
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../../core/time.js';
import type { CastFrame } from '../../wire/frames/cast/cast.js';
import type { StreamId } from '../../wire/symbol.js';
import type { CastGroup } from '../ports.js';
import { addressBytes } from './address.js';
import type { Listeners } from './listeners.js';
import type { Pace } from './pace.js';

/** How often a member is to report. */
export interface ReportPolicy {
  /** After so many datagrams. */
  packets: number;
  /** Or so long after the first of them. */
  delay: Micros;
}

export interface InvitationsOptions {
  id: StreamId;
  to: CastGroup;
  key: Uint8Array;
  paths: Paths;
  pace: Pace;
  listeners: Listeners;
  /** Whether a member has a session in which multicast is spoken of. */
  speaks(member: number): boolean;
}

export class Invitations {
  private readonly options: InvitationsOptions;
  /** By member: what was said last. */
  private readonly said = new Map<number, ReportPolicy & { at: Micros }>();

  constructor(options: InvitationsOptions) {
    this.options = options;
  }

  /** It is to be told anew. */
  renew(member: number): void {
    this.said.delete(member);
  }

  dueAt(member: number): Micros {
    const { listeners, paths, speaks } = this.options;
    const listener = listeners.get(member);
    if (!listener || !speaks(member)) return NEVER;
    const said = this.said.get(member);
    if (!said) return NEVER_YET;
    if (listener.state === 'asked') return said.at + ASK_AGAIN;
    const { packets, delay } = this.policyOf(member);
    const hasChanged =
      Math.abs(packets - said.packets) * 4 > said.packets || Math.abs(delay - said.delay) * 4 > said.delay;
    const rtt = paths[member]?.rtt.smoothed ?? SECOND;
    return said.at + (hasChanged ? Math.min(SAY_AGAIN, rtt) : SAY_AGAIN);
  }

  take(now: Micros, member: number): CastFrame {
    const { id, to, key, pace, listeners } = this.options;
    const { origin, incarnation } = id;
    const policy = this.policyOf(member);
    this.said.set(member, { at: now, ...policy });
    return {
      kind: 'cast',
      ...{ origin, incarnation },
      open: listeners.get(member)?.state !== 'slow',
      key,
      port: to.port,
      address: addressBytes(to.address),
      source: to.source === undefined ? NOTHING : addressBytes(to.source),
      sent: pace.next,
      ...policy,
    };
  }

  /** Ackers as their paths need it; the others together so often. */
  policyOf(member: number): ReportPolicy {
    const acker = this.options.pace.of(member);
    if (acker) return acker.policy;
    const delay = (this.options.listeners.size * SECOND) / REPORTS_A_SECOND;
    return { packets: 0xffff, delay: Math.max(MIN_REPORT, delay) };
  }
}

const NOTHING = new Uint8Array(0);
/** The frame may have been lost, and what was sent shows who has missed all of it. */
const SAY_AGAIN: Micros = SECOND;
/** The same of who has not answered. */
const ASK_AGAIN: Micros = 100 * MILLISECOND;
/** Reports of all members that are no ackers, a second: with 500 members one from each. */
const REPORTS_A_SECOND = 500;
const MIN_REPORT: Micros = 25 * MILLISECOND;
