/** An object that is rebuilt: its hash is taken as it comes in, and is that of all its bytes, whatever the order. */
import { describe, expect, test } from 'vitest';
import { Incoming } from '../../../src/broadcast/spread/incoming.js';
import { Encoder } from '../../../src/codec/index.js';
import { Rng } from '../../../src/core/rng.js';
import { descriptorOf } from '../objects.js';

const ID = { origin: 1, incarnation: 7, seq: 3 };

/** Symbols of a new object, `perBody` in each body, in the order given. */
function transfer(length: number, perBody: number, order: 'in order' | 'shuffled', damage?: number): string {
  const rng = new Rng(`incoming ${length} ${perBody}`);
  const bytes = rng.bytes(length);
  const descriptor = descriptorOf(ID, bytes);
  const incoming = new Incoming(descriptor);
  using encoder = new Encoder(bytes, descriptor);
  const bodies: { sbn: number; esi: number; count: number }[] = [];
  for (let sbn = 0; sbn < descriptor.sourceBlocks; sbn++) {
    const k = encoder.oti.blockSymbols(sbn);
    for (let esi = 0; esi < k; esi += perBody) bodies.push({ sbn, esi, count: Math.min(perBody, k - esi) });
  }
  let result = 'added';
  let at = 0;
  for (const { sbn, esi, count } of order === 'shuffled' ? rng.shuffle(bodies) : bodies) {
    const symbol = encoder.symbolsInto(sbn, esi, count, new Uint8Array(count * descriptor.symbolSize));
    if (damage !== undefined && damage >= at && damage < at + symbol.length) symbol[damage - at] ^= 1;
    at += symbol.length;
    expect(result).toBe('added');
    result = incoming.add({ sbn, esi, firstHop: 0xffff, symbol });
  }
  if (result === 'complete') expect(incoming.bytes).toEqual(bytes);
  return result;
}

describe.each([1, 500, 33_000, 700_000])('an object of %i bytes', (length) => {
  test.each([
    ['in order', 1],
    ['in order', 9],
    ['shuffled', 1],
    ['shuffled', 9],
  ] as const)('is complete with its symbols %s, %i together', (order, perBody) => {
    expect(transfer(length, perBody, order)).toBe('complete');
  });

  test.each(['in order', 'shuffled'] as const)('is tainted by one wrong bit, first or last, %s', (order) => {
    expect(transfer(length, 9, order, 0)).toBe('tainted');
    expect(transfer(length, 9, 'in order', length - 1)).toBe('tainted');
  });
});

test('what a peer has reported is no part of the datagram, whose memory the next one is written to', () => {
  const incoming = new Incoming(descriptorOf(ID, new Uint8Array(5000)));
  const complete = Uint8Array.of(1);
  incoming.onProgress(2, { kind: 'progress', id: ID, sourceBlocks: 1, complete, missing: [] });
  complete.fill(0);
  expect(incoming.peerHasBlock(2, 0)).toBe(true);
});
