/**
 * A shared folder of the simplest kind: each file in OUT when this starts goes to the whole group, and each file of the others is
 * saved in IN, under its sender's name. A file that was sent before is not sent again: its content is its key. A file is one message
 * here, whole in memory and kept in the store for who is away; large ones, and whole folders, are for sendFiles and receiveFiles.
 *
 *   node examples/file-drop.mjs GROUP_FILE KEY_FILE STORE OUT IN
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import process, { argv, exit, stderr, stdout } from 'node:process';
import { createNetwork, parseGroup, parseSecretKey } from 'headwater';

const [groupFile, keyFile, storePath, out, into] = argv.slice(2);
if (into === undefined) {
  stderr.write('usage: node examples/file-drop.mjs GROUP_FILE KEY_FILE STORE OUT IN\n');
  exit(2);
}

const group = parseGroup(readFileSync(groupFile, 'utf8'));
const { seed, publicKey } = parseSecretKey(readFileSync(keyFile, 'utf8'));
const self = group.members.find((member) => Buffer.from(member.publicKey).equals(publicKey));

const network = await createNetwork(
  { group, secretKey: seed, storePath },
  {
    deliver({ name, bytes }, from) {
      if (from.name === self?.name) return;
      // Another member chose the name: nothing of it may lead out of the folder.
      if (typeof name !== 'string' || basename(name) !== name || name.startsWith('.')) return;
      const folder = join(into, from.name);
      mkdirSync(folder, { recursive: true });
      // Whole or not at all; and the same again if this process dies before it has told that it is done.
      writeFileSync(join(folder, `.${name}.part`), bytes);
      renameSync(join(folder, `.${name}.part`), join(folder, name));
      stdout.write(`${from.name}/${name}\n`);
    },
  },
);
process.on('SIGTERM', () => network.close().then(() => exit(0)));

for (const name of readdirSync(out)) {
  const bytes = readFileSync(join(out, name));
  const key = createHash('sha256').update(`${name}\0`).update(bytes).digest('hex');
  try {
    await network.broadcast({ name, bytes }, { key });
  } catch (error) {
    // Told to stop in the middle: the next run goes on with this file.
    if (error.code === 'CLOSED') break;
    throw error;
  }
}
