/**
 * Whether a direct way to a member is worth having. Anybody may stand between two members: who passes on questions and answers makes an
 * address look like the other one's, and lets through what it likes. So an address that no operator has named is judged by what becomes
 * of our datagrams there. In: how members are reached, what ways by others cost. Out: who is to be looked for elsewhere, what is left, and
 * for how long.
 */
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../core/time.js';
import { costOf, type Distance } from './ways.js';

/** What has become of our datagrams at the address in use. */
export interface Trial {
  /** Another number for each address that is taken. */
  path: number;
  acked: number;
  lost: number;
  /** Probes since anything was acknowledged. */
  unanswered: number;
}

/** How a member is reached. */
export interface Tried extends Distance {
  /** By which member; undefined: directly. */
  via: number | undefined;
  /** When DATA last came of it. */
  heardAt: Micros;
  /** When it last answered: acknowledged something, or a challenge. */
  answeredAt: Micros;
}

interface Doubt extends Trial {
  /** Lost ones that those that arrive do not make up for; and all of both since there were none. */
  score: number;
  run: { acked: number; lost: number };
  /** Until when the member is looked for elsewhere, in case it is needed. */
  suspectedUntil: Micros;
  /** Since when the address is known to be bad. */
  since: Micros;
  /** Since when probes are without an answer. */
  quietSince: Micros;
  /** RTT of the way by others that was in use before, µs. */
  viaRtt: Micros;
  /** Not judged before, as nothing better was found. */
  sparedUntil: Micros;
  /** What it cost as it was left, and whether a box may have forgotten it; when that was, and until when it is not taken again. */
  cost: number;
  isSilent: boolean;
  leftAt: Micros;
  restsUntil: Micros;
  /** In a row. */
  failures: number;
  failedAt: Micros;
}

export class Doubts {
  /** By member. */
  private readonly doubts = new Map<number, Doubt>();

  /**
   * Takes in how a member is reached.
   *
   * @param trial undefined: by way of others, or at an address that the operator has named
   * @returns until when the address before is not taken again, if that was left while nothing came of it
   */
  look(now: Micros, member: number, way: Tried, trial: Trial | undefined): Micros | undefined {
    let doubt = this.doubts.get(member);
    if (!doubt && !trial && way.via === undefined) return undefined;
    if (!doubt) {
      doubt = newDoubt();
      this.doubts.set(member, doubt);
    }
    if (!trial) {
      const isLeft = way.via !== undefined && doubt.path !== NO_PATH && doubt.quietSince !== NEVER;
      if (isLeft) Object.assign(doubt, { cost: Number.POSITIVE_INFINITY, isSilent: true });
      if (way.via !== undefined) doubt.viaRtt = way.rtt;
      Object.assign(doubt, { since: NEVER, path: NO_PATH, quietSince: NEVER });
      return isLeft ? this.leave(now, member) : undefined;
    }
    if (trial.path !== doubt.path || trial.acked < doubt.acked || trial.lost < doubt.lost)
      begin(now, doubt, trial);
    else count(doubt, trial);
    if (trial.unanswered === 0) doubt.quietSince = NEVER;
    else {
      doubt.quietSince = Math.min(doubt.quietSince, now);
      doubt.suspectedUntil = now + PATIENCE;
    }
    if (doubt.since !== NEVER) {
      if (now - doubt.since >= PATIENCE) spare(now, doubt);
    } else if (now >= doubt.sparedUntil) {
      const lost = doubt.score + trial.unanswered;
      const isLossy = lost >= (doubt.failures > 0 ? DOUBTED / 2 : DOUBTED);
      const isSlow = doubt.acked >= FEW && way.rtt >= Math.min(SLOW, 2 * doubt.viaRtt + QUEUE);
      if (isDeaf(doubt, way, trial)) accuse(now, doubt, { cost: Number.POSITIVE_INFINITY, isSilent: false });
      else if (isLossy || isSlow) accuse(now, doubt, { cost: costIn(doubt, way.rtt), isSilent: false });
      else if (now - doubt.failedAt >= FORGOTTEN) doubt.failures = 0;
    }
    return undefined;
  }

  /** Whether its address is known to be bad. */
  isDoubted(member: number): boolean {
    return (this.doubts.get(member)?.since ?? NEVER) !== NEVER;
  }

  /** Whether a member is looked for elsewhere although it answers where it is. */
  isSuspected(now: Micros, member: number): boolean {
    return this.isDoubted(member) || now < (this.doubts.get(member)?.suspectedUntil ?? NEVER_YET);
  }

  /** Whether a way by others of this cost is to be taken instead. */
  isBetter(member: number, cost: number): boolean {
    const doubt = this.doubts.get(member);
    if (!doubt || doubt.since === NEVER) return false;
    return cost * (doubt.viaRtt === NEVER ? MUCH : TAKEN) < doubt.cost;
  }

  /** Its address is left now; returns until when it is not taken again. */
  leave(now: Micros, member: number): Micros {
    const doubt = this.doubts.get(member)!;
    doubt.leftAt = now;
    doubt.restsUntil = now + restOf(now, doubt);
    doubt.since = NEVER;
    doubt.path = NO_PATH;
    return doubt.restsUntil;
  }

  /** Whether what was left would be better after all: what was taken for it costs as much, or nothing comes of it. Says so once. */
  isMissed(now: Micros, member: number, way: (Distance & { isLively: boolean }) | undefined): boolean {
    const doubt = this.doubts.get(member);
    if (!doubt || doubt.restsUntil <= now || now - doubt.leftAt < PATIENCE + 2 * (way?.rtt ?? 0))
      return false;
    if (way?.isLively && costOf(way) < doubt.cost) return false;
    doubt.restsUntil = now;
    return true;
  }
}

/** Another address is in use. Where the one before was left a while ago, this one is no better until it has shown that. */
function begin(now: Micros, doubt: Doubt, trial: Trial): void {
  const isBack = now < doubt.restsUntil;
  Object.assign(doubt, trial, {
    score: 0,
    run: { acked: 0, lost: 0 },
    since: isBack ? now : NEVER,
  });
}

/** It is heard, or answers challenges, and acknowledges nothing: who says nothing at all is left as a silent locator is. */
function isDeaf(
  { quietSince, failures }: Doubt,
  { loss, heardAt, answeredAt }: Tried,
  { unanswered }: Trial,
): boolean {
  // So many probe timeouts, each of two probes, that the loss there and back explains one in 10,000.
  const unheard = Math.max(0.01, 1 - (1 - loss) ** 2);
  const enough = Math.max(failures > 0 ? 1 : 2, Math.ceil(Math.log(1e-4) / Math.log(unheard) / 2));
  return unanswered >= enough && Math.max(heardAt, answeredAt) > quietSince;
}

function accuse(now: Micros, doubt: Doubt, what: Pick<Doubt, 'cost' | 'isSilent'>): void {
  Object.assign(doubt, what, { since: now });
}

function costIn({ run, unanswered }: Doubt, rtt: Micros): number {
  const { acked, lost } = run;
  return costOf({ rtt, loss: (lost + unanswered) / Math.max(1, acked + lost + unanswered) });
}

/** What has been lost counts once, what has arrived twice: at half lost, 24 too many are one in 100,000. */
function count(doubt: Doubt, { acked, lost, unanswered }: Trial): void {
  doubt.unanswered = unanswered;
  const [arrived, gone] = [acked - doubt.acked, lost - doubt.lost];
  doubt.acked = acked;
  doubt.lost = lost;
  doubt.score = Math.min(2 * DOUBTED, Math.max(0, doubt.score + gone - 2 * arrived));
  doubt.run.acked += arrived;
  doubt.run.lost += gone;
  if (doubt.score === 0) doubt.run = { acked: 0, lost: 0 };
}

/** Nothing much better has been found. */
function spare(now: Micros, doubt: Doubt): void {
  doubt.since = NEVER;
  doubt.sparedUntil = now + restOf(now, doubt);
  doubt.score = 0;
  doubt.run = { acked: 0, lost: 0 };
}

function restOf(now: Micros, doubt: Doubt): Micros {
  doubt.failedAt = now;
  const failures = doubt.failures++;
  if (failures === 0 && doubt.isSilent) return SHORT_REST;
  return Math.min(MAX_REST, REST * 2 ** Math.max(0, failures - 1));
}

function newDoubt(): Doubt {
  return {
    path: NO_PATH,
    acked: 0,
    lost: 0,
    unanswered: 0,
    score: 0,
    run: { acked: 0, lost: 0 },
    suspectedUntil: NEVER_YET,
    quietSince: NEVER,
    since: NEVER,
    viaRtt: NEVER,
    sparedUntil: NEVER_YET,
    cost: 0,
    isSilent: false,
    leftAt: NEVER_YET,
    restsUntil: NEVER_YET,
    failures: 0,
    failedAt: NEVER_YET,
  };
}

const NO_PATH = -1;
/** Lost datagrams beyond two for each that arrives: a third of them has to arrive. Of one that has failed half is enough. */
const DOUBTED = 24;
/** More than by way of a satellite; and so many have to have shown it. */
const SLOW: Micros = SECOND;
const FEW = 8;
/** Or than there and back by others, and a router's queue. */
const QUEUE: Micros = 100 * MILLISECOND;
/** A way that has not been taken yet is a word: it has to be so many times better. Where one has been taken: so many. */
const MUCH = 4;
const TAKEN = 2;
/** ROUTES are asked for, come, and are repeated where they are lost. */
const PATIENCE: Micros = 4 * SECOND;
/** What is noticed within half a second is then less than 1 % of the time. */
const REST: Micros = 60 * SECOND;
/** A box that has lost what it knew is none that spoils things, if it does so rarely. */
const SHORT_REST: Micros = 5 * SECOND;
const MAX_REST: Micros = 300 * SECOND;
/** Of an address that has been good for so long. */
const FORGOTTEN: Micros = 600 * SECOND;
