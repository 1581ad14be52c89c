/**
 * What we still owe as a relay, told to the origins: the other end is `outgoing/owed.ts`. In: what comes to be relayed, time. Out:
 * for each origin a frame, as long as something of it waits for long.
 */
import type { Marks } from '../../../core/marks.js';
import { AT_ONCE, MILLISECOND, type Micros, NEVER, SECOND } from '../../../core/time.js';
import { DEBT_SIZE, type Debt, MAX_DEBTS, type OwedFrame } from '../../../wire/frames/owed.js';
import { frameSize } from '../../../wire/frames.js';
import type { Paths } from '../rtts.js';
import type { Relays } from './relays.js';

/** How fast a queue moves. */
interface Pace {
  at: Micros;
  /** By then. */
  passed: number;
  /** Symbols a second. */
  rate: number;
}

/** Of one origin. */
interface Account {
  /** When to look again. */
  lookAt: Micros;
  /** Whether it is to be told now. */
  isDue: boolean;
  /** Whether it knows of something that we owe. */
  isTold: boolean;
  /** By peer. */
  readonly paces: Map<number, Pace>;
}

export interface OwingOptions {
  relays: Relays;
  paths: Paths;
  /** Whether it is about transfers. */
  files: boolean;
  /** Whether a member would understand it. */
  hears(member: number): boolean;
  changed: Marks;
}

export class Owing {
  private readonly options: OwingOptions;
  /** By origin of which something waits, or did when it was last told. */
  private readonly accounts = new Map<number, Account>();
  private lookAt: Micros = NEVER;

  constructor(options: OwingOptions) {
    this.options = options;
  }

  /** Something of this origin waits. */
  onQueued(now: Micros, origin: number): void {
    if (this.accounts.has(origin) || !this.options.hears(origin)) return;
    const lookAt = now + LONG;
    this.accounts.set(origin, { lookAt, isDue: false, isTold: false, paces: new Map() });
    this.lookAt = Math.min(this.lookAt, lookAt);
  }

  nextTimeout(): Micros {
    return this.lookAt;
  }

  handleTimeout(now: Micros): void {
    if (this.lookAt > now) return;
    this.lookAt = NEVER;
    for (const [origin, account] of this.accounts) {
      if (account.lookAt <= now) this.look(now, origin, account);
      this.lookAt = Math.min(this.lookAt, account.lookAt);
    }
  }

  dueAt(origin: number): Micros {
    return this.accounts.get(origin)?.isDue ? AT_ONCE : NEVER;
  }

  /** The frame for this origin, of at most `room` bytes. */
  take(now: Micros, origin: number, room: number): OwedFrame[] {
    const account = this.accounts.get(origin);
    if (!account?.isDue) return [];
    const most = Math.min(MAX_DEBTS, Math.floor((room - EMPTY_SIZE) / DEBT_SIZE));
    const debts = this.debts(now, origin, account);
    // Not even what matters most: it waits for a datagram of its own.
    if (most < Math.min(1, debts.length)) return [];
    account.isDue = false;
    account.isTold = debts.length > 0;
    debts.sort((a, b) => b.symbols - a.symbols);
    return [{ kind: 'owed', files: this.options.files, debts: debts.slice(0, most) }];
  }

  /**
   * Those that have waited for long: where all is passed on at once there is nothing to say. Nor is there of what waits for a peer
   * that is not there: nobody should wait for it.
   */
  private debts(now: Micros, origin: number, { paces }: Account): Debt[] {
    const debts: Debt[] = [];
    for (const { peer, symbols, oldest } of this.options.relays.of(origin)) {
      const { at, object, sbn } = oldest;
      const { rate } = paces.get(peer) ?? { rate: 0 };
      const waited = now - at;
      if (waited < LONG || !this.isThere(now, peer)) continue;
      const delay = Math.max(waited, rate > 0 ? (symbols / rate) * SECOND : 0);
      const { incarnation } = object.stream;
      debts.push({
        member: peer,
        symbols: Math.min(symbols, MAX_FIELD),
        delay: Math.min(Math.ceil(delay / MILLISECOND), MAX_FIELD),
        incarnation,
        seq: object.seq,
        sbn,
      });
    }
    return debts;
  }

  private look(now: Micros, origin: number, account: Account): void {
    const { relays, changed } = this.options;
    let isLong = false;
    let isAny = false;
    for (const { peer, oldest, passed } of relays.of(origin)) {
      isAny = true;
      isLong ||= now - oldest.at >= LONG && this.isThere(now, peer);
      this.measure(now, account, peer, passed);
    }
    if (!isAny && !account.isTold) {
      this.accounts.delete(origin);
      account.lookAt = NEVER;
      return;
    }
    account.lookAt = now + INTERVAL;
    if (!isLong && !account.isTold) return;
    account.isDue = true;
    changed.mark(origin);
  }

  private isThere(now: Micros, peer: number): boolean {
    const path = this.options.paths[peer];
    return path?.isOpen === true && path.isNear(now);
  }

  private measure(now: Micros, { paces }: Account, peer: number, passed: number): void {
    const last = paces.get(peer);
    const isNew = !last || passed < last.passed;
    const since = isNew ? LONG : now - last.at;
    const rate = ((isNew ? passed : passed - last.passed) * SECOND) / Math.max(1, since);
    const { rate: former } = isNew ? { rate } : last;
    paces.set(peer, { at: now, passed, rate: former + (rate - former) / SMOOTHED_OVER });
  }
}

/** Longer than a queue takes that only shares a path with others. */
const LONG: Micros = 10 * MILLISECOND;
/** As often as PROGRESS. */
const INTERVAL: Micros = 20 * MILLISECOND;
const SMOOTHED_OVER = 4;
const MAX_FIELD = 0xffff;
const EMPTY_SIZE = frameSize({ kind: 'owed', files: false, debts: [] });
