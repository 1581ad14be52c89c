/** LISTED: a symbol that a manifest lists. number 2 | place 1 | length 2 | symbol */
import type { FrameType } from '../frame.js';

export interface ListedFrame {
  kind: 'listed';
  /** Of the manifest, on this path. */
  number: number;
  /** Which of its symbols it is. */
  place: number;
  symbol: Uint8Array;
}

export const listed: FrameType<ListedFrame> = {
  type: 13,
  name: 'listed',
  eliciting: true,
  parse: (reader) => ({
    kind: 'listed',
    number: reader.u16('manifest number'),
    place: reader.u8('place'),
    symbol: reader.take(reader.u16('symbol length'), 'symbol'),
  }),
  size: ({ symbol }) => HEADER + symbol.length,
  write: (writer, { number, place, symbol }) => writer.u16(number).u8(place).u16(symbol.length).put(symbol),
};

const HEADER = 2 + 1 + 2;
