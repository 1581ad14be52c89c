/** Where a store may be: what is made for it, what is not, and that no place holds a program up. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../src/disk/lmdb.js';
import { put, sampleObject, storeOptions } from './samples.js';

test('the folder of a store is made', async () => {
  const { path, ...options } = await storeOptions();
  await using store = await openStore({ ...options, path: join(dirname(path), 'data', 'a.store') });
  expect(store.recovered).toBeUndefined();
});

test.each([
  ['folders above that', 'typo/deep/a.store', {}],
  ['the folder of a store, if the store alone may be', 'typo/a.store', { create: 'store' }],
  ['the folder, if nothing may be', 'typo/a.store', { create: 'nothing' }],
  ['the store, if nothing may be', 'a.store', { create: 'nothing' }],
] as const)('not made: %s', async (_, name, how) => {
  const { path, ...options } = await storeOptions();
  const folder = dirname(path);
  await expect(openStore({ ...options, ...how, path: join(folder, name) })).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringMatching(/^store: expected .*, got (none|nothing)$/),
  });
  expect(readdirSync(folder)).toEqual([]);
});

test('who may make nothing leaves a damaged store where it is', async () => {
  const options = await storeOptions();
  const store = await openStore(options);
  await store.commit([put(sampleObject(0, 30_000))]);
  await store.close();
  truncateSync(options.path, 9000);
  const before = readFileSync(options.path);
  await expect(openStore({ ...options, create: 'nothing' })).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringContaining('expected one that can be read, got damage in'),
  });
  expect(readFileSync(options.path)).toEqual(before);
  await using again = await openStore(options);
  expect(again.recovered).toMatch(/corrupt/);
});

test('who only looks at a store after a crash leaves it to the member to hear of the crash', async () => {
  const options = await storeOptions();
  await (await openStore(options)).close();
  rmSync(`${options.path}-closed`);
  await (await openStore({ ...options, create: 'nothing' })).close();
  await using member = await openStore(options);
  expect(member.loaded.crash).toBeDefined();
});

test.each<[string, string, (folder: string) => void]>([
  ['below a file', 'file/a.store', (folder) => writeFileSync(join(folder, 'file'), '')],
  ['far below a file', 'file/deep/a.store', (folder) => writeFileSync(join(folder, 'file'), '')],
  ['a link to itself', 'loop', (folder) => symlinkSync('loop', join(folder, 'loop'))],
  ['below a link to itself', 'loop/a.store', (folder) => symlinkSync('loop', join(folder, 'loop'))],
  ['below a link to nowhere', 'link/a.store', (folder) => symlinkSync('nowhere', join(folder, 'link'))],
  ['with a name that is too long', 'a'.repeat(300), () => {}],
  ['with a name that is too long with what lies beside it', 'a'.repeat(250), () => {}],
  [
    'beside a folder where its lock should be',
    'a.store',
    (folder) => mkdirSync(join(folder, 'a.store-owner-lock')),
  ],
  [
    'beside a folder where its owner should be',
    'a.store',
    (folder) => mkdirSync(join(folder, 'a.store-owner')),
  ],
  ['with a zero byte in its name', 'a\0b', () => {}],
])('%s: refused with a code', async (_, name, prepare) => {
  const { path, ...options } = await storeOptions();
  prepare(dirname(path));
  await expect(openStore({ ...options, path: join(dirname(path), name) })).rejects.toMatchObject({
    code: 'STORE',
  });
});

test.skipIf(process.getuid?.() !== 0)(
  'a lock that another user left: refused with a code (root only)',
  async () => {
    const { path } = await storeOptions();
    writeFileSync(`${path}-owner-lock`, '');
    chmodSync(dirname(path), 0o777);
    chmodSync(`${path}-owner-lock`, 0o600);
    // Loaded before it becomes another user, to whom our files may not be open.
    const module = new URL('../../dist/disk/lmdb.js', import.meta.url).href;
    const script = `
    import 'lmdb';
    import { openStore } from '${module}';
    process.setuid(65534);
    await openStore({ path: '${path}', groupId: new Uint8Array(32), publicKey: new Uint8Array(32) }).catch(({ code, message }) => console.log(code, message));`;
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    expect([stdout, signal]).toEqual([expect.stringMatching(/^STORE .*EACCES/), null]);
  },
);

/** Where a call of the system may never return it must not be this process that makes it. */
test
  .skipIf(!existsSync('/proc/self'))
  .each([
    '/proc/x/y',
    '/proc/x/y/z',
    '/proc/y',
    '/proc/self/y',
    '/proc/self/fd/y',
    '/sys/x',
    '/sys/x/y',
    '/dev/null',
    '/dev/null/y',
    '/dev/zero',
    '/dev/full',
    '/dev/stdin',
  ])('%s: refused with a code, and the program goes on', (path) => {
  const module = new URL('../../dist/index.js', import.meta.url).href;
  const script = `
    import { createGroup, createNetwork, keyPair } from '${module}';
    const secretKey = new Uint8Array(32).fill(1);
    const members = [{ publicKey: keyPair(secretKey).publicKey, locator: '127.0.0.1:9' }];
    const group = createGroup({ name: 'one', members });
    await createNetwork({ group, secretKey, bind: '127.0.0.1:0', storePath: '${path}' }).catch(({ code }) => console.log(code));`;
  const patience = 60_000;
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: patience,
    killSignal: 'SIGKILL',
  });
  expect([stdout, signal]).toEqual(['STORE\n', null]);
});
