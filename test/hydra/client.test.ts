/** The fake hydra-node's own parts: what its client bears of a server, and how its values are encoded. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { METHODS } from '../../tools/lab/etcd/client.js';
import {
  decodeHost,
  decodeMessages,
  decodeNatural,
  encodeBatch,
  encodeHost,
  encodeMessage,
  encodeNatural,
} from '../../tools/lab/hydra/cbor.js';
import { ConnectionLost, connectGrpc } from '../../tools/lab/hydra/grpc.js';
import { RELEASES, type ReleaseName } from '../../tools/lab/hydra/releases.js';

test('a burst of five SETTINGS ends the connection of 2.3.0, not that of the release after it', async () => {
  await using server = await listen(5);
  expect(await outcome(server.address, '2.3.0')).toBeInstanceOf(ConnectionLost);
  expect(await outcome(server.address, 'next')).toBe('answered');
});

test('two SETTINGS end none', async () => {
  await using server = await listen(1);
  expect(await outcome(server.address, '2.3.0')).toBe('answered');
});

test('values are read as they were written', () => {
  const messages = ['', 'short', 'x'.repeat(300), 'y'.repeat(70_000)].map((text) => Buffer.from(text));
  const texts = (value: Buffer) => decodeMessages(value).map((message) => message.toString());
  expect(texts(encodeBatch(messages))).toEqual(messages.map(String));
  for (const message of messages) expect(texts(encodeMessage(message))).toEqual([String(message)]);
  for (const number of [1, 23, 24, 255, 256, 65_536])
    expect(decodeNatural(encodeNatural(number))).toBe(number);
  expect(decodeHost(encodeHost('some.host.example:5001'))).toBe('some.host.example:5001');
});

test('bytes that a hydra-node writes', () => {
  // RFC 8949, appendix A: 0x01, h'01020304', and a list of indefinite length.
  expect(encodeNatural(1).toString('hex')).toBe('01');
  expect(encodeMessage(Uint8Array.of(1, 2, 3, 4)).toString('hex')).toBe('4401020304');
  expect(encodeBatch([Uint8Array.of(1), Uint8Array.of(2)]).toString('hex')).toBe('9f41014102ff');
});

async function outcome(address: string, release: ReleaseName): Promise<unknown> {
  const { signal } = new AbortController();
  const connection = await connectGrpc(address, { signal, floodLimits: RELEASES[release].floodLimits });
  try {
    await connection.call(METHODS.put, { key: Buffer.from('key'), value: Buffer.alloc(512 * 1024) });
    return 'answered';
  } catch (error) {
    return error;
  } finally {
    connection.close();
  }
}

/** A server that answers each call with an empty message, and sends SETTINGS beyond the first while it reads one. */
async function listen(settings: number) {
  const server = createServer();
  server.on('stream', (stream) => {
    for (let i = 0; i < settings; i++) stream.session!.settings({});
    stream.on('error', () => {}); // The client has gone.
    stream.resume().once('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
