/** One transfer by one system on one case's links. In: both. Out: a row; what fails is a row, too. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiled, type Lab, type NodeCounters, openLab } from '../../tools/lab/lab.js';
import { measureBusy } from '../../tools/lab/machine.js';
import { type Case, capacityBits, type Group, pathLoss } from './cases.js';
import { type Ground, openGround } from './ground.js';
import type { Prepared, System } from './systems/system.js';

export interface Row {
  group: Group;
  system: string;
  mode: string;
  receivers: number;
  /** Of each link, and of a path, which has two. */
  lossPercent: number;
  pathLossPercent: number;
  burstPackets: number | null;
  rttMs: number;
  /** null: no limit. With `policedMbit` or `steps` these are the limit. */
  mbit: number | null;
  queueBdp: number;
  policedMbit: number | null;
  steps: string | null;
  beside: boolean;
  bytes: number;
  success: boolean;
  /** Why not. */
  reason: string | null;
  /** From the start of the sender's command until the last receiver has the file. */
  seconds: number | null;
  /** Of the file to the slowest receiver. Without success: what it got until the limit, if that is known. */
  goodputMbit: number | null;
  /** Goodput in C(1 - p): C is the rate of a link in bytes of IP packets, p the loss of a path. */
  share: number | null;
  /** Bytes of IP packets that all nodes sent, over receivers times the file. */
  sentRatio: number | null;
  /** What the sender alone sent, over the file. */
  originRatio: number | null;
  /** Of all processes of the system, those that receive too, for each GiB that a receiver got. */
  cpuSecondsPerGiB: number | null;
  /** Of the largest process. */
  maxRssMiB: number | null;
  /** Beside a TCP flow: its part of what both moved through the last link. */
  tcpShare: number | null;
  /** How busy all cores were, by anyone, and how long the links stood still because of that. */
  machineBusy: number;
  pausedMs: number;
}

export interface Source {
  file: string;
  sha256: string;
}

export interface Settings {
  source: Source;
  limitSeconds: number;
  /** Everything before whatever else runs on this machine. */
  realTime: boolean;
  /** Chooses the packets that are lost. */
  seed: number;
}

export async function measure(
  system: System,
  kase: Case,
  { source, limitSeconds, realTime, seed }: Settings,
): Promise<Row> {
  const other = kase.receivers + 1;
  await using lab = await openLab({
    nodes: other + (kase.beside ? 1 : 0),
    seed,
    ...shapeOf(kase, kase.mbit),
  });
  for (let node = 1; kase.policedMbit && node <= kase.receivers; node++)
    await lab.shape(policer(kase, kase.policedMbit), { node, direction: 'down' });
  await using ground = await openGround(lab, { kase, file: source.file, realTime });
  const failure = async (reason: unknown, prepared?: Prepared): Promise<Row> => {
    const { maxRssMiB } = await ground.stop();
    const got = await prepared?.received?.().catch(() => undefined);
    const goodput = got === undefined ? null : (got * 8e-6) / limitSeconds;
    const base = rowOf(system, kase);
    return {
      ...base,
      reason: reasonOf(reason),
      ...speeds(kase, goodput, limitSeconds),
      maxRssMiB: round(maxRssMiB, 1),
    };
  };

  let prepared: Prepared;
  try {
    prepared = await withLimit(system.prepare(ground), PREPARE_SECONDS, 'receivers were not ready');
  } catch (error) {
    return failure(error);
  }
  const stopBeside = kase.beside ? await startBeside(lab, other) : () => {};
  const before = await lab.counters();
  const busy = measureBusy();
  const stopSteps = startSteps(lab, kase);
  const begun = performance.now();
  try {
    await withLimit(prepared.send(), limitSeconds, 'not done');
  } catch (error) {
    stopSteps();
    return {
      ...(await failure(error, prepared)),
      machineBusy: round(busy(), 2),
      pausedMs: await paused(lab),
    };
  }
  const seconds = (performance.now() - begun) / 1000;
  const after = await lab.counters();
  stopSteps();
  stopBeside();
  const machineBusy = busy();
  const used = await ground.stop();
  const wrong = await differing(ground, prepared, source);
  const goodput = (kase.bytes * 8e-6) / seconds;
  const gib = (kase.bytes * kase.receivers) / 2 ** 30;
  const sent = (node: number) => after[node].up.bytes - before[node].up.bytes;
  const all = Array.from({ length: other }, (_, node) => sent(node)).reduce((sum, bytes) => sum + bytes, 0);
  return {
    ...rowOf(system, kase),
    success: wrong === undefined,
    reason: wrong ?? null,
    seconds: round(seconds, 3),
    ...speeds(kase, goodput, seconds),
    sentRatio: round(all / kase.bytes / kase.receivers, 4),
    originRatio: round(sent(0) / kase.bytes, 4),
    cpuSecondsPerGiB: round(used.cpuSeconds / gib, 2),
    maxRssMiB: round(used.maxRssMiB, 1),
    tcpShare: kase.beside ? round(tcpShare(before, after, other), 3) : null,
    machineBusy: round(machineBusy, 2),
    pausedMs: await paused(lab),
  };
}

function shapeOf({ lossPercent, burstPackets, rttMs, queueBdp }: Case, mbit: number | undefined) {
  const common = { delayMs: rttMs / 2, lossPercent, ...(burstPackets ? { burstPackets } : {}) };
  if (mbit === undefined) return common;
  return {
    ...common,
    rateMbit: mbit,
    queueBytes: Math.max(MIN_QUEUE, Math.round((mbit * rttMs * queueBdp * 1000) / 8)),
  };
}

/** A bucket of what passes in 20 ms. */
function policer(kase: Case, mbit: number) {
  return { ...shapeOf(kase, mbit), queueBytes: Math.round((mbit * 20 * 1000) / 8), police: true };
}

function startSteps(lab: Lab, kase: Case): () => void {
  const { steps } = kase;
  if (steps === undefined) return () => {};
  const stopped = new AbortController();
  void (async () => {
    for (let i = 0; ; i = (i + 1) % steps.length) {
      await lab.shape(shapeOf(kase, steps[i].mbit));
      await sleep(steps[i].seconds * 1000, undefined, { signal: stopped.signal });
    }
  })().catch(() => {}); // Stopped, or the lab is gone.
  return () => stopped.abort();
}

/** One endless flow from a node of its own to the first receiver; it has its rate when this resolves. */
async function startBeside(lab: Lab, node: number): Promise<() => void> {
  const stream = compiled('stream');
  const sink = lab.spawn(1, stream, ['sink', BESIDE_PORT, '-'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((ready) => sink.stdout!.once('data', ready));
  const target = [lab.address(1), BESIDE_PORT];
  const flow = lab.spawn(node, stream, ['source', ...target, 'cubic', '-'], { stdio: 'ignore' });
  await sleep(BESIDE_MS);
  return () => {
    flow.kill('SIGKILL');
    sink.kill('SIGKILL');
  };
}

function tcpShare(before: NodeCounters[], after: NodeCounters[], node: number): number {
  const from = (sender: number) => after[1].deliveredFrom[sender] - before[1].deliveredFrom[sender];
  return from(node) / (from(node) + from(0));
}

/** Of a transfer that has not begun. */
export function rowOf({ name, mode }: System, kase: Case): Row {
  const {
    group,
    receivers,
    lossPercent,
    burstPackets,
    rttMs,
    mbit,
    queueBdp,
    policedMbit,
    steps,
    beside,
    bytes,
  } = kase;
  return {
    ...{ group, system: name, mode, receivers, lossPercent, pathLossPercent: round(100 * pathLoss(kase), 2) },
    ...{
      burstPackets: burstPackets ?? null,
      rttMs,
      mbit: mbit ?? null,
      queueBdp,
      policedMbit: policedMbit ?? null,
    },
    steps: steps?.map((step) => `${step.mbit} Mbit/s for ${step.seconds} s`).join(', ') ?? null,
    ...{
      beside: beside ?? false,
      bytes,
      success: false,
      reason: null,
      seconds: null,
      goodputMbit: null,
      share: null,
    },
    ...{ sentRatio: null, originRatio: null, cpuSecondsPerGiB: null, maxRssMiB: null, tcpShare: null },
    ...{ machineBusy: 0, pausedMs: 0 },
  };
}

function speeds(kase: Case, goodputMbit: number | null, seconds: number) {
  const capacity = capacityBits(kase, seconds);
  if (goodputMbit === null) return { goodputMbit: null, share: null };
  const most = capacity === undefined ? undefined : (capacity / seconds / 1e6) * (1 - pathLoss(kase));
  return {
    goodputMbit: round(goodputMbit, 3),
    share: most === undefined ? null : round(goodputMbit / most, 4),
  };
}

/** Which receiver has not got what was sent. */
async function differing(
  { case: kase }: Ground,
  prepared: Prepared,
  { sha256 }: Source,
): Promise<string | undefined> {
  for (let receiver = 1; receiver <= kase.receivers; receiver++) {
    const path = prepared.result(receiver);
    const size = await stat(path).then(
      (about) => about.size,
      () => undefined,
    );
    if (size === undefined) return `receiver ${receiver} has no file`;
    if (size !== kase.bytes) return `receiver ${receiver} has ${size} of ${kase.bytes} bytes`;
    if ((await hashOf(path)) !== sha256) return `receiver ${receiver} has other bytes than were sent`;
  }
  return undefined;
}

export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function withLimit<T>(work: Promise<T>, seconds: number, what: string): Promise<T> {
  const over = new AbortController();
  const limit = sleep(seconds * 1000, undefined, { signal: over.signal }).then(() => {
    throw new Error(`${what} after ${seconds.toFixed(0)} s`);
  });
  limit.catch(() => {});
  work.catch(() => {}); // It may fail after the limit, too.
  try {
    return await Promise.race([work, limit]);
  } finally {
    over.abort();
  }
}

async function paused(lab: Lab): Promise<number> {
  return round(await lab.pausedMs(), 0);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

const PREPARE_SECONDS = 20;
/** Bytes: some packets, where the path is so short that its product is less. */
const MIN_QUEUE = 64 * 1024;
const BESIDE_PORT = '7900';
/** What CUBIC needs to fill 20 Mbit/s. */
const BESIDE_MS = 2000;
