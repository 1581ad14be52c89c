/** Frames and objects of docs/PROTOCOL.md, as reference.ts: from its text alone. */
import { ascii, hash, join, uint } from './reference.js';

// ---- 5. frames

interface StreamId {
  origin: number;
  incarnation: number;
}
interface ObjectId extends StreamId {
  seq: number;
}
type Deficits = { sbn: number; symbols: number }[];

interface RecordName {
  member: number;
  incarnation: number;
  number: number;
}

interface Route {
  member: number;
  hops: number;
  rtt: number;
  loss: number;
}

interface Debt {
  member: number;
  symbols: number;
  delay: number;
  incarnation: number;
  seq: number;
  sbn: number;
}

/** Fields by name; bytes as hex. */
export type FrameFields =
  | { kind: 'ack'; ack: { ranges: number[]; delay: number; received: number } }
  | {
      kind: 'vector';
      version: number;
      heard: number;
      heardBefore: number;
      entries: (StreamId & {
        base: number;
        count: number;
        ready: number;
        ended: boolean;
        first: boolean;
        over: boolean;
        chain: string;
        ahead: string;
      })[];
    }
  | { kind: 'progress'; id: ObjectId; sourceBlocks: number; complete: string; missing: Deficits }
  | { kind: 'ping' }
  | { kind: 'ack-policy'; packets: number; delay: number }
  | { kind: 'mtu-probe' | 'mtu-report' | 'path-size'; size: number }
  | { kind: 'part'; number: number; half: number; bytes: string }
  | ({
      kind: 'transfer';
      version: number;
      heard: number;
      state: (typeof TRANSFER_STATES)[number];
      count: number;
      sent: number;
      reason: string;
      ahead: string;
    } & StreamId)
  | ({ kind: 'locators'; time: number; addresses: string[]; signature: string } & RecordName)
  | { kind: 'locators-heard'; records: RecordName[] }
  | { kind: 'observed-address'; address: string }
  | { kind: 'owed'; files: boolean; debts: Debt[] }
  | { kind: 'routes'; number: number; lacking: number[]; routes: Route[] }
  | { kind: 'forward'; from: number; to: number; hops: number; datagram: string }
  | { kind: 'punch'; from: number; to: number; isAnswer: boolean; wait: number; addresses: string[] }
  | ({
      kind: 'cast';
      open: boolean;
      key: string;
      port: number;
      address: string;
      source: string;
      sent: number;
      packets: number;
      delay: number;
    } & StreamId)
  | ({
      kind: 'cast-report';
      state: (typeof CAST_STATES)[number];
      reason: string;
      ack?: Parameters<typeof ack>[0];
      lacking: number[];
    } & StreamId)
  | ({
      kind: 'epoch';
      heard: number;
      list: (typeof LISTS)[number];
      of: number;
      next: string;
      total: number;
      first: number;
      streams: (StreamId & { count: number; base: number })[];
    } & Mark)
  | ({ kind: 'said'; vector: Extract<FrameFields, { kind: 'vector' }> } & Mark)
  | { kind: 'unknown'; type: number; body: string }
  | { kind: 'pull'; id: ObjectId; missing: Deficits }
  | ({ kind: 'gone'; base: number; chain: string } & StreamId);

const LISTS = ['none', 'seal', 'starts'] as const;

/** When something is said in a group that changes. */
interface Mark {
  has: number;
  active: number;
  id: string;
}

function mark({ has, active, id }: Mark): Buffer {
  return join(uint(has, 4), uint(active, 4), Buffer.from(id, 'hex'));
}

export function frame(fields: FrameFields): Buffer {
  switch (fields.kind) {
    case 'ack':
      return join(uint(2, 1), ack(fields.ack));
    case 'vector': {
      const { version, heard, heardBefore, entries } = fields;
      const head = join(uint(3, 1), uint(version, 4), uint(heard, 4), uint(heardBefore, 4));
      const parts = entries.map((entry) => {
        const ahead = Buffer.from(entry.ahead, 'hex');
        const chain = Buffer.from(entry.chain, 'hex');
        return join(
          streamId(entry),
          uint(entry.base, 4),
          uint(entry.count, 4),
          chain,
          uint(
            (entry.ready > 0 ? 1 : 0) + (entry.ended ? 2 : 0) + (entry.over ? 4 : 0) + (entry.first ? 8 : 0),
            1,
          ),
          entry.ready > 0 ? uint(entry.ready, 4) : Buffer.alloc(0),
          uint(ahead.length, 1),
          ahead,
        );
      });
      return join(head, uint(entries.length, 2), ...parts);
    }
    case 'progress': {
      const complete = Buffer.from(fields.complete, 'hex');
      return join(
        uint(4, 1),
        objectId(fields.id),
        uint(fields.sourceBlocks, 1),
        complete,
        deficits(fields.missing),
      );
    }
    case 'ping':
      return uint(5, 1);
    case 'ack-policy':
      return join(uint(6, 1), uint(fields.packets, 2), uint(fields.delay, 3));
    case 'mtu-probe':
      return join(uint(7, 1), uint(fields.size, 2));
    case 'mtu-report':
      return join(uint(8, 1), uint(fields.size, 2));
    case 'path-size':
      return join(uint(64, 1), uint(2, 2), uint(fields.size, 2));
    case 'transfer': {
      const [reason, ahead] = [Buffer.from(fields.reason, 'hex'), Buffer.from(fields.ahead, 'hex')];
      const state = TRANSFER_STATES.indexOf(fields.state);
      const body = join(
        streamId(fields),
        ...[uint(fields.version, 4), uint(fields.heard, 4), uint(state, 1)],
        ...[uint(fields.count, 4), uint(fields.sent, 4)],
        ...[uint(reason.length, 1), reason, uint(ahead.length, 2), ahead],
      );
      return join(uint(65, 1), uint(body.length, 2), body);
    }
    case 'cast': {
      const [address, source] = [Buffer.from(fields.address, 'hex'), Buffer.from(fields.source, 'hex')];
      const body = join(
        ...[
          streamId(fields),
          uint(fields.open ? 1 : 0, 1),
          Buffer.from(fields.key, 'hex'),
          uint(fields.port, 2),
        ],
        ...[uint(address.length, 1), address, uint(source.length, 1), source],
        ...[uint(fields.sent, 6), uint(fields.packets, 2), uint(fields.delay, 3)],
      );
      return join(uint(66, 1), uint(body.length, 2), body);
    }
    case 'cast-report': {
      const reason = Buffer.from(fields.reason, 'hex');
      const { state, lacking } = fields;
      const heard = fields.ack
        ? [ack(fields.ack), uint(lacking.length, 1), ...lacking.map((name) => uint(name, 6))]
        : [];
      const body = join(
        ...[streamId(fields), uint(CAST_STATES.indexOf(state), 1), uint(reason.length, 1), reason],
        ...heard,
      );
      return join(uint(67, 1), uint(body.length, 2), body);
    }
    case 'part':
      return join(
        uint(15, 1),
        uint(fields.number, 2),
        uint(fields.half, 1),
        Buffer.from(fields.bytes, 'hex'),
      );
    case 'locators': {
      const body = join(locatorRecord(fields), Buffer.from(fields.signature, 'hex'));
      return join(uint(68, 1), uint(body.length, 2), body);
    }
    case 'locators-heard': {
      const body = join(uint(fields.records.length, 1), ...fields.records.map(recordName));
      return join(uint(69, 1), uint(body.length, 2), body);
    }
    case 'observed-address': {
      const body = numeric(fields.address);
      return join(uint(70, 1), uint(body.length, 2), body);
    }
    case 'owed': {
      const head = join(uint(fields.files ? 1 : 0, 1), uint(fields.debts.length, 1));
      const body = join(head, ...fields.debts.map(debt));
      return join(uint(71, 1), uint(body.length, 2), body);
    }
    case 'routes': {
      const lacking = join(uint(fields.lacking.length, 1), ...fields.lacking.map((each) => uint(each, 2)));
      const routes = join(uint(fields.routes.length, 1), ...fields.routes.map(route));
      const body = join(uint(fields.number, 4), lacking, routes);
      return join(uint(72, 1), uint(body.length, 2), body);
    }
    case 'forward': {
      const head = join(uint(fields.from, 2), uint(fields.to, 2), uint(fields.hops, 1));
      const body = join(head, Buffer.from(fields.datagram, 'hex'));
      return join(uint(73, 1), uint(body.length, 2), body);
    }
    case 'punch': {
      const head = join(uint(fields.from, 2), uint(fields.to, 2), uint(fields.isAnswer ? 1 : 0, 1));
      const rest = join(uint(fields.addresses.length, 1), ...fields.addresses.map(numeric));
      const body = join(head, uint(fields.wait, 2), rest);
      return join(uint(74, 1), uint(body.length, 2), body);
    }
    case 'epoch': {
      const list = join(
        uint(LISTS.indexOf(fields.list), 1),
        uint(fields.of, 4),
        Buffer.from(fields.next, 'hex'),
      );
      const place = join(uint(fields.total, 2), uint(fields.first, 2), uint(fields.streams.length, 2));
      const streams = fields.streams.map((each) =>
        join(streamId(each), uint(each.count, 4), uint(each.base, 4)),
      );
      const body = join(mark(fields), uint(fields.heard, 4), list, place, ...streams);
      return join(uint(75, 1), uint(body.length, 2), body);
    }
    case 'said': {
      // Without its type.
      const body = join(mark(fields), frame(fields.vector).subarray(1));
      return join(uint(76, 1), uint(body.length, 2), body);
    }
    case 'unknown': {
      const body = Buffer.from(fields.body, 'hex');
      return join(uint(fields.type, 1), uint(body.length, 2), body);
    }
    case 'pull':
      return join(uint(9, 1), objectId(fields.id), deficits(fields.missing));
    case 'gone':
      return join(uint(10, 1), streamId(fields), uint(fields.base, 4), Buffer.from(fields.chain, 'hex'));
  }
}

/** 4.7: what is signed, behind the label and the group id. */
export function locatorRecord(fields: { time: number; addresses: string[] } & RecordName): Buffer {
  const { time, addresses } = fields;
  return join(recordName(fields), uint(time, 6), uint(addresses.length, 1), ...addresses.map(numeric));
}

const recordName = ({ member, incarnation, number }: RecordName) =>
  join(uint(member, 2), uint(incarnation, 6), uint(number, 4));

/** Family, address, port. */
function numeric(address: string): Buffer {
  const { hostname, port } = new URL(`udp://${address}`);
  const v6 = /^\[(.*)\]$/.exec(hostname);
  if (!v6) return join(uint(4, 1), Buffer.from(hostname.split('.').map(Number)), uint(Number(port), 2));
  const [front, back = ''] = v6[1].split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - front.length - back.length).fill('0');
  const groups = [...front, ...zeros, ...back].map((group) => uint(Number.parseInt(group, 16), 2));
  return join(uint(6, 1), ...groups, uint(Number(port), 2));
}

/** 14.5. */
const CAST_STATES = ['off', 'listening', 'hearing'] as const;
/** 14.2. */
const TRANSFER_STATES = ['offered', 'joining', 'verifying', 'receiving', 'saved', 'failed'] as const;

const streamId = ({ origin, incarnation }: StreamId) => join(uint(origin, 2), uint(incarnation, 6));
const objectId = (id: ObjectId) => join(streamId(id), uint(id.seq, 4));
const deficits = (missing: Deficits) =>
  join(uint(missing.length, 1), ...missing.map(({ sbn, symbols }) => join(uint(sbn, 1), uint(symbols, 2))));

/** 6.1; `ranges` is high, low, high, low, ... from the largest down. */
export function ack({
  ranges,
  delay,
  received,
}: {
  ranges: number[];
  delay: number;
  received: number;
}): Buffer {
  const small = (value: number) => (value < 128 ? uint(value, 1) : uint(0x8000 + value, 2));
  const runs: Buffer[] = [];
  const numbers = new Set<number>();
  for (let i = 0; i < ranges.length; i += 2) {
    if (i > 0) runs.push(small(ranges[i - 1] - ranges[i] - 2));
    runs.push(small(ranges[i] - ranges[i + 1]));
    for (let number = ranges[i]; number >= ranges[i + 1]; number--) numbers.add(number);
  }
  const [largest] = ranges;
  const bitmap = Buffer.alloc(Math.ceil((largest - ranges[ranges.length - 1]) / 8));
  for (const number of numbers) {
    const bit = largest - 1 - number;
    if (bit >= 0) bitmap[Math.floor(bit / 8)] |= 1 << (bit % 8);
  }
  const byRanges = join(uint(ranges.length / 2, 2), ...runs);
  const byBitmap = join(uint(bitmap.length, 2), bitmap);
  const isRanges = byRanges.length <= byBitmap.length;
  const head = join(
    uint(isRanges ? 0 : 1, 1),
    uint(largest, 6),
    uint(Math.floor(delay / 8), 3),
    uint(received, 6),
  );
  return join(head, isRanges ? byRanges : byBitmap);
}

// ---- 7. objects

export function parcel(dependencies: (StreamId & { count: number })[], messages: Uint8Array[]): Buffer {
  return join(
    uint(1, 1),
    uint(dependencies.length, 2),
    ...dependencies.map((dependency) => join(streamId(dependency), uint(dependency.count, 4))),
    ...messages.map((message) => join(uint(message.length, 4), message)),
  );
}

/** The messages of a parcel. */
export function messagesOf(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 3 + 12 * bytes.readUInt16BE(1); at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    messages.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return messages;
}

/** T and Z of an object of `length` bytes, by the policy of 7.2. */
export function cut(length: number): { symbolSize: number; sourceBlocks: number } {
  const few = Math.ceil(length / 992);
  const count = few <= 2 ? few : Math.max(3, Math.ceil(length / 1200));
  const symbolSize = 16 * Math.ceil(length / count / 16);
  const symbols = Math.ceil(length / symbolSize);
  return { symbolSize, sourceBlocks: Math.min(255, Math.ceil(symbols / 512)) };
}

/** K of the first and of the last block: Partition[] of RFC 6330, 4.4.1.2. */
export function blockSizes(length: number, symbolSize: number, sourceBlocks: number): [number, number] {
  const symbols = Math.ceil(length / symbolSize);
  return [Math.ceil(symbols / sourceBlocks), Math.floor(symbols / sourceBlocks)];
}

/** The most symbols that a block of an object of `length` bytes may have: 7.2. */
export function largestBlock(length: number): number {
  return Math.max(512, Math.ceil(Math.ceil(length / 1200) / 255));
}

/** b of 8.1. */
export function share(k: number, members: number, faulty: number, pessimism: number): number {
  if (k <= 2 || members === 2) return k;
  return Math.ceil((k + pessimism) / Math.max(1, members - 1 - faulty));
}

export function descriptor(
  fields: ObjectId & { length: number; symbolSize: number; sourceBlocks: number },
  objectHash: Uint8Array,
): Buffer {
  const { length, symbolSize, sourceBlocks } = fields;
  return join(objectId(fields), uint(length, 5), uint(symbolSize, 2), uint(sourceBlocks, 1), objectHash);
}

/** What the signature of a batch or certificate covers. */
export function batchText(groupId: Uint8Array, descriptorBytes: Uint8Array, root: Uint8Array): Buffer {
  return join(ascii('headwater batch v1\0'), groupId, descriptorBytes, root);
}

/** The source symbol `esi` of an object of one block. */
export function sourceSymbol(object: Uint8Array, symbolSize: number, esi: number): Buffer {
  const symbol = Buffer.alloc(symbolSize);
  symbol.set(object.subarray(esi * symbolSize, (esi + 1) * symbolSize));
  return symbol;
}

export function leaf(fields: { sbn: number; esi: number; firstHop: number }, symbol: Uint8Array): Buffer {
  return join(uint(fields.sbn, 1), uint(fields.esi, 3), uint(fields.firstHop, 2), symbol);
}

/** 7.3: the levels of a tree, leaves first; undefined is a place without one. */
export function merkle(leaves: (Uint8Array | undefined)[]): Buffer[][] {
  const depth = Math.ceil(Math.log2(leaves.length));
  let level = Array.from({ length: 2 ** depth }, (_, i) => {
    const leafBytes = leaves[i];
    return leafBytes ? hash(uint(0, 1), uint(i, 1), leafBytes).subarray(0, 16) : Buffer.alloc(16);
  });
  const levels = [level];
  while (level.length > 1) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, i) =>
      hash(uint(1, 1), below[2 * i], below[2 * i + 1]).subarray(0, 16),
    );
    levels.push(level);
  }
  return levels;
}

/** The root of these levels. */
export function root(levels: Buffer[][]): Buffer {
  return join(levels[levels.length - 1][0], Buffer.alloc(4));
}

/** The siblings from one level on, of the node above a leaf. */
export function proof(levels: Buffer[][], index: number, from = 0): Buffer {
  return join(...levels.slice(from, -1).map((level, i) => level[(index >> (from + i)) ^ 1]));
}

/** The root that a leaf and its proof lead to. */
export function rootOf(leafBytes: Uint8Array, index: number, proofBytes: Uint8Array): Buffer {
  return climb(hash(uint(0, 1), uint(index, 1), leafBytes).subarray(0, 16), index, proofBytes);
}

/** The root that the hashes of a share and the proof of the node above them lead to. */
export function rootOfShare(hashes: Buffer[], position: number, proofBytes: Uint8Array): Buffer {
  const height = Math.ceil(Math.log2(hashes.length));
  let level = Array.from({ length: 2 ** height }, (_, i) => hashes[i] ?? Buffer.alloc(16));
  while (level.length > 1) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, i) =>
      hash(uint(1, 1), below[2 * i], below[2 * i + 1]).subarray(0, 16),
    );
  }
  return climb(level[0], position >> height, proofBytes);
}

function climb(start: Buffer, index: number, proofBytes: Uint8Array): Buffer {
  let node = start;
  for (let height = 0; height < proofBytes.length / 16; height++) {
    const sibling = proofBytes.subarray(16 * height, 16 * height + 16);
    const isRight = (index >> height) % 2 === 1;
    node = hash(uint(1, 1), ...(isRight ? [sibling, node] : [node, sibling])).subarray(0, 16);
  }
  return join(node, Buffer.alloc(4));
}

export interface Share {
  sbn: number;
  esi: number;
  firstHop: number;
  position: number;
  count: number;
}

/** MANIFEST of a share, 7.5. */
export function manifest(
  number: number,
  head: { descriptor: Uint8Array; signature: Uint8Array },
  { sbn, esi, firstHop, position, count }: Share,
  levels: Buffer[][],
): Buffer {
  const hashes = levels[0].slice(position, position + count);
  const share = join(uint(position, 1), uint(count, 1), uint(sbn, 1), uint(esi, 3), uint(firstHop, 2));
  const siblings = proof(levels, position, Math.ceil(Math.log2(count)));
  const start = join(
    uint(12, 1),
    uint(number, 2),
    head.descriptor,
    uint(levels.length - 1, 1),
    head.signature,
  );
  return join(start, share, ...hashes, siblings);
}

/** MANIFEST of what is served. */
export function servedManifest(number: number, certificate: Uint8Array): Buffer {
  const [described, root, signature] = [
    certificate.subarray(0, 52),
    certificate.subarray(52, 72),
    certificate.subarray(72),
  ];
  return join(uint(12, 1), uint(number, 2), described, uint(0xff, 1), signature, root);
}

export function listed(number: number, place: number, symbol: Uint8Array): Buffer {
  return join(uint(13, 1), uint(number, 2), uint(place, 1), uint(symbol.length, 2), symbol);
}

export function served(number: number, sbn: number, esi: number, symbols: Uint8Array): Buffer {
  return join(uint(14, 1), uint(number, 2), uint(sbn, 1), uint(esi, 3), symbols);
}

/** 7.4. */
export function symbolBody(
  descriptorBytes: Uint8Array,
  depth: number,
  index: number,
  signature: Uint8Array,
  proofBytes: Uint8Array,
  leafBytes: Uint8Array,
): Buffer {
  return join(descriptorBytes, uint(depth, 1), uint(index, 1), signature, proofBytes, leafBytes);
}

// ---- 9. digests

export function digests(hashes: Uint8Array[]): Buffer[] {
  const all: Buffer[] = [Buffer.alloc(32)];
  for (const objectHash of hashes) all.push(hash(all[all.length - 1], objectHash));
  return all;
}

function route({ member, hops, rtt, loss }: Route): Buffer {
  return join(uint(member, 2), uint(hops, 1), uint(rtt, 2), uint(loss, 1));
}

function debt({ member, symbols, delay, incarnation, seq, sbn }: Debt): Buffer {
  return join(
    uint(member, 2),
    uint(symbols, 2),
    uint(delay, 2),
    uint(incarnation, 6),
    uint(seq, 4),
    uint(sbn, 1),
  );
}
