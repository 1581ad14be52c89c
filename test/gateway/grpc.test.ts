/** The server of the gateway, spoken to by Node's own HTTP/2. */
import { type ClientHttp2Stream, connect } from 'node:http2';
import { expect, test } from 'vitest';
import * as api from '../../src/gateway/api/messages.js';
import { encode, type Message } from '../../src/gateway/api/protobuf.js';
import { type GrpcServer, type StreamMethod, startGrpc } from '../../src/gateway/server/grpc.js';
import { freePorts } from '../../tools/lab/ports.js';

const REQUESTS = 2000;
const KEY = new Uint8Array(2000);

test('who does not read its answers is not listened to until it does, and then gets them all', async () => {
  let heard = 0;
  const echo: StreamMethod = {
    request: api.PUT_REQUEST as Message<object>,
    response: api.PUT_REQUEST as Message<object>,
    open: (stream) => ({
      onRequest(request) {
        heard++;
        stream.send(request);
      },
    }),
  };
  const [port] = await freePorts(1);
  const server = await startGrpc({
    host: '127.0.0.1',
    port,
    unary: new Map(),
    streams: new Map([['/echo', echo]]),
    onGone: () => {},
  });
  const client = connect(`http://127.0.0.1:${port}`);
  const stream = client.request({
    ':method': 'POST',
    ':path': '/echo',
    'content-type': 'application/grpc',
  });
  stream.pause();
  for (let i = 0; i < REQUESTS; i++) stream.write(requestOf(KEY));

  await settled(() => heard);
  expect(heard).toBeGreaterThan(0);
  expect(heard).toBeLessThan(REQUESTS / 4);

  expect(await bytesOf(stream)).toBe(REQUESTS * requestOf(KEY).length);
  await close(server, client);
});

function requestOf(key: Uint8Array): Uint8Array {
  const body = encode(api.PUT_REQUEST as Message<object>, { key });
  const frame = Buffer.alloc(5 + body.length);
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, 5);
  return frame;
}

/** Once it has stayed the same for a while. */
async function settled(count: () => number): Promise<void> {
  let [last, times] = [-1, 0];
  while (times < 10) {
    times = count() === last ? times + 1 : 0;
    last = count();
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function bytesOf(stream: ClientHttp2Stream): Promise<number> {
  let bytes = 0;
  stream.end();
  for await (const part of stream) bytes += part.length;
  return bytes;
}

async function close(server: GrpcServer, client: { close(): void }): Promise<void> {
  client.close();
  await server.close();
}
