/**
 * A chat: each line of stdin goes to the whole group, and each line that anyone says is printed with its sender's name. Lines
 * that were said while a member was away come when it is back.
 *
 *   node examples/chat.mjs GROUP_FILE KEY_FILE STORE
 */
import { readFileSync } from 'node:fs';
import process, { argv, exit, stderr, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { createNetwork, parseGroup, parseSecretKey } from 'headwater';

const [groupFile, keyFile, storePath] = argv.slice(2);
if (storePath === undefined) {
  stderr.write('usage: node examples/chat.mjs GROUP_FILE KEY_FILE STORE\n');
  exit(2);
}

const network = await createNetwork(
  {
    group: parseGroup(readFileSync(groupFile, 'utf8')),
    secretKey: parseSecretKey(readFileSync(keyFile, 'utf8')).seed,
    storePath,
  },
  {
    // The next line waits until this one is written: a slow terminal holds up this member alone.
    deliver: (line, from) =>
      new Promise((resolve, reject) => {
        stdout.write(`${from.name}: ${line}\n`, (error) => (error ? reject(error) : resolve()));
      }),
    onConnectivity: (event) => stderr.write(`${event.type} ${('peer' in event && event.peer?.name) || ''}\n`),
  },
);

const lines = createInterface({ input: stdin });
const stop = () => network.close().then(() => exit(0));
process.on('SIGINT', stop).on('SIGTERM', stop);

for await (const line of lines) {
  try {
    // Once this has resolved, the line is on this member's disk: it reaches everyone, whatever happens now.
    await network.broadcast(line);
  } catch (error) {
    // Told to stop in the middle.
    if (error.code === 'CLOSED') break;
    throw error;
  }
}
