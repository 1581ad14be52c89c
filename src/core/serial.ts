/** Numbers that only grow and go over the wire as their low 32 bits. */

/**
 * The full number of its low 32 bits: the one nearest to the next expected (RFC 9000, appendix A.3).
 *
 * @param highest the highest number seen, or what stands for it before the first
 */
export function fullNumber(low: number, highest: number): number {
  const expected = highest + 1;
  const candidate = expected - (expected % 0x100000000) + low;
  if (candidate <= expected - 0x80000000) return candidate + 0x100000000;
  if (candidate > expected + 0x80000000 && candidate >= 0x100000000) return candidate - 0x100000000;
  return candidate;
}

/** What of it goes over the wire. */
export function low32(number: number): number {
  return number % 0x100000000;
}
