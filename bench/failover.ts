/**
 * Fail-over between two locators, simulated: one member sends to another over two networks of their own; the preferred one
 * is cut, both ways or only towards the receiver. In: seeds. Out: round trips from the cut until the first datagram with
 * data arrives over the other network, and moves made for nothing while a lossy network stays up.
 */
import { CONTROLLERS } from '../src/congestion/index.js';
import { Rng } from '../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../src/core/time.js';
import { type Cluster, createCluster } from '../src/sim/cluster.js';
import { iid } from '../src/sim/net/loss.js';
import { readOptions } from '../tools/options.js';
import { report, row } from './report.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const seeds = Number(values.seeds);
  const rows = [];
  for (const load of ['messages', 'bulk'] as const)
    for (const cut of ['both ways', 'one way'] as const)
      for (const loss of [0, 20, 36]) {
        const time = (_: unknown, i: number) => failOverTime(`failover ${i}`, loss / 100, load, cut);
        const times = Array.from({ length: seeds }, time).sort((a, b) => a - b);
        const name = `${load}, cut ${cut}, ${loss} % loss: RTTs until the other network delivers`;
        rows.push(
          row(`${name}, median of ${seeds}`, times[times.length >> 1], 'max', cut === 'one way' ? 3.5 : 3, 3),
        );
        rows.push(row(`${name}, worst`, times[times.length - 1], 'info'));
      }
  if (values.seeds !== '4')
    for (const [load, bytes] of [
      ['idle', 0],
      ['busy', 20_000],
    ] as const)
      for (const loss of [36, 50, 75] as const)
        rows.push(
          row(
            `${load}, ${loss} % loss: false moves an hour`,
            falseMoves(loss / 100, bytes),
            'max',
            MOVES[loss],
          ),
        );
  if (!report(rows, values.json)) process.exitCode = 1;
}

/** In smoothed round trips of the sender at the cut. */
function failOverTime(seed: string, loss: number, load: Load, cut: 'both ways' | 'one way'): number {
  const cluster = twoNetworks(seed, loss);
  const { world, members } = cluster;
  const rng = new Rng(seed);
  const [sender, receiver] = members;
  const start = 3 * SECOND;
  const cutAt = start + 2 * SECOND + rng.integer(0, SECOND);
  const { bytes, every } = LOADS[load];
  for (let at = start; at < cutAt + SECOND; at += every)
    world.at(at, () => cluster.broadcast(0, rng.bytes(bytes)));
  world.runUntil(cutAt);
  const { rtt = Number.NaN } = sender.status(cluster.world.now).peers[0];
  const isFirst = (address: string) => address.startsWith('10.0.');
  world.setLinks((from, to) => ({
    blocked: isFirst(from) && isFirst(to) && (cut === 'both ways' || to === receiver.address),
  }));
  let arrived: Micros = Number.POSITIVE_INFINITY;
  const { endpoint } = receiver;
  const handle = endpoint.handleDatagram.bind(endpoint);
  endpoint.handleDatagram = (now, from, datagram) => {
    if (!isFirst(from) && (datagram[0] & 15) === DATA) arrived = Math.min(arrived, now);
    handle(now, from, datagram);
  };
  world.runUntil(() => arrived < cutAt + 20 * SECOND, cutAt + 20 * SECOND);
  cluster.dispose();
  return (arrived - cutAt) / rtt;
}

/** By two members in one simulated hour. */
function falseMoves(loss: number, bytes: number): number {
  const cluster = twoNetworks('false moves', loss);
  const rng = new Rng('false moves');
  const end = 3600 * SECOND;
  const every = 5 * SECOND;
  for (let at = every; bytes > 0 && at < end; at += every)
    cluster.world.at(at, () => cluster.broadcast(0, rng.bytes(bytes)));
  cluster.world.runUntil(end);
  const moves = cluster.members.map((member) => member.status(end).peers[0].failOvers);
  cluster.dispose();
  return moves[0] + moves[1];
}

function twoNetworks(seed: string, loss: number): Cluster {
  return createCluster({
    seed,
    members: 2,
    networks: 2,
    controller: CONTROLLERS.bbr,
    links: { delay: RTT / 2, loss: iid(loss), rate: 10e6, overhead: 28 },
  });
}

const RTT = 40 * MILLISECOND;
type Load = keyof typeof LOADS;
/** By two members, at so many per cent of loss. */
const MOVES: Record<number, number> = { 36: 1, 50: 1, 75: 12 };
/** A third of the line, and more than it carries. */
const LOADS = {
  messages: { bytes: 4_000, every: 10 * MILLISECOND },
  bulk: { bytes: 1_000_000, every: 500 * MILLISECOND },
};
/** The kind of a datagram with frames, src/session/wire.ts. */
const DATA = 4;
const OPTIONS = {
  seeds: { type: 'string', default: '20' },
  json: { type: 'boolean', default: false },
} as const;
