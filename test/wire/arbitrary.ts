/** Valid frames and contents of every kind, for property tests; their values reach the limits of each field. */
import fc from 'fast-check';
import { writeCertificate } from '../../src/broadcast/proof/certificate.js';
import { numericAddress } from '../../src/wire/address.js';
import { type Contents, writeDatagram } from '../../src/wire/datagram.js';
import { ACK_SPAN, type Ack } from '../../src/wire/frames/ack.js';
import { MAX_CAST_REASON, MAX_LACKING } from '../../src/wire/frames/cast/cast-report.js';
import type { EpochList } from '../../src/wire/frames/epochs/epoch.js';
import { MAX_PUNCH_ADDRESSES } from '../../src/wire/frames/forwarding/punch.js';
import { MAX_HOPS, MAX_ROUTES } from '../../src/wire/frames/forwarding/routes.js';
import type { GoneFrame } from '../../src/wire/frames/gone.js';
import { MAX_RECORDS_HEARD } from '../../src/wire/frames/locators/heard.js';
import { MAX_DEBTS } from '../../src/wire/frames/owed.js';
import type { ProgressFrame } from '../../src/wire/frames/progress.js';
import type { PullFrame } from '../../src/wire/frames/pull.js';
import { TRANSFER_STATES } from '../../src/wire/frames/transfer.js';
import type { VectorEntry, VectorFrame } from '../../src/wire/frames/vector.js';
import { FRAMES, type Frame, type FrameKind, type FrameOf } from '../../src/wire/frames.js';
import {
  DATAGRAM_SIZE,
  HASH_SIZE,
  MAX_AHEAD,
  MAX_LOCATORS,
  MAX_PART,
  MAX_PROGRESS_ENTRIES,
  MAX_PROOF_DEPTH,
  MAX_SHARE,
  MAX_SOURCE_BLOCKS,
  MAX_SYMBOL_SIZE,
  MAX_TRANSFER_AHEAD,
  MAX_TRANSFER_REASON,
  maxBlockSymbols,
  NODE_SIZE,
  PROTECTED_HEADER,
  PROTECTED_TAG,
  ROOT_SIZE,
  SIGNATURE_SIZE,
} from '../../src/wire/limits.js';
import { type Manifest, servedManifest, shareManifest } from '../../src/wire/manifest.js';
import {
  type Descriptor,
  type Leaf,
  type ObjectId,
  SERVED,
  TRANSFER_BIT,
  writeDescriptor,
  writeLeaf,
  writeSymbol,
} from '../../src/wire/symbol.js';

export const u8 = unsigned(8);
export const u16 = unsigned(16);
export const u24 = unsigned(24);
export const u32 = unsigned(32);
const hops = fc.integer({ min: 1, max: MAX_HOPS });
export const u40 = unsigned(40);
export const u48 = unsigned(48);

const transferNumber = unsigned(47).map((number) => number + TRANSFER_BIT);
const streamId = { origin: u16, incarnation: u48 };
const objectId: fc.Arbitrary<ObjectId> = fc.record({ ...streamId, seq: u32 });

const vectorEntry: fc.Arbitrary<VectorEntry> = fc
  .record({
    origin: u16,
    incarnation: unsigned(47),
    a: u32,
    b: u32,
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    chain: bytes(HASH_SIZE),
    ahead: fc.uint8Array({ maxLength: MAX_AHEAD }),
    ended: fc.boolean(),
    isFirst: fc.boolean(),
    isOver: fc.boolean(),
  })
  .map(({ a, b, part, isOver, isFirst, ...entry }) => {
    const count = Math.max(a, b);
    // Of a stream that is over nothing is kept.
    if (isOver)
      return {
        ...entry,
        base: count,
        count,
        ready: 0,
        ended: true,
        first: false,
        over: true,
        ahead: new Uint8Array(0),
      };
    return {
      ...entry,
      base: Math.min(a, b),
      count,
      ready: Math.floor(part * count),
      first: entry.ended && isFirst,
      over: false,
    };
  });

const vectorFrame: fc.Arbitrary<VectorFrame> = fc.record({
  kind: fc.constant('vector'),
  version: u32,
  heard: u32,
  heardBefore: u32,
  entries: fc.array(vectorEntry, { maxLength: 4 }),
});

const pullFrame: fc.Arbitrary<PullFrame> = fc.record({
  kind: fc.constant('pull'),
  id: objectId,
  missing: fc.array(fc.record({ sbn: fc.nat(MAX_SOURCE_BLOCKS - 1), symbols: u16 }), {
    maxLength: MAX_PROGRESS_ENTRIES,
  }),
});

const goneFrame: fc.Arbitrary<GoneFrame> = fc.record({
  kind: fc.constant('gone'),
  ...streamId,
  base: u32,
  chain: bytes(32),
});

const progressFrame: fc.Arbitrary<ProgressFrame> = u8.chain((sourceBlocks) =>
  fc.record({
    kind: fc.constant('progress'),
    id: objectId,
    sourceBlocks: fc.constant(sourceBlocks),
    complete: bytes(Math.ceil(sourceBlocks / 8)),
    missing: fc.array(fc.record({ sbn: fc.nat(Math.max(0, sourceBlocks - 1)), symbols: u16 }), {
      maxLength: sourceBlocks === 0 ? 0 : MAX_PROGRESS_ENTRIES,
    }),
  }),
);

/** Delays are in the units of the wire: finer ones are not read back. */
export const ack: fc.Arbitrary<Ack> = fc
  .record({
    oldest: fc.oneof(fc.constantFrom(0, 2 ** 48 - ACK_SPAN), fc.integer({ min: 0, max: 2 ** 48 - ACK_SPAN })),
    marks: fc.oneof<fc.Arbitrary<number[]>[]>(
      fc.uniqueArray(fc.nat(ACK_SPAN - 1), { minLength: 1, maxLength: 60 }),
      fc.uniqueArray(fc.nat(300), { minLength: 1, maxLength: 200 }),
      fc.constant([0, ACK_SPAN - 1]),
    ),
    delay: u24.map((units) => 8 * units),
    received: u48,
  })
  .map(({ oldest, marks, delay, received }) => ({
    ranges: rangesOf(marks.map((mark) => oldest + mark)),
    delay,
    received,
  }));

export interface SymbolParts {
  descriptor: Descriptor;
  depth: number;
  index: number;
  signature: Uint8Array;
  proof: Uint8Array;
  leaf: Leaf;
}

export const symbolParts: fc.Arbitrary<SymbolParts> = fc
  .integer({ min: 1, max: MAX_SYMBOL_SIZE / 16 })
  .chain((lanes) =>
    fc.record({
      // Only of the largest symbols an object may have so many that blocks have to be larger than 512.
      length: fc.integer({
        min: 1,
        max: 16 * lanes < MAX_SYMBOL_SIZE ? 255 * 512 * 16 * lanes : 2 ** 40 - 1,
      }),
      lanes: fc.constant(lanes),
    }),
  )
  .chain(({ length, lanes }) => {
    const symbols = Math.ceil(length / (16 * lanes));
    const fewest = Math.ceil(symbols / maxBlockSymbols(length));
    return fc.record({
      length: fc.constant(length),
      symbolSize: fc.constant(16 * lanes),
      sourceBlocks: fc.integer({ min: fewest, max: Math.min(255, symbols) }),
      depth: fc.oneof(fc.nat(MAX_PROOF_DEPTH), fc.constant(SERVED)),
    });
  })
  .chain(({ length, symbolSize, sourceBlocks, depth }) =>
    fc.record({
      descriptor: fc.record({
        origin: u16,
        incarnation: u48,
        seq: u32,
        length: fc.constant(length),
        symbolSize: fc.constant(symbolSize),
        sourceBlocks: fc.constant(sourceBlocks),
        hash: bytes(32),
      }),
      depth: fc.constant(depth),
      index: fc.nat(depth === SERVED ? 3 : 2 ** depth - 1),
      signature: bytes(64),
      proof: bytes(depth === SERVED ? ROOT_SIZE : depth * NODE_SIZE),
      leaf: fc.record({ sbn: fc.nat(sourceBlocks - 1), esi: u24, firstHop: u16, symbol: bytes(symbolSize) }),
    }),
  )
  .map((parts) => {
    // Served symbols may be several, all alike here.
    const count = parts.depth === SERVED ? parts.index + 1 : 1;
    const symbol = Uint8Array.from(
      { length: count * parts.leaf.symbol.length },
      (_, i) => parts.leaf.symbol[i % parts.leaf.symbol.length],
    );
    return { ...parts, leaf: { ...parts.leaf, symbol } };
  });

/** The manifest of a share, or of what is served. */
export const manifest: fc.Arbitrary<Manifest> = fc
  .record({
    parts: symbolParts,
    depth: fc.nat(MAX_PROOF_DEPTH),
    count: fc.integer({ min: 1, max: MAX_SHARE }),
    place: u8,
    firstHop: u16,
    esi: fc.nat(2 ** 24 - MAX_SHARE),
    fill: u8,
  })
  .map(({ parts, depth, count: wanted, place, firstHop, esi, fill }) => {
    const descriptorBytes = writeDescriptor(parts.descriptor);
    if (parts.depth === SERVED)
      return servedManifest(writeCertificate(descriptorBytes, parts.proof, parts.signature));
    const count = Math.min(wanted, 2 ** depth);
    const level = Math.ceil(Math.log2(count));
    return shareManifest({
      ...{ descriptorBytes, depth, signature: parts.signature, firstHop, esi, sbn: parts.leaf.sbn },
      position: (place % 2 ** (depth - level)) * 2 ** level,
      hashes: new Uint8Array(count * NODE_SIZE).fill(fill),
      proof: new Uint8Array((depth - level) * NODE_SIZE).fill(fill + 1),
    });
  });

/** Numeric, as sockets write them. */
export const address: fc.Arbitrary<string> = fc
  .tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 0xffff }))
  .map(([host, port]) => numericAddress(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))
  .filter((one) => one !== undefined);

const mark = { has: fc.constant(8), active: fc.integer({ min: 7, max: 8 }), id: bytes(16) };
const recordName = { member: u16, incarnation: u48, number: u32 };

/** Of each kind; TypeScript names the missing one. */
export const frameOf: { [K in FrameKind]: fc.Arbitrary<FrameOf<K>> } = {
  vector: vectorFrame,
  progress: progressFrame,
  pull: pullFrame,
  gone: goneFrame,
  ack: fc.record({ kind: fc.constant('ack'), ack }),
  ping: fc.record({ kind: fc.constant('ping') }),
  'ack-policy': fc.record({ kind: fc.constant('ack-policy'), packets: u16, delay: u24 }),
  'mtu-probe': fc.record({ kind: fc.constant('mtu-probe'), size: u16 }),
  'mtu-report': fc.record({ kind: fc.constant('mtu-report'), size: u16 }),
  'path-size': fc.record({
    kind: fc.constant('path-size'),
    size: fc.integer({ min: DATAGRAM_SIZE, max: 0xffff }),
  }),
  part: fc.record({
    kind: fc.constant('part'),
    number: u16,
    half: fc.nat(1),
    bytes: fc.uint8Array({ maxLength: MAX_PART }),
  }),
  transfer: fc.record({
    kind: fc.constant('transfer'),
    origin: u16,
    incarnation: transferNumber,
    version: u32,
    heard: u32,
    state: fc.constantFrom(...TRANSFER_STATES),
    count: u32,
    sent: u32,
    reason: fc.uint8Array({ maxLength: MAX_TRANSFER_REASON }),
    ahead: fc.uint8Array({ maxLength: MAX_TRANSFER_AHEAD }),
  }),
  locators: fc.record({
    kind: fc.constant('locators'),
    ...recordName,
    time: u48,
    addresses: fc.array(address, { minLength: 1, maxLength: MAX_LOCATORS }),
    signature: bytes(SIGNATURE_SIZE),
  }),
  'locators-heard': fc.record({
    kind: fc.constant('locators-heard'),
    records: fc.array(fc.record(recordName), { maxLength: MAX_RECORDS_HEARD }),
  }),
  'observed-address': fc.record({ kind: fc.constant('observed-address'), address }),
  owed: fc.record({
    kind: fc.constant('owed'),
    files: fc.boolean(),
    debts: fc.array(
      fc.record({ member: u16, symbols: u16, delay: u16, incarnation: u48, seq: u32, sbn: fc.nat(255) }),
      { maxLength: MAX_DEBTS },
    ),
  }),
  routes: fc.record({
    kind: fc.constant('routes'),
    number: u32,
    lacking: fc.array(u16, { maxLength: MAX_ROUTES }),
    routes: fc.array(fc.record({ member: u16, hops, rtt: u16, loss: fc.nat(255) }), {
      maxLength: MAX_ROUTES,
    }),
  }),
  epoch: fc
    .array(fc.record({ origin: u16, incarnation: u48, base: u16, more: u16 }), { maxLength: 50 })
    .chain((streams) =>
      fc.record({
        kind: fc.constant('epoch'),
        ...mark,
        heard: u32,
        list: fc.constantFrom<EpochList>('none', 'seal', 'starts'),
        of: u32,
        next: bytes(16),
        total: fc.constant(streams.length + 3),
        first: fc.constant(3),
        streams: fc.constant(
          streams.map(({ more, ...stream }) => ({ ...stream, count: stream.base + more })),
        ),
      }),
    ),
  said: fc.record({ kind: fc.constant('said'), ...mark, vector: vectorFrame }),
  forward: fc.record({
    kind: fc.constant('forward'),
    from: u16,
    to: u16,
    hops,
    datagram: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  }),
  punch: fc.record({
    kind: fc.constant('punch'),
    ...{ from: u16, to: u16, isAnswer: fc.boolean(), wait: u16 },
    addresses: fc.array(address, { maxLength: MAX_PUNCH_ADDRESSES }),
  }),
  cast: fc.record({
    kind: fc.constant('cast'),
    origin: u16,
    incarnation: transferNumber,
    open: fc.boolean(),
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    port: u16,
    address: fc.uint8Array({ minLength: 4, maxLength: 4 }),
    source: fc.constantFrom(new Uint8Array(0), new Uint8Array(4).fill(7)),
    sent: u48,
    packets: u16,
    delay: u24,
  }),
  'cast-report': fc.oneof(
    fc.record({
      kind: fc.constant('cast-report'),
      origin: u16,
      incarnation: transferNumber,
      state: fc.constantFrom('off', 'listening'),
      reason: fc.uint8Array({ maxLength: MAX_CAST_REASON }),
      ack: fc.constant(undefined),
      lacking: fc.constant([]),
    }),
    fc.record({
      kind: fc.constant('cast-report'),
      origin: u16,
      incarnation: transferNumber,
      state: fc.constant('hearing'),
      reason: fc.uint8Array({ maxLength: MAX_CAST_REASON }),
      ack,
      lacking: fc.array(u48, { maxLength: MAX_LACKING }),
    }),
  ),
  unknown: fc.record({
    kind: fc.constant('unknown'),
    type: fc.integer({ min: 64, max: 255 }).filter((type) => FRAMES.every((known) => known.type !== type)),
    body: fc.uint8Array({ maxLength: 400 }),
  }),
  'sized-symbol': fc.record({
    kind: fc.constant('sized-symbol'),
    body: fc.uint8Array({ maxLength: 400 }),
  }),
  manifest: fc.record({ kind: fc.constant('manifest'), number: u16, manifest }),
  listed: fc.record({
    kind: fc.constant('listed'),
    number: u16,
    place: u8,
    symbol: fc.uint8Array({ maxLength: 400 }),
  }),
  served: fc.record({
    kind: fc.constant('served'),
    number: u16,
    sbn: u8,
    esi: u24,
    symbols: fc.uint8Array({ maxLength: 400 }),
  }),
};

/** Of each kind that something may follow. */
const { served: _served, part: _part, ...inside } = frameOf;
export const frame: fc.Arbitrary<Frame> = fc.oneof(...Object.values<fc.Arbitrary<Frame>>(inside));

export const frames = fc.array(frame, { maxLength: 6 });

/** What a session opens: frames, and mostly a SYMBOL behind them. */
export const contents: fc.Arbitrary<Contents> = fc.record({
  frames,
  symbol: fc.option(symbolParts.map(symbolBody), { nil: undefined }),
});

export const contentsText = contents.map(textOf);
export const framesText = frames.map((list) => textOf({ frames: list, symbol: undefined }));
export const symbolText = contents
  .filter(({ symbol }) => symbol !== undefined)
  .map((made) => ({ text: textOf(made), frames: made.frames, symbol: made.symbol! }));

/** The text between the session's header and its tag. */
export function textOf({ frames: list, symbol }: Contents, size = 0): Uint8Array {
  const datagram = writeDatagram(list, symbol, size);
  return datagram.slice(PROTECTED_HEADER, datagram.length - PROTECTED_TAG);
}

/** The SYMBOL body of these parts. */
export function symbolBody(parts: SymbolParts): Uint8Array {
  return writeSymbol({
    descriptorBytes: writeDescriptor(parts.descriptor),
    depth: parts.depth,
    index: parts.index,
    signature: parts.signature,
    proof: parts.proof,
    leafBytes: writeLeaf(parts.leaf),
  });
}

export function bytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

/** A set of numbers as ranges, newest first; the simplest way there is. */
export function rangesOf(numbers: readonly number[]): number[] {
  const ranges: number[] = [];
  for (const number of numbers.toSorted((a, b) => b - a))
    if (ranges.length > 0 && ranges[ranges.length - 1] === number + 1) ranges[ranges.length - 1] = number;
    else ranges.push(number, number);
  return ranges;
}

function unsigned(bits: number): fc.Arbitrary<number> {
  const max = 2 ** bits - 1;
  return fc.oneof(fc.constantFrom(0, max), fc.integer({ min: 0, max }));
}
