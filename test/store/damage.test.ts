/**
 * Damage to the file of a store that was closed: whatever it is, the process goes on, and what is read is what was
 * written or absent. And an end at any instant (kill -9): all that was committed is there.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { openStore } from '../../src/disk/lmdb.js';
import { withSeeds } from '../util/seed.js';
import { INCARNATION, prune, put, sampleObject, state, storeOptions, stream } from './samples.js';

const module = new URL('../../dist/disk/lmdb.js', import.meta.url).href;

test.each([
  ['is something else', (path: string) => writeFileSync(path, 'a letter of many pages '.repeat(10_000))],
  ['is empty', (path: string) => truncateSync(path, 0)],
  ['was cut in half', (path: string) => truncateSync(path, readFileSync(path).length / 2)],
])('a file that %s is moved aside and a new store begun', async (_, damage) => {
  const options = await storeOptions();
  const store = await openStore(options);
  await store.commit(Array.from({ length: 50 }, (_, seq) => put(sampleObject(seq, 5000))));
  await store.close();
  damage(options.path);
  const hurt = readFileSync(options.path);
  await using again = await openStore(options);
  expect(again.recovered).toMatch(`${options.path}.corrupt-`);
  expect(hurt.equals(readFileSync(again.recovered!))).toBe(true);
  expect(again.loaded).toMatchObject({ streams: [], held: [], bytes: 0 });
});

test('no damage ends the process or makes an object another one', async () => {
  const options = await storeOptions();
  const store = await openStore(options);
  for (let from = 0; from < 200; from += 10) {
    const seqs = Array.from({ length: 10 }, (_, i) => from + i);
    // Each byte of an object is its seq, as hurt.mjs expects.
    const objects = seqs.map((seq) => ({
      ...sampleObject(seq),
      bytes: new Uint8Array(seq % 20 === 0 ? 30_000 : 400).fill(seq),
    }));
    await store.commit([...objects.map(put), { type: 'stream', state: state({ delivered: from / 2 }) }]);
  }
  const other = { origin: 4, incarnation: 1 };
  for (let seq = 0; seq < 30; seq++)
    await store.commit([put(sampleObject(seq, 20_000 * (seq % 5), other)), prune(seq - 3, other)]);
  await store.close();
  await withSeeds(
    1,
    (seed) => {
      const script = new URL('./hurt.mjs', import.meta.url).pathname;
      const args = [script, module, options.path, String(new Rng(seed).uint32()), '60'];
      const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 100_000,
      });
      expect({ status, signal, stderr: stderr.slice(-2000) }, stdout.slice(-300)).toMatchObject({
        status: 0,
        signal: null,
      });
    },
    'store damage',
  );
});

// The child commits objects 0, 1, 2, ... and says each seq once its commit has resolved; it is killed at a random instant.
test('after kill -9 at any instant all that was committed is there', async () => {
  await withSeeds(
    6,
    async (seed) => {
      const rng = new Rng(seed);
      const options = await storeOptions();
      let next = 0;
      for (let life = 0; life < 2; life++) {
        const child = spawn(process.execPath, ['--input-type=module', '-e', committing(options.path, next)]);
        let said = '';
        child.stdout.on('data', (text) => {
          said += text;
          // From the first word on, so that the kill falls among the commits.
          if (said.length === text.length) setTimeout(() => child.kill('SIGKILL'), rng.integer(0, 150));
        });
        await once(child, 'close');
        const last = Number(
          said
            .trim()
            .split('\n')
            .slice(0, said.endsWith('\n') ? undefined : -1)
            .at(-1),
        );
        await using store = await openStore(options);
        const seqs = store.loaded.held.map(({ seq }) => seq);
        expect([store.recovered, seqs.slice(0, last + 1)]).toEqual([
          undefined,
          Array.from({ length: last + 1 }, (_, i) => i),
        ]);
        next = seqs.length;
      }
    },
    'kill -9',
  );
});

function committing(path: string, from: number): string {
  return `import { writeSync } from 'node:fs';
    import { openStore } from '${module}';
    const store = await openStore({ path: ${JSON.stringify(path)}, groupId: new Uint8Array(32).fill(1), publicKey: new Uint8Array(32).fill(2) });
    for (let seq = ${from}; seq < 100000; seq++) {
      const object = { origin: ${stream.origin}, incarnation: ${INCARNATION}, seq, certificate: new Uint8Array(160), bytes: new Uint8Array((seq % 7) * 9000) };
      await store.commit([{ type: 'object', object }]);
      writeSync(1, seq + '\\n');
    }`;
}

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0;

test.skipIf(!canMount)(
  'on a full disk it says so, keeps what it had, and goes on once there is room (root only)',
  async () => {
    const { path } = await storeOptions();
    const folder = path.slice(0, path.lastIndexOf('/'));
    const script = `import { readdirSync, rmSync, writeFileSync } from 'node:fs';
    import { openStore } from '${module}';
    const fill = (value) => new Uint8Array(32).fill(value);
    writeFileSync('${folder}/ballast', new Uint8Array(1 << 20));
    const store = await openStore({ path: '${path}', groupId: fill(1), publicKey: fill(2) });
    const write = (seq) => store.commit([{ type: 'object', object: { origin: 0, incarnation: 1, seq, certificate: fill(3), bytes: new Uint8Array(100000) } }]);
    const there = async () => { let n = 0; for (let seq = 0; seq < 40; seq++) if (await store.read({ origin: 0, incarnation: 1, seq })) n++; return n; };
    let seq = 0, code;
    while (seq < 40 && code === undefined) await write(seq).then(() => seq++, (error) => { code = error.code; });
    const kept = await there() === seq;
    // What is free in the file is used, though the disk has no more.
    await store.commit([{ type: 'prune', stream: { origin: 0, incarnation: 1 }, below: 8 }]);
    await store.commit([]);
    const reused = await write(seq + 50).then(() => true, (error) => error.code);
    await store.commit([{ type: 'drop', stream: { origin: 0, incarnation: 1 }, from: seq + 50 }]);
    const left = await there();
    rmSync('${folder}/ballast');
    await write(seq);
    console.log(JSON.stringify({ code, kept, reused, after: await there() - left }));
    writeFileSync('${folder}/ballast', new Uint8Array(600_000));
    await store.commit([{ type: 'object', object: { origin: 0, incarnation: 1, seq: 99, certificate: fill(3), bytes: new Uint8Array(3e6) } }]).catch(() => {});
    await store.close();
    console.log(readdirSync('${folder}').sort().join(' '));`;
    // In a mount namespace of its own: the file system is gone with the process.
    const shell = `mount -t tmpfs -o size=3m tmpfs '${folder}' && exec "$0" --input-type=module -e "$1"`;
    const { stdout, stderr } = spawnSync('unshare', ['-m', 'sh', '-c', shell, process.execPath, script], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      JSON.stringify({ code: 'STORE_FULL', kept: true, reused: true, after: 1 }),
      'ballast member.store member.store-closed member.store-lock member.store-owner member.store-owner-lock',
    ]);
  },
);

test.skipIf(!canMount)(
  'on a disk without any room to begin with it is refused, and no more (root only)',
  async () => {
    const { path } = await storeOptions();
    const folder = path.slice(0, path.lastIndexOf('/'));
    const script = `import { openSync, readdirSync, writeSync } from 'node:fs';
    import { openStore } from '${module}';
    const file = openSync('${folder}/ballast', 'w');
    try { for (;;) writeSync(file, new Uint8Array(4096)); } catch {}
    const fill = (value) => new Uint8Array(32).fill(value);
    const code = await openStore({ path: '${path}', groupId: fill(1), publicKey: fill(2) }).then(() => 'open', (error) => error.code);
    console.log(code, readdirSync('${folder}').join(' '));`;
    const shell = `mount -t tmpfs -o size=1m tmpfs '${folder}' && exec "$0" --input-type=module -e "$1"`;
    const { stdout, stderr, signal } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', shell, process.execPath, script],
      {
        encoding: 'utf8',
      },
    );
    expect({ stdout, stderr, signal }).toEqual({ stdout: 'STORE_FULL ballast\n', stderr: '', signal: null });
  },
);
