/** `headwater doctor`: what keeps a member from working is found, and named with what to do. */
import { chmod, readFile, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cleanup, headwater, linesOf, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

interface Finding {
  check: string;
  result: string;
  text: string;
}

let lab: Lab;
beforeEach(async () => {
  lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
});
afterEach(cleanup);

const at = (name: string) => join(lab.folder, name);

async function doctor(...args: string[]) {
  const cli = headwater(['doctor', ...lab.as('anna'), '--json', ...args]);
  const code = await cli.exit();
  const findings = linesOf(cli.stdout).map((line): Finding => JSON.parse(line));
  const bad = findings.filter(({ result }) => result === 'failed').map(({ check }) => check);
  return { code, findings, bad };
}

async function start(name: string) {
  const cli = headwater(['node', ...lab.as(name), '--store', at(`${name}.store`), '--json']);
  await cli.first('ready');
  return cli;
}

test('a member that runs is asked: nothing is wrong while all are here', async () => {
  for (const name of ['anna', 'ben', 'cleo']) await start(name);
  const { code, bad, findings } = await doctor('--store', at('anna.store'));
  expect([code, bad]).toEqual([0, []]);
  expect(findings).toContainEqual(expect.objectContaining({ check: 'quorum', result: 'ok' }));
});

test('one that does not run is run for a while with its store, and hands over no message', async () => {
  const anna = await start('anna');
  anna.child.kill('SIGTERM');
  await anna.exit();
  const ben = await start('ben');
  await start('cleo');
  ben.say('hello');
  await ben.until('its line', ({ stdout }) => stdout.includes('hello'));
  expect(await doctor('--store', at('anna.store'))).toMatchObject({ code: 0, bad: [] });
  const again = await start('anna');
  await again.until('the line that the doctor saw', ({ stdout }) => stdout.includes('hello'));
});

test('members that do not answer are named, and that there is no quorum', async () => {
  const anna = await start('anna');
  anna.child.kill('SIGTERM');
  await anna.exit();
  const { code, bad } = await doctor('--store', at('anna.store'), '--wait', '2');
  expect(code).toBe(1);
  expect(bad.toSorted()).toEqual(['member ben', 'member cleo', 'quorum']);
});

test('without its store a member is not run: to the others it would be another one', async () => {
  const { code, findings } = await doctor();
  expect(code).toBe(0);
  expect(findings).toContainEqual(expect.objectContaining({ check: 'members', result: 'skipped' }));
});

test('a name that is not known, an address of the other family, a key that others can read', async () => {
  const file = JSON.parse(await readFile(lab.groupFile, 'utf8'));
  file.members[1].address = 'nosuch.invalid:7001';
  file.members[2].address = '[2001:db8::1]:7001';
  await writeFile(lab.groupFile, JSON.stringify(file));
  await chmod(at('anna.key'), 0o644);
  const { code, bad, findings } = await doctor();
  expect([code, bad.toSorted()]).toEqual([1, ['address families', 'address of ben', 'address of cleo']]);
  expect(findings).toContainEqual(expect.objectContaining({ check: 'key file', result: 'warning' }));
});

test('a group file with a word that nobody knows', async () => {
  const file = JSON.parse(await readFile(lab.groupFile, 'utf8'));
  await writeFile(lab.groupFile, JSON.stringify({ ...file, quorom: 2 }));
  const { code, findings } = await doctor();
  expect([code, findings.length]).toEqual([1, 1]);
  expect(findings[0].text).toMatch(/group\.json: expected only .*, got "quorom"/);
});

test('two others that cannot meet, since one has IPv4 alone and the other IPv6', async () => {
  const file = JSON.parse(await readFile(lab.groupFile, 'utf8'));
  file.members[2].address = '[::1]:7001';
  await writeFile(lab.groupFile, JSON.stringify(file));
  const { code, findings } = await doctor('--bind', '[::1]:0');
  expect(code).toBe(1);
  expect(findings).toContainEqual(
    expect.objectContaining({
      check: 'address families',
      // In the order of their keys.
      text: expect.stringMatching(
        /^(anna, ben|ben, anna) with IPv4 alone and cleo with IPv6 alone cannot meet$/,
      ),
    }),
  );
});

test('a clock that is behind the files, and a group file that others may change', async () => {
  const later = new Date(Date.now() + 3_600_000);
  await utimes(at('anna.key'), later, later);
  await chmod(lab.groupFile, 0o666);
  const { code, bad, findings } = await doctor();
  expect([code, bad]).toEqual([1, ['clock']]);
  expect(findings).toContainEqual(expect.objectContaining({ check: 'group file', result: 'warning' }));
});

test('a port that another process has, and a store that is damaged or of another member', async () => {
  const other = await start('ben');
  const { address } = await other.first('ready');
  const anna = await start('anna');
  anna.child.kill('SIGTERM');
  await anna.exit();
  const port = await doctor('--store', at('anna.store'), '--bind', address!, '--wait', '1');
  expect([port.code, port.bad]).toEqual([1, ['port']]);
  const foreign = await doctor('--store', at('ben.store'));
  expect([foreign.code, foreign.bad]).toEqual([1, expect.arrayContaining(['store'])]);
  await truncate(at('anna.store'), 5000);
  const damaged = await doctor('--store', at('anna.store'));
  expect([damaged.code, damaged.bad]).toEqual([1, ['store']]);
});
