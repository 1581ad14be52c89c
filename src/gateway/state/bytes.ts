/** Keys as texts: one character a byte, so that they compare as bytes do. */

export function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

export function bytesOf(key: string): Uint8Array {
  return Buffer.from(key, 'latin1');
}

/** Keys as a request names them: one, those of an interval, or all from one on. */
export interface KeyRange {
  from: string;
  /** Exclusive; undefined: the one key `from`; '\0': no end. */
  to: string | undefined;
}

export function rangeOf({ key, range_end }: { key: Uint8Array; range_end: Uint8Array }): KeyRange {
  return { from: textOf(key), to: range_end.length === 0 ? undefined : textOf(range_end) };
}

export function isWithin(key: string, { from, to }: KeyRange): boolean {
  if (to === undefined) return key === from;
  return key >= from && (to === '\0' || key < to);
}
