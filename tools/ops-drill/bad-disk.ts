/** `headwater node` on a disk that fails, or with --slow takes 400 ms for a commit. In: its arguments. Out: as much of its output as the drill reads. */
import { readFileSync } from 'node:fs';
import { argv, stdin } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openControl } from '../../src/cli/control.js';
import { print } from '../../src/cli/io.js';
import { parseSecretKey } from '../../src/crypto/keys.js';
import { openStore } from '../../src/disk/lmdb.js';
import { HeadwaterError } from '../../src/errors.js';
import { parseGroup } from '../../src/group/group.js';
import { Node } from '../../src/node/node.js';

const COMMIT_MS = 400;
const text = { type: 'string' } as const;
const { values } = parseArgs({
  args: argv.slice(3),
  options: {
    group: text,
    key: text,
    store: text,
    bind: text,
    control: text,
    json: { type: 'boolean' },
    slow: { type: 'boolean' },
  },
});
const group = parseGroup(readFileSync(values.group!, 'utf8'));
const { seed, publicKey } = parseSecretKey(readFileSync(values.key!, 'utf8'));
const store = await openStore({ path: values.store!, groupId: group.id, publicKey });
const { commit } = store;
store.commit = async (writes) => {
  if (!values.slow) throw new HeadwaterError('STORE', 'store: expected to write, got EIO');
  await sleep(COMMIT_MS);
  return commit(writes);
};
const node = await Node.start({ group, secretKey: seed, store, bind: values.bind });
await openControl(values.control!, node);
print(JSON.stringify({ event: 'ready', name: node.self.name, address: node.address }));
for await (const line of createInterface({ input: stdin })) node.submit(Buffer.from(line)).catch(() => {});
