/** `headwater log-level`: how much a running member says on stderr is asked and changed; nothing else of it is. */

import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Cli, cleanup, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

let lab: Lab;
beforeEach(async () => {
  lab = await createLab(await tempFolder(), ['anna', 'ben']);
});
afterEach(cleanup);

const at = (name: string) => join(lab.folder, name);
const control = () => ['--control', at('sock')];

async function ask(...args: string[]) {
  const cli = headwater(['log-level', ...args, ...control()]);
  const code = await cli.exit();
  return { code, stdout: cli.stdout, stderr: cli.stderr };
}

/** Once it can be asked, which it can before it says anything. */
async function start(...args: string[]): Promise<Cli> {
  const anna = headwater(['node', ...lab.as('anna'), ...control(), ...args]);
  while ((await ask()).code !== 0) expect(anna.child.exitCode).toBeNull();
  return anna;
}

/** Leaves at once: it counts as gone some seconds later. */
async function visit(name: string, anna: Cli, seen: string): Promise<void> {
  const guest = headwater(['node', ...lab.as(name)]);
  await guest.until('anna', ({ stderr }) => stderr.includes('anna is here'));
  guest.child.kill('SIGKILL');
  await guest.exit();
  await anna.until(seen, ({ stdout, stderr }) => `${stdout}${stderr}`.includes(seen));
}

describe.skipIf(process.platform === 'win32')('a running member', () => {
  test('tells its level, and takes another one', async () => {
    await start();
    expect(await ask()).toMatchObject({ code: 0, stdout: 'info\n' });
    expect(await ask('debug', '--json')).toMatchObject({ code: 0, stdout: '{"level":"debug"}\n' });
    expect(await ask('--json')).toMatchObject({ code: 0, stdout: '{"level":"debug"}\n' });
  });

  test('says at warning what is wrong, and neither who comes nor that it is ready', async () => {
    const anna = await start('--log-level', 'warning');
    await visit('ben', anna, 'nothing comes from ben');
    expect(anna.stderr).not.toMatch(/of group lab|is here|is gone/);
    expect(anna.stderr).toMatch(/^nothing comes from ben .*\(member-away, since /m);
  }, 40_000);

  test('says at error only that nothing is delivered', async () => {
    const anna = await start('--log-level', 'error');
    await visit('ben', anna, 'no-quorum');
    expect(anna.stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/^1 of 2 members are here, .*\(no-quorum, /),
    ]);
  }, 40_000);

  test('says at debug how paths open, until it is told not to', async () => {
    const anna = await start();
    await ask('debug');
    const ben = headwater(['node', ...lab.as('ben')]);
    await anna.until('the path', ({ stderr }) =>
      /^path to ben: open by 127\.0\.0\.1:\d+, version \d+ of/m.test(stderr),
    );
    await ask('error');
    expect(anna.stderr).toMatch(/^the log level is debug from now on, and was info$/m);
    expect(anna.stderr).toMatch(/^the log level is error from now on, and was debug$/m);
    ben.child.kill('SIGTERM');
    expect(await ben.exit()).toBe(0);
    const told = anna.stderr;
    anna.child.kill('SIGTERM');
    expect(await anna.exit()).toBe(0);
    expect(anna.stderr).toBe(told);
  });

  test('has all its events with --json whatever the level, and those of debug besides', async () => {
    const anna = await start('--json', '--log-level', 'error');
    await ask('debug');
    const ben = headwater(['node', ...lab.as('ben')]);
    expect(await anna.first('log-level')).toMatchObject({ level: 'debug', before: 'error' });
    expect(await anna.first('peer')).toMatchObject({ member: 'ben', reachable: true });
    expect(await anna.first('debug')).toMatchObject({
      topic: 'path',
      member: 'ben',
      text: expect.any(String),
    });
    expect(anna.stderr).toBe('');
    ben.child.kill('SIGKILL');
  });

  test('says with --log-format json which level a line has', async () => {
    const anna = await start('--log-format', 'json');
    const line = JSON.parse(anna.stderr.split('\n')[0]);
    expect(line).toEqual({
      time: expect.any(String),
      level: 'info',
      text: expect.stringMatching(/^anna of group/),
    });
  });

  test('knows no other level, and cannot be told anything else', async () => {
    await start();
    const put = (path: string) =>
      new Promise<number>((done, fail) => {
        const asked = request({ socketPath: at('sock'), path, method: 'PUT' }, (answer) => {
          answer.resume();
          done(answer.statusCode!);
        });
        asked.on('error', fail).end();
      });
    expect((await ask('loud')).code).toBe(2);
    expect([await put('/log-level?level=loud'), await put('/log-level'), await put('/status')]).toEqual([
      400, 400, 405,
    ]);
    expect((await ask()).stdout).toBe('info\n');
  });
});

test('what does not run has no level', async () => {
  const { code, stderr } = await ask('debug');
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/got nothing: no member runs/) });
});
