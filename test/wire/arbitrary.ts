/** Valid headers, frames and datagrams of every kind, for property tests; their values reach the limits of each field. */
import fc from 'fast-check';
import { type Control, type ControlFrame, writeControl } from '../../src/wire/control.js';
import { datagramOf, type Header } from '../../src/wire/header.js';
import { MAX_MEMBERS, MAX_PROGRESS_ENTRIES, NODE_SIZE } from '../../src/wire/limits.js';
import {
  type Descriptor,
  type Leaf,
  type ObjectId,
  writeDescriptor,
  writeLeaf,
  writeSymbol,
} from '../../src/wire/symbol.js';

export const u8 = unsigned(8);
export const u16 = unsigned(16);
export const u24 = unsigned(24);
export const u32 = unsigned(32);
export const u40 = unsigned(40);
export const u48 = unsigned(48);

export const header: fc.Arbitrary<Header> = fc.record({
  type: fc.constantFrom('symbol', 'control'),
  groupTag: bytes(8),
  sender: u16,
  packetNumber: u32,
});

const objectId: fc.Arbitrary<ObjectId> = fc.record({ origin: u16, incarnation: u48, seq: u32 });

const confirmFrame: fc.Arbitrary<ControlFrame> = fc.record({
  kind: fc.constant('confirm'),
  id: objectId,
  hash: bytes(32),
  wantsAck: fc.boolean(),
  confirmed: fc.uint8Array({ maxLength: MAX_MEMBERS / 8 }),
});

const progressFrame: fc.Arbitrary<ControlFrame> = u8.chain((sourceBlocks) =>
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

export const controlFrame = fc.oneof(confirmFrame, progressFrame);

export const control: fc.Arbitrary<Control> = fc.record({
  receiver: u16,
  incarnation: u48,
  timestamp: u32,
  // The delay 2^32 - 1 is the mark of 'no echo'.
  echo: fc.option(fc.record({ timestamp: u32, delay: fc.nat(0xfffffffe) }), { nil: undefined }),
  ackedIncarnation: u48,
  received: u32,
  highest: u32,
  frames: fc.array(controlFrame, { maxLength: 6 }),
});

export interface SymbolParts {
  descriptor: Descriptor;
  depth: number;
  index: number;
  signature: Uint8Array;
  proof: Uint8Array;
  leaf: Leaf;
}

export const symbolParts: fc.Arbitrary<SymbolParts> = fc
  .record({ length: fc.integer({ min: 1, max: 2 ** 40 - 1 }), lanes: fc.integer({ min: 1, max: 80 }) })
  .chain(({ length, lanes }) =>
    fc.record({
      length: fc.constant(length),
      symbolSize: fc.constant(16 * lanes),
      sourceBlocks: fc.integer({ min: 1, max: Math.min(255, Math.ceil(length / (16 * lanes))) }),
      depth: fc.nat(5),
    }),
  )
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
      index: fc.nat(2 ** depth - 1),
      signature: bytes(64),
      proof: bytes(depth * NODE_SIZE),
      leaf: fc.record({ sbn: fc.nat(sourceBlocks - 1), esi: u24, firstHop: u16, symbol: bytes(symbolSize) }),
    }),
  );

export const symbolDatagram = fc
  .tuple(header, symbolParts)
  .map(([outer, parts]) => datagramOf({ ...outer, type: 'symbol' }, symbolBody(parts)));

export const controlDatagram = fc
  .tuple(header, control, bytes(64))
  .map(([outer, inner, signature]) => writeControl({ ...outer, type: 'control' }, inner, () => signature));

/** The SYMBOL body of these parts. */
export function symbolBody(parts: SymbolParts): Uint8Array {
  return writeSymbol({
    descriptorBytes: writeDescriptor(parts.descriptor),
    index: parts.index,
    signature: parts.signature,
    proof: parts.proof,
    leafBytes: writeLeaf(parts.leaf),
  });
}

export function bytes(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

function unsigned(bits: number): fc.Arbitrary<number> {
  const max = 2 ** bits - 1;
  return fc.oneof(fc.constantFrom(0, max), fc.integer({ min: 0, max }));
}
