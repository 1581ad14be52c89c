/** headwater/codec: RaptorQ (RFC 6330), useful on its own. */

export { Decoder, type DecoderOptions } from './decoder.js';
export { Encoder, type EncoderOptions } from './encoder.js';
export {
  type CodecJob,
  type CodecResult,
  isHeavy,
  type PrepareJob,
  runJob,
  type SolveJob,
} from './job.js';
export { Oti, type OtiOptions } from './oti.js';
