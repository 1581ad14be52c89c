/** A key, the id of a group and the address of one member: what `--group-id` and `--peer` do, as processes. */
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { cleanup, freePorts, headwater, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

afterEach(cleanup);

const idOf = ({ group }: Lab) => toHex(group.id);
const locatorOf = ({ group }: Lab, name: string) =>
  group.members.find((member) => member.name === name)!.locator;
const byId = (lab: Lab, name: string, peer: string) => [
  ...['--group-id', idOf(lab), '--peer', peer],
  ...['-k', join(lab.folder, `${name}.key`), '--json'],
];

test('a member without the group file joins, and starts again while who told it is down', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
  const [anna, cleo] = ['anna', 'cleo'].map((name) => headwater(['node', ...lab.as(name), '--json']));
  await anna.first('ready');
  const start = () => headwater(['node', ...byId(lab, 'ben', locatorOf(lab, 'anna'))]);
  const ben = start();
  const { file, members } = (await ben.first('group-told')) as { file: string; members: string[] };
  cleo.say('good morning');
  await ben.until('what cleo says', (cli) => cli.stdout.includes('good morning'));

  expect(members.toSorted()).toEqual(['anna', 'ben', 'cleo']);
  expect(file).toBe(join(lab.folder, `ben.key.${idOf(lab).slice(0, 16)}.group.json`));

  for (const cli of [anna, ben]) {
    cli.child.kill('SIGTERM');
    await cli.exit();
  }
  const again = start();
  cleo.say('and good night');
  await again.until('what cleo says', (cli) => cli.stdout.includes('good night'));
  expect(again.events('group-told')).toEqual([]);
});

test('the id is what `group id` prints, and --group names where the file is kept', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const id = headwater(['group', 'id', '-g', lab.groupFile]);
  expect(await id.exit()).toBe(0);
  expect(id.stdout).toBe(`${idOf(lab)}\n`);

  const anna = headwater(['node', ...lab.as('anna'), '--json']);
  await anna.first('ready');
  const kept = join(lab.folder, 'kept.json');
  const receive = headwater([
    ...['receive', ...byId(lab, 'ben', locatorOf(lab, 'anna'))],
    ...['-g', kept, '--out', lab.folder],
  ]);
  await receive.first('ready');
  expect(JSON.parse(await readFile(kept, 'utf8'))).toMatchObject({ headwater: 'group', name: 'lab' });
});

describe('who cannot join is told why, with exit code', () => {
  const tried = async (args: readonly string[]) => {
    const cli = headwater(['node', ...args]);
    const code = await cli.exit();
    return { code, text: cli.stderr };
  };

  test('2 where neither file nor address is there', async () => {
    const lab = await createLab(await tempFolder(), ['anna', 'ben']);
    const key = ['-k', join(lab.folder, 'anna.key')];
    expect(await tried(['--group-id', idOf(lab), ...key])).toEqual({
      code: 2,
      text: expect.stringContaining('--group-id: expected --peer, since there is no group file'),
    });
    expect(await tried([...lab.as('anna'), '--peer', '127.0.0.1:1'])).toMatchObject({ code: 2 });
    expect(await tried(['--group-id', 'abc', ...key])).toMatchObject({
      code: 2,
      text: expect.stringContaining('expected 64 hex digits'),
    });
  });

  test('2 where the file that is there is of another group', async () => {
    const lab = await createLab(await tempFolder(), ['anna', 'ben']);
    const [, id] = ['--group-id', 'ab'.repeat(32)];
    const { code, text } = await tried(['--group-id', id, ...lab.as('anna')]);
    expect([code, text]).toEqual([2, expect.stringContaining(`expected group ${id}, got ${idOf(lab)}`)]);
  });

  test('130 when it is interrupted while nobody answers, and nothing is kept', async () => {
    const lab = await createLab(await tempFolder(), ['anna', 'ben']);
    const [port] = await freePorts(1);
    const cli = headwater(['send', lab.groupFile, ...byId(lab, 'ben', `127.0.0.1:${port}`)]);
    await cli.first('group-asked');
    cli.child.kill('SIGINT');
    expect(await cli.exit()).toBe(130);
    expect((await readdir(lab.folder)).toSorted()).toEqual(['anna.key', 'ben.key', 'group.json']);
  });
});

test('a key that is none of the group’s is told so by the member that it asks', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const anna = headwater(['node', ...lab.as('anna'), '--json']);
  await anna.first('ready');
  const other = await createLab(await tempFolder(), ['zoe']);
  const key = join(lab.folder, 'zoe.key');
  await writeFile(key, await readFile(join(other.folder, 'zoe.key')), { mode: 0o600 });
  const { fetchGroup, parseSecretKey } = await import('../../src/index.js');
  const { seed } = parseSecretKey(await readFile(key, 'utf8'));
  const asked = fetchGroup({
    ...{ groupId: lab.group.id, secretKey: seed, timeout: 1500 },
    peers: [locatorOf(lab, 'anna')],
  });
  await expect(asked).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringContaining('it says that this key is none of the group’s members'),
  });
  expect(existsSync(`${key}.${idOf(lab).slice(0, 16)}.group.json`)).toBe(false);
});
