/** The members that a transfer goes to by multicast, as each has said that it hears. In: their reports, time. Out: who is reached, and how. */
import { type Micros, NEVER_YET, SECOND } from '../../core/time.js';
import type { CastReportFrame } from '../../wire/frames/cast/cast-report.js';
import type { CastListener } from '../ports.js';

/** One of them. */
export interface Listener extends Omit<CastListener, 'rate'> {
  /** When it was asked first, and when it last told that something new had come. */
  readonly askedAt: Micros;
  heardAt: Micros;
  /** What it acknowledged last: its highest number, and how many in all. */
  largest: number;
  received: number;
  /** Datagrams that its loss is measured over. */
  seen: number;
}

export class Listeners {
  private readonly all = new Map<number, Listener>();

  get size(): number {
    return this.all.size;
  }

  [Symbol.iterator](): IterableIterator<Listener> {
    return this.all.values();
  }

  get(member: number): Listener | undefined {
    return this.all.get(member);
  }

  isHearing(member: number): boolean {
    return this.all.get(member)?.state === 'hearing';
  }

  /** Of those that hear. */
  get worstLoss(): number {
    let worst = 0;
    for (const { state, loss } of this) if (state === 'hearing') worst = Math.max(worst, loss);
    return worst;
  }

  /** Whether anybody listens. */
  get hasAudience(): boolean {
    for (const { state } of this)
      if (state === 'listening' || state === 'hearing' || state === 'silent') return true;
    return false;
  }

  /** Whether it is still to be found out who is reached. */
  isProbing(now: Micros): boolean {
    for (const { state, askedAt } of this)
      if (state === 'listening' && now - askedAt < PROBE_FOR) return true;
    return false;
  }

  /** It is asked to listen. */
  ask(now: Micros, member: number): void {
    const fresh = { heardAt: NEVER_YET, largest: -1, received: 0, seen: 0, reason: '', loss: 0 };
    this.all.set(member, { member, askedAt: now, state: 'asked', ...fresh });
  }

  forget(member: number): void {
    this.all.delete(member);
  }

  /** Whether it is known of each of these whether the group reaches it, or has been waited for. */
  isSettled(now: Micros, members: readonly number[]): boolean {
    return members.every((member) => {
      const listener = this.all.get(member);
      if (!listener || now - listener.askedAt >= SETTLE) return true;
      return listener.state !== 'asked' && listener.state !== 'listening';
    });
  }

  /** What it says; says whether it has begun to hear. */
  onReport(now: Micros, listener: Listener, { state, reason, ack }: CastReportFrame): boolean {
    const before = listener.state;
    if (before === 'slow') return false;
    if (!ack) {
      listener.state = state === 'off' ? 'off' : before === 'hearing' ? 'silent' : 'listening';
      listener.reason = new TextDecoder().decode(reason);
      return false;
    }
    const largest = ack.ranges[0];
    if (largest > listener.largest) listener.heardAt = now;
    this.measure(listener, largest, ack.received);
    listener.state = 'hearing';
    listener.reason = '';
    return before !== 'hearing';
  }

  /**
   * Those that have said nothing new for long although something was sent: they are not counted on. While we do not run nothing is
   * sent either.
   */
  fallenSilent(sentAt: Micros, patience: (member: number) => Micros): Listener[] {
    return [...this].filter((listener) => {
      if (listener.state !== 'hearing' || sentAt - listener.heardAt < patience(listener.member)) return false;
      listener.state = 'silent';
      listener.reason = 'nothing reaches it any more';
      return true;
    });
  }

  /** Over so many datagrams that what chance alone does is little: what goes for the neediest goes to all. */
  private measure(listener: Listener, largest: number, received: number): void {
    const sent = largest - listener.largest;
    if (listener.largest >= 0 && sent > 0) {
      // Below 0 where some come late.
      const lost = 1 - (received - listener.received) / sent;
      listener.seen = Math.min(LOSS_WINDOW, listener.seen + sent);
      listener.loss = Math.max(0, listener.loss + (sent / listener.seen) * (lost - listener.loss));
    }
    if (sent > 0) {
      listener.largest = largest;
      listener.received = received;
    }
  }
}

/** So long are answers waited for before the first slice. */
const SETTLE: Micros = 1.5 * SECOND;
const LOSS_WINDOW = 2048;
/** So long is somebody probed for who does not hear; after that now and then. */
const PROBE_FOR: Micros = 2 * SECOND;
