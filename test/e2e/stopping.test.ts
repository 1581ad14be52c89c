/** Signals that come while a command starts, and an input that cannot be read. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cleanup, headwater, tempFolder } from './cli.js';
import { createLab } from './lab.js';

afterEach(cleanup);

test.skipIf(process.platform === 'win32').each([
  ['node', [], 0],
  ['node', ['--json'], 0],
  ['receive', ['--out', 'out'], 0],
  ['receive', ['--out', 'out', '--count', '1'], 130],
  ['send', [], 130],
])('SIGTERM while `%s %j` starts ends it with %i', async (command, more, code) => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  // Whoever reads it waits for the writer, so that the command is certain to be starting.
  const slow = join(lab.folder, 'slow.json');
  await once(spawn('mkfifo', [slow]), 'exit');
  const rest = more.map((each) => (each === 'out' ? join(lab.folder, 'out') : each));
  const file = command === 'send' ? [lab.groupFile] : [];
  const cli = headwater([command, ...file, '--group', slow, '--key', join(lab.folder, 'anna.key'), ...rest]);
  const writer = createWriteStream(slow); // Opens when it is being read.
  await once(writer, 'open');
  cli.child.kill('SIGTERM');
  await new Promise((done) => setTimeout(done, 200));
  writer.end(await readFile(lab.groupFile));
  expect(await cli.exit()).toBe(code);
});

test.skipIf(process.platform === 'win32')(
  'SIGTERM ends a command whose group file is never there to read',
  async () => {
    const lab = await createLab(await tempFolder(), ['anna']);
    const slow = join(lab.folder, 'slow.json');
    await once(spawn('mkfifo', [slow]), 'exit');
    const cli = headwater(['node', '--group', slow, '--key', join(lab.folder, 'anna.key')]);
    await new Promise((done) => setTimeout(done, 3000));
    cli.child.kill('SIGTERM');
    expect(await cli.exit()).toBe('SIGTERM');
  },
);

test.skipIf(process.platform === 'win32')(
  'a stdin that cannot be read, as nohup gives it, is one that has ended',
  async () => {
    const lab = await createLab(await tempFolder(), ['anna']);
    const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
    const unreadable = openSync('/dev/null', 'w');
    const child = spawn(process.execPath, [main, 'node', ...lab.as('anna')], {
      stdio: [unreadable, 'ignore', 'pipe'],
    });
    let stderr = '';
    const told = new Promise<void>((done) => {
      child.stderr?.on('data', (bytes) => {
        stderr += String(bytes);
        if (/stdin cannot be read \(EBADF\)/.test(stderr)) done();
      });
    });
    const ended = once(child, 'exit');
    await Promise.race([told, ended]);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(stderr).toMatch(/anna of group lab at /);
  },
);

test('a member that is told to stop ends when the others have what it has said', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  const [ben, cleo] = ['ben', 'cleo'].map((name) => headwater(['node', ...lab.as(name), '--json']));
  // So slow that it takes three seconds.
  const anna = headwater(['node', ...lab.as('anna'), '--json', '--max-rate', '1']);
  for (const cli of [anna, ben, cleo]) await cli.first('ready');
  await anna.until('both', (cli) => cli.events('peer').length === 2);
  const text = 'last words '.repeat(15_000);
  anna.say(text);
  await anna.until('that it is held', (cli) =>
    cli.events('status').some((event) => (event.objects ?? []).length > 0),
  );
  anna.child.kill('SIGTERM');
  expect(await anna.exit()).toBe(0);
  for (const cli of [ben, cleo])
    await cli.until('the last words', ({ stdout }) => stdout.includes(`"text":"${text}`));
});
