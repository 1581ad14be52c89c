/**
 * A server of gRPC without TLS, on node:http2, with what the client of a hydra-node asks of HTTP/2: it ends a connection at the
 * fifth SETTINGS, empty DATA or RST_STREAM frame within a second. So settings are sent once, a unary call is answered only after its
 * request has ended, and no compression is offered, which clients would take up.
 */
import {
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { HeadwaterError } from '../../errors.js';
import { decode, encode, type Message } from '../api/protobuf.js';
import { CODE, type Failure } from '../api/status.js';

export interface UnaryMethod {
  request: Message<object>;
  response: Message<object>;
  /** @param call is answered by `answer` or `fail` of the server */
  begin(call: number, request: object): void;
}

export interface StreamMethod {
  request: Message<object>;
  response: Message<object>;
  open(stream: ResponseStream): StreamHandlers;
}

export interface StreamHandlers {
  onRequest(request: object): void;
  /** The stream has room for more. */
  onDrain?(): void;
  /** It is over, however that came. */
  onClose?(): void;
}

export interface ResponseStream {
  /** @returns whether there is room for more; if not, `onDrain` follows */
  send(response: object): boolean;
  /** Whether there is. */
  readonly hasRoom: boolean;
  end(failure?: Failure): void;
}

export interface GrpcOptions {
  host: string;
  port: number;
  unary: ReadonlyMap<string, UnaryMethod>;
  streams: ReadonlyMap<string, StreamMethod>;
  /** The client does not wait for the call any more. */
  onGone(call: number): void;
}

export interface GrpcServer {
  answer(call: number, response: object): void;
  fail(call: number, failure: Failure): void;
  /** Streams and connections that are open, and all connections that there were. */
  status(): { calls: number; sessions: number; accepted: number };
  close(): Promise<void>;
}

/** @throws HeadwaterError NETWORK if the address cannot be bound */
export async function startGrpc(options: GrpcOptions): Promise<GrpcServer> {
  const { host, port, unary, streams, onGone } = options;
  const calls = new Map<number, { stream: ServerHttp2Stream; method: UnaryMethod; type: string }>();
  const sessions = new Set<ServerHttp2Session>();
  let accepted = 0;
  let lastCall = 0;
  const server = createServer({
    settings: { initialWindowSize: WINDOW, maxConcurrentStreams: MAX_STREAMS, enablePush: false },
    maxSessionMemory: MAX_SESSION_MB,
  });
  server.on('session', (session) => {
    accepted++;
    sessions.add(session);
    // Whatever a client does with its connection ends that connection alone.
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const path = String(headers[':path']);
    const type = typeOf(headers);
    const one = unary.get(path);
    const many = streams.get(path);
    if (headers[':method'] !== 'POST' || type === undefined) {
      stream.respond({ ':status': 415 }, { endStream: true });
      stream.close(constants.NGHTTP2_NO_ERROR);
    } else if (one) beginUnary(stream, type, one);
    else if (many) beginStream(stream, type, many);
    else {
      stream.resume();
      stream.once('end', () =>
        endWith(stream, type, { code: CODE.UNIMPLEMENTED, message: `unknown method ${path}` }),
      );
    }
  });

  const beginUnary = (stream: ServerHttp2Stream, type: string, method: UnaryMethod) => {
    const call = ++lastCall;
    const frames = new Frames();
    let failure: Failure | undefined;
    let request: object | undefined;
    stream.on('data', (bytes: Buffer) => {
      failure ??= frames.push(bytes, (message) => {
        request = decode(method.request, message);
      });
    });
    stream.once('end', () => {
      if (stream.destroyed) return;
      failure ??= request ? undefined : { code: CODE.INTERNAL, message: 'expected a message, got none' };
      if (failure) return endWith(stream, type, failure);
      calls.set(call, { stream, method, type });
      method.begin(call, request!);
    });
    stream.once('close', () => {
      if (calls.delete(call)) onGone(call);
    });
  };

  const beginStream = (stream: ServerHttp2Stream, type: string, method: StreamMethod) => {
    const frames = new Frames();
    let isOver = false;
    const response: ResponseStream = {
      send(message) {
        if (isOver || stream.destroyed) return false;
        if (!stream.headersSent) respond(stream, type, { code: CODE.OK, message: '' });
        return stream.write(frameOf(method.response, message));
      },
      get hasRoom() {
        return !isOver && !stream.destroyed && !stream.writableNeedDrain;
      },
      end(failure) {
        if (isOver || stream.destroyed) return;
        isOver = true;
        endWith(stream, type, failure ?? { code: CODE.OK, message: '' });
      },
    };
    const handlers = method.open(response);
    stream.on('data', (bytes: Buffer) => {
      const failure = frames.push(bytes, (message) => handlers.onRequest(decode(method.request, message)));
      if (failure) response.end(failure);
      // Who does not read its answers asks for no more of them.
      else if (stream.writableNeedDrain) stream.pause();
    });
    stream.on('drain', () => {
      handlers.onDrain?.();
      if (!stream.writableNeedDrain) stream.resume();
    });
    stream.once('end', () => response.end());
    stream.once('close', () => {
      isOver = true;
      handlers.onClose?.();
    });
  };

  await listen(server, host, port);
  return {
    answer(call, response) {
      const found = calls.get(call);
      if (!found) return;
      calls.delete(call);
      const { stream, method, type } = found;
      respond(stream, type, { code: CODE.OK, message: '' });
      stream.end(frameOf(method.response, response));
    },
    fail(call, failure) {
      const found = calls.get(call);
      calls.delete(call);
      if (found) endWith(found.stream, found.type, failure);
    },
    status: () => ({ calls: calls.size, sessions: sessions.size, accepted }),
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Messages in a stream of DATA: a flag, a length of four bytes, the message. */
class Frames {
  private parts: Uint8Array[] = [];
  private size = 0;

  /** @returns what is wrong with it */
  push(bytes: Uint8Array, onMessage: (message: Uint8Array) => void): Failure | undefined {
    this.parts.push(bytes);
    this.size += bytes.length;
    while (this.size >= PREFIX) {
      const head = this.parts[0].length >= PREFIX ? this.parts[0] : this.join();
      const length = ((head[1] << 24) | (head[2] << 16) | (head[3] << 8) | head[4]) >>> 0;
      if (head[0] !== 0) return { code: CODE.UNIMPLEMENTED, message: 'compressed messages are not taken' };
      if (length > MAX_MESSAGE)
        return {
          code: CODE.RESOURCE_EXHAUSTED,
          message: `expected a message of at most ${MAX_MESSAGE} bytes, got ${length}`,
        };
      if (this.size < PREFIX + length) return undefined;
      const all = this.join();
      this.size -= PREFIX + length;
      this.parts = this.size > 0 ? [all.subarray(PREFIX + length)] : [];
      try {
        onMessage(all.subarray(PREFIX, PREFIX + length));
      } catch (error) {
        if (!(error instanceof HeadwaterError) || error.code !== 'MALFORMED') throw error;
        return { code: CODE.INTERNAL, message: error.message };
      }
    }
    return undefined;
  }

  private join(): Uint8Array {
    if (this.parts.length > 1) this.parts = [Buffer.concat(this.parts)];
    return this.parts[0];
  }
}

function frameOf(type: Message<object>, message: object): Uint8Array {
  const body = encode(type, message);
  const frame = Buffer.allocUnsafe(PREFIX + body.length);
  frame[0] = 0;
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, PREFIX);
  return frame;
}

function respond(stream: ServerHttp2Stream, type: string, status: Failure): void {
  stream.respond({ ':status': 200, 'content-type': type }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers(trailersOf(stream.failure ?? status)));
}

/** Without an answer headers and trailers are one. */
function endWith(stream: ServerHttp2Stream, type: string, failure: Failure): void {
  if (stream.destroyed) return;
  if (stream.headersSent) {
    stream.failure = failure;
    stream.end();
  } else
    stream.respond({ ':status': 200, 'content-type': type, ...trailersOf(failure) }, { endStream: true });
}

declare module 'node:http2' {
  interface ServerHttp2Stream {
    /** How the stream is to end. */
    failure?: Failure;
  }
}

function trailersOf({ code, message }: Failure): Record<string, string> {
  if (code === CODE.OK) return { 'grpc-status': '0' };
  // As gRPC has it: only what a header could not hold is encoded.
  const text = message.replace(/[^ -~]|%/gu, encodeURIComponent);
  return { 'grpc-status': String(code), 'grpc-message': text };
}

/** That of the request; undefined if it is none of gRPC's. */
function typeOf(headers: IncomingHttpHeaders): string | undefined {
  const type = String(headers['content-type'] ?? '');
  return /^application\/grpc(\+proto)?$/.test(type) ? type : undefined;
}

async function listen(server: Http2Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeadwaterError('NETWORK', `listen tcp ${host}:${port}: bind: ${code}`, { cause });
  }
}

const PREFIX = 5;
/** What a group's message may have, less what is around it. */
export const MAX_MESSAGE = 255 * 1024 * 1024;
/** Of each stream: so that a message of some MiB does not wait for updates. */
const WINDOW = 1024 * 1024;
const MAX_STREAMS = 2 ** 31 - 1;
/** Node's bound for what a connection has under way. */
const MAX_SESSION_MB = 1024;
