/** An optional frame of a type that we do not know: skipped, since it says how long it is. length 2 | body */
export interface UnknownFrame {
  kind: 'unknown';
  type: number;
  body: Uint8Array;
}
