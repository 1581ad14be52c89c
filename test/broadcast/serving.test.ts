/** Serving: a peer that asks gets fresh symbols, which decode together with those that it holds; and no more than it asked for. */
import { describe, expect, test } from 'vitest';
import { BatchVerifier } from '../../src/broadcast/batch.js';
import { Serving } from '../../src/broadcast/serving.js';
import { Decoder, Encoder, Oti } from '../../src/codec/index.js';
import { Rng } from '../../src/core/rng.js';
import { MAX_SYMBOL_BODY } from '../../src/wire/limits.js';
import { type ObjectId, parseSymbol, SERVED } from '../../src/wire/symbol.js';
import { descriptorOf, storedObject } from './objects.js';
import { smallGroup } from './small-group.js';

const { group } = smallGroup(4);
const ID: ObjectId = { origin: 2, incarnation: 7, seq: 5 };
const bytes = new Rng('served').bytes(40_000);
const object = storedObject(ID, bytes);
const descriptor = descriptorOf(ID, bytes);
const oti = new Oti({ ...descriptor, transferLength: bytes.length });
const K = oti.blockSymbols(0);
const [PEER, OTHER] = [1, 3];
const noLoss = () => 0;

function newServing(): Serving {
  return new Serving(4, new Rng('serving'));
}

/** The next body for a peer, empty if there is none, where there is room for so many bytes. */
function next(serving: Serving, peer: number, room = MAX_SYMBOL_BODY): Uint8Array {
  const target = new Uint8Array(room);
  return target.subarray(0, serving.next(peer, target));
}

/** All that a peer is sent, and what it can read of it. */
function drain(serving: Serving, peer: number): ReturnType<typeof parseSymbol>[] {
  const frames = [];
  for (let body = next(serving, peer); body.length > 0; body = next(serving, peer))
    frames.push(parseSymbol(body));
  return frames;
}

function ask(serving: Serving, peer: number, symbols?: number, loss = 0): string {
  const missing = symbols === undefined ? [] : [{ sbn: 0, symbols }];
  return serving.request(peer, ID, missing, loss);
}

describe('a whole object', () => {
  test('is served once it is read, as it is, with a certificate for each symbol', () => {
    const serving = newServing();
    expect(ask(serving, PEER)).toBe('read');
    expect([serving.has(PEER), next(serving, PEER)]).toEqual([false, new Uint8Array()]);
    serving.onObject(ID, object, noLoss);
    expect(serving.has(PEER)).toBe(true);
    const verifier = new BatchVerifier(group);
    const frames = drain(serving, PEER);
    expect(frames.map(({ leaf }) => leaf.esi)).toEqual(Array.from({ length: K }, (_, esi) => esi));
    for (const frame of frames) {
      expect(frame.depth).toBe(SERVED);
      expect(verifier.verify(0, frame)).toBe('valid');
    }
    expect(Buffer.concat(frames.map(({ leaf }) => leaf.symbol)).subarray(0, bytes.length)).toEqual(
      Buffer.from(bytes),
    );
    expect(serving.has(PEER)).toBe(false);
  });

  test('of several blocks is served block by block, all of them', () => {
    const large = new Rng('large').bytes(1_200_000);
    const served = storedObject(ID, large);
    const serving = newServing();
    ask(serving, PEER);
    serving.onObject(ID, served, noLoss);
    using decoder = new Decoder(new Oti({ ...descriptorOf(ID, large), transferLength: large.length }));
    let complete = false;
    for (const { leaf } of drain(serving, PEER)) complete = decoder.add(leaf.sbn, leaf.esi, leaf.symbol);
    expect(complete).toBe(true);
    expect(Buffer.compare(decoder.object(), large)).toBe(0);
  });

  test('of one symbol is copies of it', () => {
    const small = storedObject(ID, new Uint8Array(100).fill(7));
    const serving = newServing();
    serving.request(PEER, ID, [{ sbn: 0, symbols: 5 }], 0.7);
    serving.onObject(ID, small, noLoss);
    expect(drain(serving, PEER).map(({ leaf }) => leaf.esi)).toEqual([0]);
  });
});

describe('with room for several symbols', () => {
  const room = 4 * MAX_SYMBOL_BODY;

  test('they go together, and are the same as one by one', () => {
    const serving = newServing();
    ask(serving, PEER);
    serving.onObject(ID, object, noLoss);
    const leaves = [];
    for (let body = next(serving, PEER, room); body.length > 0; body = next(serving, PEER, room))
      leaves.push(parseSymbol(body).leaf);
    const most = Math.max(...leaves.map(({ symbol }) => symbol.length / descriptor.symbolSize));
    expect([leaves.map(({ esi }) => esi), most]).toEqual([
      Array.from({ length: Math.ceil(K / most) }, (_, i) => i * most),
      4,
    ]);
    const symbols = Buffer.concat(leaves.map(({ symbol }) => symbol));
    expect(symbols.subarray(0, bytes.length)).toEqual(Buffer.from(bytes));
  });

  test('copies of a single symbol do not', () => {
    const serving = newServing();
    serving.request(PEER, ID, [{ sbn: 0, symbols: 5 }], 0.7);
    const small = storedObject(ID, new Uint8Array(100).fill(7));
    serving.onObject(ID, small, () => 0.7);
    expect(parseSymbol(next(serving, PEER, room)).leaf.symbol).toHaveLength(112);
  });
});

describe('what is missing of an object', () => {
  test('is served with symbols that decode together with any that are held', () => {
    using encoder = new Encoder(bytes, descriptor);
    const serving = newServing();
    for (const held of [1, 10, K - 1]) {
      using decoder = new Decoder(oti);
      for (let i = 0; i < held; i++) decoder.add(0, 3 * i, encoder.symbol(0, 3 * i));
      ask(serving, PEER, K - held + 2);
      serving.onObject(ID, object, noLoss);
      const frames = drain(serving, PEER);
      expect(frames.length).toBeLessThanOrEqual(K - held + 2);
      const complete = frames.some(({ leaf }) => decoder.add(0, leaf.esi, leaf.symbol));
      expect(complete).toBe(true);
      expect(Buffer.compare(decoder.object(), bytes)).toBe(0);
    }
  });

  test('is served to two peers with different symbols, so that neither brings the other nothing', () => {
    const serving = newServing();
    for (const peer of [PEER, OTHER]) ask(serving, peer, 10);
    serving.onObject(ID, object, noLoss);
    const esis = [PEER, OTHER].flatMap((peer) => drain(serving, peer).map(({ leaf }) => leaf.esi));
    expect(new Set(esis).size).toBe(20);
  });

  test('is reckoned with the loss of the path', () => {
    const serving = newServing();
    ask(serving, PEER, 10, 0.5);
    serving.onObject(ID, object, () => 0.5);
    expect(drain(serving, PEER)).toHaveLength(20);
    ask(serving, PEER, 10, 1);
    serving.onObject(ID, object, () => 1);
    expect(drain(serving, PEER)).toHaveLength(40);
  });
});

describe('bounds', () => {
  test('a peer that asks for more symbols than the block has gets no more than that', () => {
    const serving = newServing();
    ask(serving, PEER, 65535);
    serving.onObject(ID, object, noLoss);
    expect(drain(serving, PEER)).toHaveLength(K);
  });

  test('a peer that asks for blocks that are not there gets nothing', () => {
    const serving = newServing();
    serving.request(
      PEER,
      ID,
      [
        { sbn: 3, symbols: 9 },
        { sbn: 0, symbols: 0 },
      ],
      0,
    );
    serving.onObject(ID, object, noLoss);
    expect([serving.has(PEER), drain(serving, PEER)]).toEqual([false, []]);
  });

  test('a peer that asks twice gets what it asked for last, once', () => {
    const serving = newServing();
    ask(serving, PEER, 30);
    serving.onObject(ID, object, noLoss);
    next(serving, PEER);
    expect(ask(serving, PEER, 3)).toBe('ready');
    expect(drain(serving, PEER)).toHaveLength(3);
  });

  test('a peer may ask for 512 objects at once; others are not concerned', () => {
    const serving = newServing();
    const request = (peer: number, seq: number) => serving.request(peer, { ...ID, seq }, [], 0);
    for (let seq = 0; seq < 512; seq++) expect(request(PEER, seq)).toBe('read');
    expect([request(PEER, 512), request(PEER, 0), request(OTHER, 512)]).toEqual(['full', 'read', 'read']);
  });
});

describe('serving ends', () => {
  test('when the peer holds the object', () => {
    const serving = newServing();
    for (const peer of [PEER, OTHER]) ask(serving, peer);
    serving.onObject(ID, object, noLoss);
    serving.drop((peer) => peer === PEER);
    expect([drain(serving, PEER).length, drain(serving, OTHER).length]).toEqual([0, K]);
  });

  test('when the object turns out to be gone: who asked for it may ask again', () => {
    const serving = newServing();
    ask(serving, PEER);
    serving.onObject(ID, undefined, noLoss);
    expect(serving.has(PEER)).toBe(false);
    expect(ask(serving, PEER)).toBe('read');
  });

  test('for an object that nobody waits for before it begins', () => {
    const serving = newServing();
    serving.onObject(ID, object, noLoss);
    expect(ask(serving, PEER)).toBe('read');
  });
});
