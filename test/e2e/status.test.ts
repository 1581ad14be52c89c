/** `headwater status`, `peers`, `drops`: what an operator learns of a running member, and of one that does not run. */
import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cleanup, freePorts, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

let lab: Lab;
beforeEach(async () => {
  lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
});
afterEach(cleanup);

const at = (name: string) => join(lab.folder, name);

async function ask(...args: string[]) {
  const cli = headwater(args);
  const code = await cli.exit();
  return { code, stdout: cli.stdout, stderr: cli.stderr };
}

async function start(name: string, ...args: string[]) {
  const cli = headwater(['node', ...lab.as(name), '--store', at(`${name}.store`), '--json', ...args]);
  await cli.first('ready');
  return cli;
}

const storeOf = (name: string) => ['--store', at(`${name}.store`)];

describe.skipIf(process.platform === 'win32')('a running member', () => {
  test('is asked by its store: who is here, who is away, what is kept', async () => {
    const anna = await start('anna');
    await start('ben');
    await anna.first('peer');
    const { code, stdout } = await ask('status', ...storeOf('anna'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^quorum +yes \(2 of 3 are here, 2 are needed\)$/m);
    expect(stdout).toMatch(/^here +anna, ben; away: cleo$/m);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('says in JSON what its own --json says, and what the library does', async () => {
    const anna = await start('anna');
    const { stdout } = await ask('status', '--json', ...storeOf('anna'));
    const { event: _, ...own } = await anna.first('status');
    expect(Object.keys(JSON.parse(stdout))).toEqual(Object.keys(own));
  });

  test('shows its paths and its drops, in 80 columns', async () => {
    const anna = await start('anna');
    await start('ben');
    await anna.first('peer');
    const [peers, drops] = [await ask('peers', ...storeOf('anna')), await ask('drops', ...storeOf('anna'))];
    expect(peers.stdout).toMatch(/^ben +here +\d+\.\d ms /m);
    expect(drops.stdout).toMatch(/^(nothing was dropped|reason +count)/);
    for (const line of peers.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('is watched until the watcher is told to stop', async () => {
    await start('anna');
    const cli = headwater(['status', '--watch', '--json', ...storeOf('anna')]);
    await cli.until('two lines', ({ stdout }) => stdout.split('\n').length > 2);
    cli.child.kill('SIGINT');
    expect(await cli.exit()).toBe(0);
  });

  test('has a socket that its user alone can open, and takes it away at its end', async () => {
    const anna = await start('anna');
    const path = at('anna.store-control');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    anna.child.kill('SIGTERM');
    expect(await anna.exit()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  test('without a store is asked where it was told to listen', async () => {
    const anna = headwater(['node', ...lab.as('anna'), '--control', at('anna.sock'), '--json']);
    await anna.first('ready');
    expect((await ask('status', '--control', at('anna.sock'))).code).toBe(0);
  });

  test('warns of what is wrong, in its status and in its events', async () => {
    const anna = await start('anna');
    await anna.until('three warnings', (cli) => cli.events('warning').length >= 3);
    const { stdout } = await ask('status', ...storeOf('anna'));
    expect(stdout).toMatch(/^! no-quorum +1 of 3 members are here/m);
    expect(anna.events('warning')).toContainEqual(
      expect.objectContaining({ code: 'member-away', state: 'begun', member: 'ben' }),
    );
  }, 40_000);

  test('answers Prometheus where it is told to, and nothing else there', async () => {
    const [port] = await freePorts(1);
    await start('anna', '--metrics', `127.0.0.1:${port}`);
    const url = `http://127.0.0.1:${port}`;
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await answer.text()).toMatch(/^headwater_info\{member="anna",group="lab"\} 1$/m);
    expect((await fetch(`${url}/status`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
  });
});

describe.skipIf(process.platform === 'win32')('a member that does not run', () => {
  test('is told from one whose store was never there', async () => {
    const { code, stderr } = await ask('status', ...storeOf('anna'));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/got nothing: no member runs/),
    });
  });

  test('that delivers nothing fails a check, and answers', async () => {
    const anna = await start('anna');
    const checked = async () => (await ask('status', '--check', ...storeOf('anna'))).code;
    await anna.until('no quorum', (cli) => cli.events('warning').some(({ code }) => code === 'no-quorum'));
    expect([await checked(), (await ask('status', ...storeOf('anna'))).code]).toEqual([1, 0]);
    await start('ben');
    await anna.until('quorum', (cli) => cli.events('warning').filter(({ code }) => code === 'no-quorum')[1]);
    expect(await checked()).toBe(0);
  });

  test('is told by the socket that its death has left, which the next start replaces', async () => {
    const anna = await start('anna');
    anna.child.kill('SIGKILL');
    await anna.exit();
    const { code, stderr } = await ask('status', ...storeOf('anna'));
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/on which nobody listens/) });
    await start('anna');
    expect((await ask('status', ...storeOf('anna'))).code).toBe(0);
  });

  test('a file in the place of its socket is left as it is', async () => {
    await writeFile(at('other'), 'mine');
    const { code, stderr } = await ask('node', ...lab.as('anna'), '--control', at('other'));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/control socket: expected nothing yet at .*other, got a file/),
    });
  });

  test('a socket or port of another is refused by name', async () => {
    const [port] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    await start('anna', '--metrics', address, '--control', at('sock'));
    const control = await ask('node', ...lab.as('ben'), '--control', at('sock'));
    const metrics = await ask('node', ...lab.as('ben'), '--metrics', address);
    expect(control.stderr).toMatch(
      /control socket: expected one that nobody uses, got .*sock, where another member/,
    );
    expect(metrics.stderr).toMatch(/metrics: expected to listen at .*, got an address that is in use/);
    expect([control.code, metrics.code]).toEqual([1, 1]);
  });

  test('neither a store nor a socket is given', async () => {
    const { code, stderr } = await ask('status');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/expected --store or --control/),
    });
  });
});
