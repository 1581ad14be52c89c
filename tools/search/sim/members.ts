/**
 * One group of many members in the simulator, without faults but for loss, until everyone has delivered everything: real
 * endpoints, sessions and codecs. In: a GroupRun as the data of this worker thread, whose heap may be larger than the main
 * thread's. Out: progress on stderr, then a GroupResult as a message.
 */
import { writeSync } from 'node:fs';
import { cpuUsage, memoryUsage } from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../../src/core/time.js';
import { createCluster } from '../../../src/sim/cluster.js';
import { iid } from '../../../src/sim/net/loss.js';

export interface GroupRun {
  seed: string;
  members: number;
  /** Share of the datagrams that each link loses. */
  loss: number;
  /** One way, ms. */
  delay: number;
  /** Of so many members one each, a tenth of a virtual second apart. */
  messages: number;
  /** Of a message, bytes. */
  size: number;
}

export interface GroupResult {
  members: number;
  /** Everyone has delivered everything within a virtual minute. */
  finished: boolean;
  deliveries: number;
  virtualSeconds: number;
  datagrams: number;
  /** Inputs to members, and calls. */
  events: number;
  /** Of this process, all of its threads. */
  cpuSeconds: number;
  /** The most that it has been seen to hold in memory, MB. */
  megabytes: number;
  hash: string;
}

function run({ seed, members, loss, delay, messages, size }: GroupRun): GroupResult {
  let megabytes = 0;
  const rng = new Rng(`${seed} messages`);
  const cluster = createCluster({ seed, members, links: { delay: delay * MILLISECOND, loss: iid(loss) } });
  const { world } = cluster;
  const result = (finished: boolean): GroupResult => {
    megabytes = Math.max(megabytes, Math.round(memoryUsage.rss() / 2 ** 20));
    const { user, system } = cpuUsage();
    return {
      members,
      finished,
      deliveries: cluster.members.reduce((sum, { delivered }) => sum + delivered.length, 0),
      virtualSeconds: world.now / SECOND,
      datagrams: world.counters.sent,
      events: world.counters.events,
      cpuSeconds: Math.round((user + system) / 1e6),
      megabytes,
      hash: world.logHash(),
    };
  };
  const look = () => {
    const { virtualSeconds, cpuSeconds, datagrams, deliveries } = result(false);
    // Not by the stream: what a worker writes to that leaves it when the worker next rests, and this one never does.
    writeSync(
      STDERR,
      `${virtualSeconds.toFixed(2)} virtual s: ${cpuSeconds} s of CPU, ${megabytes} MB, ${datagrams} datagrams, ` +
        `${deliveries} of ${messages * members} deliveries\n`,
    );
    world.at(world.now + LOOK, look);
  };
  look();
  for (let i = 0; i < messages; i++)
    world.at(i * INTERVAL, () => cluster.broadcast((i * PRIME) % members, rng.bytes(size)));
  const finished = world.runUntil(
    () => cluster.members.every(({ delivered }) => delivered.length === messages),
    PATIENCE,
  );
  const outcome = result(finished);
  cluster.dispose();
  return outcome;
}

const INTERVAL = 100 * MILLISECOND;
const LOOK = 50 * MILLISECOND;
const STDERR = 2;
const PATIENCE = 60 * SECOND;
/** Spreads the origins over the group. */
const PRIME = 7919;

parentPort!.postMessage(run(workerData as GroupRun));
