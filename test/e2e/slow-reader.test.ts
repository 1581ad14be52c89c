/** A program behind `headwater node --store | ...` that is slow, or goes away: nothing is lost on the way to it. */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Cli, cleanup, headwater, linesOf, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

afterEach(cleanup);

const durable = (lab: Lab, name: string, ...more: string[]) =>
  headwater(['node', ...lab.as(name), '--store', join(lab.folder, `${name}.store`), ...more]);

/** Lines that fill a pipe and what Node reads ahead of a paused reader several times over. */
const LINES = Array.from({ length: 3000 }, (_, i) => `line ${i} ${'x'.repeat(180)}`);
const numbers = (stdout: string) =>
  linesOf(stdout.slice(0, stdout.lastIndexOf('\n') + 1)).flatMap((line) => {
    const match = /^anna: line (\d+) x{180}$/.exec(line);
    return match ? [Number(match[1])] : [];
  });

test('lines that wait for a slow reader come again when the member is killed', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  const cleo = durable(lab, 'cleo');
  cleo.child.stdout?.pause();
  const ben = durable(lab, 'ben');
  const anna = durable(lab, 'anna');
  for (const name of ['ben', 'cleo'])
    await anna.until(name, ({ stderr }) => stderr.includes(`${name} is here`));
  for (const line of LINES) anna.say(line);
  await ben.until('all lines', ({ stdout }) => numbers(stdout).length === LINES.length);

  cleo.child.kill('SIGKILL');
  cleo.child.stdout?.resume();
  await cleo.exit();
  const first = numbers(cleo.stdout);
  expect(first.length).toBeLessThan(LINES.length);
  const again = durable(lab, 'cleo');
  await again.until('the rest', ({ stdout }) => numbers(stdout).includes(LINES.length - 1));

  expect(first).toEqual(first.map((_, i) => i));
  const rest = numbers(again.stdout);
  expect(rest[0]).toBeLessThanOrEqual(first.length);
  expect(rest).toEqual(rest.map((_, i) => rest[0] + i));
});

test('a member whose reader stands still ends on a signal, and goes on from there', async () => {
  const lab = await createLab(await tempFolder(), ['anna']);
  const anna = durable(lab, 'anna', '--json');
  anna.child.stdout?.pause();
  for (const line of LINES) anna.say(line);
  await anna.until('its address', ({ child }) => child.pid !== undefined);
  // It has more to say than the pipe takes, and nobody reads.
  await new Promise((done) => setTimeout(done, 3000));
  anna.child.kill('SIGTERM');
  await new Promise((done) => anna.child.once('exit', done));
  anna.child.stdout?.resume();
  expect(await anna.exit()).toBe(0);
});

test('a reader that has gone ends the member in order: what it did not read comes again', async () => {
  const lab = await createLab(await tempFolder(), ['anna']);
  const anna = durable(lab, 'anna');
  anna.say('read');
  await anna.until('it', ({ stdout }) => stdout === 'anna: read\n');
  anna.child.stdout?.destroy();
  anna.say('unread');
  expect(await anna.exit()).toBe(0);
  const again: Cli = durable(lab, 'anna');
  await again.until('the line', ({ stdout }) => stdout === 'anna: unread\n');
});
