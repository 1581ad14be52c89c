/** `headwater doctor`: what keeps a member from working is found, and named with what to do. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
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
  expect([code, bad.toSorted()]).toEqual([1, ['address of ben', 'address of cleo']]);
  expect(findings).toContainEqual(expect.objectContaining({ check: 'key file', result: 'warning' }));
});

test('a group file with a word that nobody knows', async () => {
  const file = JSON.parse(await readFile(lab.groupFile, 'utf8'));
  await writeFile(lab.groupFile, JSON.stringify({ ...file, quorom: 2 }));
  const { code, findings } = await doctor();
  expect([code, findings.length]).toEqual([1, 1]);
  expect(findings[0].text).toMatch(/group\.json: expected only .*, got "quorom"/);
});
