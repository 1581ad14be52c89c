/** The keys of the others, in a file that operators edit. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { parseCluster } from '../../src/gateway/cluster/cluster.js';
import { knownKeys, saveKeys } from '../../src/gateway/server/keys.js';

const names = ['a', 'b', 'c'];
const cluster = parseCluster(
  names.map((name, i) => `${name}=http://127.0.0.1:${i + 1}`).join(','),
  'a',
  'token',
);
const keys = names.map((_, i) => keyPair(new Uint8Array(32).fill(i + 1)).publicKey);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-keys-'));
});
afterEach(() => rm(folder, { recursive: true }));

test.each(['b', 'c'])('a member whose line was deleted is not known any more: %s', async (gone) => {
  const path = join(folder, 'members.json');
  saveKeys(path, cluster, keys);
  const lines = (await readFile(path, 'utf8')).split('\n');
  await writeFile(path, lines.filter((line) => !line.includes(`"${gone}"`)).join('\n'));
  const known = knownKeys(path, cluster);
  expect(known).toEqual(names.map((name, i) => (name === 'a' || name === gone ? undefined : keys[i])));
});
