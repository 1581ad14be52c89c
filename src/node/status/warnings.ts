/**
 * What an operator is warned of: each thing once when it begins, again now and then while it lasts, and once more when it is over. In:
 * hints as they come, and each second the conditions that hold. Out: events, and what is wrong now.
 */
import type { Member } from '../../group/group.js';

/** What is wrong; stable, with a paragraph for each in docs/OPERATING.md. */
export type WarningCode =
  /** Too few members are here for anything to be delivered. */
  | 'no-quorum'
  /** A member is out of reach. */
  | 'member-away'
  /** We hear a member, and it does not hear us. */
  | 'unheard'
  /** One key runs in two places. */
  | 'same-key'
  /** A member has another group file. */
  | 'other-group'
  /** A member runs another version of the application. */
  | 'other-version'
  /** A member speaks other versions of the protocol only. */
  | 'other-protocol'
  /** Our clock, or another member's, is behind that of its own former run, whose store is lost. */
  | 'clock-behind'
  /** The name in a member's address is not known. */
  | 'unknown-name'
  /** A member's address is IPv6, and our socket is of IPv4. */
  | 'other-family'
  /** The system does not send what we want sent. */
  | 'cannot-send'
  /** Much of what goes to a member is lost. */
  | 'lossy-path'
  /** The path to a member carries small datagrams alone. */
  | 'narrow-path'
  /** The kernel drops datagrams, since its buffer for our socket is full. */
  | 'small-buffer'
  /** The process does not get the processor when it needs it. */
  | 'busy-host'
  /** The store has little room left. */
  | 'store-nearly-full'
  /** The store has no room: nothing is confirmed. */
  | 'store-full'
  /** The store cannot be written, for another reason: nothing is confirmed. */
  | 'store-error'
  /** Commits take long. */
  | 'slow-disk'
  /** The consumer is slow to take what waits for it. */
  | 'slow-consumer'
  /** Much of the store is kept for a member that lacks it. */
  | 'held-back';

/** Something that is wrong now. */
export interface Warning {
  /** Compare this, not the text. */
  code: WarningCode;
  /** Name of the member that it is about; null if it is about none. */
  member: string | null;
  /** What is known of it, for people. */
  text: string;
  /** Since when, as ISO 8601. */
  since: string;
}

/** A warning begins, lasts or is over. */
export interface WarningEvent<Who> {
  /** Of the event. */
  type: 'warning';
  /** Compare this, not the text. */
  code: WarningCode;
  /** `lasting`: told again, as it has been true for long. */
  state: 'begun' | 'lasting' | 'over';
  /** The member that it is about. */
  member?: Who | undefined;
  /** For people. */
  text: string;
  /** When it began, milliseconds since 1970. */
  since: number;
}

/** Something that holds now. */
export interface Condition {
  code: WarningCode;
  member?: Member | undefined;
  text: string;
  /** So many seconds in a row it has to hold before it is told. Default 0. */
  after?: number;
  /** It is over once it has not held for so many seconds. Default 5. */
  until?: number;
}

interface Held extends Condition {
  since: number;
  /** When it was last true. */
  seenAt: number;
  toldAt: number;
  isTold: boolean;
  /** A hint: true so long after the last one. */
  holds: number;
}

export class Warnings {
  private readonly tell: (event: WarningEvent<Member>) => void;
  private readonly held = new Map<string, Held>();

  private lookedAt = 0;

  constructor(tell: (event: WarningEvent<Member>) => void) {
    this.tell = tell;
  }

  /** Somebody has hinted at it; it counts as true until no hint has come for a while. Times are milliseconds of the clock. */
  hint(now: number, condition: Condition): void {
    this.see(now, { after: 0, ...condition }, HINT_HOLDS_MS);
  }

  /** It is over, whatever was hinted. */
  end(now: number, code: WarningCode, member: Member | undefined): void {
    const key = keyOf({ code, member });
    const one = this.held.get(key);
    if (one) this.over(now, key, one);
  }

  /** Whether it is told now. */
  isHeld(code: WarningCode, member: Member | undefined): boolean {
    return this.held.get(keyOf({ code, member }))?.isTold === true;
  }

  /** Each second: these hold, and no other that is not a hint. */
  update(now: number, conditions: readonly Condition[]): void {
    this.lookedAt = now;
    for (const condition of conditions)
      this.see(now, condition, condition.until === undefined ? OVER_AFTER_MS : condition.until * 1000);
    for (const [key, one] of [...this.held]) {
      const isPast = now - one.seenAt > (one.isTold ? one.holds : PENDING_HOLDS_MS);
      if (isPast) this.over(now, key, one);
      else if (one.isTold && now - one.toldAt >= REPEAT_MS) this.say(now, one, 'lasting');
    }
  }

  /** What is wrong now: what was true when it was last looked comes first, of that what stops most, and of that the oldest. */
  list(): Warning[] {
    const told = [...this.held.values()].filter(({ isTold }) => isTold);
    const isFading = ({ seenAt, holds }: Held) => Number(holds < HINT_HOLDS_MS && seenAt < this.lookedAt);
    const place = ({ code }: Held) => BY_SEVERITY.indexOf(code);
    return told
      .sort((a, b) => isFading(a) - isFading(b) || place(a) - place(b) || a.since - b.since)
      .map(({ code, member, text, since }) => ({
        code,
        member: member?.name ?? null,
        text,
        since: new Date(since).toISOString(),
      }));
  }

  private see(now: number, condition: Condition, holds: number): void {
    const key = keyOf(condition);
    const { after = 0, text } = condition;
    let one = this.held.get(key);
    if (!one) {
      one = { ...condition, since: now, seenAt: now, toldAt: now, isTold: false, holds };
      this.held.set(key, one);
    }
    one.seenAt = now;
    one.text = text;
    one.holds = Math.max(one.holds, holds);
    if (one.isTold || now - one.since < after * 1000) return;
    one.isTold = true;
    this.say(now, one, 'begun');
  }

  private say(now: number, one: Held, state: WarningEvent<Member>['state']): void {
    const { code, member, text, since } = one;
    one.toldAt = now;
    this.tell({ type: 'warning', code, state, ...(member ? { member } : {}), text, since });
  }

  private over(now: number, key: string, one: Held): void {
    this.held.delete(key);
    if (one.isTold) this.say(now, one, 'over');
  }
}

function keyOf({ code, member }: Pick<Condition, 'code' | 'member'>): string {
  return `${code} ${member?.index ?? ''}`;
}

/** What stops deliveries, then what keeps members away, then what makes it slow or is to be looked after some time. */
const BY_SEVERITY: readonly WarningCode[] = [
  'no-quorum',
  'store-full',
  'store-error',
  'same-key',
  'other-group',
  'other-protocol',
  'cannot-send',
  'unheard',
  'clock-behind',
  'unknown-name',
  'other-family',
  'member-away',
  'store-nearly-full',
  'held-back',
  'slow-consumer',
  'slow-disk',
  'busy-host',
  'small-buffer',
  'narrow-path',
  'lossy-path',
  'other-version',
];
/** Sessions repeat their hints each minute while they are true. */
const HINT_HOLDS_MS = 90_000;
/** What comes and goes within this time is one warning. */
const OVER_AFTER_MS = 5000;
/** What is not told yet begins anew after a second without it; seconds are a little longer on a busy machine. */
const PENDING_HOLDS_MS = 2500;
const REPEAT_MS = 600_000;
