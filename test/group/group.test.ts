/** Group files: what is in them, what the group's id stands for, and one clear line for each thing that can be wrong. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatPublicKey, keyPair } from '../../src/crypto/keys.js';
import { createGroup, type GroupOptions, parseGroup } from '../../src/group/group.js';
import { parseLocator } from '../../src/group/locator.js';
import { holds } from '../wire/holds.js';

const keyTexts = [1, 2, 3, 4, 5].map((i) => formatPublicKey(keyPair(new Uint8Array(32).fill(i)).publicKey));
const entries = keyTexts.map((key, i) => ({ name: `node-${i}`, key, address: `10.0.0.${i}:7001` }));
const good = { headwater: 'group', version: 1, name: 'lab', members: entries };

describe('a group file', () => {
  test('gives its members in the order of their keys, with name and address', () => {
    const group = parseGroup(JSON.stringify(good));
    const sorted = entries.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    expect(
      group.members.map(({ publicKey, name, locator }) => ({
        name,
        key: formatPublicKey(publicKey),
        address: locator,
      })),
    ).toEqual(sorted);
    expect(group.members.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
    expect(group.name).toBe('lab');
  });

  test('may leave out names, fault bound and pessimism', () => {
    const members = entries.map(({ key, address }) => ({ key, address }));
    const group = parseGroup(file({ members }));
    expect(group.members.map(({ name }) => name)).toEqual([0, 1, 2, 3, 4].map((i) => `member-${i}`));
    expect(group).toMatchObject({ faulty: 1, pessimism: 2 });
  });

  test('may name several addresses of a member, the preferred one first', () => {
    const addresses = ['10.0.1.1:7001', '[::1]:7001'];
    const [first, second] = parseGroup(
      file({ members: [{ key: keyTexts[0], addresses }, entries[1]] }),
    ).members.toSorted((a, b) => b.locators.length - a.locators.length);
    expect(first).toMatchObject({ locator: addresses[0], locators: addresses });
    expect(second).toMatchObject({ locator: entries[1].address, locators: [entries[1].address] });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['beside one address', { addresses: ['a:1'] }, /expected "address" or "addresses", got both/],
    ['as a text', { address: undefined, addresses: 'a:1' }, /\.addresses: expected a list, got string/],
    [
      'more than eight',
      { address: undefined, addresses: Array.from({ length: 9 }, (_, i) => `a:${i + 1}`) },
      /^group file: addresses of node-\d: expected at most 8, got 9/,
    ],
    ['of another member', { address: undefined, addresses: ['a:1', '10.0.0.0:7001'] }, /distinct addresses/],
    ['one of them twice', { address: undefined, addresses: ['a:1', 'a:1'] }, /distinct addresses/],
    ['one without a port', { address: undefined, addresses: ['a:1', 'b'] }, /expected host:port/],
  ])('with addresses %s is refused', (_what, change, message) => {
    expect(errorOf(() => parseGroup(withMember(change)))).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(message),
    });
  });
  test('may have no address, which it says: who leaves it out has forgotten it', () => {
    const entry = (change: object) =>
      JSON.stringify({
        ...{ headwater: 'group', version: 1, name: 'calls' },
        members: [{ key: keyTexts[0], ...change }],
      });
    const { members } = parseGroup(entry({ addresses: [] }));
    expect(members[0]).toMatchObject({ locator: '', locators: [] });
    expect(() => parseGroup(entry({}))).toThrow(/address: expected a string, got undefined/);
  });

  test.each([
    ['[::1]:7001', '[0:0:0:0:0:0:0:1]:7001'],
    ['[2001:db8::a]:7001', '[2001:DB8:0::A]:7001'],
    ['127.0.0.1:7001', '127.1:7001'],
    ['127.0.0.1:7001', '[::ffff:127.0.0.1]:7001'],
    ['127.0.0.1:7001', '127.0.0.1:07001'],
    ['node.example.org:7001', 'Node.Example.org.:7001'],
    ['[fe80::1%eth0]:7001', '[FE80::1%eth0]:7001'],
  ])('with one address in two spellings, %s and %s, is refused', (one, other) => {
    const members = [one, other].map((address, i) => ({ key: keyTexts[i], address }));
    expect(errorOf(() => parseGroup(file({ members })))).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(
        /^group file: members: expected distinct addresses, got .* twice.* \(.+\)$/,
      ),
    });
  });

  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /^group: expected an object, got undefined$/],
    ['a text', '{}', /^group: expected an object, got string$/],
    ['no list of members', { name: 'a' }, /^members: expected a list, got undefined$/],
    [
      'a misspelt option',
      { name: 'a', members: [], faulti: 1 },
      /^group: expected only name, .*, got "faulti" \(is "faulty" meant\?\)$/,
    ],
    [
      'a key as text',
      { name: 'a', members: [{ publicKey: keyTexts[0], locator: 'a:1' }] },
      /^members\[0\]\.publicKey: expected a Uint8Array of 32 bytes, got string$/,
    ],
    [
      'an address that is a number',
      { name: 'a', members: [{ publicKey: new Uint8Array(32), locator: 7001 }] },
      /^members\[0\]: address: expected a string, got number$/,
    ],
  ])('made of %s is refused', (_what, options, message) => {
    expect(errorOf(() => createGroup(options as GroupOptions))).toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringMatching(message),
    });
  });

  test('may set the fault bound up to a minority, and pessimism down to none', () => {
    expect(parseGroup(file({ faulty: 2, pessimism: 0 }))).toMatchObject({ faulty: 2, pessimism: 0 });
    expect(parseGroup(file({ faulty: 0, pessimism: 1000 }))).toMatchObject({ faulty: 0, pessimism: 1000 });
  });

  test.each([
    [4, 1, 3],
    [5, 1, 4],
  ])('of %i members may name %i that may lie, and asks for %i confirms then', (n, byzantine, quorum) => {
    const group = parseGroup(file({ members: entries.slice(0, n), byzantine }));
    expect(group).toMatchObject({ byzantine, quorum, faulty: 1 });
  });

  test.each([
    [1, 0, 1],
    [2, 0, 2],
    [3, 0, 2],
    [4, 1, 3],
    [5, 1, 3],
  ])('of %i members counts on at most %i faulty ones and asks for %i confirms', (n, faulty, quorum) => {
    expect(parseGroup(file({ members: entries.slice(0, n) }))).toMatchObject({ faulty, quorum });
  });

  test.each<[string, string, string | RegExp]>([
    ['no JSON', '{"headwater": "group"', /^group file: expected JSON, got /],
    ['an empty file', '', /^group file: expected JSON, got /],
    ['a number', '7', 'group file: expected an object, got number'],
    ['null', 'null', 'group file: expected an object, got null'],
    [
      'a file of another kind',
      file({ headwater: 'secret-key' }),
      'group file: expected "headwater": "group", got "secret-key"',
    ],
    ['a file of no kind', '{}', 'group file: expected "headwater": "group", got undefined'],
    ['another version', file({ version: 2 }), 'group file: expected "version": 1, got 2'],
    ['a version as text', file({ version: '1' }), 'group file: expected "version": 1, got "1"'],
    ['no name', file({ name: undefined }), 'group file: "name": expected a string, got undefined'],
    [
      'no members',
      file({ members: undefined }),
      'group file: expected "members" to be a list, got undefined',
    ],
    [
      'members as an object',
      file({ members: {} }),
      'group file: expected "members" to be a list, got object',
    ],
    ['an empty list of members', file({ members: [] }), 'group file: members: expected 1 to 512, got 0'],
    [
      'more members than 512',
      file({ members: Array(513).fill(entries[0]) }),
      'group file: members: expected 1 to 512, got 513',
    ],
    [
      'a member that is no object',
      file({ members: ['a'] }),
      'group file: members[0]: expected an object, got string',
    ],
    [
      'a member without a key',
      withMember({ key: undefined }),
      'group file: members[1] (node-1).key: expected 64 hex digits, got none',
    ],
    [
      'a key that is too short',
      withMember({ key: 'ab' }),
      'group file: members[1] (node-1).key: expected 64 hex digits, got 2',
    ],
    [
      'a key that is none',
      withMember({ key: '00'.repeat(32) }),
      /^group file: members\[1\] \(node-1\)\.key: expected an Ed25519 public key, got bytes that are not the canonical/,
    ],
    [
      'an address twice',
      withMember({ address: entries[0].address }),
      'group file: members: expected distinct addresses, got 10.0.0.0:7001 twice (node-0)',
    ],
    [
      'a name twice',
      withMember({ name: 'node-0' }),
      'group file: members: expected distinct names, got node-0 twice',
    ],
    [
      'a key twice',
      withMember({ key: keyTexts[0] }),
      /^group file: members: expected distinct keys, got one twice \(node-[01]\)$/,
    ],
    [
      'a member without an address',
      withMember({ address: undefined }),
      'group file: members[1] (node-1).address: expected a string, got undefined',
    ],
    [
      'an address without a port',
      withMember({ address: '10.0.0.1' }),
      'group file: address of node-1: expected host:port or [host]:port, got "10.0.0.1"',
    ],
    [
      'a name that is a number',
      withMember({ name: 5 }),
      'group file: members[1].name: expected a string, got number',
    ],
    [
      'more faulty members than a minority',
      file({ faulty: 3 }),
      'group file: faulty: expected an integer from 0 to 2, got 3',
    ],
    [
      'a key that is misspelt',
      file({ byzantin: 1 }),
      /^group file: expected only headwater, .*, got "byzantin" \(is "byzantine" meant\?\)$/,
    ],
    ['a key that is unknown', file({ quorom: 2 }), /^group file: expected only .*, got "quorom"$/],
    [
      'a misspelt key of a member',
      withMember({ adress: '10.0.0.9:7001' }),
      /^group file: members\[1\] \(node-1\): expected only name, key, .*, got "adress" \(is "address" meant\?\)$/,
    ],
    [
      'a name equal to the default name of another member',
      file({
        members: keyTexts
          .slice(0, 2)
          .toSorted()
          .map((key, i) => ({
            key,
            address: `10.0.0.${i}:7001`,
            ...(i === 0 ? { name: 'member-1' } : {}),
          })),
      }),
      'group file: members: expected distinct names, got member-1 twice',
    ],
    [
      'a name that drives a terminal',
      withMember({ name: 'a\u001b]0;x\u0007' }),
      /^group file: members\[1\]\.name: expected some text without control or invisible characters, got "a\\u001b/,
    ],
    [
      'a name that is shown backwards',
      withMember({ name: 'a\u202eb' }),
      /^group file: members\[1\]\.name: expected some text/,
    ],
    ['an empty name', withMember({ name: '' }), /^group file: members\[1\]\.name: expected some text/],
    ['a group without a name', file({ name: '' }), /^group file: name: expected some text/],
    [
      'an address that nobody can send to',
      withMember({ address: '0.0.0.0:7001' }),
      'group file: address of node-1: expected one that others can send to, got 0.0.0.0:7001 (which is one to bind)',
    ],
    [
      'a negative fault bound',
      file({ faulty: -1 }),
      'group file: faulty: expected an integer from 0 to 2, got -1',
    ],
    [
      'a fault bound in between',
      file({ faulty: 0.5 }),
      'group file: faulty: expected an integer from 0 to 2, got 0.5',
    ],
    [
      'a fault bound as text',
      file({ faulty: '1' }),
      'group file: faulty: expected an integer from 0 to 2, got "1"',
    ],
    [
      'too much pessimism',
      file({ pessimism: 1001 }),
      'group file: pessimism: expected an integer from 0 to 1000, got 1001',
    ],
  ])('with %s is refused with one line', (_what, text, message) => {
    const caught = errorOf(() => parseGroup(text));
    expect(caught).toMatchObject({ name: 'HeadwaterError', code: 'INVALID_CONFIG' });
    if (typeof message === 'string') expect(caught.message).toBe(message);
    else expect(caught.message).toMatch(message);
    expect(caught.message).not.toContain('\n');
  });

  test('damaged in any way is read or refused, never anything else', () =>
    holds(
      'damaged group files',
      fc.property(fc.json(), fc.nat(), fc.nat(60), (part, at, cut) => {
        const text = JSON.stringify(good);
        const start = at % text.length;
        try {
          parseGroup(text.slice(0, start) + part + text.slice(start + cut));
        } catch (error) {
          expect(error).toMatchObject({ name: 'HeadwaterError', code: 'INVALID_CONFIG' });
        }
      }),
      500,
    ));
});

describe("a group's id", () => {
  const members = keyTexts.map((_, i) => ({
    publicKey: keyPair(new Uint8Array(32).fill(i + 1)).publicKey,
    locator: `10.0.0.${i}:7001`,
  }));
  const options: GroupOptions = { name: 'lab', members };
  const { id } = createGroup(options);

  test('is 32 bytes', () => {
    expect(id).toHaveLength(32);
  });

  test('does not depend on the order of the list', () =>
    holds(
      'member order',
      fc.property(fc.shuffledSubarray(members, { minLength: members.length }), (shuffled) => {
        const group = createGroup({ ...options, members: shuffled });
        expect(group.id).toEqual(id);
        expect(group.members).toEqual(createGroup(options).members);
      }),
      20,
    ));

  test('does not depend on locators, names of members, or pessimism', () => {
    const moved = members.map(({ publicKey }, i) => ({
      publicKey,
      locator: `[::1]:${i + 1}`,
      name: `n${i}`,
    }));
    expect(createGroup({ ...options, members: moved, pessimism: 7 }).id).toEqual(id);
  });

  test.each<[string, Partial<GroupOptions>]>([
    ['the name', { name: 'lab2' }],
    ['the fault bound', { faulty: 2 }],
    ['the members', { members: members.slice(1), faulty: 1 }],
  ])('depends on %s', (_what, change) => {
    expect(createGroup({ ...options, ...change }).id).not.toEqual(id);
  });
});

describe('a locator', () => {
  test.each([
    ['127.0.0.1:7001', '127.0.0.1', 7001],
    ['[::1]:7001', '::1', 7001],
    ['[fe80::1%eth0]:1', 'fe80::1%eth0', 1],
    ['node-3.example.org:65535', 'node-3.example.org', 65535],
    ['localhost:80', 'localhost', 80],
  ])('%s', (text, host, port) => {
    expect(parseLocator(text)).toEqual({ host, port });
  });

  test.each([
    '',
    'localhost',
    'localhost:',
    ':7001',
    '[]:7001',
    '[::1]',
    '::1',
    '::1:7001',
    'localhost:65536',
    'localhost:123456',
    'localhost:-1',
    'localhost:7001 ',
    'localhost:7x',
    '127.0.0.1:7001:7002',
    'udp://localhost:7001',
  ])('%j is none', (text) => {
    expect(errorOf(() => parseLocator(text))).toMatchObject({
      code: 'INVALID_CONFIG',
      message: `address: expected host:port or [host]:port, got ${JSON.stringify(text)}`,
    });
  });
});

function file(change: Record<string, unknown>): string {
  return JSON.stringify({ ...good, ...change });
}

/** The group file with another second member. */
function withMember(change: Record<string, unknown>): string {
  return file({ members: entries.map((entry, i) => (i === 1 ? { ...entry, ...change } : entry)) });
}

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error, got none');
}
