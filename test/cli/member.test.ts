/** What the commands make of a member's options, and what they say of it. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { readGroup } from '../../src/cli/identity.js';
import { type MemberOptions, startMember } from '../../src/cli/member.js';
import { formatPublicKey, formatSecretKey, keyPair } from '../../src/crypto/keys.js';
import { Node } from '../../src/node/node.js';
import { paperGroup } from '../network/members.js';

afterEach(() => void vi.restoreAllMocks());

test('limits are given to the member in its own units: bytes a second, and bytes', async () => {
  const start = vi.spyOn(Node, 'start').mockResolvedValue({} as Node);
  const folder = await mkdtemp(join(tmpdir(), 'headwater-member-'));
  const [group, key] = ['group', 'key'].map((name) => join(folder, name));
  const seed = new Uint8Array(32).fill(1);
  const members = paperGroup(3).members.map(({ name, publicKey, locator }) => ({
    name,
    key: formatPublicKey(publicKey),
    address: locator,
  }));
  await writeFile(group, JSON.stringify({ headwater: 'group', version: 1, name: 'paper', members }));
  await writeFile(key, formatSecretKey(seed), { mode: 0o600 });
  const options: MemberOptions = { group, key, controller: 'cubic', maxRate: 8, relay: false };
  await startMember(options, { order: 'causal', maxMessageSize: 2 }, new AbortController().signal);
  await rm(folder, { recursive: true });

  const [[given]] = start.mock.calls;
  expect(given).toMatchObject({ controller: 'cubic', maxRate: 1e6, relay: false, order: 'causal' });
  expect(given.maxMessageSize).toBe(2);
  expect(keyPair(given.secretKey).publicKey).toEqual(keyPair(seed).publicKey);
});

test('a named pipe to which nobody writes is refused as a group file, also behind a link', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-member-'));
  const [pipe, link] = ['pipe', 'link'].map((name) => join(folder, name));
  execFileSync('mkfifo', [pipe]);
  await symlink(pipe, link);

  for (const path of [pipe, link])
    await expect(readGroup(path)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: `group file: expected a file, got a named pipe at ${path}`,
    });

  await rm(folder, { recursive: true });
});
