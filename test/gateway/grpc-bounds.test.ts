/** The gRPC server before whoever reads slowly, or sends what is no call: over real connections, with a method of each kind. */
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  HEADER_RESPONSE,
  PUT_REQUEST,
  WATCH_REQUEST,
  WATCH_RESPONSE,
} from '../../src/gateway/api/messages.js';
import { encode } from '../../src/gateway/api/protobuf.js';
import { CODE } from '../../src/gateway/api/status.js';
import {
  type GrpcServer,
  type ResponseStream,
  type StreamHandlers,
  type StreamMethod,
  startGrpc,
  type UnaryMethod,
} from '../../src/gateway/server/grpc.js';
import { freePorts } from '../../tools/lab/ports.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const PUT = '/etcdserverpb.KV/Put';
const WATCH = '/etcdserverpb.Watch/Watch';
const MEGABYTE = 1024 * 1024;

async function serve(open: (stream: ResponseStream) => StreamHandlers = () => ({ onRequest() {} })) {
  const [port] = await freePorts(1);
  let server: GrpcServer;
  const put = {
    request: PUT_REQUEST,
    response: HEADER_RESPONSE,
    begin: (call: number) => server.answer(call, {}),
  } as unknown as UnaryMethod;
  const watch = { request: WATCH_REQUEST, response: WATCH_RESPONSE, open } as unknown as StreamMethod;
  server = await startGrpc({
    host: '127.0.0.1',
    port,
    unary: new Map([[PUT, put]]),
    streams: new Map([[WATCH, watch]]),
    onGone() {},
  });
  closing.push(() => server.close());
  return { port, server };
}

function session(port: number): ClientHttp2Session {
  const client = connect(`http://127.0.0.1:${port}`);
  client.on('error', () => {});
  closing.push(() => client.destroy());
  return client;
}

function call(client: ClientHttp2Session, path: string, type = 'application/grpc+proto'): ClientHttp2Stream {
  const stream = client.request({ ':method': 'POST', ':path': path, te: 'trailers', 'content-type': type });
  stream.on('error', () => {});
  return stream;
}

function frame(body: Uint8Array, flag = 0, length = body.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, body]);
}

/** `grpc-status` and `grpc-message`, in trailers or without an answer in the headers. */
async function statusOf(stream: ClientHttp2Stream): Promise<{ status: number; message: string }> {
  let fields: Record<string, unknown> = {};
  const note = (headers: object) => {
    fields = { ...fields, ...headers };
  };
  stream.on('response', note).on('trailers', note).resume();
  if (!stream.closed) await once(stream, 'close');
  return {
    status: Number(fields['grpc-status'] ?? Number.NaN),
    message: String(fields['grpc-message'] ?? ''),
  };
}

async function putStatus(client: ClientHttp2Session, bytes: Uint8Array) {
  const stream = call(client, PUT);
  stream.end(bytes);
  return statusOf(stream);
}

const goodPut = () => frame(encode(PUT_REQUEST, { key: Buffer.from('key'), value: Buffer.from('value') }));

test('a reader that does not read holds up what it is sent, and gets all of it later', async () => {
  const total = 64;
  let sent = 0;
  let response: ResponseStream;
  const pump = () => {
    while (sent < total && response.hasRoom) {
      const kv = { key: Buffer.from('msg'), mod_revision: ++sent, value: Buffer.alloc(MEGABYTE) };
      response.send({ events: [{ type: 0, kv }] });
    }
  };
  const { port } = await serve((stream) => {
    response = stream;
    return { onRequest: pump, onDrain: pump };
  });
  const stream = call(session(port), WATCH);
  stream.write(frame(encode(WATCH_REQUEST, {})));
  await once(stream, 'response');
  // Whatever is to be sent without anybody reading is sent while another call comes and goes.
  expect(await putStatus(session(port), goodPut())).toMatchObject({ status: CODE.OK });
  expect(sent).toBeLessThan(4);

  let received = 0;
  stream.on('data', (bytes: Buffer) => {
    received += bytes.length;
  });
  while (received < total * MEGABYTE) await once(stream, 'data');
  expect(sent).toBe(total);
});

test('a message above the bound is refused by its length, before it comes', async () => {
  const { port } = await serve();
  const stream = call(session(port), PUT);
  stream.end(frame(Buffer.alloc(10), 0, 256 * MEGABYTE));
  expect(await statusOf(stream)).toEqual({
    status: CODE.RESOURCE_EXHAUSTED,
    message: `expected a message of at most ${255 * MEGABYTE} bytes, got ${256 * MEGABYTE}`,
  });
});

test('what is no message ends its call, and the connection goes on', async () => {
  const { port } = await serve();
  const client = session(port);
  const none = { status: CODE.INTERNAL, message: 'expected a message, got none' };
  expect(await putStatus(client, Buffer.alloc(0))).toEqual(none);
  expect(await putStatus(client, frame(Buffer.alloc(3), 0, 100))).toEqual(none);
  expect(await putStatus(client, frame(Buffer.from('0aff', 'hex')))).toMatchObject({ status: CODE.INTERNAL });
  expect(await putStatus(client, frame(Buffer.alloc(8), 1))).toEqual({
    status: CODE.UNIMPLEMENTED,
    message: 'compressed messages are not taken',
  });
  expect(await putStatus(client, goodPut())).toMatchObject({ status: CODE.OK });
});

test('a method that is not there is UNIMPLEMENTED, and what is no gRPC is 415', async () => {
  const { port } = await serve();
  const client = session(port);
  const unknown = call(client, '/etcdserverpb.Auth/Authenticate');
  unknown.end(goodPut());
  expect(await statusOf(unknown)).toMatchObject({ status: CODE.UNIMPLEMENTED });
  const page = call(client, PUT, 'text/html');
  page.end();
  const [headers] = await once(page, 'response');
  expect(headers[':status']).toBe(415);
});

test('a frame above the size that HTTP/2 was told is answered by GOAWAY, and others go on', async () => {
  const { port } = await serve();
  const other = session(port);
  const socket = connectTcp(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  socket.on('error', () => {});
  const settings = Buffer.from('000000040000000000', 'hex');
  // DATA of 16 MiB less one, where 16 KiB are taken.
  const huge = Buffer.concat([Buffer.from('ffffff000000000001', 'hex'), Buffer.alloc(MEGABYTE)]);
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings, huge]));
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  while (!answer.includes('too large frame size')) await once(socket, 'data');
  expect(await putStatus(other, goodPut())).toMatchObject({ status: CODE.OK });
});
