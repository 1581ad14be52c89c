/** The executable of `npm run build:etcd`: one file that needs no Node and no package beside it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { platform } from 'node:process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openHead } from './head.js';

const run = promisify(execFile);
const [alice, bob, carol] = [0, 1, 2];

describe.skipIf(platform !== 'linux')('the one-file etcd', () => {
  let folder: string;
  let cache: string;
  const etcd = () => join(folder, 'etcd');
  const cached = async () => (await readdir(cache)).filter((name) => name.startsWith('etcd-'));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headwater-one-file-'));
    cache = join(folder, 'cache');
    await mkdir(cache);
    await run(process.execPath, [resolve('tools/etcd-file/build.mjs'), etcd()]);
  }, 180_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('runs with an empty environment, and leaves nothing where everybody may write', async () => {
    const before = await readdir(tmpdir());
    const { stdout, stderr } = await run(etcd(), ['--version'], { env: {} });
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^etcd Version: 3\.4\.0\+headwater\./), '']);
    const left = (await readdir(tmpdir())).filter((name) => !before.includes(name));
    expect(left.filter((name) => name.startsWith('headwater-etcd-'))).toEqual([]);
  });

  test('of starts at the same time one unpacks it, for this user alone, and later ones find it', async () => {
    const env = { HEADWATER_CACHE: cache };
    await Promise.all([1, 2, 3].map(() => run(etcd(), ['--version'], { env })));
    const [name, ...others] = await cached();
    expect([others, await readdir(cache)]).toEqual([[], [name]]);
    const { mode, mtimeMs } = await stat(join(cache, name));
    expect(mode & 0o777).toBe(0o700);
    await run(etcd(), ['--version'], { env });
    expect((await stat(join(cache, name))).mtimeMs).toBe(mtimeMs);
  });

  test('says why it cannot unpack where it was told to', async () => {
    const refused = run(etcd(), ['--version'], { env: { HEADWATER_CACHE: '/proc/none' } });
    await expect(refused).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('HEADWATER_CACHE'),
    });
  });

  test('serves three nodes, small messages and large, over a kill', async () => {
    const kind = { name: 'one file', path: folder, env: { HEADWATER_CACHE: cache }, lacks: {} };
    await using head = await openHead({ kind, release: '2.3.0', nodes: 3 });
    const large = 'x'.repeat(4 * 1024 * 1024);
    await head.start(alice, bob, carol);
    await head.send(alice, 'before', large);
    for (const node of [alice, bob, carol]) await head.delivered(node, ['before', large]);
    await head.kill(bob);
    await head.start(bob);
    await head.send(bob, 'after');
    for (const node of [alice, bob, carol]) await head.delivered(node, ['before', large, 'after']);
  }, 180_000);
});
