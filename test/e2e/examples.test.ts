/** The programs in examples/, as a newcomer runs them. What `counter.mjs` promises is tried in test/network/once.test.ts. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { until } from '../network/members.js';
import { cleanup, freePorts, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

const running = new Set<ReturnType<typeof spawn>>();

afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  await cleanup();
});

function run(name: string, args: readonly string[]) {
  const script = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(child);
  const program = {
    stdout: '',
    exit: new Promise<number | null>((resolve) => child.once('close', resolve)),
    say: (line: string) => child.stdin.write(`${line}\n`),
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    program.stdout += text;
  });
  return program;
}

const files = (lab: Lab, name: string) => [
  lab.groupFile,
  join(lab.folder, `${name}.key`),
  join(lab.folder, `${name}.store`),
];

test('chat.mjs: a line comes to everyone, with the name of who said it', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const [anna, ben] = ['anna', 'ben'].map((name) => run('chat.mjs', files(lab, name)));
  anna.say('hello');
  await until(() => [anna, ben].every(({ stdout }) => stdout === 'anna: hello\n'));
});

test('file-drop.mjs: what is in one folder comes to the others’, and is not sent again', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const folders = (name: string) => {
    const [out, into] = ['out', 'in'].map((which) => join(lab.folder, `${name}-${which}`));
    for (const folder of [out, into]) mkdirSync(folder, { recursive: true });
    return [out, into];
  };
  const start = (name: string) => run('file-drop.mjs', [...files(lab, name), ...folders(name)]);
  writeFileSync(join(folders('anna')[0], 'plan.txt'), 'the plan');
  const [anna, ben] = [start('anna'), start('ben')];
  await until(() => ben.stdout === 'anna/plan.txt\n');
  expect(readFileSync(join(folders('ben')[1], 'anna', 'plan.txt'), 'utf8')).toBe('the plan');

  for (const child of running) child.kill('SIGTERM');
  expect(await Promise.all([anna.exit, ben.exit])).toEqual([0, 0]);
  writeFileSync(join(folders('anna')[0], 'second.txt'), 'another');
  const again = start('ben');
  start('anna');
  await until(() => again.stdout.includes('second.txt'));
  expect(again.stdout).toBe('anna/second.txt\n');
});

test('simulation.mjs: the same numbers for the same seed', async () => {
  const [first, second] = [run('simulation.mjs', ['3', 'x']), run('simulation.mjs', ['3', 'x'])];
  expect(await Promise.all([first.exit, second.exit])).toEqual([0, 0]);
  expect(first.stdout).toMatch(/^0 % loss: with all 3 after \d+\.\d ms .*\n5 % loss: .*\n20 % loss: .*\n$/);
  expect(second.stdout).toBe(first.stdout);
});

test('one-address.mjs: four members know one address, and all hear all', async () => {
  const [port] = await freePorts(1);
  const program = run('one-address.mjs', [`127.0.0.1:${port}`]);
  expect(await program.exit).toBe(0);
  const lines = program.stdout.trim().split('\n');
  expect(lines.toSorted()).toEqual(
    [
      ...['anna', 'ben', 'cleo', 'dora'].map((name) => `dora hears ${name}: hello from ${name}`),
      ...[`dora reaches anna at 127.0.0.1:${port}`, 'dora reaches ben', 'dora reaches cleo'],
    ].toSorted(),
  );
});

test('growing-group.mjs: from one member to five, by codes alone', async () => {
  const [anna, codes] = await freePorts(2);
  const program = run('growing-group.mjs', [`127.0.0.1:${anna}`, `127.0.0.1:${codes}`]);
  expect(await program.exit).toBe(0);
  expect(program.stdout.trim().split('\n')).toEqual([
    'ben has joined: 2 members',
    'cleo has joined: 3 members',
    'dora has joined: 4 members',
    'emil has joined: 5 members',
    'each has heard all five',
  ]);
}, 300_000);
