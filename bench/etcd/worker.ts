/**
 * One node of the etcd bench, a process: a fake hydra-node and the program `etcd` that it starts, started again whenever it has
 * ended by itself. In: a WorkerConfig as the argument, then the lines 'go' and 'report' on standard input. Out: WorkerLines on
 * standard output, one JSON object a line.
 */
import { readFileSync } from 'node:fs';
import { argv, hrtime, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEtcd, METHODS } from '../../tools/lab/etcd/client.js';
import { encodeMessage } from '../../tools/lab/hydra/cbor.js';
import { clientAddress } from '../../tools/lab/hydra/child.js';
import { connectGrpc } from '../../tools/lab/hydra/grpc.js';
import { type HydraNode, startHydraNode } from '../../tools/lab/hydra/node.js';
import type { ReleaseName } from '../../tools/lab/hydra/releases.js';

export type Task =
  /** Each node broadcasts so many messages, the next once the last has come back. */
  | { type: 'messages'; share: number; bytes: number }
  /** The first node's etcd is given so many puts, `inFlight` of them at a time. */
  | { type: 'puts'; count: number; bytes: number; inFlight: number }
  /** The same node is read from over so many connections, each for one call. */
  | { type: 'connections'; count: number; inFlight: number };

export interface WorkerConfig {
  release: ReleaseName;
  /** A folder with the program `etcd`; default: the one that is installed. */
  path?: string | undefined;
  /** Where each node is reached, `host:port`. */
  locators: string[];
  /** Which of them this is. */
  self: number;
  /** Where it listens, `host:port`. */
  bind: string;
  directory: string;
  task: Task;
}

export type WorkerLine =
  /** Its network is connected, and all peers are; the first of it came so long after the start. */
  | { type: 'ready'; connectedMs: number }
  /** What it waits for has been delivered here, or has been done. */
  | { type: 'done'; at: number }
  | {
      type: 'report';
      /** Milliseconds from each message's submission to its delivery here, or of each call. */
      latencies: number[];
      /** Of what was sent before it was ready, and since then. */
      rssMiB: { before: number; after: number };
      /** Processor time since it was ready: of its etcd, and its own. */
      cpuMs: { server: number; node: number };
      /** How often the hydra-node has ended by itself, and why it last did. */
      restarts: number;
      reason: string | undefined;
    };

const { release, path, locators, self, bind, directory, task } = JSON.parse(argv[2]) as WorkerConfig;
const latencies: number[] = [];
const connected = new Set<string>();
let delivered = 0;
let own = 0;
let isConnected = false;
let isReady = false;
let connectedMs = 0;
let restarts = 0;
let reason: string | undefined;
let before = 0;
let cpuBefore = { server: 0, node: 0 };
let node: HydraNode;

const startedAt = clock();
await start();
createInterface({ input: stdin })
  .on('line', (line) => {
    if (line === 'go') void go();
    else
      say({
        type: 'report',
        latencies,
        rssMiB: { before, after: residentMiB(node.etcdPid) },
        cpuMs: cpuSince(cpuBefore),
        restarts,
        reason,
      });
  })
  .on('close', () => process.exit());

async function start(): Promise<void> {
  node = await startHydraNode({
    release,
    directory,
    listen: bind,
    advertise: locators[self],
    peers: locators.filter((_, i) => i !== self),
    path,
    tied: true,
    deliver: (message) => deliver(message),
    onEvent(event) {
      if (event.type === 'NetworkConnected') {
        isConnected = true;
        connectedMs ||= clock() - startedAt;
      }
      if (event.type === 'PeerConnected') connected.add(event.peer);
      if (event.type === 'PeerDisconnected') connected.delete(event.peer);
      if (event.type === 'NetworkDisconnected') {
        isConnected = false;
        connected.clear();
      }
      if (isReady || !isConnected || connected.size < locators.length - 1) return;
      isReady = true;
      before = residentMiB(node.etcdPid);
      cpuBefore = cpuSince();
      say({ type: 'ready', connectedMs });
    },
    onFailure(why) {
      restarts++;
      reason = why;
      // Whatever looks after a hydra-node starts it again.
      setTimeout(() => void start(), RESTART_MS);
    },
  });
}

async function go(): Promise<void> {
  if (task.type === 'messages') send();
  else if (self !== 0) {
    if (task.type === 'connections') say({ type: 'done', at: clock() });
  } else if (task.type === 'puts') {
    const client = connectEtcd(clientAddress(bind));
    const key = Buffer.from(`msg-${locators[0]}`);
    await repeat(task, () => client.put({ key, value: encodeMessage(stamped(task.bytes, 0)) }));
    client.close();
  } else {
    await repeat(task, oneConnection);
    say({ type: 'done', at: clock() });
  }
}

async function oneConnection(): Promise<void> {
  const closed = new AbortController();
  const connection = await connectGrpc(clientAddress(bind), { signal: closed.signal });
  await connection.call(METHODS.range, { key: Buffer.from('alive'), range_end: Buffer.from('alivf') });
  connection.close();
}

/** Each call until it succeeds: one that failed is made again a little later. */
async function repeat(
  { count, inFlight }: { count: number; inFlight: number },
  call: () => Promise<unknown>,
): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left--;
      const at = clock();
      while (
        !(await call().then(
          () => true,
          () => false,
        ))
      )
        await sleep(RETRY_MS);
      latencies.push(clock() - at);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

function send(): void {
  if (task.type === 'messages') void node.broadcast(stamped(task.bytes, self)).catch(() => {});
}

/** By which node, and when. */
function stamped(bytes: number, from: number): Buffer {
  const message = Buffer.alloc(bytes);
  message.writeDoubleBE(clock(), 0);
  message.writeUInt32BE(from, 8);
  message.writeUInt32BE(own, 12);
  return message;
}

function deliver(message: Buffer): void {
  const now = clock();
  delivered++;
  if (task.type === 'messages') {
    latencies.push(now - message.readDoubleBE(0));
    const isNewest = message.readUInt32BE(8) === self && message.readUInt32BE(12) === own;
    if (isNewest && ++own < task.share) send();
    if (delivered === task.share * locators.length) say({ type: 'done', at: now });
  }
  if (task.type === 'puts' && delivered === task.count) say({ type: 'done', at: now });
}

/** 0 where it has just ended. */
function residentMiB(pid: number): number {
  try {
    const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Math.round(Number(kibibytes) / 102.4) / 10;
  } catch {
    return 0;
  }
}

/** Of processes that have not been started again meanwhile. */
function cpuSince(start = { server: 0, node: 0 }): { server: number; node: number } {
  const { user, system } = process.cpuUsage();
  return { server: processorMs(node.etcdPid) - start.server, node: (user + system) / 1000 - start.node };
}

/** 0 where it has just ended. */
function processorMs(pid: number): number {
  try {
    // proc(5): behind the name in parentheses utime and stime are the 12th and 13th field, in ticks of 10 ms.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return 0;
  }
}

function say(line: WorkerLine): void {
  stdout.write(`${JSON.stringify(line)}\n`);
}

/** Milliseconds; the same clock in all processes of a machine. */
function clock(): number {
  return Number(hrtime.bigint()) / 1e6;
}

const RESTART_MS = 1000;
const RETRY_MS = 200;
