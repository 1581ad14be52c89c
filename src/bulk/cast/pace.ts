/**
 * How fast a group may be sent to. In: what is sent, and what members acknowledge of it. Out: whether the next datagram may go,
 * and members that carry too little. Up to 16 members are its *ackers* (PGMCC has one): for each a congestion controller sees what
 * is sent and what that member acknowledges, as on a path of its own, and the slowest of them sets the rate.
 */
import type { ControllerFactory } from '../../congestion/controller.js';
import { Rng } from '../../core/rng.js';
import { type Micros, NEVER, SECOND } from '../../core/time.js';
import type { AckPolicy } from '../../path/ack.js';
import { Recovery } from '../../path/recovery.js';
import type { Ack } from '../../wire/frames/ack.js';

interface Acker {
  readonly recovery: Recovery;
  member: number;
  /** Until then it sets nobody's pace, and shows what it carries. */
  trialUntil: Micros;
  /** When that was so last, and since when it carries too little. */
  triedAt: Micros;
  slowSince: Micros;
  /** When its own pace or window last held something back. */
  limitedAt: Micros;
  /** Since when its window alone holds back what another's lets through. */
  closedSince: Micros;
}

export interface PaceOptions {
  controller: ControllerFactory;
  rng: Rng;
  /** Bytes of the largest datagram. */
  mtu: number;
}

export class Pace {
  /** The number of the next datagram. */
  next = 1;
  private readonly options: PaceOptions;
  private readonly seed: number;
  private readonly ackers: Acker[] = [];
  private skipAt: number;

  constructor(options: PaceOptions) {
    this.options = options;
    this.seed = options.rng.uint32();
    this.skipAt = this.skipAfter(this.next);
  }

  get isFull(): boolean {
    return this.ackers.length >= MAX_ACKERS;
  }

  isAcker(member: number): boolean {
    return this.ackers.some((acker) => acker.member === member);
  }

  /** A member that hears begins to acknowledge. @param rtt of the way to it, as far as that is known */
  add(now: Micros, member: number, rtt: Micros | undefined): void {
    const { controller, rng, mtu } = this.options;
    const recovery = new Recovery({
      // One seed for all: what they try by themselves they try together, and slow each other down no more than one does alone.
      controller: controller(mtu, this.seed),
      rng,
      skipAfter: (next) => this.skipAfter(next),
      first: this.next,
      capacity: MAX_IN_FLIGHT,
      mtu,
    });
    if (rtt !== undefined) recovery.rtt.onSample(rtt);
    const trialUntil = now + trialTime(recovery);
    this.ackers.push({
      recovery,
      member,
      trialUntil,
      triedAt: now,
      slowSince: NEVER,
      limitedAt: now,
      closedSince: NEVER,
    });
  }

  remove(member: number): void {
    const index = this.ackers.findIndex((acker) => acker.member === member);
    if (index >= 0) this.ackers.splice(index, 1);
  }

  /** Another member takes the place of an acker, with what that has shown of the group: all have been sent the same. */
  replace(member: number, by: number): void {
    const acker = this.ackers.find((each) => each.member === member);
    if (acker) acker.member = by;
  }

  /** When the next datagram may go: `now`, or NEVER while windows are full. */
  opensAt(now: Micros): Micros {
    const times = this.ackers.map(({ recovery }) => opensAt(now, recovery));
    const time = this.decide(now, times);
    // Who is held back by another for long shows less than it carries; for a moment all are, as acknowledgements come one by one.
    const isOpen = times.some((each) => each !== NEVER);
    this.ackers.forEach((acker, i) => {
      if (times[i] !== NEVER || !isOpen) acker.closedSince = NEVER;
      else if (acker.closedSince === NEVER) acker.closedSince = now;
      const { recovery, limitedAt } = acker;
      if (times[i] > now) acker.limitedAt = now;
      else if (time > now && now - limitedAt > recovery.rtt.smoothed) recovery.onAppLimited(now);
    });
    return time;
  }

  /** Nothing is there to be sent. */
  onIdle(now: Micros): void {
    for (const { recovery } of this.ackers) if (recovery.askToSend(now) === 'any') recovery.onAppLimited(now);
  }

  /** Whether somebody has to be asked whether it is still there, whatever the windows say. */
  get isProbeDue(): boolean {
    return this.ackers.some(({ recovery }) => recovery.probesDue > 0);
  }

  /** Takes the number of a datagram that is sent now. */
  onSent(now: Micros, bytes: number): number {
    const number = this.next++;
    if (this.next === this.skipAt) {
      this.next++;
      this.skipAt = this.skipAfter(this.next);
    }
    for (const { recovery } of this.ackers) recovery.onSent(now, bytes);
    return number;
  }

  /** An acker's acknowledgement; false if it cannot be true. */
  onAck(now: Micros, member: number, ack: Ack): boolean {
    const acker = this.ackers.find((each) => each.member === member);
    return acker ? acker.recovery.onAckReceived(now, ack).ok : true;
  }

  /** How often this acker should acknowledge, and how far it is; undefined if it is none. */
  of(member: number): { policy: AckPolicy; smoothed: Micros; variation: Micros; rate: number } | undefined {
    const acker = this.ackers.find((each) => each.member === member);
    if (!acker) return undefined;
    const { recovery } = acker;
    const { smoothed, variation } = recovery.rtt;
    return { policy: recovery.ackPolicy(), smoothed, variation, rate: rateOf(acker) };
  }

  nextTimeout(): Micros {
    return Math.min(NEVER, ...this.ackers.map(({ recovery }) => recovery.nextTimeout()));
  }

  handleTimeout(now: Micros): void {
    for (const { recovery } of this.ackers) recovery.handleTimeout(now);
  }

  /** The host did not let us run for a while. */
  onHostLimited(now: Micros): void {
    for (const { recovery } of this.ackers) recovery.onHostLimited(now);
  }

  /**
   * Ackers that carry less than a quarter of what most do, as a trial has shown in which they held up nobody. So one of them, or
   * one that only says that it is slow, slows the others by no more than that.
   */
  judge(now: Micros): number[] {
    const rates = this.ackers.map(rateOf).sort((a, b) => b - a);
    const most = rates[majority(rates.length) - 1] ?? 0;
    const dropped: number[] = [];
    for (const acker of this.ackers) {
      // Who acknowledges nothing new has a window that never opens.
      if (acker.closedSince < now - PATIENCE - 2 * acker.recovery.rtt.smoothed) {
        dropped.push(acker.member);
        continue;
      }
      const isSlow = rateOf(acker) < most * FLOOR;
      if (acker.trialUntil !== NEVER && acker.trialUntil <= now) {
        acker.trialUntil = NEVER;
        acker.slowSince = NEVER;
        if (isSlow) dropped.push(acker.member);
      } else if (acker.trialUntil !== NEVER) continue;
      else if (!isSlow) acker.slowSince = NEVER;
      else if (acker.slowSince === NEVER) acker.slowSince = now;
      else if (now - acker.slowSince >= PATIENCE && now - acker.triedAt >= BETWEEN_TRIALS) {
        acker.trialUntil = now + trialTime(acker.recovery);
        acker.triedAt = now;
      }
    }
    return dropped;
  }

  private decide(now: Micros, times: readonly Micros[]): Micros {
    if (this.ackers.some(({ recovery }) => recovery.isFull)) return NEVER;
    const counted = times.filter((_, i) => !isOnTrial(now, this.ackers[i]));
    if (counted.length > 0) return Math.max(...counted);
    // Nobody has shown yet what it carries: as most allow.
    return [...times].sort((a, b) => a - b)[majority(times.length) - 1] ?? now;
  }

  /** Which number is left out next: nobody is to acknowledge it (RFC 9000, 21.4). The same for all ackers, whenever they began. */
  private skipAfter(next: number): number {
    for (let block = Math.floor(next / SKIP_BLOCK); ; block++) {
      const skip = block * SKIP_BLOCK + new Rng(this.seed + block).integer(1, SKIP_BLOCK - 1);
      if (skip > next) return skip;
    }
  }
}

/** Bytes per second. */
function rateOf({ recovery }: Acker): number {
  return recovery.controller.metrics().bandwidth ?? recovery.deliveryRate;
}

/** So many of `count` are most of the others. */
function majority(count: number): number {
  return Math.floor((count - 1) / 2) + 1;
}

function isOnTrial(now: Micros, { trialUntil }: Acker): boolean {
  return trialUntil !== NEVER && trialUntil > now;
}

function opensAt(now: Micros, recovery: Recovery): Micros {
  const mode = recovery.askToSend(now);
  if (mode === 'any') return now;
  return mode === 'window' ? NEVER : recovery.nextSend(now);
}

/** Long enough for a slow start, and to be measured. */
function trialTime({ rtt }: Recovery): Micros {
  return Math.min(MAX_TRIAL, Math.max(MIN_TRIAL, TRIAL_ROUNDS * rtt.smoothed));
}

/** Members whose acknowledgements are counted one by one: more would say what these do, and take as much of the way back. */
export const MAX_ACKERS = 16;
/** Of what most carry: below it a member is left to the others. */
export const FLOOR = 1 / 4;
const TRIAL_ROUNDS = 20;
const MIN_TRIAL: Micros = SECOND / 2;
const MAX_TRIAL: Micros = 3 * SECOND;
const PATIENCE: Micros = SECOND;
const BETWEEN_TRIALS: Micros = 10 * SECOND;
/** As on other paths. */
const SKIP_BLOCK = 1024;
const MAX_IN_FLIGHT = 1 << 14;
