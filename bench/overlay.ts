/**
 * npm run bench -- overlay [--json] [--size 16] [--only even,slow,far] [--seed text]: one file to members that relay it to each other, in the simulator, so
 * the same on every machine: what all send for what all receive, and what relays had no room for. Bytes are those of IP packets.
 */
import {
  type Manifest,
  parseManifest,
  SLICE_SIZE,
  sliceLength,
  writeManifest,
} from '../src/bulk/manifest.js';
import type { BulkRequest } from '../src/bulk/ports.js';
import { CONTROLLERS } from '../src/congestion/index.js';
import { Rng } from '../src/core/rng.js';
import { MILLISECOND, SECOND } from '../src/core/time.js';
import { sha256 } from '../src/crypto/hash.js';
import { addressOf, type Cluster, createCluster } from '../src/sim/cluster.js';
import type { SimMember } from '../src/sim/member.js';
import type { LinkOptions } from '../src/sim/net/link.js';
import { iid } from '../src/sim/net/loss.js';
import { readOptions } from '../tools/options.js';
import { type BenchRow, report, row } from './report.js';

const MIB = 2 ** 20;
/** IPv4 20, UDP 8. */
const IP_UDP = 28;
/** What Ethernet carries with IPv6 headers, in UDP. */
const ETHERNET = 1452;

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({
    args,
    options: {
      json: { type: 'boolean', default: false },
      size: { type: 'string', default: '16' },
      only: { type: 'string', default: 'even,slow' },
      seed: { type: 'string', default: 'overlay' },
    },
  });
  const bytes = new Rng('overlay file').bytes(Number(values.size) * MIB);
  const groups: Record<string, () => BenchRow[]> = {
    even: () => [0, 0.1].flatMap((loss) => even(bytes, loss, values.seed)),
    slow: () => [0, 0.1].flatMap((loss) => slow(bytes, loss, values.seed)),
    far: () => [0.05, 0.3].map((loss) => far(bytes, loss, values.seed)),
  };
  const rows = values.only.split(',').flatMap((name) => groups[name]());
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

/** Eight receivers, all links alike. */
function even(bytes: Uint8Array, loss: number, seed: string): BenchRow[] {
  const link = { delay: 20 * MILLISECOND, rate: 16e6, overhead: IP_UDP, loss: iid(loss) };
  const { all, origin, overflow, seconds } = overlay(seed, bytes, 9, () => link);
  const name = `8 receivers, ${100 * loss} % of a path:`;
  return [
    row(`${name} bytes by all / 8 files`, all, 'max', 1.25, 1.12),
    row(`${name} origin's bytes / file`, origin, 'info'),
    row(`${name} relay-overflow`, overflow, 'max', 0),
    row(`${name} virtual seconds`, seconds, 'info'),
  ];
}

/** Four receivers whose links carry an eighth of what those of the origin do. */
function slow(bytes: Uint8Array, loss: number, seed: string): BenchRow[] {
  const path = { delay: 20 * MILLISECOND, overhead: IP_UDP, loss: iid(loss) };
  const { all, origin, overflow, seconds } = overlay(seed, bytes, 5, (from) => ({
    ...path,
    rate: from === 0 ? 128e6 : 16e6,
  }));
  const name = `4 slow relays, ${100 * loss} % of a path:`;
  return [
    row(`${name} origin's bytes / file`, origin, 'max', 1.6, 1.5),
    row(`${name} bytes by all / 4 files`, all, 'info'),
    row(`${name} relay-overflow`, overflow, 'max', 0),
    row(`${name} virtual seconds`, seconds, 'info'),
  ];
}

/** One receiver over a satellite: what goes through of what rate and loss leave, from the first slice to the answer that it is saved. */
function far(bytes: Uint8Array, ofLink: number, seed: string): BenchRow {
  const loss = 1 - (1 - ofLink) ** 2;
  const rate = 100e6;
  const link = { delay: SECOND / 2, rate, queue: rate / 8, overhead: IP_UDP, loss: iid(loss) };
  const { seconds } = overlay(seed, bytes, 2, () => link);
  const share = bytes.length / seconds / ((rate / 8) * (1 - loss));
  return row(`one receiver, 100 Mbit/s, 1 s, ${100 * ofLink} % of a link: share`, share, 'min', 0.6, 0.8);
}

interface Overlay {
  /** Bytes of IP packets over those of the file, times the receivers: of all members, and over the file alone of the origin. */
  all: number;
  origin: number;
  /** Symbols that relays had no room for. */
  overflow: number;
  seconds: number;
}

/** Member 0 sends a file to all others, over links by the member that they come from. */
function overlay(
  seed: string,
  bytes: Uint8Array,
  members: number,
  linkOf: (from: number) => LinkOptions,
): Overlay {
  const disks = new Map<number, Disk>();
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += SLICE_SIZE)
    hashes.push(sha256(bytes.subarray(at, at + SLICE_SIZE)));
  const entries = [{ kind: 'file' as const, path: 'file', mode: 0o644, modified: 0, size: bytes.length }];
  const addresses = new Map(Array.from({ length: members }, (_, i) => [addressOf(i), i]));
  const cluster: Cluster = createCluster({
    members,
    seed,
    links: (from) => linkOf(addresses.get(from)!),
    controller: CONTROLLERS.bbr,
    maxDatagram: ETHERNET,
    onRequest: (member, now, request) => serve(member, now, request, bytes, disks),
  });
  const { world } = cluster;
  // Sizes of datagrams are found meanwhile.
  world.runUntil(3 * SECOND);
  const poll = (member: SimMember) => {
    member.settle(world.now);
    world.poll(member.address);
  };
  const [sender, ...receivers] = cluster.members;
  for (const receiver of receivers) {
    receiver.endpoint.bulk.files.take(world.now, true);
    poll(receiver);
  }
  const manifest = writeManifest({ entries, sliceSize: SLICE_SIZE, hashes: Buffer.concat(hashes) });
  const id = sender.endpoint.bulk.files.offer(world.now, manifest);
  poll(sender);
  const standings = () => sender.endpoint.bulk.files.status(id)?.members ?? [];
  const all = (state: string) =>
    standings().length === members - 1 && standings().every((member) => member.state === state);
  if (!world.runUntil(() => all('receiving'), world.now + 10 * SECOND)) throw new Error('not all take it');
  const before = sent(cluster);
  const began = world.now;
  sender.endpoint.bulk.files.start(world.now, id);
  poll(sender);
  if (!world.runUntil(() => all('saved'), world.now + 600 * SECOND)) throw new Error('not all have it');
  const after = sent(cluster);
  const result = {
    all: (after.all - before.all) / bytes.length / (members - 1),
    origin: (after.origin - before.origin) / bytes.length,
    overflow: cluster.members.reduce(
      (n, { endpoint }) => n + (endpoint.metrics.drops['relay-overflow'] ?? 0),
      0,
    ),
    seconds: (world.now - began) / SECOND,
  };
  cluster.dispose();
  return result;
}

/** Of a receiver. */
interface Disk {
  manifest: Manifest;
  bytes: Uint8Array;
}

/** What a member's shell does. */
function serve(
  member: SimMember,
  now: number,
  request: BulkRequest,
  bytes: Uint8Array,
  disks: Map<number, Disk>,
): void {
  const { files } = member.endpoint.bulk;
  if (request.type === 'open') {
    const manifest = parseManifest(request.bytes);
    disks.set(member.index, { manifest, bytes: new Uint8Array(manifest.bytes) });
    files.accept(now, request.id, new Map());
  } else if (request.type === 'write') {
    const { id, bytes: slice, certificate } = request;
    disks.get(member.index)!.bytes.set(slice, (id.seq - 1) * SLICE_SIZE);
    files.handleWritten(now, id, certificate, slice);
  } else if (request.type === 'read') {
    const { id } = request;
    const disk = disks.get(member.index);
    const from = (id.seq - 1) * SLICE_SIZE;
    const length = disk ? sliceLength(disk.manifest, id.seq - 1) : SLICE_SIZE;
    files.handleRead(now, id, (disk?.bytes ?? bytes).slice(from, from + length));
  } else if (request.type === 'complete') {
    if (Buffer.compare(disks.get(member.index)!.bytes, bytes) !== 0) throw new Error('another file has come');
    files.handleCompleted(now, request.id);
  }
}

/** Bytes of IP packets so far. */
function sent({ world, members }: Cluster): { all: number; origin: number } {
  let all = 0;
  let origin = 0;
  for (const from of members)
    for (const to of members) {
      if (from === to) continue;
      const { bytes, sent: count } = world.link(addressOf(from.index), addressOf(to.index)).counters;
      all += bytes + count * IP_UDP;
      if (from.index === 0) origin += bytes + count * IP_UDP;
    }
  return { all, origin };
}
