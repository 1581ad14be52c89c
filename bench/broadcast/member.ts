/**
 * A member of the broadcast benchmark, a process: with a durable store, and, if it is the first, a load of messages of which
 * so many are kept under way. In: MemberOptions. Out: how long it took to deliver them, and what of processor and memory.
 */
import { readFileSync } from 'node:fs';
import { hrtime } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
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
  /** The share of them before anything is measured. */
  warmUp: number;
  /** Messages under way at once. */
  window: number;
  /** Until when a message counts as under way: `broadcast` has resolved, or it has been delivered back. */
  until: 'durable' | 'delivered';
  /** Of memory, over the whole load. */
  samples: number;
}

/** Bytes, after a full garbage collection. */
export interface MemorySample {
  delivered: number;
  rss: number;
  /** Of it the store's file, as far as it is mapped: pages that the system shares with the file. NaN where it does not say. */
  mapped: number;
  /** What V8's heap holds, and what array buffers do. */
  heap: number;
  buffers: number;
}

/** Milliseconds, by a clock that all processes of a machine share, and microseconds of processor time used so far. */
interface Mark {
  at: number;
  cpu: number;
}

export interface Stretch {
  from: Mark;
  to: Mark;
}

const { ports, self, storePath, messages, size, warmUp, window, until, ...options } =
  roleOptions<MemberOptions>();
const secretKeys = ports.map((_, i) => new Uint8Array(32).fill(i + 1));
const group = createGroup({
  name: 'bench',
  members: ports.map((port, i) => ({
    name: String(i),
    publicKey: keyPair(secretKeys[i]).publicKey,
    locator: `127.0.0.1:${port}`,
  })),
});
const samples: MemorySample[] = [];
const sampleEvery = Math.ceil(messages / options.samples);
let delivered = 0;
let sent = 0;
let warm: Mark | undefined;
let finish = (_stretch: Stretch) => {};
const finished = new Promise<Stretch>((resolve) => {
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
        samples.push(sample());
      }
      if (delivered === Math.floor(messages * warmUp)) warm = mark();
      if (delivered === messages) finish({ from: warm!, to: mark() });
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
    for (let i = 0; i < window; i++) send();
    return true;
  },
  /** From when it was warm until all messages had been delivered here. */
  done: () => finished,
  memory: () => samples,
});

function die(reason: unknown): never {
  console.error(`member ${self}: expected ${reason}`);
  process.exit(1);
}

function sample(): MemorySample {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { delivered, rss, mapped: mappedBytes(storePath), heap: heapUsed, buffers: arrayBuffers };
}

/** By proc(5), smaps: for each mapping a line that ends in its file, then lines of its figures. */
function mappedBytes(path: string): number {
  try {
    let sum = 0;
    let isFile = false;
    for (const line of readFileSync('/proc/self/smaps', 'latin1').split('\n')) {
      if (/^[0-9a-f]+-/.test(line)) isFile = line.endsWith(path);
      else if (isFile && line.startsWith('Rss:')) sum += 1024 * Number.parseInt(line.slice(4), 10);
    }
    return sum;
  } catch {
    return Number.NaN;
  }
}

function mark(): Mark {
  const { user, system } = process.cpuUsage();
  return { at: Number(hrtime.bigint()) / 1e6, cpu: user + system };
}
