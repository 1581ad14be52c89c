/**
 * npm run bench -- wire [--json]: how much of what goes over the wire is payload, where nothing is lost. In the simulator, so the
 * same on every machine. A datagram counts with 28 bytes of IPv4 and UDP, and all that goes one way counts: manifests, news,
 * acknowledgements of the other way.
 */
import { cutObject } from '../src/broadcast/spread/plan.js';
import { CONTROLLERS } from '../src/congestion/index.js';
import { Rng } from '../src/core/rng.js';
import { MILLISECOND, SECOND } from '../src/core/time.js';
import type { EndpointMetrics } from '../src/member/endpoint.js';
import { addressOf, type Cluster, createCluster } from '../src/sim/cluster.js';
import { readOptions } from '../tools/options.js';
import { report, row } from './report.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/** IPv4 20, UDP 8. */
const IP_UDP = 28;
/** What Ethernet carries with IPv6 headers, in UDP. */
const ETHERNET = 1452;

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: { json: { type: 'boolean', default: false } } });
  const served = (bytes: number) => spread({ members: 2, faulty: 0 }, bytes);
  const signed = (bytes: number) => spread({ members: 4, faulty: 1 }, bytes);
  const large = spread({ members: 16, faulty: 5 }, MIB);
  const file = served(16 * MIB);
  const rows = [
    row('payload share of IP bytes, 1 MiB, signed', signed(MIB).share, 'min', 0.9, 0.93),
    row('payload share of IP bytes, 1 MiB, served', served(MIB).share, 'min', 0.9, 0.93),
    row('payload share of IP bytes, 32 KiB, signed', signed(32 * KIB).share, 'min', 0.85),
    row('payload share of IP bytes, 32 KiB, served', served(32 * KIB).share, 'min', 0.85),
    row('bytes sent / file, one receiver, 16 MiB', file.originBytes / (16 * MIB), 'max', 1.12, 1.08),
    row('bytes of the origin for 1 MiB to n = 16, k = 5, MiB', large.originBytes / MIB, 'max', 1.7, 1.6),
    row('payload share of IP bytes, 1 MiB, n = 16', large.share, 'info'),
  ];
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

interface Spread {
  /** Bytes of symbols that came, of the bytes of IP packets on the ways that symbols went. */
  share: number;
  /** Bytes of IP packets that the origin sent. */
  originBytes: number;
}

/** Member 0 broadcasts a message of so many bytes, to others that know their paths. */
function spread(group: { members: number; faulty: number }, bytes: number): Spread {
  const cluster = createCluster({
    ...group,
    seed: `wire ${group.members} ${bytes}`,
    links: { delay: 10 * MILLISECOND, rate: 1e9 },
    controller: CONTROLLERS.bbr,
    maxDatagram: ETHERNET,
  });
  const { world, members } = cluster;
  const rng = new Rng('wire payload');
  // Sizes of datagrams are found within a few seconds, and rates with the first message.
  world.runUntil(3 * SECOND);
  for (const [i, size] of [256 * KIB, bytes].entries()) {
    if (i === 1) world.runUntil(world.now + 2 * SECOND);
    const before = counted(cluster);
    cluster.broadcast(0, rng.bytes(size));
    const isDone = () => members.every(({ delivered }) => delivered.length === i + 1);
    if (!world.runUntil(isDone, world.now + 60 * SECOND))
      throw new Error('expected all to have it, got less');
    // What is still under way is sent for the same message.
    world.runUntil(world.now + 50 * MILLISECOND);
    if (i === 0) continue;
    const after = counted(cluster);
    cluster.dispose();
    const [all, origin] = [after.bytes - before.bytes, after.originBytes - before.originBytes];
    const payload = (after.symbols - before.symbols) * cutObject(size, ETHERNET).symbolSize;
    return { share: payload / all, originBytes: origin };
  }
  throw new Error('expected two messages');
}

/** So far: IP bytes on the ways away from the origin and between the others, those of the origin, and symbols that came. */
function counted({ world, members }: Cluster): { bytes: number; originBytes: number; symbols: number } {
  let bytes = 0;
  let originBytes = 0;
  for (const from of members)
    for (const to of members) {
      if (from === to || to.index === 0) continue;
      const link = world.link(addressOf(from.index), addressOf(to.index)).counters;
      const ip = link.bytes + link.sent * IP_UDP;
      bytes += ip;
      if (from.index === 0) originBytes += ip;
    }
  return {
    bytes,
    originBytes,
    symbols: members.reduce((sum, { endpoint }) => sum + symbolsOf(endpoint.metrics), 0),
  };
}

/** Symbols that came, whether they brought something new or not. */
function symbolsOf({ usefulSymbols, drops }: EndpointMetrics): number {
  const { duplicate = 0, late = 0, stale = 0 } = drops;
  return usefulSymbols + duplicate + late + stale;
}
