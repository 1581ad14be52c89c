/**
 * `headwater group next`: another list of members, when the old group has finished. And what needs no new group: a member that moves, one
 * whose store is gone, a copy of a store put back.
 */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseGroup } from '../../src/group/group.js';
import { type Cli, cleanup, freePorts, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

let lab: Lab;
beforeEach(async () => {
  lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
});
afterEach(cleanup);

const at = (name: string) => join(lab.folder, name);

async function run(...args: string[]) {
  const cli = headwater(args);
  return { code: await cli.exit(), stdout: cli.stdout, stderr: cli.stderr };
}

interface Start {
  group?: string;
  key?: string;
  store?: string;
  args?: string[];
}

async function start(name: string, { group, key = name, store = name, args = [] }: Start = {}) {
  const files = ['-g', group ?? lab.groupFile, '-k', at(`${key}.key`), '--store', at(`${store}.store`)];
  const cli = headwater(['node', ...files, '--json', ...args]);
  await cli.first('ready');
  return cli;
}

async function stop(...members: Cli[]) {
  for (const { child } of members) child.kill('SIGTERM');
  expect(await Promise.all(members.map((member) => member.exit()))).toEqual(members.map(() => 0));
}

const hears = (member: Cli, text: string) =>
  member.until(text, (cli) => cli.events('deliver').find((event) => event.text === text));

async function newKey(name: string): Promise<string> {
  return (await run('keygen', at(`${name}.key`))).stdout.trim();
}

const next = (...args: string[]) => run('group', 'next', '-g', lab.groupFile, ...args);

describe('what changes', () => {
  test('members that come, go, move and get another key; the name is another one each time', async () => {
    const [dora, ben] = [await newKey('dora'), await newKey('ben-2')];
    const args = ['--remove', 'cleo', '--rekey', `ben=${ben}`, '--move', 'anna=10.0.0.1:7,10.0.1.1:7'];
    const first = await next(...args, '--add', `dora=${dora}@10.0.0.4:7`);
    expect(first.code).toBe(0);
    const group = parseGroup(first.stdout);
    expect(group.name).toBe('lab-2');
    const members = Object.fromEntries(group.members.map(({ name, locators }) => [name, locators]));
    expect(members).toEqual({
      anna: ['10.0.0.1:7', '10.0.1.1:7'],
      ben: [lab.group.members.find(({ name }) => name === 'ben')!.locator],
      dora: ['10.0.0.4:7'],
    });
    writeFileSync(at('next.json'), first.stdout);
    const second = await run('group', 'next', '-g', at('next.json'), '--remove', 'anna');
    expect(parseGroup(second.stdout).name).toBe('lab-3');
  });

  test.each([
    [[], /expected a change of members, keys or bounds, got none/],
    [['--move', 'anna=10.0.0.1:7'], /addresses may be changed in the group file as it is/],
    [['--remove', 'dora'], /expected a member of group 'lab' \(anna, ben, cleo\), got dora$/m],
    [
      ['--remove', 'anna', '--name', 'lab'],
      /expected another name than that of the old group, got 'lab' for both/,
    ],
    [['--rekey', 'anna=12'], /expected name=PUBLICKEY with 64 hex digits, got 12|got anna=12/],
    [['--faulty', '3'], /next group: faulty: expected an integer from 0 to 1, got 3/],
  ])('%j is refused', async (args, message) => {
    const { code, stdout, stderr } = await next(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});

test('a lost member is replaced: the old group finishes without it, the next one begins with its successor', async () => {
  const [anna, ben, cleo] = await Promise.all(['anna', 'ben', 'cleo'].map((name) => start(name)));
  anna.say('before');
  await Promise.all([hears(ben, 'before'), hears(cleo, 'before')]);
  cleo.child.kill('SIGKILL');
  await cleo.exit();
  anna.say('while cleo is lost');
  await hears(ben, 'while cleo is lost');
  const dora = await newKey('dora');
  const change = ['--remove', 'cleo', '--add', `dora=${dora}@127.0.0.1:${(await freePorts(1))[0]}`];

  const files = await Promise.all(
    ['anna', 'ben'].map((name) => next(...change, '--store', at(`${name}.store`), '--wait', '30')),
  );
  expect(files.map(({ code }) => code)).toEqual([0, 0]);
  expect(files[0].stdout).toBe(files[1].stdout);
  await stop(anna, ben);

  const group = at('next.json');
  writeFileSync(group, files[0].stdout);
  const wrong = await run('node', '-g', group, '-k', at('anna.key'), '--store', at('anna.store'));
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/store: expected that of group /)]);
  const all = await Promise.all(
    ['anna', 'ben', 'dora'].map((name) => start(name, { group, store: `${name}-2` })),
  );
  all[2].say('I am new here');
  await Promise.all(all.map((member) => hears(member, 'I am new here')));
  expect((await run('store', 'export', at('ben.store'))).stdout).toContain('while cleo is lost');
});

test('a key is rotated: the new one is let in, and the old one is a stranger', async () => {
  const members = await Promise.all(['anna', 'ben', 'cleo'].map((name) => start(name)));
  members[1].say('with the old key');
  await hears(members[0], 'with the old key');
  const key = await newKey('ben-2');
  const { code, stdout } = await next('--rekey', `ben=${key}`, '--store', at('ben.store'));
  expect(code).toBe(0);
  await stop(...members);
  const group = at('next.json');
  writeFileSync(group, stdout);
  const anna = await start('anna', { group, store: 'anna-2' });
  const ben = await start('ben', { group, key: 'ben-2', store: 'ben-2' });
  ben.say('with the new key');
  await hears(anna, 'with the new key');
  const old = await run('node', '-g', group, '-k', at('ben.key'));
  expect([old.code, old.stderr]).toEqual([
    2,
    expect.stringMatching(/expected that of a member of group 'lab-2'/),
  ]);
});

describe('the old group has not finished', () => {
  test('while a member that stays is away, which is named', async () => {
    await start('anna');
    await start('cleo');
    const { code, stdout, stderr } = await next(
      '--remove',
      'cleo',
      '--store',
      at('anna.store'),
      '--wait',
      '1',
    );
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/expected the old one to finish within 1 s, got: ben is away/);
  });

  test('while somebody broadcasts', async () => {
    const [anna, ben] = await Promise.all(['anna', 'ben'].map((name) => start(name)));
    anna.say('begin');
    await hears(ben, 'begin');
    const timer = setInterval(() => anna.say('more'), 50);
    const { code, stdout, stderr } = await next(
      '--remove',
      'cleo',
      '--store',
      at('anna.store'),
      '--wait',
      '3',
    );
    clearInterval(timer);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/expected the old one to finish within 3 s, got: /);
  });

  test('when the member that is asked is of another group, or does not run', async () => {
    await start('anna');
    const other = await createLab(await tempFolder(), ['dora', 'emil']);
    const asked = ['--store', at('anna.store')];
    const wrong = await run('group', 'next', '-g', other.groupFile, '--remove', 'emil', ...asked);
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringMatching(/expected a member of group .*, got one of /),
    ]);
    const absent = await next('--remove', 'cleo', '--store', at('ben.store'));
    expect([absent.code, absent.stderr]).toEqual([
      1,
      expect.stringMatching(/no member runs with this store/),
    ]);
  });
});

describe('without a new group', () => {
  test('a member moves: its store and key go along, and the others follow it before their files say so', async () => {
    const [anna, ben, cleo] = await Promise.all(['anna', 'ben', 'cleo'].map((name) => start(name)));
    cleo.say('from here');
    await hears(anna, 'from here');
    await stop(cleo);
    anna.say('while it moves');
    await hears(ben, 'while it moves');
    for (const end of ['store', 'store-closed']) copyFileSync(at(`cleo.${end}`), at(`moved.${end}`));
    const port = (await freePorts(1))[0];
    const file = JSON.parse(readFileSync(lab.groupFile, 'utf8'));
    file.members[2].address = `127.0.0.1:${port}`;
    writeFileSync(at('moved.json'), JSON.stringify(file));
    const moved = await start('cleo', { group: at('moved.json'), store: 'moved' });
    await hears(moved, 'while it moves');
    moved.say('from there');
    await Promise.all([hears(anna, 'from there'), hears(ben, 'from there')]);
  });

  test('a member whose store is gone begins anew under its key, and gets what comes', async () => {
    const [anna, ben, cleo] = await Promise.all(['anna', 'ben', 'cleo'].map((name) => start(name)));
    anna.say('before');
    await Promise.all([hears(ben, 'before'), hears(cleo, 'before')]);
    cleo.child.kill('SIGKILL');
    await cleo.exit();
    const again = await start('cleo', { store: 'empty' });
    again.say('with an empty store');
    await hears(anna, 'with an empty store');
    anna.say('after');
    await hears(again, 'after');
  });

  test('an old copy of a store is put back: the member begins another stream, and says nothing twice', async () => {
    const [anna, ben, cleo] = await Promise.all(['anna', 'ben', 'cleo'].map((name) => start(name)));
    cleo.say('in the copy');
    await Promise.all([hears(anna, 'in the copy'), hears(ben, 'in the copy')]);
    await stop(cleo);
    for (const end of ['store', 'store-closed'])
      if (existsSync(at(`cleo.${end}`))) copyFileSync(at(`cleo.${end}`), at(`backup.${end}`));
    const second = await start('cleo');
    second.say('after the copy');
    await Promise.all([hears(anna, 'after the copy'), hears(ben, 'after the copy')]);
    await stop(second);
    const restored = await start('cleo', { store: 'backup' });
    await restored.first('begun-anew');
    restored.say('from the backup');
    await hears(anna, 'from the backup');
    const texts = anna.events('deliver').map(({ text }) => text);
    expect(texts).toEqual(['in the copy', 'after the copy', 'from the backup']);
  });
});
