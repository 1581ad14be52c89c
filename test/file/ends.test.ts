/** Transfers that are left midway: by their signal, by leaving the loop, by closing the node. Real nodes over loopback. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { type FileReceiving, type ReceiveEvent, receiveFiles } from '../../src/file/receive.js';
import { type FileSending, sendFiles } from '../../src/file/send.js';
import { createGroup } from '../../src/group/group.js';
import { Node } from '../../src/node/node.js';
import { newFolder, write } from './tree.js';

const PORT = 21_460;
let folder: string;
let [a, b]: Node[] = [];

beforeEach(async () => {
  folder = await newFolder();
  await write(folder, { 'tree/large': randomBytes(40_000_000) });
  const seeds = [randomBytes(32), randomBytes(32)];
  const members = seeds.map((seed, i) => ({
    ...{ publicKey: keyPair(seed).publicKey, name: `m${i}`, locator: `127.0.0.1:${PORT + i}` },
  }));
  const group = createGroup({ name: 'ends', members });
  // What one path carries at once is soon sent.
  [a, b] = await Promise.all(seeds.map((secretKey) => Node.start({ group, secretKey, maxRate: 4e6 })));
});

afterEach(async () => {
  await Promise.all([a.close(), b.close()]);
});

const into = async (name: string) => {
  await mkdir(join(folder, name), { recursive: true });
  return join(folder, name);
};

async function next(receiving: FileReceiving, type: ReceiveEvent['type']): Promise<ReceiveEvent> {
  for await (const event of receiving) if (event.type === type) return event;
  throw new Error(`ended before ${type}`);
}

const send = (): Promise<FileSending> => sendFiles({ node: a, paths: [join(folder, 'tree')] });
const stateOf = async (sending: FileSending) => (await sending.report).receivers[0];

test('a loop that is left stops what is under way, and its sender is told', async () => {
  const out = await into('out');
  const sending = await send();
  await next(receiveFiles({ node: b, folder: out }), 'progress');

  expect(await stateOf(sending)).toMatchObject({ state: 'failed', reason: 'it takes no more files' });
  expect((await readdir(out)).filter((name) => !name.startsWith('.'))).toEqual([]);
});

test('a signal does so too', async () => {
  const out = await into('out');
  const sending = await send();
  const stopped = new AbortController();
  for await (const { type } of receiveFiles({ node: b, folder: out, signal: stopped.signal }))
    if (type === 'progress') stopped.abort();

  expect(await stateOf(sending)).toMatchObject({ state: 'failed' });
  expect((await readdir(out)).filter((name) => !name.startsWith('.'))).toEqual([]);
});

test('who receives from then on gets it where it says', async () => {
  const [out, other] = [await into('out'), await into('other')];
  const sending = await send();
  await next(receiveFiles({ node: b, folder: out }), 'progress');

  await next(receiveFiles({ node: b, folder: other }), 'saved');

  expect(await readdir(other)).toEqual(['tree']);
  expect(await stateOf(sending)).toBeDefined();
});

test('a node that is closed ends both sides of it', async () => {
  const out = await into('out');
  const sending = await send();
  const receiving = receiveFiles({ node: b, folder: out });
  const events: string[] = [];
  for await (const { type } of receiving) {
    events.push(type);
    if (type === 'progress') void b.close();
  }
  expect(events).toContain('progress');

  await a.close();

  await expect(sending.report).rejects.toThrow(expect.objectContaining({ code: 'CLOSED' }));
});
