/**
 * The table of frames. A frame is one file in frames/ and one line here; its handler stands in member/handlers.ts, and
 * its fields in PROTOCOL 5. Types 0 and 1, PADDING and SYMBOL, take the rest of a datagram: see datagram.ts.
 */
import type { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { ack } from './frames/ack.js';
import { ackPolicy } from './frames/ack-policy.js';
import type { FrameType } from './frames/frame.js';
import { gone } from './frames/gone.js';
import { mtuProbe } from './frames/mtu-probe.js';
import { mtuReport } from './frames/mtu-report.js';
import { ping } from './frames/ping.js';
import { progress } from './frames/progress.js';
import { pull } from './frames/pull.js';
import { sizedSymbol } from './frames/sized-symbol.js';
import { vector } from './frames/vector.js';
import { FRAME_TYPE_SIZE } from './limits.js';

export const FRAMES = [
  ack,
  vector,
  progress,
  ping,
  ackPolicy,
  mtuProbe,
  mtuReport,
  pull,
  gone,
  sizedSymbol,
] as const;

export type Frame = ReturnType<(typeof FRAMES)[number]['parse']>;
export type FrameKind = Frame['kind'];
/** The frame of this kind. */
export type FrameOf<K extends FrameKind> = Extract<Frame, { kind: K }>;
/** Frames about objects: what the broadcast layer makes. */
export type ObjectFrame = FrameOf<'vector' | 'progress' | 'pull' | 'gone'>;

/** Reads what follows a type byte; throws MALFORMED. */
export function parseFrame(type: number, reader: Reader): Frame {
  const frameType = BY_TYPE[type];
  if (!frameType)
    throw new HeadwaterError('MALFORMED', `frame type: expected 0 to ${BY_TYPE.length - 1}, got ${type}`);
  return frameType.parse(reader);
}

/** Bytes of a frame, its type included. */
export function frameSize(frame: Frame): number {
  return FRAME_TYPE_SIZE + BY_KIND[frame.kind].size(frame);
}

export function writeFrame(writer: Writer, frame: Frame): void {
  const frameType = BY_KIND[frame.kind];
  frameType.write(writer.u8(frameType.type), frame);
}

export function isElicitingFrame({ kind }: Frame): boolean {
  return BY_KIND[kind].eliciting;
}

/** By type byte; none below 2. */
const BY_TYPE: (FrameType<Frame> | undefined)[] = [];
const BY_KIND = {} as Record<FrameKind, FrameType<Frame>>;
for (const frameType of FRAMES as readonly FrameType<Frame>[]) {
  BY_TYPE[frameType.type] = frameType;
  BY_KIND[frameType.name] = frameType;
}
