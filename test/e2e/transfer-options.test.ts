/** What is left out of what is sent, and what is run once it is saved: no shell, and names that are nothing but names. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cleanup, headwater, tempFolder } from './cli.js';
import { createLab } from './lab.js';

afterEach(cleanup);

/** A program that writes down what it is given, and ends with `code`. */
async function script(folder: string, code: number): Promise<string> {
  const path = join(folder, 'after.sh');
  const out = join(folder, 'ran');
  await writeFile(
    path,
    `#!/bin/sh\nprintf '%s\\n' "$#" "$@" "$HEADWATER_FROM" "$HEADWATER_ROOT" "$HEADWATER_BYTES" > '${out}'\necho said\nexit ${code}\n`,
  );
  await chmod(path, 0o755);
  return path;
}

async function sendTo(exec: number, name: string) {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, 'kept.txt'), 'kept');
  await writeFile(join(folder, name, 'left.tmp'), 'left out');
  const out = join(folder, 'out');
  const program = await script(folder, exec);
  const receiver = headwater([
    'receive',
    ...lab.as('ben'),
    '-o',
    out,
    '-c',
    '1',
    '--exec',
    program,
    '--json',
  ]);
  await receiver.first('ready');
  const sender = headwater(['send', join(folder, name), ...lab.as('anna'), '--exclude', '*.tmp', '--json']);
  return { folder, out, sender, receiver };
}

test('the program gets the paths as they are, and what is excluded is not there', async () => {
  const name = 'a; touch owned $(touch owned) `touch owned`';
  const { folder, out, sender, receiver } = await sendTo(0, name);

  expect([await sender.exit(), await receiver.exit()]).toEqual([0, 0]);

  const { root } = (await sender.first('sent')) as unknown as { root: string };
  const ran = (await readFile(join(folder, 'ran'), 'utf8')).split('\n');
  expect(ran).toEqual(['1', join(out, name), 'anna', root, '4', '']);
  expect(receiver.events('exec')).toMatchObject([{ from: 'anna', root, failure: null }]);
  expect(receiver.stderr).toContain('said');
  expect(receiver.stdout).not.toContain('said');
});

test('that it fails is told, and the exit code says so; the files are saved all the same', async () => {
  const { out, sender, receiver } = await sendTo(7, 'tree');

  expect([await sender.exit(), await receiver.exit()]).toEqual([0, 1]);

  expect(receiver.events('exec')).toMatchObject([{ failure: 'exit code 7' }]);
  expect(await readFile(join(out, 'tree/kept.txt'), 'utf8')).toBe('kept');
});
