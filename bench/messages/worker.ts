/**
 * One node of the messages benchmark, a process, with its server where the system has one. The first sends: so many messages
 * under way at once, each until it is where a crash of one node cannot take it. In: a MessagesConfig as the argument, the line
 * 'go', 'measure' or 'report' on standard input. Out: MessagesLines on standard output.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, cpuUsage, hrtime, pid, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
import { parseLocator } from '../../src/group/locator.js';
import { createNetwork, rawBytes } from '../../src/network/create.js';
import { connectEtcd } from '../../tools/lab/etcd/client.js';
import { startEtcd } from '../../tools/lab/etcd/server.js';
import { connectNats, startNats } from '../../tools/lab/nats.js';

export type MessagesSystem = 'headwater' | 'etcd' | 'jetstream';

export interface MessagesConfig {
  system: MessagesSystem;
  locators: string[];
  self: number;
  bind: string;
  directory: string;
  messages: number;
  /** So many of them are sent before anything is measured: code is compiled meanwhile. */
  warmUp: number;
  inFlight: number;
  bytes: number;
}

export type MessagesLine =
  /** All that is needed to send is there. `note`: what its figures are to be read with. */
  | { type: 'ready'; note?: string }
  /** Enough are confirmed to measure the rest, or all are; said by the first node. */
  | { type: 'warm' | 'done' }
  /**
   * cpuUs: of this process and its server; latencies in ms, of what is confirmed; seconds that took; requests that failed. Since
   * 'measure', or since 'go' if it never came so far.
   */
  | { type: 'report'; cpuUs: number; latencies: number[]; seconds: number; failures: number };

/** Sends one message; resolves when it is confirmed. */
type Send = (bytes: Uint8Array, number: number) => Promise<unknown>;

const ETCD_PORT = 2379;
/** What clients of NATS wait for an acknowledgement. */
const REQUEST_MS = 5000;
const SYNC_NOTES = {
  server: "each write is synced by the server ('sync_interval: always')",
  folder: 'this version of NATS cannot sync each write: its folder is one of synchronous writes (chattr +S)',
  nothing:
    'this version of NATS cannot sync each write, and its folder cannot either: it syncs every two minutes',
};
const config = JSON.parse(argv[2]) as MessagesConfig;
const { system, locators, self, bind, directory, messages, warmUp, inFlight, bytes } = config;
const open: Record<MessagesSystem, () => Promise<{ send: Send; note?: string }>> = {
  headwater,
  etcd,
  jetstream,
};
const { send, note } = await open[system]();
let latencies: number[] = [];
let sent = 0;
let confirmed = 0;
let failures = 0;
let startedAt = 0;
let endedAt = 0;
let cpuAtStart = 0;
say(note === undefined ? { type: 'ready' } : { type: 'ready', note });

createInterface({ input: stdin })
  .on('line', (line) => {
    if (line === 'report') {
      const until = confirmed === messages ? endedAt : clock();
      return say({
        type: 'report',
        cpuUs: cpu() - cpuAtStart,
        latencies,
        seconds: (until - startedAt) / 1000,
        failures,
      });
    }
    cpuAtStart = cpu();
    startedAt = clock();
    latencies = [];
    failures = 0;
    if (line === 'go' && self === 0) for (let i = 0; i < inFlight; i++) next();
  })
  .on('close', () => process.exit());

async function next(): Promise<void> {
  while (sent < messages) {
    const number = sent++;
    const at = clock();
    await sendOnce(new Uint8Array(bytes).fill(number), number);
    endedAt = clock();
    latencies.push(endedAt - at);
    confirmed++;
    if (confirmed === warmUp) say({ type: 'warm' });
    if (confirmed === messages) say({ type: 'done' });
  }
}

/** As a client does that needs its message to be there: a request that fails, or is lost, is made again. */
async function sendOnce(message: Uint8Array, number: number): Promise<void> {
  for (;;)
    try {
      await send(message, number);
      return;
    } catch {
      failures++;
      await setTimeout(200);
    }
}

/** Confirmed: delivered here, so a quorum has it on disk. */
async function headwater() {
  const secretKeys = locators.map((_, i) => new Uint8Array(32).fill(i + 1));
  const members = locators.map((locator, i) => ({
    name: String(i),
    locator,
    publicKey: keyPair(secretKeys[i]).publicKey,
  }));
  const group = createGroup({ name: 'messages', members });
  const waiting: (() => void)[] = [];
  const network = await createNetwork<Uint8Array>(
    { group, secretKey: secretKeys[self], bind, storePath: join(directory, 'store'), codec: rawBytes },
    { deliver: () => waiting.shift()?.() },
  );
  while (network.status().peers.some(({ reachable }) => !reachable)) await setTimeout(20);
  const send: Send = (message) =>
    new Promise<void>((resolve, reject) => {
      waiting.push(resolve);
      network.broadcast(message).catch(reject);
    });
  return { send };
}

/** Confirmed: the put is answered. */
async function etcd() {
  const peers = [locators[self], ...locators.filter((_, i) => i !== self)];
  startEtcd({ directory, peers, clientPort: ETCD_PORT, onForeignCluster() {} });
  const client = connectEtcd(`127.0.0.1:${ETCD_PORT}`);
  const put = (key: string, value: Uint8Array) =>
    client.put({ key: Buffer.from(key), value: Buffer.from(value) });
  await untilDone(() => put(`ready/${self}`, new Uint8Array(1)));
  const send: Send = (message, number) => put(`message/${number}`, message);
  return { send };
}

/** Confirmed: the publish is acknowledged by the stream. */
async function jetstream() {
  const hosts = locators.map((locator) => parseLocator(locator).host);
  const { syncs } = startNats({ directory, hosts, self });
  const client = await untilDone(connectNats);
  const create = JSON.stringify({ name: 'bench', subjects: ['bench'], num_replicas: 3, storage: 'file' });
  if (self === 0)
    await untilDone(async () => {
      const request = client.request('$JS.API.STREAM.CREATE.bench', new TextEncoder().encode(create));
      const answer = await Promise.race([request, setTimeout(2000, 'error')]);
      if (answer.includes('error')) throw new Error(answer);
    });
  const send: Send = async (message) => {
    const answer = await Promise.race([client.request('bench', message), setTimeout(REQUEST_MS, 'error')]);
    if (answer.includes('error')) throw new Error(`jetstream: expected an acknowledgement, got ${answer}`);
  };
  return { send, note: SYNC_NOTES[syncs] };
}

async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await attempt();
    } catch {
      await setTimeout(200);
    }
}

/** Microseconds of processor time, of this process and its children that run. */
function cpu(): number {
  const { user, system: kernel } = cpuUsage();
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean);
  return children.reduce((sum, child) => {
    // proc(5): utime and stime are the 12th and 13th after the name in parentheses, in ticks of 10 ms.
    const stat = readFileSync(`/proc/${child}/stat`, 'utf8').split(') ')[1].split(' ');
    return sum + 10_000 * (Number(stat[11]) + Number(stat[12]));
  }, user + kernel);
}

function say(line: MessagesLine): void {
  stdout.write(`${JSON.stringify(line)}\n`);
}

/** Milliseconds. */
function clock(): number {
  return Number(hrtime.bigint()) / 1e6;
}
