/** `headwater node --store`: a member that may be killed at any time, and goes on where it was. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test as serial } from 'vitest';
import { type Cli, cleanup, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

const test = serial.concurrent;

afterAll(cleanup);

const durable = (lab: Lab, name: string) =>
  headwater(['node', ...lab.as(name), '--json', '--store', join(lab.folder, `${name}.store`)]);
const texts = (cli: Cli) => cli.events('deliver').map(({ text }) => text);

async function stop(...members: Cli[]): Promise<void> {
  for (const { child } of members) child.kill('SIGTERM');
  for (const member of members) await member.exit();
}

test('lines of a member that is killed are delivered everywhere once it is back, under their ids', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const anna = durable(lab, 'anna');
  await anna.first('ready');
  const lines = ['one', 'two', 'three'];
  for (const line of lines) anna.say(line);
  // In its store, though nobody else is there: it tells of them as under way.
  await anna.until('them under way', (cli) =>
    cli.events('status').some(({ objects }) => (objects?.length ?? 0) > 0),
  );
  anna.child.kill('SIGKILL');
  await anna.exit();

  const again = durable(lab, 'anna');
  const ben = durable(lab, 'ben');
  for (const cli of [again, ben]) await cli.until('a line', () => texts(cli).length > 0);
  again.say('last');
  for (const cli of [again, ben]) await cli.until('the last line', () => texts(cli).includes('last'));
  // What had not been read from standard input died with the process.
  const kept = texts(ben).slice(0, -1);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept).toEqual(lines.slice(0, kept.length));
  const ids = (cli: Cli) =>
    cli.events('deliver').map(({ incarnation, seq, index }) => [incarnation, seq, index]);
  expect(ids(again)).toEqual(ids(ben));
});

test('a member that was stopped does not hear again what it had, and hears what it missed', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  const [anna, ben, cleo] = ['anna', 'ben', 'cleo'].map((name) => durable(lab, name));
  await anna.first('ready');
  anna.say('before');
  await cleo.until('the line', () => texts(cleo).includes('before'));
  cleo.child.kill('SIGTERM');
  expect(await cleo.exit()).toBe(0);
  anna.say('meanwhile');
  await ben.until('the line', () => texts(ben).includes('meanwhile'));
  const again = durable(lab, 'cleo');
  await again.until('what it missed', () => texts(again).length > 0);
  ben.say('after');
  await again.until('the last line', () => texts(again).includes('after'));
  expect(texts(again)).toEqual(['meanwhile', 'after']);
});

test('what is said from an old copy of a store, while the others are away, reaches them', async () => {
  // Dora never comes, so that the others keep for it what they have said, however long all this takes.
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo', 'dora']);
  const start = () => ['anna', 'ben', 'cleo'].map((name) => durable(lab, name));
  const store = join(lab.folder, 'anna.store');
  const first = start();
  first[0].say('first');
  for (const cli of first) await cli.until('the line', () => texts(cli).includes('first'));
  await stop(first[0]);
  await cp(store, `${store}.old`, { recursive: true });
  const second = [durable(lab, 'anna'), ...first.slice(1)];
  second[0].say('forgotten');
  for (const cli of second) await cli.until('the line', () => texts(cli).includes('forgotten'));
  await stop(...second);

  await rm(store, { recursive: true });
  await cp(`${store}.old`, store, { recursive: true });
  const anna = durable(lab, 'anna');
  await anna.first('ready');
  anna.say('from the old copy');
  const others = [durable(lab, 'ben'), durable(lab, 'cleo')];
  for (const cli of others) await cli.until('the line', () => texts(cli).includes('from the old copy'));
  expect(others.map(texts)).toEqual([['from the old copy'], ['from the old copy']]);
  await anna.until('what it had forgotten', () => texts(anna).includes('forgotten'));
});

test('what is said from an old copy of a store cannot take the place of what was said since, whoever is there', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  const store = join(lab.folder, 'anna.store');
  const [first, ben] = [durable(lab, 'anna'), durable(lab, 'ben')];
  first.say('first');
  await ben.until('the line', () => texts(ben).includes('first'));
  await stop(first);
  await cp(store, `${store}.old`);
  const second = durable(lab, 'anna');
  second.say('since');
  await ben.until('the line', () => texts(ben).includes('since'));
  await stop(second);
  await stop(ben);

  // Cleo has heard nothing yet, and is a quorum together with anna.
  await rm(store);
  await cp(`${store}.old`, store);
  const [anna, cleo] = [durable(lab, 'anna'), durable(lab, 'cleo')];
  anna.say('from the old copy');
  await cleo.until('the line', () => texts(cleo).includes('from the old copy'));
  const again = durable(lab, 'ben');
  await again.until('the line', () => texts(again).includes('from the old copy'));
  await cleo.until('what ben alone has', () => texts(cleo).includes('since'));
  await anna.until('what its store had not', () => texts(anna).includes('since'));
});

test('a store that is in use, or another member’s, is refused', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const anna = durable(lab, 'anna');
  await anna.first('ready');
  const store = join(lab.folder, 'anna.store');
  const second = headwater(['node', ...lab.as('anna'), '--bind', '127.0.0.1:0', '--store', store]);
  expect(await second.exit()).toBe(1);
  expect(second.stderr).toMatch(/^headwater: store: expected one that nobody uses, got .*anna\.store/);
  anna.child.kill('SIGTERM');
  await anna.exit();
  const other = headwater(['node', ...lab.as('ben'), '--store', store]);
  expect(await other.exit()).toBe(2);
  expect(other.stderr).toMatch(/^headwater: store: expected that of member /);
});

test('a damaged store is kept aside, and said so', async () => {
  const lab = await createLab(await tempFolder(), ['anna']);
  const before = durable(lab, 'anna');
  await before.first('ready');
  before.child.kill('SIGTERM');
  await before.exit();
  const store = join(lab.folder, 'anna.store');
  // Behind the two pages by which LMDB knows its files.
  await writeFile(store, (await readFile(store)).fill(0xa5, 2 * 4096));
  const anna = durable(lab, 'anna');
  expect(await anna.first('store-recovered')).toMatchObject({
    moved: expect.stringContaining('anna.store.corrupt-'),
  });
  anna.say('hello');
  await anna.until('its line', () => texts(anna).includes('hello'));
});

test('a store in a place that is no folder, and an order that is none', async () => {
  const lab = await createLab(await tempFolder(), ['anna']);
  const nowhere = headwater(['node', ...lab.as('anna'), '--store', join(lab.groupFile, 'store')]);
  expect(await nowhere.exit()).toBe(1);
  expect(nowhere.stderr).toMatch(/^headwater: store: expected to use .*group\.json\/store, got ENOTDIR/);
  const total = headwater(['node', ...lab.as('anna'), '--order', 'total']);
  expect(await total.exit()).toBe(2);
  expect(total.stderr).toContain('Allowed choices are fifo, causal.');
});
