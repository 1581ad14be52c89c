/**
 * Names and texts with control characters, and names of files that hide or mean something else. Stopped by: what others wrote is
 * made printable before it is shown, and a file name is taken only if it is plain (GUIDE, Files).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { wrapMessage } from '../../../../src/file/envelope.js';
import type { Attack } from '../attack.js';
import { processes } from '../processes.js';
import { Process, Siege, until } from '../siege.js';

/** What a terminal acts on, or does not show: Unicode's control and format characters, line and paragraph separators. */
const countControls = (text: string) => text.match(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu)?.length ?? 0;
const EVIL = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202egpj.exe\u200b';

export const names: Attack = {
  name: 'terminal: escapes in names of members, texts and files',
  severe: false,
  where: 'processes',
  async run() {
    const siege = await Siege.start({ late: [0, 1, 2] }, false);
    try {
      const [shown] = siege.honest;
      shown.start(siege.argsOf(0, ['node']));
      siege.honest[1].start();
      siege.honest[2].start();
      await until(() => siege.isUp(0) || shown.hasDied, 20);
      await siege.broadcast(wrapMessage(new TextEncoder().encode(EVIL)));
      siege.offer(EVIL);
      await sleep(3000);
      // With a group file of such names it does not start, and says so.
      const renamed = new Process(0, siege.argsOf(0, ['node']));
      const file = join(siege.folder, 'group.json');
      writeFileSync(
        file,
        readFileSync(file, 'utf8').replaceAll('"m', `"${JSON.stringify(EVIL).slice(1, -1)}`),
      );
      renamed.start();
      await until(() => renamed.hasDied, 20);
      const isRefused = renamed.hasDied && renamed.stderr !== '';
      await renamed.kill();
      const found = countControls(`${shown.stdout}${shown.stderr}${renamed.stdout}${renamed.stderr}`);
      return [
        { what: 'control characters on the terminal', measured: found, must: 0 },
        { what: 'group files with such names taken', measured: isRefused ? 0 : 1, must: 0 },
      ];
    } finally {
      await siege.close();
    }
  },
};

export const files: Attack = {
  name: 'files: names that are hidden, options, reserved or lead elsewhere',
  severe: false,
  where: 'processes',
  async run() {
    const siege = await Siege.start({ late: [0] }, false);
    try {
      const out = join(siege.folder, 'out');
      mkdirSync(out);
      siege.honest[0].start(siege.argsOf(0, ['receive', '--json', '--out', out]));
      await until(() => siege.isUp(0), 20);
      const bad = [
        '.bashrc',
        '-rf',
        '../up',
        '/tmp/headwater-hostile-abs',
        'a/b',
        'x\u202egpj',
        'z\u200b',
        'nul\u0000',
        'CON',
        'x.part',
        '..',
        '',
      ];
      for (const name of bad) siege.offer(name);
      siege.offer('plain.txt');
      // The unfinished file goes after the name is there.
      await until(() => siege.honest[0].events.some(({ event }) => event === 'saved'), 20);
      const saved = readdirSync(out).filter((name) => name !== 'plain.txt');
      const outside = [join(siege.folder, 'up'), '/tmp/headwater-hostile-abs'].filter((path) =>
        existsSync(path),
      );
      return [
        { what: 'saved under a bad name', measured: saved.length, must: 0 },
        { what: 'saved elsewhere', measured: outside.length, must: 0 },
        {
          what: 'a plain file that was not saved',
          measured: existsSync(join(out, 'plain.txt')) ? 0 : 1,
          must: 0,
        },
      ];
    } finally {
      await siege.close();
    }
  },
};

const isOpen = (siege: Siege) =>
  readdirSync(siege.folder).filter(
    (file) => /store/.test(file) && (statSync(join(siege.folder, file)).mode & 0o077) !== 0,
  );

export const storeFiles = processes({
  name: 'disk: stores and what lies beside them can be read by others',
  seconds: 2,
  attack: async () => {},
  more: (siege) => [{ what: 'files that others can read', measured: isOpen(siege).length, must: 0 }],
});
