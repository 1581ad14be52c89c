/** What a receiver takes, what it tells others when it does not, and when nobody needs it any more: on a node that says what it is told. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { MemberStanding } from '../../src/bulk/ports.js';
import { HeadwaterError } from '../../src/errors.js';
import { type FileReceiving, type ReceiveEvent, receiveFiles } from '../../src/file/receive.js';
import type { Taker } from '../../src/node/bulk/transfers.js';
import type { Node } from '../../src/node/node.js';
import { smallGroup } from '../broadcast/small-group.js';
import { newFolder, offerOf, openTree, write } from './tree.js';

const { group } = smallGroup(3);
const [SENDER, OTHER, SELF] = group.members;

/** Member 2, to which member 0 offers a file of five bytes. */
async function setUp(
  maxBytes?: number,
  { overwrite = false, from }: { overwrite?: boolean; from?: (typeof group.members)[number] } = {},
) {
  const folder = await newFolder();
  const out = join(folder, 'out');
  await write(folder, { 'a.bin': 'bytes' });
  const offer = offerOf(await openTree(join(folder, 'a.bin')));
  const here = new Set([SENDER, OTHER]);
  const standings: MemberStanding[] = [];
  const over = new AbortController();
  let taker: Taker | undefined;
  const node = {
    group,
    self: SELF,
    transfers: {
      reachable: () => new Set([...here].map(({ index }) => index)),
      take: (each: Taker | undefined) => {
        taker = each;
      },
      status: () => ({ members: standings }),
    },
  } as unknown as Node;
  const { signal } = over;
  const receiving: FileReceiving = receiveFiles({ node, folder: out, overwrite, from, maxBytes, signal });
  const open = () => taker!.open(offer, () => {});
  const reasonOf = (error: unknown) => taker!.reasonOf(error);
  const fail = (error: unknown) => taker!.onFailed(offer, error);
  return { receiving, open, reasonOf, fail, stop: () => over.abort(), here, standings, out };
}

const standing = (member: number, state: MemberStanding['state'], hasHeard = true): MemberStanding => {
  return { member, state, slices: 0, reason: '', hasHeard };
};

test('as many bytes as it takes are taken', async () => {
  const { open } = await setUp(4096);
  await (await open()).close(true);
});

test('one byte more is refused, and the sender is told what would be taken', async () => {
  const { open, reasonOf } = await setUp(4095);
  const error = await open().catch((caught) => caught);
  expect(error).toMatchObject({ code: 'TOO_LARGE' });
  expect(reasonOf(error)).toBe(
    'transfer: expected at most 4095 bytes (--max-size of the receiver), got 4096',
  );
});

test('what only others than its sender speak of takes the place of nothing, and is no failure', async () => {
  const { receiving, open, reasonOf, fail, stop, out } = await setUp(undefined, { overwrite: true });
  await write(out, { 'a.bin': 'newer' });
  const error = await open().catch((caught) => caught);
  expect(reasonOf(error)).toContain('its sender is not there');
  fail(error);
  stop();
  const events: ReceiveEvent[] = [];
  for await (const event of receiving) events.push(event);
  expect(events).toEqual([]);
  expect(await readFile(join(out, 'a.bin'), 'utf8')).toBe('newer');
});

test('what its sender offers takes the place of what is there, where that is wanted', async () => {
  const { open, standings, out } = await setUp(undefined, { overwrite: true });
  await write(out, { 'a.bin': 'older' });
  standings.push(standing(SENDER.index, 'offered'));
  await (await open()).close(true);
});

test('who takes files of one member alone takes nothing of another, whoever has the code', async () => {
  await (await (await setUp(undefined, { from: SENDER })).open()).close(true);
  const { open, reasonOf, out } = await setUp(undefined, { from: OTHER });
  const error = await open().catch((caught) => caught);
  expect(reasonOf(error)).toBe('it takes no more files');
  await expect(readFile(join(out, 'a.bin'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('who takes nothing new says so to the sender', async () => {
  const { receiving, open, reasonOf } = await setUp();
  receiving.refuseNew();
  const error = await open().catch((caught) => caught);
  expect(reasonOf(error)).toBe('it takes no more files');
});

test('what comes once nothing new is taken is no failure of ours', async () => {
  const { receiving, open, fail, stop } = await setUp();
  receiving.refuseNew();
  fail(await open().catch((caught) => caught));
  stop();
  const events: ReceiveEvent[] = [];
  for await (const event of receiving) events.push(event);
  expect(events).toEqual([]);
});

test('what is refused for its size is a failure that is told', async () => {
  const { receiving, open, fail, stop } = await setUp(4);
  fail(await open().catch((caught) => caught));
  const { value } = await receiving[Symbol.asyncIterator]().next();
  expect(value).toMatchObject({ type: 'failed', error: { code: 'TOO_LARGE' } });
  stop();
});

test('of our disk others hear no paths', async () => {
  const { reasonOf } = await setUp();
  const cause = Object.assign(new Error('/home/anna/in'), { code: 'EACCES' });
  const error = new HeadwaterError('FILE', 'file: expected to write, got EACCES for /home/anna/in', {
    cause,
  });
  expect(reasonOf(error)).toBe('it cannot write the files (EACCES)');
});

test('a second receiver in the same folder fails at once, with who has it, and its sender hears why', async () => {
  const { open, reasonOf } = await setUp();
  const first = await open();

  const error = await open().catch((caught) => caught);

  expect(error.message).toMatch(/which this process has in use$/);
  expect(reasonOf(error)).toBe('another process saves them to the same folder');
  await first.close(true);
});

test('it stays until the sender has heard what became of the files', async () => {
  const { receiving, open, standings } = await setUp();
  await (await open()).close(true);
  standings.push(standing(0, 'offered', false));
  expect(receiving.isSettled).toBe(false);
  standings[0] = standing(0, 'offered');
  expect(receiving.isSettled).toBe(true);
});

test('it stays for others that still receive', async () => {
  const { receiving, open, standings } = await setUp();
  await (await open()).close(true);
  standings.push(standing(0, 'offered'), standing(1, 'receiving'));
  expect(receiving.isSettled).toBe(false);
  standings[1] = standing(1, 'failed');
  expect(receiving.isSettled).toBe(true);
});

test('it waits for nobody that has gone', async () => {
  const { receiving, open, here, standings } = await setUp();
  await (await open()).close(true);
  standings.push(standing(0, 'offered', false), standing(1, 'receiving'));
  here.clear();
  expect(receiving.isSettled).toBe(true);
});
