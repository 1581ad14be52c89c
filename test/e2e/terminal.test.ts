/** What is shown on a terminal, wide and narrow, with colours and without, and in its place where there is none. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { shown } from '../../src/cli/terminal/progress.js';
import { cleanup, headwater, linesOf, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
/** util-linux's. */
const hasScript =
  spawnSync('script', ['-qec', 'true', '/dev/null'], { env: { ...process.env, SHELL: '/bin/sh' } }).status ===
  0;

let lab: Lab;
beforeEach(async () => {
  lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
});
afterEach(cleanup);

const store = () => join(lab.folder, 'anna.store');

/** Runs a command on a terminal so wide: what it wrote there. */
async function onTerminal(columns: number, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const cli = startOnTerminal(columns, args, env);
  return { code: await cli.exit(), screen: cli.stdout };
}

function startOnTerminal(columns: number, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const words = [process.execPath, main, ...args].map((word) => `'${word}'`).join(' ');
  // A shell that stays (dash does) dies of the Ctrl-C that its command handles: hence exec, and the same shell everywhere.
  const all = {
    SHELL: '/bin/sh',
    TERM: 'xterm-256color',
    ...env,
    ON_IT: `stty rows 24 cols ${columns}; exec ${words}`,
  };
  const variables = Object.entries(all).map(([name, value]) => `${name}=${value}`);
  // With CI set Node takes a terminal for one without colours.
  const unset = ['CI', 'NO_COLOR', 'FORCE_COLOR', 'HEADWATER_LOG_FORMAT'].flatMap((name) => ['-u', name]);
  // What would follow as the command is not looked at.
  const by = ['env', ...unset, ...variables, 'sh', '-c', 'exec script -qec "$ON_IT" /dev/null'];
  return headwater([], { by });
}

/** What stands in a line of its own; to move the cursor ends one. */
function rows(screen: string): string[] {
  const plain = screen.replaceAll(new RegExp(`${CSI}\\d*m`, 'g'), '');
  return plain.split(new RegExp(`[\r\n]|${CSI}[?\\d;]*[A-Za-z]`)).filter((row) => row !== '');
}

/** Begins what drives a terminal (ECMA-48), in a regular expression. */
const CSI = '\u001b\\[';

async function startAnna() {
  const anna = headwater(['node', ...lab.as('anna'), '--store', store(), '--json']);
  await anna.until('a warning', (cli) => cli.events('warning').length > 0);
  return anna;
}

describe.skipIf(!hasScript)('on a terminal', () => {
  test.each([40, 80])('of %i columns status, peers and drops fit', async (columns) => {
    await startAnna();
    for (const command of ['status', 'peers', 'drops']) {
      const { code, screen } = await onTerminal(columns, [command, '--store', store()]);
      expect(code).toBe(0);
      expect(Math.max(...rows(screen).map((row) => row.length)), screen).toBeLessThanOrEqual(columns);
    }
  });

  test('what is wrong has a colour, but not where NO_COLOR is set', async () => {
    await startAnna();
    const args = ['status', '--store', store()];
    expect((await onTerminal(80, args)).screen).toContain('\u001b[33m! ');
    expect((await onTerminal(80, args, { NO_COLOR: '1' })).screen).not.toContain('\u001b[33m');
  });

  test.each([40, 80])(
    'of %i columns top fits, draws again, and gives the screen back at Ctrl-C',
    async (columns) => {
      await startAnna();
      const top = startOnTerminal(columns, ['top', '--store', store(), '--interval', '0.2'], {
        NO_COLOR: '1',
      });
      await top.until('two screens', ({ stdout }) => stdout.split('anna of lab').length > 2);
      top.child.stdin!.write('\u0003');
      expect(await top.exit()).toBe(0);
      expect(top.stdout).toContain('quorum NO: 1 here, 2 needed');
      expect(Math.max(...rows(top.stdout).map((row) => row.length))).toBeLessThanOrEqual(columns);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what drives a terminal is what is looked for
      expect(top.stdout).toMatch(/\u001b\[\?25h\u001b\[\?1049l\s*$/);
      expect(top.stdout).not.toContain('\u001b[33m');
    },
  );

  test.each([40, 80])('of %i columns the demo fits', async (columns) => {
    const flags = '--nodes 3 --size 0.5 --loss 10 --delay 1 --mute 1'.split(' ');
    const { code, screen } = await onTerminal(columns, ['demo', ...flags]);
    expect(code).toBe(0);
    expect(screen).toMatch(/saved, mute .* ok/);
    for (const row of rows(screen)) expect(row.length, row).toBeLessThanOrEqual(columns);
  });

  test('send shows each receiver and how much it has', async () => {
    const file = join(lab.folder, 'data.bin');
    await writeFile(file, Buffer.alloc(400_000, 7));
    for (const name of ['ben', 'cleo']) {
      const cli = headwater(['receive', ...lab.as(name), '--out', join(lab.folder, name)]);
      await cli.until('its address', ({ stderr }) => stderr.includes('saving to'));
    }
    const { code, screen } = await onTerminal(80, ['send', file, ...lab.as('anna'), '--max-rate', '2']);
    expect(code).toBe(0);
    for (const name of ['ben', 'cleo'])
      expect(rows(screen)).toContainEqual(
        expect.stringMatching(new RegExp(`^${name} +\\[.*\\] \\d+%  [\\d.]+ k?B/400\\.0 kB  `)),
      );
  });

  test('lines for people have no time: who watches knows it', async () => {
    const { screen } = await onTerminal(80, ['send', 'nothing', ...lab.as('anna')]);
    expect(screen).toMatch(/^headwater: /m);
  });
});

test('where nobody watches each line on stderr has its time', async () => {
  const cli = headwater(['send', 'nothing', ...lab.as('anna'), '--log-format', 'auto']);
  await cli.exit();
  expect(linesOf(cli.stderr)[0]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z headwater: /);
});

describe('progress of a receiver', () => {
  test('says how much, how fast, and how long it takes', () => {
    expect(shown({ name: 'ben', done: 1.5e6, total: 4e9 }, 2e6)).toEqual({
      name: 'ben         ',
      amount: '1.5 MB/4.0 GB',
      rate: '2.0 MB/s',
      left: '34 min left',
    });
  });

  test('says no time while nothing moves, and a long name is cut', () => {
    expect(shown({ name: 'a-very-long-name', done: 0, total: 100 }, 0)).toEqual({
      name: 'a-very-long…',
      amount: '0 B/100 B',
      rate: '-',
      left: '',
    });
  });
});
