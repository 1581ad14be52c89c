/** `headwater node`: lines in, deliveries out, totals at the end. */

import { afterAll, expect, test as serial } from 'vitest';
import { type Cli, cleanup, headwater, linesOf, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

// They mostly wait, for one another's processes and not for the processor.
const test = serial.concurrent;

afterAll(cleanup);

test('a line of one is printed by all; a signal ends each with totals', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  const [anna, ben, cleo] = await startNodes(lab, ['anna', 'ben', 'cleo']);
  anna.say('hello, wörld');
  for (const cli of [anna, ben, cleo])
    await cli.until('the line', ({ stdout }) => stdout === 'anna: hello, wörld\n');
  ben.say('');
  for (const cli of [anna, ben, cleo])
    await cli.until('the empty line', ({ stdout }) => stdout.endsWith('\nben: \n'));

  anna.child.kill('SIGINT');
  ben.child.kill('SIGTERM');
  cleo.child.kill('SIGINT');
  for (const cli of [anna, ben, cleo]) {
    expect(await cli.exit()).toBe(0);
    expect(cli.stderr).toMatch(/^received \d+ datagrams, sent \d+$/m);
    expect(cli.stderr).toMatch(/^lost on the way here: (\w+ \d+\.\d %, )\w+ \d+\.\d %$/m);
    expect(cli.stderr).toMatch(/^dropped: /m);
  }
});

test('--json: events instead of lines', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const ben = headwater(['node', ...lab.as('ben'), '--json']);
  expect(await ben.first('ready')).toMatchObject({
    name: 'ben',
    address: lab.group.members.find((m) => m.name === 'ben')?.locator,
  });
  const anna = headwater(['node', ...lab.as('anna')]);
  expect(await ben.first('peer')).toMatchObject({ member: 'anna', reachable: true });
  anna.say('one');
  anna.say('two');
  await ben.until('both', (cli) => cli.events('deliver').length === 2);
  expect(ben.events('deliver')).toMatchObject([
    { from: 'anna', seq: 0, index: 0, text: 'one' },
    { from: 'anna', text: 'two' },
  ]);
  expect((await ben.first('status')).peers).toMatchObject([{ name: 'anna' }]);
  ben.child.kill('SIGINT');
  expect(await ben.exit()).toBe(0);
  expect(ben.events('end')).toMatchObject([{ metrics: { drops: {} }, peers: [{ name: 'anna' }] }]);
  expect(ben.stderr).toBe('');
});

test('stdin at its end: the member stays; many lines at once: none is lost, and in order', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const [anna, ben] = await startNodes(lab, ['anna', 'ben']);
  // More than a node takes at once.
  const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i}`);
  anna.child.stdin?.end(lines.join('\n'));
  await ben.until('all lines', ({ stdout }) => linesOf(stdout).length === lines.length);
  expect(linesOf(ben.stdout)).toEqual(lines.map((line) => `anna: ${line}`));
  expect(anna.stderr).not.toContain('headwater:');
  expect(anna.stderr).not.toContain('Warning');
  ben.say('still there?');
  await anna.until('an answer', ({ stdout }) => stdout.includes('ben: still there?\n'));
});

test('a line that is longer than a message may be is left out, and said; those around it are sent', async () => {
  const lab = await createLab(await tempFolder(), ['anna']);
  const anna = headwater(['node', ...lab.as('anna'), '--max-size', '1']);
  anna.say('before');
  const part = 'x'.repeat(1 << 20);
  for (let i = 0; i < 40; i++) anna.child.stdin?.write(part);
  anna.say('');
  anna.say('after');
  await anna.until('the last line', ({ stdout }) => stdout.includes('anna: after\n'));
  expect(anna.stdout).toBe('anna: before\nanna: after\n');
  expect(anna.stderr).toContain(
    'headwater: line: expected at most 1.0 MB (see --max-size), got more: it is left out\n',
  );
});

test('what a member says cannot drive the terminal of another', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const [anna, ben] = await startNodes(lab, ['anna', 'ben']);
  anna.say('\u001b[2Jgone\u0007 \u009b2J \u202eabc\u200b');
  await ben.until(
    'the line',
    ({ stdout }) => stdout === 'anna: \\u001b[2Jgone\\u0007 \\u009b2J \\u202eabc\\u200b\n',
  );
});

test('nodes save no files, and say so to who sends some', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  await startNodes(lab, ['anna', 'ben']);
  const sender = headwater(['send', lab.groupFile, ...lab.as('cleo')]);
  expect(await sender.exit()).toBe(1);
  expect(sender.stderr).toContain('0 of 2 other members have saved it');
  expect(sender.stderr).toContain(
    'not saved by anna: it saves no files (headwater receive is not what it runs)\n',
  );
});

/** Starts them and waits until each sees all others. */
async function startNodes(lab: Lab, names: readonly string[]): Promise<Cli[]> {
  const nodes = names.map((name) => headwater(['node', ...lab.as(name)]));
  for (const [i, cli] of nodes.entries())
    for (const [j, name] of names.entries())
      if (i !== j) await cli.until(name, ({ stderr }) => stderr.includes(`${name} is here\n`));
  return nodes;
}
