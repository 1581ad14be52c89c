/** SIZED_SYMBOL: a symbol body where something may follow. length 2 | body, see ../../symbol.ts */
import type { FrameType } from '../frame.js';

export interface SizedSymbolFrame {
  kind: 'sized-symbol';
  body: Uint8Array;
}

export const sizedSymbol: FrameType<SizedSymbolFrame> = {
  type: 11,
  name: 'sized-symbol',
  eliciting: true,
  parse: (reader) => ({ kind: 'sized-symbol', body: reader.take(reader.u16('symbol length'), 'symbol') }),
  size: ({ body }) => LENGTH + body.length,
  write: (writer, { body }) => writer.u16(body.length).put(body),
};

const LENGTH = 2;
