/**
 * Sets of whole numbers as flat ranges, newest first: [high, low, high, low, ...], both ends included, with a gap of at
 * least one between neighbours. In: such arrays, or a membership test. Out: checks, counts and conversions. A flat array
 * costs no object per range, and acknowledgements of a lossy path have hundreds.
 */

/** Descending, disjoint, not touching: [high, low, high, low, ...]. */
export type Ranges = readonly number[];

/** What is wrong with `ranges`, or undefined if they are sound. Numbers must lie in [0, max]. */
export function rangesFault(ranges: Ranges, max: number): string | undefined {
  if (ranges.length === 0) return 'no range';
  if (ranges.length % 2 !== 0) return 'half a range';
  let below = max + 2;
  for (let i = 0; i < ranges.length; i += 2) {
    const high = ranges[i];
    const low = ranges[i + 1];
    if (!Number.isSafeInteger(high) || !Number.isSafeInteger(low)) return 'not a whole number';
    if (low > high) return 'range upside down';
    // high + 1 must itself be missing, or the two ranges would be one.
    if (high > below - 2) return i === 0 ? 'above the maximum' : 'ranges out of order';
    if (low < 0) return 'below zero';
    below = low;
  }
  return undefined;
}

/** The members in [low, high] of the set that `has` describes, at most `limit` ranges, newest first. */
export function collectRanges(
  high: number,
  low: number,
  has: (value: number) => boolean,
  limit = Number.POSITIVE_INFINITY,
): number[] {
  const ranges: number[] = [];
  for (let value = high; value >= low && ranges.length < 2 * limit; ) {
    if (!has(value)) {
      value--;
      continue;
    }
    const top = value;
    while (value >= low && has(value)) value--;
    ranges.push(top, value + 1);
  }
  return ranges;
}

/** How many numbers the ranges hold. */
export function countRanges(ranges: Ranges): number {
  let count = 0;
  for (let i = 0; i < ranges.length; i += 2) count += ranges[i] - ranges[i + 1] + 1;
  return count;
}

export function inRanges(ranges: Ranges, value: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) if (value <= ranges[i] && value >= ranges[i + 1]) return true;
  return false;
}
