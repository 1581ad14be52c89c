/**
 * One process of the torture: a member with a store that submits messages of random sizes and writes into its log what it
 * did, each line before it counts. In: a WorkerConfig as the argument; the line 'quiet' on standard input ends its load, and the
 * end of standard input the process. Out: its address, as the one line on standard output.
 */
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { argv, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { Rng } from '../../../src/core/rng.js';
import { keyPair } from '../../../src/crypto/keys.js';
import { createGroup } from '../../../src/group/group.js';
import { createNetwork, rawBytes } from '../../../src/network/create.js';
import type { Notice } from '../../../src/network/network.js';
import type { WarningCode } from '../../../src/node/status/warnings.js';
import { type Entry, formatEntry } from './history.js';

export interface WorkerConfig {
  /** Where each member is reached, `host:port`. */
  locators: string[];
  /** Which of them this is, in the group's order. */
  self: number;
  /** How often it was started before. */
  run: number;
  order: 'fifo' | 'causal';
  seed: string;
  storePath: string;
  logPath: string;
}

async function main({ locators, self, run, order, seed, storePath, logPath }: WorkerConfig): Promise<void> {
  const secretKeys = locators.map((_, i) => new Uint8Array(32).fill(i + 1));
  // Members are sorted by their keys.
  secretKeys.sort((a, b) => Buffer.compare(keyPair(a).publicKey, keyPair(b).publicKey));
  const members = secretKeys.map((key, i) => ({ publicKey: keyPair(key).publicKey, locator: locators[i] }));
  const group = createGroup({ name: 'torture', members });
  const rng = new Rng(`${seed} member ${self} run ${run}`);
  const file = openSync(logPath, 'a');
  const log = (entry: Entry) => writeSync(file, formatEntry(entry));
  const fault = (text: string) => log({ type: 'fault', run, text });
  log({ type: 'start', run });

  const network = await createNetwork<Uint8Array>(
    { group, secretKey: secretKeys[self], storePath, order, bind: '127.0.0.1:0', codec: rawBytes },
    {
      async deliver(bytes, _, { origin, incarnation, seq, index }) {
        log({ type: 'deliver', run, id: [origin, incarnation, seq, index], digest: digestOf(bytes) });
        // Some consumers take a while, and are killed in the middle of it.
        if (rng.chance(0.02)) await setTimeout(rng.integer(0, 20));
      },
      onNotice: (notice) => {
        if (!EXPECTED.has(notice.type === 'warning' ? notice.code : notice.type)) fault(describe(notice));
      },
    },
  );
  stdout.write(`${network.status().address}\n`);

  let quiet = false;
  createInterface({ input: stdin })
    .on('line', () => {
      quiet = true;
    })
    .on('close', () => process.exit());
  let underWay = 0;
  for (let n = 0; !quiet; n++) {
    for (let left = rng.integer(1, 6); left > 0; left--) {
      const bytes = rng.bytes(rng.chance(0.01) ? rng.integer(10_000, 100_000) : rng.integer(8, 1500));
      // Unlike any other: who sent it, in which run, as which.
      new DataView(bytes.buffer, bytes.byteOffset).setUint16(0, self);
      new DataView(bytes.buffer, bytes.byteOffset).setUint16(2, run);
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(4, n * 8 + left);
      const digest = digestOf(bytes);
      log({ type: 'submit', run, digest });
      underWay++;
      network.broadcast(bytes).then(
        () => {
          underWay--;
          log({ type: 'durable', run, digest });
        },
        (error) => fault(`broadcast: ${error}`),
      );
    }
    do await setTimeout(rng.integer(0, 80));
    while (underWay >= MAX_UNDER_WAY);
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

/** None of them should come: nobody misbehaves, no disk is full, nothing is dropped, and a killed process damages no store. */
function describe(notice: Notice): string {
  return JSON.stringify(notice, (key, value) => (key === 'member' || key === 'from' ? value.index : value));
}

const MAX_UNDER_WAY = 32;
/** Warnings and notices of what the torture does: it kills, loses and loads the machine. */
const EXPECTED: ReadonlySet<string> = new Set<WarningCode>([
  'no-quorum',
  'member-away',
  // Of one that is killed again before it has answered.
  'unheard',
  'lossy-path',
  'narrow-path',
  'busy-host',
  'slow-disk',
  'small-buffer',
]);

await main(JSON.parse(argv[2]) as WorkerConfig);
