/**
 * A replicated counter: each member adds 1, 2, ..., N, and all members count everything, each addition exactly once, however
 * often any of them is killed and started again.
 *
 *   node examples/counter.mjs GROUP_FILE KEY_FILE FOLDER N
 *
 * Two halves make it so. Who receives stores the id of the last message of each sender in one step with what the message did, and
 * skips what comes again. Who sends gives each message a key: after a crash it sends again what it is not sure of, and what was
 * taken before is not sent twice.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import process, { argv, exit, stderr } from 'node:process';
import { createNetwork, parseGroup, parseSecretKey } from 'headwater';

const [groupFile, keyFile, folder, count] = argv.slice(2);
if (count === undefined) {
  stderr.write('usage: node examples/counter.mjs GROUP_FILE KEY_FILE FOLDER N\n');
  exit(2);
}
mkdirSync(folder, { recursive: true });
const statePath = join(folder, 'counter.json');

/** totals: by sender; last: id of the last message of each sender's incarnation; added: how far we have come ourselves. */
const state = existsSync(statePath)
  ? JSON.parse(readFileSync(statePath, 'utf8'))
  : { totals: {}, last: {}, added: 0 };

const network = await createNetwork(
  {
    group: parseGroup(readFileSync(groupFile, 'utf8')),
    secretKey: parseSecretKey(readFileSync(keyFile, 'utf8')).seed,
    storePath: join(folder, 'store'),
  },
  {
    deliver({ add }, from, { origin, incarnation, seq, index }) {
      const sender = `${origin} ${incarnation}`;
      const [lastSeq, lastIndex] = state.last[sender] ?? [-1, -1];
      if (seq < lastSeq || (seq === lastSeq && index <= lastIndex)) return;
      state.last[sender] = [seq, index];
      state.totals[from.name] = (state.totals[from.name] ?? 0) + add;
      save();
    },
    onNotice: (notice) => stderr.write(`${notice.type}\n`),
  },
);
process.on('SIGTERM', () => network.close().then(() => exit(0)));

for (let add = state.added + 1; add <= Number(count); add++) {
  // Killed after this and before the next line, it is broadcast again, and there once.
  try {
    await network.broadcast({ add }, { key: `add ${add}` });
  } catch (error) {
    // Told to stop in the middle: the next run asks for it again.
    if (error.code === 'CLOSED') break;
    throw error;
  }
  state.added = add;
  save();
}

/** Wholly there after a crash, or as it was before. */
function save() {
  const file = openSync(`${statePath}.new`, 'w');
  writeSync(file, JSON.stringify(state));
  fsyncSync(file);
  closeSync(file);
  renameSync(`${statePath}.new`, statePath);
}
