/**
 * How long to wait for what several members do together. In: the paths to them. Out: a round trip that n - k members keep,
 * ourselves included: whoever is slower, or says so, sets the pace of nobody but itself.
 */
import { type Micros, SECOND } from '../../core/time.js';
import type { Path } from '../../path/path.js';
import { INITIAL_RTT, type Rtt } from '../../path/rtt.js';

/** The peers of a member by index; undefined at its own. */
export type Paths = readonly (Path | undefined)[];

/** Of the paths that can be used. */
export function worstLoss(paths: Paths): number {
  return Math.max(0, ...paths.map((path) => (path?.isOpen ? path.loss : 0)));
}

/** Of the paths that can be used, as far as is planned for; 0 if there are none. */
export function meanLoss(paths: Paths): number {
  const open = paths.flatMap((path) => (path?.isOpen ? [path.loss] : []));
  const sum = open.reduce((all, loss) => all + loss, 0);
  return Math.min(MAX_LOSS_PLANNED, sum / Math.max(1, open.length));
}

/** With the margin for its variation that a probe timeout has (RFC 9002 section 6.2.1). */
export function withMargin({ smoothed, variation }: Rtt): Micros {
  return smoothed + 4 * variation;
}

/**
 * @param faulty k: members that may be slow
 * @param of what to take of a path's round trip
 * @returns that of the (n - k - 1)-th peer, or of the slowest if fewer are known; the initial one if none is
 */
export function typicalRtt(
  paths: Paths,
  faulty: number,
  of: (rtt: Rtt) => Micros = ({ smoothed }) => smoothed,
): Micros {
  const known = paths.flatMap((path) => (path?.rtt.min === undefined ? [] : [of(path.rtt)]));
  if (known.length === 0) return INITIAL_RTT;
  known.sort((a, b) => a - b);
  return Math.min(MAX_RTT, known[Math.min(known.length, Math.max(1, paths.length - faulty - 1)) - 1]);
}

/** That of one peer, if it is known. */
export function rttOf(path: Path | undefined, of: (rtt: Rtt) => Micros = ({ smoothed }) => smoothed): Micros {
  return path?.rtt.min === undefined ? 0 : Math.min(MAX_RTT, of(path.rtt));
}

/** A longer one is taken for this: who answers so late may as well not answer. */
export const MAX_RTT: Micros = SECOND;
/** Where more is lost, nothing more is sent for it. */
export const MAX_LOSS_PLANNED = 0.75;
