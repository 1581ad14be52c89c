/**
 * One node of the resilience table, a process: joins its group, sends its share of the messages, each when the one before it
 * has come back, and keeps when it was delivered what. In: a WorkerConfig as the argument, then the lines 'go' and 'report'
 * on standard input. Out: WorkerLines on standard output, one JSON object a line.
 */
import { argv, hrtime, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
import type { Connectivity } from '../../src/network/network.js';
import { SYSTEMS, type SystemName } from './systems.js';

export interface WorkerConfig {
  system: SystemName;
  /** Where each node is reached, `host:port`. */
  locators: string[];
  /** Which of them this is. */
  self: number;
  /** Where it listens, `host:port`. */
  bind: string;
  directory: string;
  /** Messages that each node sends. */
  share: number;
  /** Bytes of a message. */
  size: number;
}

export type WorkerLine =
  /** Its network is connected, and all peers are. */
  | { type: 'ready' }
  /** All messages of all nodes have been delivered here. */
  | { type: 'done'; at: number }
  /** Of each delivery so far, in order, the milliseconds since it was submitted. */
  | { type: 'report'; latencies: number[] };

const { system, locators, self, bind, directory, share, size } = JSON.parse(argv[2]) as WorkerConfig;
const secretKeys = locators.map((_, i) => new Uint8Array(32).fill(i + 1));
const publicKeys = secretKeys.map((key) => keyPair(key).publicKey);
const group = createGroup({
  name: 'resilience',
  members: locators.map((locator, i) => ({ name: String(i), locator, publicKey: publicKeys[i] })),
});
const own = group.members.find(({ name }) => name === String(self))!;
/** How many of each member's messages have been delivered: also which must be next. */
const delivered = group.members.map(() => 0);
const latencies: number[] = [];
const connected = new Set<number>();
let isConnected = false;

const network = await SYSTEMS[system](
  { group, self: own.index, secretKey: secretKeys[self], bind, directory },
  {
    deliver(msg: Uint8Array, from) {
      const now = clock();
      const view = new DataView(msg.buffer, msg.byteOffset, msg.byteLength);
      const expected = delivered[from.index]++;
      if (msg.length !== size || view.getUint32(8) !== expected)
        throw die(
          `expected message ${expected} of ${from.name}, got ${view.getUint32(8)}, ${msg.length} bytes`,
        );
      latencies.push(now - view.getFloat64(0));
      if (from.index === own.index && delivered[own.index] < share) send();
      if (latencies.length === share * group.members.length) say({ type: 'done', at: now });
    },
    onConnectivity(event: Connectivity) {
      const wasReady = isConnected && connected.size === group.members.length - 1;
      if (event.type === 'NetworkConnected') isConnected = true;
      if (event.type === 'PeerConnected') connected.add(event.peer.index);
      if (event.type === 'PeerDisconnected') connected.delete(event.peer.index);
      if (event.type === 'NetworkDisconnected') {
        isConnected = false;
        connected.clear();
      }
      if (!wasReady && isConnected && connected.size === group.members.length - 1) say({ type: 'ready' });
    },
  },
);

createInterface({ input: stdin })
  .on('line', (line) => {
    if (line === 'go') send();
    else say({ type: 'report', latencies });
  })
  .on('close', () => process.exit());

function send(): void {
  const msg = new Uint8Array(size);
  const view = new DataView(msg.buffer);
  view.setUint32(8, delivered[own.index]);
  view.setFloat64(0, clock());
  network.broadcast(msg).catch((error) => die(String(error)));
}

function say(line: WorkerLine): void {
  stdout.write(`${JSON.stringify(line)}\n`);
}

function die(reason: string): never {
  console.error(`node ${self}: ${reason}`);
  process.exit(1);
}

/** Milliseconds; the same clock in all processes of a machine. */
function clock(): number {
  return Number(hrtime.bigint()) / 1e6;
}
