/** SERVED: symbols in a row that are served, to the end of the text. number 2 | SBN 1 | ESI 3 | symbols */
import type { FrameType } from '../frame.js';

export interface ServedFrame {
  kind: 'served';
  /** Of the manifest, on this path. */
  number: number;
  sbn: number;
  /** Of the first. */
  esi: number;
  /** One behind the other, of `esi` and the ESIs after it. */
  symbols: Uint8Array;
}

export const served: FrameType<ServedFrame> = {
  type: 14,
  name: 'served',
  eliciting: true,
  parse: (reader) => ({
    kind: 'served',
    number: reader.u16('manifest number'),
    sbn: reader.u8('SBN'),
    esi: reader.u24('ESI'),
    symbols: reader.take(reader.remaining, 'symbols'),
  }),
  size: ({ symbols }) => HEADER + symbols.length,
  write: (writer, { number, sbn, esi, symbols }) => writer.u16(number).u8(sbn).u24(esi).put(symbols),
};

const HEADER = 2 + 1 + 3;
