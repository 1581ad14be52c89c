/** Signals that come while a command starts, and an input that cannot be read. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readdir, readlink, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cleanup, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

afterEach(cleanup);

/** Starts a command whose group file comes as `<(...)` does, from what these words of a shell print. */
function startWith(lab: Lab, words: string, [command, ...rest]: readonly string[]) {
  const key = join(lab.folder, 'anna.key');
  const by = ['bash', '-c', `exec "$0" "$@" --group <(exec </dev/null 2>/dev/null; ${words})`];
  return headwater([command, ...rest, '--key', key], { by });
}

/** Until it reads that: then its end of the pipe is open twice. */
async function isReading({ child }: ReturnType<typeof headwater>): Promise<void> {
  const folder = `/proc/${child.pid}/fd`;
  for (;;) {
    // The shell before it has more of them open.
    const isCommand = (await readlink(`/proc/${child.pid}/exe`)) === (await realpath(process.execPath));
    const names = await readdir(folder);
    const targets = await Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => name)));
    const given = targets[names.indexOf('63')];
    if (isCommand && targets.filter((target) => target === given).length > 1) return;
    await new Promise((done) => setTimeout(done, 20));
  }
}

test.skipIf(process.platform !== 'linux').each([
  ['node', [], 0],
  ['node', ['--json'], 0],
  ['receive', ['--out', 'out'], 0],
  ['receive', ['--out', 'out', '--count', '1'], 130],
  ['send', [], 130],
])('SIGTERM while `%s %j` starts ends it with %i', async (command, more, code) => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  const go = join(lab.folder, 'go');
  const rest = more.map((each) => (each === 'out' ? join(lab.folder, 'out') : each));
  const file = command === 'send' ? [lab.groupFile] : [];
  const waiting = `until [ -e "${go}" ]; do sleep 0.05; done; cat "${lab.groupFile}"`;
  const cli = startWith(lab, waiting, [command, ...file, ...rest]);
  await isReading(cli);
  cli.child.kill('SIGTERM');
  await new Promise((done) => setTimeout(done, 200));
  await writeFile(go, '');
  expect(await cli.exit()).toBe(code);
});

test.skipIf(process.platform !== 'linux')(
  'SIGTERM ends a command whose group file is never there to read',
  async () => {
    const lab = await createLab(await tempFolder(), ['anna']);
    const cli = startWith(lab, 'sleep 60', ['node']);
    await isReading(cli);
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
