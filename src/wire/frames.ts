/**
 * The table of frames. A frame is one file in frames/ and one line here; its handler stands in member/handlers.ts, and
 * its fields in PROTOCOL 5. Types 0 and 1, PADDING and SYMBOL, take the rest of a datagram: see datagram.ts. So do SERVED and PART,
 * which can only be the last.
 */
import { Reader, type Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import type { Feature } from './dialect.js';
import { ack } from './frames/ack.js';
import { ackPolicy } from './frames/ack-policy.js';
import { cast } from './frames/cast/cast.js';
import { castReport } from './frames/cast/cast-report.js';
import { epoch } from './frames/epochs/epoch.js';
import { said } from './frames/epochs/said.js';
import { forward } from './frames/forwarding/forward.js';
import { punch } from './frames/forwarding/punch.js';
import { routes } from './frames/forwarding/routes.js';
import type { FrameType } from './frames/frame.js';
import { gone } from './frames/gone.js';
import { locatorsHeard } from './frames/locators/heard.js';
import { locators } from './frames/locators/locators.js';
import { observedAddress } from './frames/locators/observed.js';
import { mtuProbe } from './frames/mtu-probe.js';
import { mtuReport } from './frames/mtu-report.js';
import { owed } from './frames/owed.js';
import { part } from './frames/path/part.js';
import { pathSize } from './frames/path/path-size.js';
import { ping } from './frames/ping.js';
import { progress } from './frames/progress.js';
import { pull } from './frames/pull.js';
import { listed } from './frames/symbols/listed.js';
import { manifest } from './frames/symbols/manifest.js';
import { served } from './frames/symbols/served.js';
import { sizedSymbol } from './frames/symbols/sized-symbol.js';
import { transfer } from './frames/transfer.js';
import type { UnknownFrame } from './frames/unknown.js';
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
  manifest,
  listed,
  served,
  part,
  pathSize,
  transfer,
  cast,
  castReport,
  locators,
  locatorsHeard,
  observedAddress,
  owed,
  routes,
  forward,
  punch,
  epoch,
  said,
] as const;

type KnownFrame = ReturnType<(typeof FRAMES)[number]['parse']>;
export type Frame = KnownFrame | UnknownFrame;
export type FrameKind = Frame['kind'];
/** The frame of this kind. */
export type FrameOf<K extends FrameKind> = Extract<Frame, { kind: K }>;
/** Frames about objects: what the broadcast layer makes. */
export type ObjectFrame = FrameOf<
  'vector' | 'progress' | 'pull' | 'gone' | 'transfer' | 'cast' | 'cast-report' | 'owed' | 'epoch' | 'said'
>;

/** Reads what follows a type byte; throws MALFORMED. */
export function parseFrame(type: number, reader: Reader): Frame {
  const frameType = BY_TYPE[type];
  if (type >= OPTIONAL) {
    const body = reader.take(reader.u16('frame length'), 'frame');
    return frameType ? frameType.parse(new Reader(body)) : { kind: 'unknown', type, body };
  }
  if (!frameType)
    throw new HeadwaterError('MALFORMED', `frame type: expected one that is known, got ${type}`);
  return frameType.parse(reader);
}

/** Bytes of a frame, its type included. */
export function frameSize(frame: Frame): number {
  const { type, size } = typeOf(frame);
  return FRAME_TYPE_SIZE + (type >= OPTIONAL ? LENGTH_SIZE : 0) + size(frame);
}

export function writeFrame(writer: Writer, frame: Frame): void {
  const { type, size, write } = typeOf(frame);
  writer.u8(type);
  if (type >= OPTIONAL) writer.u16(size(frame));
  write(writer, frame);
}

export function isElicitingFrame(frame: Frame): boolean {
  return typeOf(frame).eliciting;
}

/** What both members must have for such a frame to be sent. */
export function featureOf(frame: Frame): Feature | undefined {
  return typeOf(frame).feature;
}

/** Frames of this type, and of those above, say how long they are: who does not know one skips it. */
const OPTIONAL = 64;
const LENGTH_SIZE = 2;
/** By type byte; none below 2. */
const BY_TYPE: (FrameType<KnownFrame> | undefined)[] = [];
const BY_KIND = {} as Record<KnownFrame['kind'], FrameType<Frame>>;
for (const frameType of FRAMES as readonly FrameType<KnownFrame>[]) {
  BY_TYPE[frameType.type] = frameType;
  BY_KIND[frameType.name] = frameType;
}

function typeOf(frame: Frame): Omit<FrameType<Frame>, 'parse' | 'name'> {
  return frame.kind === 'unknown' ? { ...UNKNOWN, type: frame.type } : BY_KIND[frame.kind];
}

const UNKNOWN = {
  eliciting: true,
  size: (frame: Frame) => (frame as UnknownFrame).body.length,
  write: (writer: Writer, frame: Frame) => writer.put((frame as UnknownFrame).body),
};
