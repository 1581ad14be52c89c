/**
 * HTTP/2 frames as they arrive on a connection, and how many of some kinds a hydra-node's client bears. In: a socket. Out: a
 * stream for `node:http2` that passes everything on, each frame's header, and an error once there are too many in a second.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** RFC 9113, section 4.1, without the payload. */
export interface Frame {
  type: number;
  flags: number;
  stream: number;
  /** Bytes of the payload. */
  length: number;
}

/** RFC 9113, section 6. */
export const FRAME = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6 } as const;
const END_STREAM = 1;
const ACK = 1;

/** What a client counts against a peer, if anything. Acknowledgements are not counted. */
export function countedAs(frame: Frame): FloodKind | undefined {
  const { type, flags, length } = frame;
  if (type === FRAME.settings && !(flags & ACK)) return 'SETTINGS';
  if (type === FRAME.rstStream) return 'RST_STREAM';
  if (type === FRAME.ping && !(flags & ACK)) return 'PING';
  if ((type === FRAME.data || type === FRAME.headers) && length === 0 && !(flags & END_STREAM))
    return 'empty';
  return undefined;
}

export type FloodKind = 'SETTINGS' | 'RST_STREAM' | 'PING' | 'empty';

/** Frames of a kind that may come in a second; no limit where there is none. */
export type FloodLimits = Partial<Record<FloodKind, number>>;

/** Passes a socket's bytes on as they are; `onFrame` may throw, which ends the connection. */
export function tapFrames(socket: Socket, onFrame: (frame: Frame) => void): Duplex {
  const next = frameReader(onFrame);
  const tap = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _encoding, done) => void socket.write(chunk, done),
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (chunk) => {
    try {
      next(chunk);
    } catch (error) {
      tap.destroy(error as Error);
      return;
    }
    if (!tap.push(chunk)) socket.pause();
  });
  socket.once('end', () => tap.push(null));
  socket.once('error', (error) => tap.destroy(error));
  socket.once('close', () => tap.destroy());
  return tap;
}

/** Throws once more frames of a kind than `limits` has have come within a second. */
export function floodGuard(limits: FloodLimits): (frame: Frame) => void {
  const times = new Map<FloodKind, number[]>();
  return (frame) => {
    const kind = countedAs(frame);
    if (kind === undefined) return;
    const limit = limits[kind];
    if (limit === undefined) return;
    const now = performance.now();
    const recent = (times.get(kind) ?? []).filter((time) => time > now - 1000);
    times.set(kind, [...recent, now]);
    if (recent.length >= limit)
      throw new Error(`ENHANCE_YOUR_CALM: expected at most ${limit} frames (${kind}) a second, got more`);
  };
}

/** Chunks in, whole frames out: a header is 9 bytes, of which 3 are the payload's length. */
function frameReader(onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  let header = Buffer.alloc(0);
  let payloadLeft = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (payloadLeft > 0) {
        const skipped = Math.min(payloadLeft, chunk.length - at);
        payloadLeft -= skipped;
        at += skipped;
        continue;
      }
      const part = chunk.subarray(at, at + HEADER_BYTES - header.length);
      header = Buffer.concat([header, part]);
      at += part.length;
      if (header.length < HEADER_BYTES) return;
      const length = header.readUIntBE(0, 3);
      onFrame({ type: header[3], flags: header[4], stream: header.readUInt32BE(5) & 0x7fffffff, length });
      payloadLeft = length;
      header = Buffer.alloc(0);
    }
  };
}

const HEADER_BYTES = 9;
