/** What a user gets wrong: one line that says what was expected and what came, and exit code 2 (usage) or 1. */
import { existsSync } from 'node:fs';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cleanup, freePorts, headwater, linesOf, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

let lab: Lab;

beforeEach(async () => {
  lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
});
afterEach(cleanup);

describe('group file', () => {
  const withGroup = async (text: string | undefined) => {
    const path = at('other.json');
    if (text !== undefined) await writeFile(path, text);
    return ['node', '--group', path, '--key', at('anna.key')];
  };
  const key = '72cf234e74c8094716569d18edb7ccf11bb8a6f610943582bbdbcb295b72b5c5';
  const groupOf = (...members: unknown[]) =>
    JSON.stringify({ headwater: 'group', version: 1, name: 'lab', members });
  const member = { name: 'q', key, address: '127.0.0.1:7000' };

  test('missing', async () => {
    await refused(
      await withGroup(undefined),
      2,
      /^group file: expected a readable file, got ENOENT for .*other\.json$/,
    );
  });

  test.each([
    ['not JSON', 'members: none', /^group file .*other\.json: expected JSON, got /],
    [
      'not JSON, over several lines',
      '{\n  "headwater": "group",\n  nonsense\n}\n',
      /^group file .*other\.json: expected JSON, got /,
    ],
    [
      'another kind of file',
      '{}',
      /^group file .*other\.json: expected "headwater": "group", got undefined$/,
    ],
    [
      'of another version',
      '{"headwater":"group","version":9}',
      /^group file .*other\.json: expected "version": 1, got 9$/,
    ],
    [
      'no list of members',
      '{"headwater":"group","version":1}',
      /expected "members" to be a list, got undefined$/,
    ],
    ['no members', groupOf(), /^group file .*other\.json: members: expected 1 to 512, got 0$/],
    [
      'a member that is none',
      groupOf(member, 7),
      /^group file .*other\.json: members\[1\]: expected an object, got number$/,
    ],
    [
      'no key',
      groupOf({ ...member, key: undefined }),
      /members\[0\] \(q\)\.key: expected 64 hex digits, got none$/,
    ],
    ['a short key', groupOf({ ...member, key: 'abc' }), /expected 64 hex digits, got 3$/],
    [
      'a key twice',
      groupOf(member, member),
      /other\.json: members: expected distinct keys, got one twice \(q\)$/,
    ],
    [
      'no port',
      groupOf({ ...member, address: 'here' }),
      /^group file .*other\.json: address of q: expected host:port or \[host\]:port, got "here"$/,
    ],
    [
      'ourselves not in it',
      groupOf(member),
      /^key file .*\.key: expected that of a member of group 'lab' \(.+\), got another, whose public key is [0-9a-f]{64}$/,
    ],
  ])('%s', async (_what, text, message) => {
    await refused(await withGroup(text), 2, message);
  });
});

test.skipIf(!existsSync('/dev/zero'))('a group or key file without an end', async () => {
  const endless = (what: string) =>
    new RegExp(`^${what}: expected at most 16777216 bytes, got more in /dev/zero$`);
  const key = ['--key', at('anna.key')];
  await refused(['node', '--group', '/dev/zero', ...key], 2, endless('group file'));
  await refused(['node', '--group', lab.groupFile, '--key', '/dev/zero'], 2, endless('key file'));
});

describe('key file', () => {
  test.each([
    ['missing', undefined, /^key file: expected a readable file, got ENOENT for .*me\.key$/],
    [
      'not JSON',
      'seed 123',
      /^key file .*me\.key: expected a secret key file \(JSON\), got text that is not JSON$/,
    ],
    [
      'another kind of file',
      '{"headwater":"group"}',
      /: expected "headwater": "secret-key", got something else$/,
    ],
    ['without a seed', '{"headwater":"secret-key","version":1}', /seed: expected 64 hex digits, got none$/],
  ])('%s', async (_what, text, message) => {
    if (text !== undefined) await writeFile(at('me.key'), text);
    await refused(['node', '--group', lab.groupFile, '--key', at('me.key')], 2, message);
  });

  test('that keygen makes is for its user alone', async () => {
    expect(await headwater(['keygen', at('new.key')]).exit()).toBe(0);
    expect((await stat(at('new.key'))).mode & 0o777).toBe(0o600);
  });

  test('keygen onto one that exists', async () => {
    await refused(
      ['keygen', at('anna.key')],
      1,
      /^key file: expected a new file, got EEXIST for .*anna\.key$/,
    );
  });
});

describe('address', () => {
  test('in use', async () => {
    const [port] = await freePorts(1);
    const first = headwater(['node', ...lab.as('anna'), '--bind', `127.0.0.1:${port}`]);
    await first.until('its address', ({ stderr }) => stderr.includes(`127.0.0.1:${port}`));
    const message = new RegExp(
      `^address: expected to bind 127\\.0\\.0\\.1:${port}, got a port that is in use$`,
    );
    await refused(['node', ...lab.as('ben'), '--bind', `127.0.0.1:${port}`], 1, message);
    const link = ['link', `127.0.0.1:${port}=127.0.0.1:9`];
    await refused(link, 1, new RegExp(`127\\.0\\.0\\.1:${port}.*port.* in use$`));
  });

  test.each([
    ['nonsense', 2, /^address: expected host:port or \[host\]:port, got "nonsense"$/],
    ['127.0.0.1', 2, /got "127\.0\.0\.1"$/],
    ['127.0.0.1:65536', 2, /got "127\.0\.0\.1:65536"$/],
    [
      '192.0.2.1:7000',
      1,
      /^address: expected to bind 192\.0\.2\.1:7000, got an address that is not of this machine$/,
    ],
  ])('--bind %s', async (address, code, message) => {
    await refused(['node', ...lab.as('anna'), '--bind', address], code, message);
  });

  test.each([['here'], ['a=b=c'], ['=127.0.0.1:1']])('link %s', async (pair) => {
    await misused(['link', pair], `expected LISTEN=TARGET, both host:port, got ${pair}.`);
  });
});

test('a file to send that is missing', async () => {
  const message = /^file: expected a readable file or folder, got ENOENT for .*none\.bin$/;
  await refused(['send', at('none.bin'), ...lab.as('anna')], 1, message);
});

test('stdin without a name to send it under', async () => {
  await refused(
    ['send', '-', ...lab.as('anna')],
    2,
    /^-: expected --name FILE, as stdin has no name, got none$/,
  );
});

describe('folder to save to', () => {
  test.each([
    ['a file', 'taken', /^--out: expected a folder to write to, got something that is no folder at .*taken$/],
    ['below a file', 'taken/below', /^--out: expected a folder to write to, got ENOTDIR at .*taken\/below$/],
  ])('%s', async (_what, out, message) => {
    await writeFile(at('taken'), '');
    await refused(['receive', ...lab.as('anna'), '--out', at(out)], 1, message);
  });
});

describe('store', () => {
  const entries = async () => (await readdir(lab.folder)).toSorted();

  test.each([
    ['node', [], 2, /^store: expected a folder that is there for .*typo\/deep, got none$/],
    ['node', ['--json'], 2, /^store: expected a folder that is there for .*typo\/deep, got none$/],
    ['dead-letters', [], 1, /^store: expected one at .*typo\/deep, got nothing$/],
    ['dead-letters', ['--retry', 'anna/1/2/3'], 1, /^store: expected one at .*typo\/deep, got nothing$/],
  ])('`%s %j` in a folder that is not there: nothing is made', async (command, more, code, message) => {
    const before = await entries();
    const cli = headwater([command, ...lab.as('anna'), '--store', at('typo/deep'), ...more]);
    expect(await cli.exit()).toBe(code);
    expect(linesOf(cli.stderr)).toEqual([expect.stringMatching(/^headwater: /)]);
    expect(cli.stderr.slice('headwater: '.length).trimEnd()).toMatch(message);
    expect(await entries()).toEqual(before);
  });

  test('`dead-letters` where there is none beside other files: none is made', async () => {
    const before = await entries();
    const message = /^store: expected one at .*typo, got nothing$/;
    await refused(['dead-letters', ...lab.as('anna'), '--store', at('typo')], 1, message);
    expect(await entries()).toEqual(before);
  });

  test.each(['node', 'dead-letters'])('`%s` with the key of no member: none is made', async (command) => {
    const stranger = headwater(['keygen', at('other.key')]);
    await stranger.exit();
    const before = await entries();
    const identity = ['--group', lab.groupFile, '--key', at('other.key')];
    await refused(
      [command, ...identity, '--store', at('new')],
      2,
      /^key file .*\.key: expected that of a member of group 'lab' \(.+\), got another, whose public key is [0-9a-f]{64}$/,
    );
    expect(await entries()).toEqual(before);
  });
});

test.skipIf(!existsSync('/proc/self'))('a folder to save to where there can be none', async () => {
  const message = /^--out: expected a folder to write to, got ENOENT at \/proc\/x\/y$/;
  await refused(['receive', ...lab.as('anna'), '--out', '/proc/x/y'], 1, message);
});

test('trace to a folder that is not there', async () => {
  const message = /^trace: expected a file to write to, got ENOENT for .*none\/a\.qlog$/;
  await refused(['node', ...lab.as('anna'), '--trace', at('none/a.qlog')], 1, message);
});

describe('usage', () => {
  const member = ['--group', 'g', '--key', 'k'];
  test.each([
    [['fly'], "unknown command 'fly'"],
    [['fly', '--help'], "unknown command 'fly'"],
    [['help', 'fly'], "unknown command 'fly'"],
    [['demo', '--fast'], "unknown option '--fast'"],
    [['node', ...member, '--fast'], "unknown option '--fast'"],
    [['demo', '--loss', '101'], 'expected a number from 0 to 100, got 101.'],
    [['demo', '--loss'], "option '--loss <percent>' argument missing"],
    [['demo', '--nodes', 'x'], 'expected an integer from 2 to 32, got x.'],
    [['demo', '--nodes', '1'], 'expected an integer from 2 to 32, got 1.'],
    [['demo', '--size', ''], 'expected a number from 0.001 to 256, got .'],
    [['send', ...member], "missing required argument 'path'"],
    [['send', 'one', '--key', 'k'], "required option '-g, --group <file>' not specified"],
    [['node', '--group', 'g'], "required option '-k, --key <file>' not specified"],
    [['receive', ...member], "required option '-o, --out <dir>' not specified"],
    [
      ['receive', ...member, '--out', 'o', '--count', '0'],
      'expected an integer from 1 to 1000000000, got 0.',
    ],
    [['node', ...member, '--max-rate', 'Infinity'], 'expected a number from 0.01 to 100000, got Infinity.'],
    [['node', ...member, '--velocity', '5'], "unknown option '--velocity'"],
    [
      ['node', ...member, '--controller', 'reno'],
      "option '--controller <name>' argument 'reno' is invalid. Allowed choices are bbr, cubic, newreno.",
    ],
    [
      ['group', '--name', 'lab', 'anna'],
      'expected name=PUBLICKEY@host:port, or name=PUBLICKEY, with 64 hex digits, got anna.',
    ],
    [['link', '127.0.0.1:1=127.0.0.1:2', '--delay', '-1'], 'expected a number from 0 to 60000, got -1.'],
  ])('%j', async (args, message) => {
    await misused(args, message);
  });
});

function at(name: string): string {
  return join(lab.folder, name);
}

/** The command fails with this code and one line on stderr, `message` behind our name. */
async function refused(args: string[], code: number, message: RegExp): Promise<void> {
  const cli = headwater(args);
  expect(await cli.exit()).toBe(code);
  const lines = linesOf(cli.stderr);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^headwater: /);
  expect(lines[0].slice('headwater: '.length)).toMatch(message);
  expect(cli.stdout).toBe('');
}

/** The same for what the parser of the command line refuses: one line, and where to look. */
async function misused(args: string[], message: string): Promise<void> {
  const cli = headwater(args);
  expect(await cli.exit()).toBe(2);
  const [line, ...rest] = linesOf(cli.stderr);
  expect(line).toMatch(/^error: /);
  expect(line).toContain(message);
  expect(rest).toEqual(['(see --help)']);
  expect(cli.stdout).toBe('');
}
