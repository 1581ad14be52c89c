/**
 * gRPC over HTTP/2 as a hydra-node's client (grapesy) speaks it: its headers, its windows, its deadlines, its limits on
 * frames. In: the address of a server. Out: a connection for single calls and for streams in both directions, its errors
 * either a gRPC status or the loss of the connection.
 */

import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import type { Method } from '../etcd/client.js';
import { type FloodLimits, type Frame, floodGuard, tapFrames } from './frames.js';

export class GrpcError extends Error {
  override name = 'GrpcError';
  readonly code: status;
  constructor(code: status, message: string) {
    super(`${status[code]}: ${message}`);
    this.code = code;
  }
}

/** Not of a call but of all calls of a connection. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost';
}

export interface GrpcConnection {
  call<Request extends object, Response>(method: Method, request: Request): Promise<Response>;
  stream<Request extends object, Response>(method: Method): GrpcStream<Request, Response>;
  /** All its calls fail, and will. */
  readonly lost: boolean;
  close(): void;
}

/** Iterating over it gives the answers, ends when the server does, and throws what the server ends it with if that is an error. */
export interface GrpcStream<Request, Response> extends AsyncIterableIterator<Response> {
  write(request: Request): void;
  /** No more of ours comes. */
  end(): void;
  /** Nothing of either comes. */
  cancel(): void;
}

export interface GrpcOptions {
  /** Given up once aborted, connecting as well. */
  signal: AbortSignal;
  /** Of each single call. */
  timeoutMs?: number | undefined;
  floodLimits?: FloodLimits;
  /** Sees every frame that the server sends. */
  onFrame?: (frame: Frame) => void;
}

/** Connects, once a second until it succeeds. */
export async function connectGrpc(address: string, options: GrpcOptions): Promise<GrpcConnection> {
  const { signal, timeoutMs, floodLimits, onFrame } = options;
  const colon = address.lastIndexOf(':');
  const [host, port] = [address.slice(0, colon), Number(address.slice(colon + 1))];
  const dial = async (): Promise<ClientHttp2Session> => {
    for (;;) {
      signal.throwIfAborted();
      const socket = connectTcp({ host, port, noDelay: true });
      const failed = await new Promise<Error | undefined>((done) => {
        socket.once('error', done).once('connect', () => done(undefined));
      });
      if (failed !== undefined) {
        await sleep(RECONNECT_MS, undefined, { signal });
        continue;
      }
      const guard = floodGuard(floodLimits ?? {});
      const tapped = tapFrames(socket, (frame) => {
        onFrame?.(frame);
        guard(frame);
      });
      const session = connect(`http://${address}`, {
        createConnection: () => tapped,
        maxSessionMemory: SESSION_MEGABYTES,
        settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
      });
      session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW));
      return session;
    }
  };
  const session = await dial();
  let lost: ConnectionLost | undefined;
  /** Requests are compressed once the server has said that it understands that. */
  let compress = false;
  const lose = (error?: Error) => {
    lost ??= new ConnectionLost(`${address}: ${error?.message ?? 'the server has closed the connection'}`);
  };
  session
    .on('error', lose)
    .on('goaway', () => lose())
    .once('close', () => lose());
  const abort = () => session.destroy();
  signal.addEventListener('abort', abort);
  session.once('close', () => signal.removeEventListener('abort', abort));

  const open = <Request extends object, Response>(method: Method, deadline?: number) => {
    if (lost !== undefined) throw lost;
    const compressed = compress;
    const stream = session.request({
      ':method': 'POST',
      ':path': method.path,
      te: 'trailers',
      'content-type': 'application/grpc+proto',
      'user-agent': 'grpc-haskell-grapesy/1.0.0',
      'grpc-accept-encoding': 'gzip, deflate, identity',
      ...(compressed ? { 'grpc-encoding': 'gzip' } : {}),
      ...(deadline === undefined ? {} : { 'grpc-timeout': `${Math.ceil(deadline / 1000)}S` }),
    });
    return exchange<Request, Response>(stream, method, {
      compressed,
      lost: () => lost,
      onHeaders: (headers) => {
        compress ||= String(headers['grpc-accept-encoding'] ?? '').includes('gzip');
      },
    });
  };
  return {
    async call<Request extends object, Response>(method: Method, request: Request) {
      const stream = open<Request, Response>(method, timeoutMs);
      let late = false;
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              late = true;
              stream.cancel();
            }, timeoutMs);
      try {
        stream.write(request);
        stream.end();
        const answers: Response[] = [];
        for await (const answer of stream) answers.push(answer);
        if (answers.length !== 1)
          throw lost ?? new Error(`${method.path}: expected one answer, got ${answers.length}`);
        return answers[0];
      } catch (error) {
        throw late ? new GrpcError(status.DEADLINE_EXCEEDED, method.path) : error;
      } finally {
        clearTimeout(timer);
      }
    },
    stream: (method) => open(method),
    get lost() {
      return lost !== undefined;
    },
    close() {
      signal.removeEventListener('abort', abort);
      session.close();
    },
  };
}

interface ExchangeOptions {
  compressed: boolean;
  lost(): ConnectionLost | undefined;
  onHeaders(headers: Record<string, unknown>): void;
}

function exchange<Request extends object, Response>(
  stream: ClientHttp2Stream,
  method: Method,
  { compressed, lost, onHeaders }: ExchangeOptions,
): GrpcStream<Request, Response> {
  let grpcStatus: { code: number; message: string } | undefined;
  let wrong: Error | undefined;
  const readStatus = (headers: Record<string, unknown>) => {
    const code = headers['grpc-status'];
    if (code !== undefined)
      grpcStatus = {
        code: Number(code),
        message: decodeURIComponent(String(headers['grpc-message'] ?? method.path)),
      };
  };
  stream.on('response', (headers) => {
    onHeaders(headers);
    const type = String(headers['content-type']);
    if (headers[':status'] !== 200 || !type.startsWith('application/grpc'))
      wrong = new Error(`${method.path}: expected gRPC, got ${headers[':status']}, ${type}`);
    readStatus(headers);
  });
  stream.on('trailers', readStatus);
  stream.on('error', () => {}); // Told by the iteration.
  async function* answers(): AsyncGenerator<Response> {
    const messages = messageReader();
    let broken: Error | undefined;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>)
        for (const message of messages(chunk)) yield method.responseDeserialize(message) as Response;
    } catch (error) {
      broken = error as Error;
    }
    // With its connection a stream loses what it had not handed over, though its end may have come.
    if (grpcStatus === undefined || (broken !== undefined && grpcStatus.code === status.OK)) {
      // The session tells a moment later than its streams.
      await new Promise((done) => setImmediate(done));
      throw lost() ?? wrong ?? broken ?? new ConnectionLost(`${method.path}: it has ended without a status`);
    }
    if (grpcStatus.code !== status.OK) throw new GrpcError(grpcStatus.code, grpcStatus.message);
  }
  const iterator = answers();
  return {
    write(request) {
      const message = Buffer.from(method.requestSerialize(request));
      const body = compressed ? gzipSync(message) : message;
      const prefix = Buffer.alloc(PREFIX);
      prefix[0] = compressed ? 1 : 0;
      prefix.writeUInt32BE(body.length, 1);
      stream.write(Buffer.concat([prefix, body]));
    },
    end: () => void stream.end(),
    cancel: () => stream.close(constants.NGHTTP2_CANCEL),
    next: () => iterator.next(),
    return: (value) => iterator.return(value),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Chunks in, whole messages out. */
function messageReader(): (chunk: Buffer) => Buffer[] {
  let chunks: Buffer[] = [];
  let have = 0;
  let need = PREFIX;
  return (chunk) => {
    chunks.push(chunk);
    have += chunk.length;
    const messages: Buffer[] = [];
    while (have >= need) {
      const bytes = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      chunks = [bytes];
      need = PREFIX + bytes.readUInt32BE(1);
      if (have < need) break;
      const body = bytes.subarray(PREFIX, need);
      messages.push(bytes[0] === 1 ? gunzipSync(body) : body);
      chunks = [bytes.subarray(need)];
      have -= need;
      need = PREFIX;
    }
    return messages;
  };
}

/** A flag, and the length of the message in four bytes. */
const PREFIX = 5;
const RECONNECT_MS = 1000;
/** No limit of its own. */
const SESSION_MEGABYTES = 1000;
const STREAM_WINDOW = 256 * 1024;
const CONNECTION_WINDOW = 2 * 1024 * 1024;
