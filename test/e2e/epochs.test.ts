/** A group that changes while its members run, by the command line alone: nothing is lost, doubled or out of order. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Cli, cleanup, freePorts, headwater, tempFolder } from './cli.js';

afterEach(cleanup);

test('a member joins, another is replaced, while all broadcast', async () => {
  const folder = await tempFolder();
  const at = (name: string) => join(folder, name);
  const ports = await freePorts(5);
  const names = ['anna', 'ben', 'cleo', 'dora', 'emil'];
  const run = async (...args: string[]) => {
    const cli = headwater(args);
    const code = await cli.exit();
    return { code, stdout: cli.stdout, stderr: cli.stderr };
  };
  const keys: Record<string, string> = {};
  for (const name of [...names, 'op']) keys[name] = (await run('keygen', at(`${name}.key`))).stdout.trim();
  const member = (i: number) => `${names[i]}=${keys[names[i]]}@127.0.0.1:${ports[i]}`;
  const nodes: Record<string, Cli> = {};
  const start = async (name: string, group: string) => {
    // Each has a file of its own, which it replaces itself.
    writeFileSync(at(`${name}.json`), group);
    const files = ['-g', at(`${name}.json`), '-k', at(`${name}.key`), '--store', at(`${name}.store`)];
    nodes[name] = headwater(['node', ...files, '--json']);
    await nodes[name].first('ready');
  };
  const status = async (name: string) =>
    JSON.parse((await run('group', 'status', '--store', at(`${name}.store`), '--json')).stdout);
  const untilOver = async (name: string, epoch: number) => {
    for (let i = 0; i < 200; i++) {
      const { over, active, members } = await status(name);
      if (over && active === epoch && Object.values(members).every((each) => each === epoch)) return;
    }
    throw new Error(`epoch ${epoch} is not over: ${JSON.stringify(await status(name))}`);
  };
  const change = async (group: string, by: string, ...args: string[]) => {
    writeFileSync(at('group.json'), group);
    const proposed = await run(
      'group',
      'propose',
      '-g',
      at('group.json'),
      '--store',
      at(`${by}.store`),
      ...args,
    );
    expect(proposed.stderr).toBe('');
    writeFileSync(at('proposed.json'), proposed.stdout);
    const signed = await run('group', 'sign', '-g', at('proposed.json'), '-k', at('op.key'));
    expect(signed.code).toBe(0);
    writeFileSync(at('next.json'), signed.stdout);
    expect((await run('group', 'apply', '-g', at('next.json'), '--store', at(`${by}.store`))).code).toBe(0);
    return signed.stdout;
  };

  const begun = await run(
    'group',
    'begin',
    member(0),
    member(1),
    member(2),
    '-n',
    'lab',
    '--operator',
    keys.op,
  );
  for (const name of names.slice(0, 3)) await start(name, begun.stdout);
  let sent = 0;
  const timer = setInterval(() => {
    sent++;
    for (const name of ['anna', 'ben']) nodes[name].child.stdin!.write(`${name} ${sent}\n`);
  }, 20);
  try {
    const four = await change(begun.stdout, 'anna', '--add', member(3));
    await start('dora', four);
    await untilOver('anna', 1);
    await untilOver('dora', 1);
    const rekeyed = await change(four, 'ben', '--remove', 'cleo', '--add', member(4));
    await start('emil', rekeyed);
    await untilOver('ben', 2);
    // One that is removed knows it, and that it may be switched off; and so does whom the operator asks.
    for (const name of ['cleo', 'ben']) {
      const asked = await run('group', 'status', '--store', at(`${name}.store`));
      expect(asked.stdout, name).toMatch(/cleo may be switched off/);
    }
    // Another change in the place of one that is signed is not signed.
    writeFileSync(at('group.json'), four);
    const other = await run('group', 'propose', '-g', at('group.json'), '--remove', 'ben');
    writeFileSync(at('proposed.json'), other.stdout);
    const refused = await run('group', 'sign', '-g', at('proposed.json'), '-k', at('op.key'));
    expect(refused.stderr).toMatch(/expected no other change for epoch 2/);
    expect(refused.code).not.toBe(0);
  } finally {
    clearInterval(timer);
  }
  const texts = (name: string, from: string) =>
    nodes[name].events('deliver').flatMap((event) => (event.from === from ? [String(event.text)] : []));
  const all = (from: string) => Array.from({ length: sent }, (_, i) => `${from} ${i + 1}`);
  for (const from of ['anna', 'ben']) {
    for (const name of ['anna', 'ben']) {
      await nodes[name].until(`${from} ${sent}`, () => texts(name, from).length >= sent || undefined);
      expect(texts(name, from)).toEqual(all(from));
    }
    // Who joined has all from where it began.
    for (const name of ['dora', 'emil']) {
      await nodes[name].until(
        `${from} ${sent}`,
        () => texts(name, from).at(-1) === `${from} ${sent}` || undefined,
      );
      const has = texts(name, from);
      expect(has).toEqual(all(from).slice(-has.length));
    }
  }
  expect(JSON.parse(readFileSync(at('ben.json'), 'utf8')).descriptors).toHaveLength(3);
}, 240_000);
