/**
 * The format itself, byte for byte: one symbol datagram and one control datagram as hex. If one of these must change,
 * so must WIRE_VERSION, or members of two versions of the program will misread each other.
 */
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { writeControl } from '../../src/wire/control.js';
import { datagramOf, type Header, parseHeader } from '../../src/wire/header.js';
import { HEADER_SIZE, MAX_DATAGRAM, WIRE_VERSION } from '../../src/wire/limits.js';
import { parseSymbol, writeDescriptor, writeLeaf, writeSymbol } from '../../src/wire/symbol.js';

const groupTag = Uint8Array.from([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7]);
const signature = new Uint8Array(64).fill(0x51);
const hash = new Uint8Array(32).fill(0x44);

const symbolHex = [
  '01', // version
  '01', // type: symbol
  'a0a1a2a3a4a5a6a7', // group tag
  '0102', // sender
  '03040506', // packet number
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101112', // seq
  '1314151617', // length
  '0010', // T
  'ff', // Z
  '44'.repeat(32), // object hash
  '01', // proof depth
  '01', // leaf index
  '51'.repeat(64), // signature
  '66'.repeat(20), // proof
  'fe', // SBN
  '18191a', // ESI
  '1b1c', // first hop
  '77'.repeat(16), // symbol
].join('');

const controlHex = [
  '01', // version
  '02', // type: control
  'a0a1a2a3a4a5a6a7', // group tag
  '0102', // sender
  '03040506', // packet number
  '2021', // receiver
  '222324252627', // incarnation
  '28292a2b', // timestamp
  '2c2d2e2f', // echo
  '30313233', // echo delay
  '343536373839', // acked incarnation
  '3a3b3c3d', // received
  '3e3f4041', // highest
  '01', // CONFIRM
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101112', // seq
  '44'.repeat(32), // hash
  '01', // flags: wants an acknowledgement
  '02', // bitmap length
  '8103', // confirmed: members 0, 7, 8, 9
  '02', // PROGRESS
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101113', // seq
  '09', // Z
  '4001', // complete: blocks 6 and 8
  '02', // two entries
  '000100', // block 0 misses 256
  '05ffff', // block 5 misses 65535
  '51'.repeat(64), // signature
].join('');

test('a symbol datagram', () => {
  const descriptor = {
    origin: 0x0708,
    incarnation: 0x090a0b0c0d0e,
    seq: 0x0f101112,
    length: 0x1314151617,
    symbolSize: 16,
    sourceBlocks: 255,
    hash,
  };
  const leaf = { sbn: 254, esi: 0x18191a, firstHop: 0x1b1c, symbol: new Uint8Array(16).fill(0x77) };
  const body = writeSymbol({
    descriptorBytes: writeDescriptor(descriptor),
    index: 1,
    signature,
    proof: new Uint8Array(20).fill(0x66),
    leafBytes: writeLeaf(leaf),
  });
  expect(toHex(datagramOf(outer('symbol'), body))).toBe(symbolHex);
});

test('a control datagram', () => {
  const id = { origin: 0x0708, incarnation: 0x090a0b0c0d0e };
  const datagram = writeControl(
    outer('control'),
    {
      receiver: 0x2021,
      incarnation: 0x222324252627,
      timestamp: 0x28292a2b,
      echo: { timestamp: 0x2c2d2e2f, delay: 0x30313233 },
      ackedIncarnation: 0x343536373839,
      received: 0x3a3b3c3d,
      highest: 0x3e3f4041,
      frames: [
        {
          kind: 'confirm',
          id: { ...id, seq: 0x0f101112 },
          hash,
          wantsAck: true,
          confirmed: Uint8Array.of(0x81, 0x03),
        },
        {
          kind: 'progress',
          id: { ...id, seq: 0x0f101113 },
          sourceBlocks: 9,
          complete: Uint8Array.of(0x40, 0x01),
          missing: [
            { sbn: 0, symbols: 256 },
            { sbn: 5, symbols: 65535 },
          ],
        },
      ],
    },
    () => signature,
  );
  expect(toHex(datagram)).toBe(controlHex);
});

describe('a datagram is malformed', () => {
  const good = fromHex(symbolHex);

  test.each([0, 2, 255])('with version %i', (version) => {
    expect(() => parseHeader(changed(0, version))).toThrow(
      malformed(`version: expected ${WIRE_VERSION}, got ${version}`),
    );
  });

  test.each([0, 3, 255])('of type %i', (type) => {
    expect(() => parseHeader(changed(1, type))).toThrow(malformed(`type: expected 1 or 2, got ${type}`));
  });

  test('of more than 8972 bytes; with that many it is read', () => {
    const longest = new Uint8Array(MAX_DATAGRAM);
    longest.set(good);
    expect(parseHeader(longest).sender).toBe(0x0102);
    expect(() => parseHeader(new Uint8Array(MAX_DATAGRAM + 1))).toThrow(
      malformed('datagram: expected at most 8972 bytes, got 8973'),
    );
  });

  const at = HEADER_SIZE;
  test.each([
    ['an object of no bytes', [[at + 12, 0, 0, 0, 0, 0]], 'length: expected at least 1, got 0'],
    ['symbols of no bytes', [[at + 17, 0, 0]], 'T: expected a multiple of 16, got 0'],
    ['symbols of 17 bytes', [[at + 17, 0, 17]], 'T: expected a multiple of 16, got 17'],
    ['no source block', [[at + 19, 0]], 'Z: expected 1 to the number of symbols, got 0'],
    [
      'more source blocks than symbols',
      [
        [at + 12, 0, 0, 0, 0, 32],
        [at + 19, 3],
      ],
      'Z: expected 1 to the number of symbols, got 3',
    ],
    ['a batch deeper than 5', [[at + 52, 6]], 'proof depth: expected 0 to 5, got 6'],
    ['a place that its batch does not have', [[at + 53, 2]], 'leaf index: expected less than 2, got 2'],
    ['a block that its object does not have', [[at + 138, 255]], 'SBN: expected less than 255, got 255'],
  ])('with %s', (_what, changes, message) => {
    const datagram = good.slice();
    for (const [offset, ...values] of changes) datagram.set(values, offset);
    expect(() => parseSymbol(datagram, HEADER_SIZE)).toThrow(malformed(message));
  });

  test('with more bytes than its symbol has', () => {
    expect(() => parseSymbol(Uint8Array.from([...good, 0]), HEADER_SIZE)).toThrow(
      malformed('leaf: expected its end, got 1 more bytes'),
    );
  });

  function changed(offset: number, value: number): Uint8Array {
    const datagram = good.slice();
    datagram[offset] = value;
    return datagram;
  }
});

function outer(type: Header['type']): Header {
  return { type, groupTag, sender: 0x0102, packetNumber: 0x03040506 };
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

function malformed(message: string): unknown {
  return expect.objectContaining({ name: 'HeadwaterError', code: 'MALFORMED', message });
}
