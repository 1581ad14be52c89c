/** Why something did not work is said by name, at the end where somebody waits for it. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, openSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cleanup, freePorts, headwater, tempFolder } from './cli.js';
import { createLab } from './lab.js';

afterEach(cleanup);

test('a receiver whose limit is smaller says so at both ends, and the sender does not wait for it', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const file = join(folder, 'data.bin');
  await writeFile(file, randomBytes(1_300_000));
  const receive = (name: string, limit: string) =>
    headwater(['receive', ...lab.as(name), '--out', join(folder, name), '--max-size', limit]);
  const [ben, cleo] = [receive('ben', '1'), receive('cleo', '2')];
  for (const cli of [ben, cleo]) await cli.until('its address', ({ stderr }) => stderr.includes('saving to'));

  const sender = headwater(['send', file, ...lab.as('anna'), '--timeout', '3000']);
  expect(await sender.exit()).toBe(3);
  expect(sender.stderr).toContain('1 of 2 other members have saved it');
  const why = 'transfer: expected at most 1048576 bytes (--max-size of the receiver), got 1302528';
  expect(sender.stderr).toContain(`not saved by ben: ${why}\n`);
  expect(ben.stderr).toContain(`headwater: ${why}\n`);
});

test('a member with another group file is named where the others wait for it', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const other = join(folder, 'other.json');
  const group = JSON.parse(await readFile(lab.groupFile, 'utf8'));
  await writeFile(other, JSON.stringify({ ...group, name: 'another' }));
  const ben = headwater([
    'receive',
    ...['--group', other, '--key', join(folder, 'ben.key'), '--out', join(folder, 'out')],
  ]);
  await ben.until('its address', ({ stderr }) => stderr.includes('saving to'));
  const sender = headwater(['send', lab.groupFile, ...lab.as('anna'), '--timeout', '8', '--json']);
  expect(await sender.exit()).toBe(1);
  expect(sender.stderr).toMatch(/got nothing new for 8 s: ben \(ben seems to have another group file\)\n/);
  expect(sender.events('error')).toMatchObject([{ code: 'UNREACHABLE' }]);
  expect(ben.stderr.split('anna seems to have another group file (other-group, since ')).toHaveLength(2);
});

test('a receiver says who went silent in the middle of a file, and how much of it is missing', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const file = join(folder, 'data.bin');
  await writeFile(file, randomBytes(4_000_000));
  const receive = (...more: string[]) =>
    headwater(['receive', ...lab.as('ben'), '--out', join(folder, 'ben'), ...more]);
  for (const more of [[], ['--json']]) {
    const ben = receive(...more);
    // One that takes nothing of it.
    const cleo = headwater(['node', ...lab.as('cleo')]);
    await cleo.until('ben', ({ stderr }) => stderr.includes('ben is here'));
    const sender = headwater(['send', file, ...lab.as('anna'), '--max-rate', '4', '--json']);
    await sender.until('some of it sent', (cli) =>
      cli.events('status').some(({ metrics }) => (metrics?.sentBytes ?? 0) > 1_000_000),
    );
    sender.child.kill('SIGKILL');
    if (more.length === 0)
      await ben.until('that', ({ stderr }) =>
        /^anna has gone silent: \d\.\d MB of 4\.0 MB are missing, and come once it is back/m.test(stderr),
      );
    else expect(await ben.first('silent')).toMatchObject({ member: 'anna', bytes: expect.any(Number) });
    for (const cli of [ben, cleo]) cli.child.kill('SIGTERM');
    expect(await ben.exit()).toBe(0);
    await cleo.exit();
  }
});

test('`send` to members that others have written to before frightens nobody with what was before', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const [ben, cleo] = ['ben', 'cleo'].map((name) => headwater(['node', ...lab.as(name)]));
  await ben.until('cleo', ({ stderr }) => stderr.includes('cleo is here'));
  for (const i of [1, 2, 3]) ben.say(`line ${i}`);
  await cleo.until('the lines', ({ stdout }) => stdout.includes('line 3'));
  const sends = [1, 2].map(() => ['send', lab.groupFile, ...lab.as('anna')]);
  for (const args of sends) {
    const sender = headwater(args);
    expect(await sender.exit()).toBe(1);
    expect(sender.stderr).not.toMatch(/lost to us|older messages/);
  }
});

test('`send` says whom it waits for while it waits', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const sender = headwater(['send', lab.groupFile, ...lab.as('anna')]);
  await sender.until('that', ({ stderr }) => stderr.includes('waiting for ben (nothing was heard of it)\n'));
});

test.skipIf(!existsSync('/dev/full'))(
  'a stdout on a full disk is an error in words, and exit 1',
  async () => {
    const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
    const { status, stderr } = spawnSync(
      process.execPath,
      [main, 'keygen', join(await tempFolder(), 'a.key')],
      {
        stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
        encoding: 'utf8',
      },
    );
    expect(stderr).toBe('headwater: stdout: expected to write, got ENOSPC\n');
    expect(status).toBe(1);
  },
);

test('a name that is not known, or an address of the other family, keeps no member from starting, and is named', async () => {
  const ports = (await freePorts(3)) as [number, number, number];
  const lab = await createLab(
    await tempFolder(),
    ['anna', 'ben', 'cleo'],
    [`127.0.0.1:${ports[0]}`, `nosuch.invalid:${ports[1]}`, `[2001:db8::1]:${ports[2]}`],
  );
  const sender = headwater(['send', lab.groupFile, ...lab.as('anna'), '--wait', '0', '--timeout', '2']);
  expect(await sender.exit()).toBe(1);
  expect(sender.stderr).toMatch(
    /got nothing new for 2 s: .*ben \(nosuch\.invalid:\d+ of ben is not known \(E\w+\): it is looked up again\)/,
  );
  expect(sender.stderr).toMatch(
    /got nothing new for 2 s: .*cleo \(\[2001:db8::1\]:\d+ of cleo has IPv6 only, /,
  );
});

test.skipIf(process.platform === 'win32')('a key that others can read is warned of', async () => {
  const lab = await createLab(await tempFolder(), ['anna']);
  await chmod(join(lab.folder, 'anna.key'), 0o644);
  const plain = headwater(['node', ...lab.as('anna')]);
  await plain.until('the warning', ({ stderr }) => stderr.includes('anna.key: expected mode 0600, got 0644'));
  plain.child.kill('SIGTERM');
  await plain.exit();
  const json = headwater(['node', ...lab.as('anna'), '--json']);
  expect(await json.first('key-mode')).toMatchObject({ mode: '0644' });
});
