/** What a frame is to the table in ../frames.ts: its type byte, and how its fields are read and written. */
import type { Reader, Writer } from '../../core/bytes.js';
import type { Feature } from '../dialect.js';

/**
 * One kind of frame. Sizes, bytes and fields are those behind the type byte, and behind the length that an optional one has;
 * `parse` leaves what it does not know of that.
 */
export interface FrameType<F extends { kind: string }> {
  /** The first byte on the wire; OPTIONAL (64) or more: who does not know it skips it. */
  readonly type: number;
  /** Its name in the code: `kind` of its frames. */
  readonly name: F['kind'];
  /** What both must have for it to be sent. */
  readonly feature?: Feature;
  /** Whether it asks for an acknowledgement; an optional one always does. */
  readonly eliciting: boolean;
  /** Throws MALFORMED. Views, no copies. */
  parse(reader: Reader): F;
  /** Bytes that `write` writes. */
  size(frame: F): number;
  write(writer: Writer, frame: F): void;
}
