/** One process at a time has a store: in whatever container it runs, however the one before it ended, and nobody else touches it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/disk/lmdb.js';
import { put, sampleObject, storeOptions } from './samples.js';

const module = new URL('../../dist/disk/lmdb.js', import.meta.url).href;
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Opens the store, says what came of it, and holds it until its input ends. */
const script = (path: string) => `
  import { writeSync } from 'node:fs';
  import { openStore } from '${module}';
  const store = await openStore({ path: '${path}', groupId: new Uint8Array(32).fill(1), publicKey: new Uint8Array(32).fill(2) })
    .catch((error) => { writeSync(1, error.code + ' ' + error.message + '\\n'); process.exit(); });
  writeSync(1, (store.recovered ?? 'open') + ' ' + store.loaded.held.length + ' ' + process.pid + '\\n');
  process.stdin.on('end', () => store.close()).resume();
`;

interface Holder {
  said: string;
  end(how?: 'kill'): Promise<void>;
}

/** `before`: what runs the process, for instance in namespaces of its own. */
async function hold(path: string, before: readonly string[] = []): Promise<Holder> {
  const [command, ...args] = [...before, process.execPath, '--input-type=module', '-e', script(path)];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const ended = once(child, 'close');
  const said = await Promise.race([once(child.stdout, 'data').then(String), ended.then(() => 'nothing')]);
  return {
    said: said.trim(),
    end: async (how) => {
      // Of a container all processes go with it, and the output closes when the last one has ended.
      if (how) child.kill('SIGKILL');
      else child.stdin.end();
      await ended;
    },
  };
}

const container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** As with an entry script: Node is not number 1. */
const withShell = [...container, 'sh', '-c', '"$@"; exit $?', 'sh'];
const canUnshare = spawnSync(container[0], [...container.slice(1), 'true']).status === 0;

const filesOf = (path: string) =>
  readdirSync(dirname(path))
    .map((name) => {
      const file = `${dirname(path)}/${name}`;
      const { ino, size, mode } = statSync(file);
      // LMDB keeps its readers in the lock files.
      return { name, ino, size, mode, content: name.endsWith('-lock') ? '' : readFileSync(file, 'latin1') };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));

const places: [string, readonly string[]][] = [['a process beside it', []]];
if (canUnshare)
  places.push(
    ['a container in which it has the same number', container],
    ['a container in which it has another number', withShell],
  );

describe.each(places)('from %s', (_, before) => {
  test('a store in use is refused, and left as it is', async () => {
    const { path } = await storeOptions();
    const first = await hold(path, before === withShell ? container : before);
    const there = filesOf(path);
    const second = await hold(path, before);
    await second.end();
    expect([first.said.slice(0, 4), second.said]).toEqual([
      'open',
      expect.stringMatching(/^STORE store: expected one that nobody uses, got .*, which process \d+/),
    ]);
    expect(filesOf(path)).toEqual(there);
    await first.end();
  });

  test('after a refusal it is in use as before', async () => {
    const { path } = await storeOptions();
    const first = await hold(path, before);
    await (await hold(path, before)).end();
    const third = await hold(path, before);
    expect(third.said).toMatch(/^STORE/);
    await Promise.all([third.end(), first.end()]);
  });

  test('one whose owner was killed is free', async () => {
    const { path } = await storeOptions();
    await (await hold(path, before)).end('kill');
    const next = await hold(path, before);
    expect(next.said).toMatch(/^open 0/);
    await next.end();
  });

  test('one whose owner was killed while others tried is free', async () => {
    const { path } = await storeOptions();
    const first = await hold(path, before);
    const tries = [hold(path, before), hold(path, before)];
    await first.end('kill');
    for (const each of await Promise.all(tries)) await each.end();
    const next = await hold(path, before);
    expect(next.said).toMatch(/^open 0/);
    await next.end();
  });
});

if (!canUnshare) test.skip('from another container: unshare --pid is not permitted here', () => {});

test('of many that start at once exactly one gets it', async () => {
  const { path } = await storeOptions();
  const all = await Promise.all(Array.from({ length: 6 }, () => hold(path)));
  expect(all.map(({ said }) => said.slice(0, 5)).sort()).toEqual([...Array(5).fill('STORE'), 'open ']);
  await Promise.all(all.map((each) => each.end()));
});

test('a store that is open in this process is refused, and stays locked for others', async () => {
  const options = await storeOptions();
  await using _store = await openStore(options);
  await expect(openStore(options)).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringContaining('this process'),
  });
  const other = await hold(options.path);
  await other.end();
  expect(other.said).toMatch(/^STORE/);
});

test('a store is one, by whatever link it is reached', async () => {
  const options = await storeOptions();
  const first = await openStore(options);
  await first.commit([put(sampleObject(0))]);
  symlinkSync(options.path, `${options.path}.link`);
  await expect(openStore({ ...options, path: `${options.path}.link` })).rejects.toMatchObject({
    code: 'STORE',
  });
  await first.close();
  await using again = await openStore({ ...options, path: `${options.path}.link` });
  expect(again.loaded.held.length).toBe(1);
});

test('a lock file that holds nonsense is no hindrance', async () => {
  const options = await storeOptions();
  await (await openStore(options)).close();
  writeFileSync(`${options.path}-owner`, '{"pid":1}');
  writeFileSync(`${options.path}-owner-lock`, 'x'.repeat(100));
  await using store = await openStore(options);
  expect(store.recovered).toBeUndefined();
});

test('the files of a store are for its user alone', async () => {
  const options = await storeOptions();
  await using store = await openStore(options);
  const modes = filesOf(options.path).map(({ name, mode }) => [name, (mode & 0o777).toString(8)]);
  await store.close();
  const closed = filesOf(options.path).map(({ name, mode }) => [name, (mode & 0o777).toString(8)]);
  expect(modes.map(([, mode]) => mode)).toEqual(Array(4).fill('600'));
  expect(closed.map(([, mode]) => mode)).toEqual(Array(5).fill('600'));
});
