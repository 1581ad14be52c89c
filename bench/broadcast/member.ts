/**
 * A member of the broadcast benchmark, a process: with a durable store, and, if it is the first, a load of messages of which
 * so many are kept under way. In: MemberOptions. Out: when it was ready, when it had delivered all, and its memory meanwhile.
 */
import { hrtime } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { createGroup } from '../../src/broadcast/group.js';
import { keyPair } from '../../src/crypto/keys.js';
import { createNetwork, rawBytes } from '../../src/network/create.js';
import { roleOptions, serveRole } from '../loopback/process.js';

export interface MemberOptions {
  /** Ports of 127.0.0.1, one for each member. */
  ports: number[];
  self: number;
  storePath: string;
  messages: number;
  /** Bytes of a message. */
  size: number;
  /** Messages under way at once. */
  window: number;
  /** Until when a message counts as under way: `broadcast` has resolved, or it has been delivered back. */
  until: 'durable' | 'delivered';
}

/** Bytes, after a full garbage collection. */
export interface MemorySample {
  delivered: number;
  rss: number;
}

const { ports, self, storePath, messages, size, window, until } = roleOptions<MemberOptions>();
const secretKeys = ports.map((_, i) => new Uint8Array(32).fill(i + 1));
const group = createGroup({
  name: 'bench',
  members: ports.map((port, i) => ({
    name: String(i),
    publicKey: keyPair(secretKeys[i]).publicKey,
    locator: `127.0.0.1:${port}`,
  })),
});
/** Over the whole load. */
const SAMPLES = 50;
const samples: MemorySample[] = [];
const sampleEvery = Math.ceil(messages / SAMPLES);
let delivered = 0;
let sent = 0;
let finish = (_at: number) => {};
const finished = new Promise<number>((resolve) => {
  finish = resolve;
});

const network = await createNetwork<Uint8Array>(
  { group, secretKey: secretKeys[self], storePath, codec: rawBytes },
  {
    deliver(bytes) {
      const place = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
      if (place !== delivered || bytes.length !== size) die(`message ${delivered}, got ${place}`);
      delivered++;
      if (delivered % sampleEvery === 0) {
        globalThis.gc?.();
        samples.push({ delivered, rss: process.memoryUsage.rss() });
      }
      if (delivered === messages) finish(clock());
      if (self === 0 && until === 'delivered') send();
    },
    onNotice: (notice) => die(`nothing to note, got ${notice.type}`),
  },
);

function send(): void {
  if (sent === messages) return;
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, sent++);
  network.broadcast(bytes).then(until === 'durable' ? send : () => {}, die);
}

serveRole({
  /** All others are within reach. */
  async ready() {
    while (network.status().peers.some(({ reachable }) => !reachable)) await setTimeout(20);
    return true;
  },
  load() {
    const at = clock();
    for (let i = 0; i < window; i++) send();
    return at;
  },
  /** When all messages had been delivered here. */
  done: () => finished,
  memory: () => samples,
  /** Microseconds of processor time so far. */
  cpu: () => process.cpuUsage().user + process.cpuUsage().system,
});

function die(reason: unknown): never {
  console.error(`member ${self}: expected ${reason}`);
  process.exit(1);
}

/** Milliseconds; the same clock in all processes of a machine. */
function clock(): number {
  return Number(hrtime.bigint()) / 1e6;
}
