/**
 * Time as the state machines see it: integer microseconds on a monotonic scale of the shell's choosing (a number
 * holds 285 years of them exactly). Nothing below the shell reads a clock; `now` comes in as an argument.
 */

/** Microseconds: a time since some start, or a duration. */
export type Micros = number;

/**
 * In microseconds.
 *
 * @example
 * const delay: Micros = 20 * MILLISECOND;
 */
export const MILLISECOND: Micros = 1_000;
/**
 * In microseconds.
 *
 * @example
 * const limit: Micros = 60 * SECOND;
 */
export const SECOND: Micros = 1_000_000;

/** The deadline of something that is not scheduled. */
export const NEVER: Micros = Number.POSITIVE_INFINITY;
/** The deadline of something that is due whatever the time is. */
export const AT_ONCE: Micros = Number.NEGATIVE_INFINITY;
/** The time of something that has not happened. */
export const NEVER_YET: Micros = Number.NEGATIVE_INFINITY;
