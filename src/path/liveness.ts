/**
 * Whether the address in use still works, as a sequential test (A. Wald, 1945): each chance to hear from the peer that goes
 * by unused makes it less likely that mere loss is the reason. In: datagrams sent, acknowledgements, challenges to the
 * address in use and their answers. Out: when silence becomes suspicious, and when it is as good as certain. How many
 * chances are used while the path works is measured here, so that a path that loses three quarters is not given up.
 */
import { type Micros, NEVER } from '../core/time.js';

/** Datagrams that one acknowledgement answers, or one challenge. */
interface Chance {
  at: Micros;
  datagrams: number;
  challenge: boolean;
  /** How much longer than usual its acknowledgement may take. */
  patience: Micros;
}

/** How the path is now. */
export interface PathState {
  /** How long an acknowledgement may take, from the first datagram that it is about. */
  ackTimeout: Micros;
  /** How long an answer may take: nobody holds it back. */
  answerTimeout: Micros;
  /** The share of our datagrams that are lost. */
  loss: number;
}

export class Liveness {
  /** When the last acknowledgement or answer came. */
  heardAt: Micros = -NEVER;
  /** Not used so far, oldest first. */
  private chances: Chance[] = [];
  /** The share of acknowledgements and answers that arrive, where what they answer did. */
  private answerShare: number;
  private samples = PRIOR_SAMPLES;

  /** @param like what was measured at the address before: the next one may be no better */
  constructor(like?: Liveness) {
    this.answerShare = Math.min(PRIOR_SHARE, like?.answerShare ?? 1);
  }

  /**
   * @param policy how often the peer acknowledges
   * @param patience how much longer it may take with this one
   */
  onSent(now: Micros, policy: { packets: number; delay: Micros }, patience: Micros = 0): void {
    const last = this.chances[this.chances.length - 1];
    const age = last ? now - last.at : NEVER;
    // What is sent in one burst is also lost together.
    const joins = age < policy.delay / 4 || (age < policy.delay && last.datagrams < policy.packets);
    if (last && !last.challenge && ((joins && last.patience === patience) || this.isFull)) last.datagrams++;
    else this.push({ at: now, datagrams: 1, challenge: false, patience });
  }

  onChallenge(now: Micros): void {
    this.push({ at: now, datagrams: 1, challenge: true, patience: 0 });
  }

  /**
   * A sign of life: the path worked when a datagram or challenge of `sentAt` was sent, which has now been answered. What was
   * missed before is no sign of its end, only of its loss.
   */
  onAlive(now: Micros, sentAt: Micros, by: 'ack' | 'answer', path: PathState): void {
    this.heardAt = now;
    const newest =
      by === 'ack' ? this.chances.findLast((each) => !each.challenge && each.at <= sentAt) : undefined;
    this.chances = this.chances.filter((chance) => {
      if (chance.at > sentAt) return true;
      // An ack makes up for those before it, but each of them should have had its own. Many challenges go at once, and the
      // first answer ends their use, so they measure nothing.
      if (chance === newest) this.sample(1 / reach(chance.datagrams, path));
      else if (!chance.challenge && (newest || now > missedAt(chance, path))) this.sample(0);
      return false;
    });
  }

  /** When the silence deserves a closer look; NEVER while there is nothing to be heard. */
  suspectAt(path: PathState): Micros {
    const last = this.chances[this.chances.length - 1];
    if (!last) return NEVER;
    // With nothing else under way there will be no more to go by.
    const at = Math.min(this.reached(SUSPICION, path), missedAt(last, path));
    // A path that has just become slower is not silent.
    return Math.max(at, this.heardAt + path.answerTimeout / 4);
  }

  /** When no loss that this path has shown explains the silence, as things stand; NEVER if more chances are needed. */
  deadAt(path: PathState): Micros {
    return Math.max(this.reached(CERTAINTY, path), this.heardAt + path.answerTimeout);
  }

  /** How many challenges to another address leave no doubt that it does not answer, if it loses as much as this one. */
  challengesFor(path: PathState): number {
    return Math.ceil(DOUBT / this.weight(1, path));
  }

  /** How many challenges to the address would make the case, were none of them answered. */
  challengesNeeded(path: PathState): number {
    let missing = CERTAINTY;
    for (const chance of this.chances) missing -= this.weight(chance.datagrams, path);
    return Math.max(0, Math.ceil(missing / this.weight(1, path)));
  }

  private get isFull(): boolean {
    return this.chances.length >= MAX_CHANCES;
  }

  private push(chance: Chance): void {
    if (!this.isFull) this.chances.push(chance);
  }

  private sample(share: number): void {
    this.answerShare = Math.min(1, this.answerShare + (share - this.answerShare) / this.samples);
    this.samples = Math.min(SAMPLES, this.samples + 1);
  }

  /** When the chances missed one after the other weigh so much. */
  private reached(sum: number, path: PathState): Micros {
    let weight = 0;
    let at: Micros = -NEVER;
    for (const chance of this.chances) {
      weight += this.weight(chance.datagrams, path);
      at = Math.max(at, missedAt(chance, path));
      if (weight >= sum) return at;
    }
    return NEVER;
  }

  /** -ln of the probability that a chance is missed although the path works. */
  private weight(datagrams: number, path: PathState): number {
    const used = this.answerShare * reach(datagrams, path);
    return -Math.log(1 - Math.min(MAX_USED, Math.max(MIN_USED, used)));
  }
}

function missedAt({ at, challenge, patience }: Chance, path: PathState): Micros {
  return at + (challenge ? path.answerTimeout : path.ackTimeout + patience);
}

/** The probability that at least one of so many datagrams arrives. */
function reach(datagrams: number, { loss }: PathState): number {
  return Math.max(MIN_USED, 1 - loss ** datagrams);
}

/** One chance missed on a path that mostly works, two or three on one that loses half. */
const SUSPICION = 1.5;
/** e^-15: of three million suspicions, one; a lossy path raises some thousands an hour, and what it loses is an estimate. */
const CERTAINTY = 15;
/** e^-4: two in a hundred. */
const DOUBT = 4;
/** A path that lost nothing so far may begin to at any time: no chance is taken for better than this. */
const MAX_USED = 0.8;
/** Half of the datagrams lost on both hosts in both directions leaves one in sixteen. */
const MIN_USED = 0.02;
const PRIOR_SHARE = 0.5;
const PRIOR_SAMPLES = 4;
/** Chances over which the share is smoothed. */
const SAMPLES = 64;
const MAX_CHANCES = 256;
