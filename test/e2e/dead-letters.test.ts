/** A message that ends the process of its consumer, at every start: after a few it is set aside, and can be looked at and retried. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { formatPublicKey, formatSecretKey, keyPair } from '../../src/crypto/keys.js';
import { freePorts } from './cli.js';

const dist = new URL('../../dist/', import.meta.url).href;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function lab() {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-dead-'));
  folders.push(folder);
  const seed = new Uint8Array(32).fill(1);
  const [port] = await freePorts(1);
  const key = formatPublicKey(keyPair(seed).publicKey);
  const members = [{ name: 'alice', key, address: `127.0.0.1:${port}` }];
  writeFileSync(
    join(folder, 'group.json'),
    JSON.stringify({ headwater: 'group', version: 1, name: 'dead', members }),
  );
  writeFileSync(join(folder, 'a.key'), formatSecretKey(seed), { mode: 0o600 });
  return {
    /** One run, until `last` is delivered or `poison` ends it: what it delivered and was told, and how it ended. */
    run(send: string[], poison: string, last: string) {
      const script = `
        import { readFileSync, writeSync } from 'node:fs';
        import { createNetwork, parseGroup } from '${dist}index.js';
        const network = await createNetwork(
          { group: parseGroup(readFileSync('${folder}/group.json', 'utf8')), secretKey: new Uint8Array(32).fill(1), storePath: '${folder}/a.store' },
          {
            deliver(msg) {
              if (msg === '${poison}') process.kill(process.pid, 'SIGKILL');
              writeSync(1, msg + ' ');
              if (msg === '${last}') setTimeout(() => network.close());
            },
            onNotice: ({ type }) => writeSync(1, '(' + type + ') '),
          },
        );
        await Promise.all(${JSON.stringify(send)}.map((msg) => network.broadcast(msg)));`;
      const { stdout, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      return { said: stdout.trim(), signal };
    },
    cli(...args: string[]) {
      const files = ['-g', `${folder}/group.json`, '-k', `${folder}/a.key`, '--store', `${folder}/a.store`];
      const main = new URL('cli/main.js', dist).pathname;
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [main, 'dead-letters', ...files, ...args],
        {
          encoding: 'utf8',
        },
      );
      return { stdout, stderr, status };
    },
  };
}

test('what comes after a message that ends every run is delivered after four of them, in order; the message is kept', async () => {
  const { run, cli } = await lab();
  const runs = [run(['one', 'poison', 'two', 'three'], 'poison', 'three')];
  while (runs.at(-1)!.signal !== null && runs.length < 10) runs.push(run([], 'poison', 'three'));
  expect(runs.length).toBe(5);
  // Its own cursor is what a crash may repeat.
  expect(runs.at(-1)!.said).toMatch(/^(one )?\(dead-letter\) two three$/);

  const { stdout } = cli('--json');
  const [letter] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(letter).toMatchObject({ from: 'alice', seq: expect.any(Number), bytes: 7, retry: false });
  expect(cli('--read', letter.id).stdout.slice(1)).toBe('poison');

  // Once more, with a consumer that bears it.
  expect(JSON.parse(cli('--json', '--retry', letter.id).stdout)).toMatchObject({
    id: letter.id,
    retry: true,
  });
  expect(run([], 'nothing', 'poison')).toEqual({ said: 'poison', signal: null });
  expect(cli('--json').stdout).toBe('');
});

test('a retry that ends the process is not repeated, and loses nothing', async () => {
  const { run, cli } = await lab();
  let last = run(['poison', 'next'], 'poison', 'next');
  for (let i = 0; last.signal !== null && i < 10; i++) last = run([], 'poison', 'next');
  const { id } = JSON.parse(cli('--json').stdout);
  cli('--retry', id);
  expect(run([], 'poison', 'none').signal).toBe('SIGKILL');
  expect(run(['more'], 'poison', 'more')).toEqual({ said: 'more', signal: null });
  expect(JSON.parse(cli('--json').stdout)).toMatchObject({ id, retry: false });
});

test('a consumer that is killed while it has a message under way, now and then, loses none', async () => {
  const { run } = await lab();
  run(['slow', 'next'], 'slow', 'next');
  run([], 'slow', 'next');
  expect(run([], 'nothing', 'next').said).toBe('slow next');
});

test('an id that is none is refused by name', async () => {
  const { run, cli } = await lab();
  run(['one'], 'nothing', 'one');
  expect(cli('--read', 'alice/1/2/3')).toMatchObject({
    status: 2,
    stderr: 'headwater: dead letter: expected the id of one, got alice/1/2/3\n',
  });
});
