/** What a frame is to the table in ../frames.ts: its type byte, and how its fields are read and written. */
import type { Reader, Writer } from '../../core/bytes.js';

/** One kind of frame. Sizes, bytes and fields are those behind the type byte. */
export interface FrameType<F extends { kind: string }> {
  /** The first byte on the wire. */
  readonly type: number;
  /** Its name in the code: `kind` of its frames. */
  readonly name: F['kind'];
  /** Whether it asks for an acknowledgement. */
  readonly eliciting: boolean;
  /** Throws MALFORMED. Views, no copies. */
  parse(reader: Reader): F;
  /** Bytes that `write` writes. */
  size(frame: F): number;
  write(writer: Writer, frame: F): void;
}
