/**
 * One object over links of the network lab: from a member to all others, or over one TCP connection. In: how many members, the
 * links, how many processes keep the machine busy meanwhile. Out: how long it took, what it cost, what waited in the links.
 */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lab, openLab } from '../../tools/lab/lab.js';
import { measureBusy } from '../../tools/lab/machine.js';

export interface Transfer {
  kind: 'ours' | 'tcp';
  /** Who gets it. TCP: one. */
  receivers: number;
  bytes: number;
  /** Of each link. */
  mbit: number;
  rttMs: number;
  /** Percent on each link: from node to node it is met twice. */
  loss: number;
  /** Processes that do nothing but compute. */
  loops: number;
}

/** By a process. */
interface Told {
  /** Milliseconds, on the clock of all. */
  at: number;
}

export interface Outcome {
  seconds: number;
  /** Of the object, in C(1 - p): p is the loss of a path, C the rate of a link. */
  share: number;
  /** Bytes of IP packets that came to the sender's up link, over the object's size. */
  sentRatio: number;
  /** What passed through the sender's up link, of what its rate allows in that time. */
  linkUsed: number;
  /** Of all cores, by anyone. */
  busy: number;
  /** How long the links stood still, since the machine was busy elsewhere. */
  pausedMs: number;
}

export async function transfer(options: Transfer): Promise<Outcome> {
  const { kind, receivers, bytes, mbit, rttMs, loss, loops } = options;
  const queueBytes = Math.round((mbit * 1e6 * rttMs) / 8000);
  const nodes = receivers + 1;
  await using lab = await openLab({
    nodes,
    delayMs: rttMs / 2,
    lossPercent: loss,
    rateMbit: mbit,
    queueBytes,
  });
  const addresses = Array.from({ length: nodes }, (_, i) => lab.address(i));
  const size = String(bytes);
  const start = (i: number) => {
    if (kind === 'ours') return role(lab, i, 'member', String(i), size, addresses.join(','));
    return i === 0
      ? role(lab, 0, 'source', lab.address(1), size)
      : role(lab, i, 'sink', lab.address(i), size);
  };
  const all = addresses.map((_, i) => start(i));
  await Promise.all(all.map(({ ready }) => ready));
  for (let i = 0; i < loops; i++) role(lab, 0, 'loop');
  if (loops > 0) await sleep(LOOPS_SETTLE_MS);
  const busy = measureBusy();
  const before = (await lab.counters())[0].up;
  all[0].child.stdin!.write('go\n');
  const first = await all[0].next();
  const ends = await Promise.all(all.slice(1).map((each) => each.next()));
  const last = ends.reduce((latest, each) => (each.at > latest.at ? each : latest));
  const { up } = (await lab.counters())[0];
  const seconds = (last.at - first.at) / 1000;
  const passed = up.bytes - before.bytes;
  const rate = (mbit * 1e6) / 8;
  const path = (1 - loss / 100) ** 2;
  return {
    seconds,
    share: bytes / seconds / rate / path,
    sentRatio: passed / bytes,
    linkUsed: passed / seconds / rate,
    busy: busy(),
    pausedMs: await lab.pausedMs(),
  };
}

interface Role {
  child: ChildProcess;
  ready: Promise<void>;
  next(): Promise<Told>;
}

function role(lab: Lab, node: number, ...args: string[]): Role {
  const script = join(import.meta.dirname, 'process.js');
  const child = lab.spawn(node, process.execPath, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin!.on('error', () => {}); // It has ended, and said why on standard error.
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const next = waiting.shift();
    if (next) next(line);
    else lines.push(line);
  });
  const line = () => {
    const said = lines.shift();
    return said === undefined ? new Promise<string>((done) => waiting.push(done)) : Promise.resolve(said);
  };
  const ready = args[0] === 'loop' ? Promise.resolve() : line().then(() => {});
  return { child, ready, next: () => line().then((text) => JSON.parse(text) as Told) };
}

const LOOPS_SETTLE_MS = 300;
