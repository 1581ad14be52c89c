/** `headwater group`: the bounds on faults that it takes, and what it refuses, since the group could not keep its promises. */
import { afterAll, expect, test as serial } from 'vitest';
import { formatPublicKey, keyPair } from '../../src/crypto/keys.js';
import { parseGroup } from '../../src/group/group.js';
import { cleanup, headwater } from './cli.js';

const test = serial.concurrent;

afterAll(cleanup);

const members = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const { publicKey } = keyPair(new Uint8Array(32).fill(i + 1));
    return `m${i}=${formatPublicKey(publicKey)}@127.0.0.1:${7000 + i}`;
  });
const group = (count: number, ...options: string[]) =>
  headwater(['group', '--name', 'lab', ...members(count), ...options]);

test.each([
  [4, ['--byzantine', '1'], { byzantine: 1, faulty: 1, quorum: 3 }],
  [7, ['--byzantine', '2'], { byzantine: 2, faulty: 2, quorum: 5 }],
  [7, ['--byzantine', '1', '--faulty', '2'], { byzantine: 1, faulty: 2, quorum: 5 }],
  [3, [], { byzantine: 0, faulty: 0, quorum: 2 }],
])('of %i members with %j', async (count, options, bounds) => {
  const cli = group(count, ...options);
  expect(await cli.exit()).toBe(0);
  expect(parseGroup(cli.stdout)).toMatchObject(bounds);
});

test.each([
  [
    3,
    ['--byzantine', '1'],
    /^headwater: group file: byzantine: expected an integer from 0 to 0 \(of 3 members; .*, got 1$/m,
  ],
  [6, ['--byzantine', '2'], /byzantine: expected an integer from 0 to 1 \(of 6 members; .*, got 2$/m],
  [7, ['--byzantine', '2', '--faulty', '1'], /faulty: expected an integer from 2 to 2, got 1$/m],
  [4, ['--byzantine', '0.5'], /expected an integer from 0 to 512, got 0\.5\./],
])('of %i members with %j is refused', async (count, options, message) => {
  const cli = group(count, ...options);
  expect(await cli.exit()).toBe(2);
  expect(cli.stderr).toMatch(message);
  expect(cli.stdout).toBe('');
});
