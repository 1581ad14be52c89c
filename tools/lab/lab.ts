/**
 * A network of its own on one machine: namespaces joined by emulated links (`tools/lab/netlab.c`), with processes in them.
 * In: how many nodes, how their links are. Out: a way to start processes there, and counts of what the links did. Needs
 * Linux, root and a C compiler. Several labs may run at once; nothing of one outlives the process that opened it, however
 * that ends.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { platform } from 'node:process';
import { createInterface } from 'node:readline';

/** How links are. Bytes and bits are those of IP packets. */
export interface LinkShape {
  /** Milliseconds from node to node, half of it on the sender's up link and half on the receiver's down link. Default 0. */
  delayMs?: number;
  /** Percent of the packets lost at random on each link: from node to node it is met twice. Default 0. */
  lossPercent?: number;
  /** Packets that are lost in a row, on average. Default: losses know nothing of each other. */
  burstPackets?: number;
  /** Mbit/s of each link. Default: no limit. */
  rateMbit?: number;
  /** Bytes that may wait before a link that has a rate. Default 256 KiB. */
  queueBytes?: number;
  /** Drops what is beyond the rate in place of letting it wait; `queueBytes` may pass at once. Default false. */
  police?: boolean;
}

export interface LabOptions extends LinkShape {
  /** 1 to 64. */
  nodes: number;
  /** Chooses the packets that are lost. Default 1. */
  seed?: number;
}

/** Which links `shape` means; default: all. */
export interface LinkChoice {
  node?: number;
  direction?: 'up' | 'down';
}

/** Since the lab was opened. `lost` is at random, `dropped` for want of room in the queue. */
export interface LinkCounters {
  packets: number;
  bytes: number;
  lost: number;
  dropped: number;
  passed: number;
  /** Bytes that wait now. */
  queuedBytes: number;
}

export interface NodeCounters {
  up: LinkCounters;
  down: LinkCounters;
  /** Packets that arrived and that the node's interface would not take. */
  refused: number;
  /** Bytes that arrived from each node. */
  deliveredFrom: number[];
}

export interface LabSpawnOptions extends SpawnOptions {
  /** Before all that is not: for what is measured on a machine that others use too, if it leaves most of a core idle. */
  realTime?: boolean;
}

export interface Lab extends AsyncDisposable {
  readonly nodes: number;
  /** Whether TCP between nodes uses CUBIC; else this machine's default. */
  readonly hasCubic: boolean;
  /** The IPv4 address of a node, counted from 0. */
  address(node: number): string;
  /** Starts a command in a node's namespace. It is killed with the lab at the latest. */
  spawn(node: number, command: string, args: readonly string[], options?: LabSpawnOptions): ChildProcess;
  /** Changes links from now on; what `shape` leaves out goes back to its default. */
  shape(shape: LinkShape, choice?: LinkChoice): Promise<void>;
  counters(): Promise<NodeCounters[]>;
  /** How long the links have stood still so far because this machine was busy elsewhere: those who measure should tell. */
  pausedMs(): Promise<number>;
  close(): Promise<void>;
}

/** Why there can be no lab here, in one line; undefined if there can. */
export function labUnavailable(): string | undefined {
  if (platform !== 'linux') return `no network lab: expected Linux, got ${platform}`;
  if (process.getuid?.() !== 0) return 'no network lab: it needs root, for network namespaces';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return 'no network lab: it needs /dev/net/tun';
  }
  try {
    execFileSync(netlab(), ['hub', '1', '1'], { input: '', stdio: 'pipe' });
  } catch (error) {
    const { stderr, code } = error as { stderr?: Buffer; code?: string };
    const reason =
      code === 'ENOENT' ? 'it needs a C compiler (cc)' : String(stderr ?? error).split('\n', 1)[0];
    return `no network lab: ${reason}`;
  }
  return undefined;
}

/**
 * Opens a lab. Throws where `labUnavailable` has a reason.
 *
 * @example
 * await using lab = await openLab({ nodes: 2, delayMs: 20, lossPercent: 1 });
 * const child = lab.spawn(0, 'ping', ['-c', '5', lab.address(1)], { stdio: 'inherit' });
 */
export async function openLab({ nodes, seed = 1, ...shape }: LabOptions): Promise<Lab> {
  const hub = spawn(netlab(), ['hub', String(nodes), String(seed)], { stdio: ['pipe', 'pipe', 'pipe'] });
  const children = new Set<ChildProcess>();
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  let lastWords = '';
  let ended = false;
  hub.stdin.on('error', () => {}); // It has ended; that is told below.
  hub.stderr.setEncoding('utf8').on('data', (text: string) => {
    lastWords += text;
  });
  createInterface({ input: hub.stdout }).on('line', (line) => waiting.shift()?.resolve(line));
  const exited = new Promise<void>((done) => {
    hub.once('close', () => {
      ended = true;
      for (const { reject } of waiting.splice(0)) reject(new Error(`lab: it has ended: ${lastWords.trim()}`));
      done();
    });
  });
  const answer = <T>() =>
    new Promise<string>((resolve, reject) => {
      if (ended) reject(new Error(`lab: it has ended: ${lastWords.trim()}`));
      else waiting.push({ resolve, reject });
    }).then((line) => JSON.parse(line) as T);
  const ask = <T>(command: string): Promise<T> => {
    hub.stdin.write(`${command}\n`);
    return answer<T>();
  };

  const { holders, hasCubic } = await answer<{ holders: number[]; hasCubic: boolean }>();
  const lab: Lab = {
    nodes,
    hasCubic,
    address: (node) => `10.77.0.${node + 1}`,
    spawn(node, command, args, { realTime = false, ...options } = {}) {
      const how = realTime ? 'rt' : 'exec';
      const child = spawn(netlab(), [how, String(holders[node]), command, ...args], options);
      children.add(child);
      child.once('close', () => children.delete(child));
      return child;
    },
    async shape(change, { node = -1, direction } = {}) {
      const { delayMs = 0, lossPercent = 0, rateMbit = 0, queueBytes = DEFAULT_QUEUE } = change;
      const { burstPackets = 0, police = false } = change;
      const values = [lossPercent / 100, (delayMs * 1000) / 2, rateMbit * 1e6, queueBytes];
      values.push(burstPackets, Number(police));
      await ask(`link ${node} ${direction ?? 'both'} ${values.join(' ')}`);
    },
    counters: async () => (await ask<{ nodes: NodeCounters[] }>('stats')).nodes,
    pausedMs: async () => (await ask<{ pausedMs: number }>('stats')).pausedMs,
    async close() {
      const gone = [...children].map((child) => new Promise((done) => child.once('close', done)));
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(gone);
      hub.stdin.end();
      await exited;
    },
    [Symbol.asyncDispose]: () => lab.close(),
  };
  await lab.shape(shape);
  return lab;
}

/** The path of a program of this folder, compiled if that has not been done since it was changed. */
export function compiled(name: string): string {
  const root = projectRoot();
  const source = join(root, 'tools/lab', `${name}.c`);
  const binary = join(root, 'build/lab', name);
  if (existsSync(binary) && statSync(binary).mtimeMs > statSync(source).mtimeMs) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  // Under a name of its own first: another process may be about to run it.
  const fresh = `${binary}-${process.pid}`;
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', fresh, source], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  renameSync(fresh, binary);
  return binary;
}

function netlab(): string {
  return compiled('netlab');
}

/** The folder of package.json, from the sources as from build/. */
export function projectRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

const DEFAULT_QUEUE = 256 * 1024;
