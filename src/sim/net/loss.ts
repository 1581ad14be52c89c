/**
 * Loss models of a link: independent losses, and bursts after Gilbert and Elliott. A model is plain data that many links
 * may share; `startLoss` makes the state of one link from it. In: one call per datagram, with the link's Rng. Out: whether
 * that datagram is lost.
 */
import type { Rng } from '../../core/rng.js';
import { HeadwaterError } from '../../errors.js';

/** What is lost, as data: made by `iid` or `gilbertElliott`. All numbers are probabilities per datagram. */
export type LossModel =
  | { readonly kind: 'iid'; readonly probability: number }
  | {
      readonly kind: 'gilbert-elliott';
      /** Probability to go from the good state to the bad one, tried before each datagram. */
      readonly goodToBad: number;
      /** Probability to go from the bad state to the good one, tried before each datagram. */
      readonly badToGood: number;
      readonly lossGood: number;
      readonly lossBad: number;
    };

/** The loss state of one link. */
export interface LossProcess {
  /** Decides the fate of the next datagram; call it once for each, in order. */
  lost(rng: Rng): boolean;
}

/** Bursts by what is seen of them. */
export interface GilbertElliottOptions {
  /** Share of all datagrams that are lost in the long run; from lossGood to lossBad. */
  meanLoss: number;
  /** Mean stay in the bad state, in datagrams, at least 1. With the default losses it is the mean length of a loss burst. */
  meanBurst: number;
  /** Loss in the good state; default 0 (Gilbert's model). */
  lossGood?: number;
  /** Loss in the bad state; default 1. */
  lossBad?: number;
}

/**
 * Each datagram is lost with the same probability, whatever happened to the others. Its mean burst is 1 / (1 - p).
 *
 * @param probability from 0 to 1
 * @throws HeadwaterError INVALID_ARGUMENT
 * @example
 * const link = new Link({ loss: iid(0.1) }, new Rng('a'));
 */
export function iid(probability: number): LossModel {
  assertProbability('loss', probability);
  return { kind: 'iid', probability };
}

/**
 * Losses in bursts: a two-state Markov chain, stepped before each datagram, with a loss probability for each state.
 *
 * With g = lossGood, h = lossBad, p = P(good to bad) and r = P(bad to good):
 * ```
 * r             = 1 / meanBurst               (a stay in the bad state is geometric)
 * share of bad  = p / (p + r)                 (stationary distribution)
 * meanLoss      = g + (h - g) * p / (p + r)
 * hence p       = r * b / (1 - b)             where b = (meanLoss - g) / (h - g)
 * ```
 * p cannot exceed 1, so meanBurst must be at least b / (1 - b): more than half of the datagrams cannot be lost one by one.
 *
 * @throws HeadwaterError INVALID_ARGUMENT where no such chain exists
 * @example
 * const loss = gilbertElliott({ meanLoss: 0.1, meanBurst: 5 }); // a tenth is lost, five in a row on average
 */
export function gilbertElliott(options: GilbertElliottOptions): LossModel {
  const { meanLoss, meanBurst, lossGood = 0, lossBad = 1 } = options;
  assertProbability('meanLoss', meanLoss);
  assertProbability('lossGood', lossGood);
  assertProbability('lossBad', lossBad);
  if (!(lossGood < lossBad))
    throw invalid(`lossGood: expected less than lossBad (${lossBad}), got ${lossGood}`);
  if (meanLoss < lossGood || meanLoss > lossBad)
    throw invalid(`meanLoss: expected from lossGood (${lossGood}) to lossBad (${lossBad}), got ${meanLoss}`);
  if (!(meanBurst >= 1) || meanBurst === Number.POSITIVE_INFINITY)
    throw invalid(`meanBurst: expected a number of datagrams from 1, got ${meanBurst}`);
  const bad = (meanLoss - lossGood) / (lossBad - lossGood);
  // Always bad is a chain too, but one that the formula would divide by zero for.
  if (bad === 1) return { kind: 'gilbert-elliott', goodToBad: 1, badToGood: 0, lossGood, lossBad };
  const badToGood = 1 / meanBurst;
  const goodToBad = (badToGood * bad) / (1 - bad);
  if (goodToBad > 1)
    throw invalid(
      `meanBurst: expected at least ${(bad / (1 - bad)).toFixed(3)} at this meanLoss, got ${meanBurst}`,
    );
  return { kind: 'gilbert-elliott', goodToBad, badToGood, lossGood, lossBad };
}

/** The share of datagrams that `model` loses in the long run, from 0 to 1. */
export function meanLossOf(model: LossModel): number {
  if (model.kind === 'iid') return model.probability;
  return model.lossGood + (model.lossBad - model.lossGood) * badShare(model);
}

/** A fresh state of `model`. A Gilbert-Elliott chain starts in its stationary distribution: no warm-up is needed. */
export function startLoss(model: LossModel): LossProcess {
  if (model.kind === 'iid') return { lost: (rng) => rng.chance(model.probability) };
  let bad: boolean | undefined;
  return {
    lost(rng) {
      if (bad === undefined) bad = rng.chance(badShare(model));
      else if (rng.chance(bad ? model.badToGood : model.goodToBad)) bad = !bad;
      return rng.chance(bad ? model.lossBad : model.lossGood);
    },
  };
}

/** Throws INVALID_ARGUMENT unless `value` is a probability. Shared by the options of links. */
export function assertProbability(name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw invalid(`${name}: expected a probability from 0 to 1, got ${value}`);
}

function badShare(model: { goodToBad: number; badToGood: number }): number {
  const sum = model.goodToBad + model.badToGood;
  return sum === 0 ? 0 : model.goodToBad / sum;
}

function invalid(message: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', message);
}
