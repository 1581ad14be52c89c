/** Serving: a peer that asks gets fresh symbols, which decode together with those that it holds; and no more than it asked for. */

import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../../src/broadcast/metrics.js';
import { BatchVerifier } from '../../../../src/broadcast/proof/batch.js';
import type { SpreadDrop } from '../../../../src/broadcast/spread/drops.js';
import { Serving, type ServingOptions } from '../../../../src/broadcast/spread/serving/serving.js';
import { MAX_WORK, WORK_RATE } from '../../../../src/broadcast/spread/serving/work.js';
import { Decoder, Encoder, Oti } from '../../../../src/codec/index.js';
import { Rng } from '../../../../src/core/rng.js';
import type { StoredObject } from '../../../../src/store/store.js';
import { DATAGRAM_SIZE } from '../../../../src/wire/limits.js';
import { type ObjectId, SERVED, type SymbolFrame } from '../../../../src/wire/symbol.js';
import { descriptorOf, storedObject } from '../../objects.js';
import { smallGroup } from '../../small-group.js';
import { Way } from '../../way.js';

const { group } = smallGroup(4);
const ID: ObjectId = { origin: 2, incarnation: 7, seq: 5 };
const bytes = new Rng('served').bytes(40_000);
const object = storedObject(ID, bytes);
const descriptor = descriptorOf(ID, bytes);
const oti = new Oti({ ...descriptor, transferLength: bytes.length });
const K = oti.blockSymbols(0);
const [PEER, OTHER] = [1, 3];
const metrics = createMetrics<SpreadDrop>();

/** Of members that hold nothing yet, over paths without loss. */
function newServing(options: Partial<ServingOptions> = {}): Serving {
  return new Serving(
    {
      members: 4,
      rng: new Rng('serving'),
      lossOf: () => 0,
      isHeldBy: () => false,
      mostBytes: () => bytes.length,
      ...options,
    },
    metrics,
  );
}

/** All objects that are due to be read now. */
function reads(serving: Serving, now = 0): number[] {
  const all = [];
  for (let id = serving.nextRead(now); id; id = serving.nextRead(now)) all.push(id.seq);
  return all;
}

/** Reads what is due: `object` under each name. */
function give(serving: Serving, stored: StoredObject | undefined = object, now = 0): void {
  for (let id = serving.nextRead(now); id; id = serving.nextRead(now)) serving.onObject(now, id, stored);
}

/** All that a peer is sent in datagrams of so many bytes. */
function drain(serving: Serving, peer: number, size = DATAGRAM_SIZE): SymbolFrame[] {
  const way = new Way();
  const frames = [];
  const next = () => {
    const beside = new Set<object>();
    return way.next((writer) => serving.next(0, peer, writer, beside), size);
  };
  for (let taken = next(); taken.length > 0; taken = next()) frames.push(...taken.map(({ frame }) => frame));
  return frames;
}

/** A peer takes one symbol. */
function takeOne(serving: Serving, peer = PEER, now = 0): void {
  new Way().next((writer) => serving.next(now, peer, writer));
}

function ask(serving: Serving, peer: number, symbols?: number, now = 0): void {
  serving.request(now, peer, ID, symbols === undefined ? [] : [{ sbn: 0, symbols }]);
}

describe('a whole object', () => {
  test('is served once it is read, as it is, with a certificate for each symbol', () => {
    const serving = newServing();
    ask(serving, PEER);
    expect([serving.has(PEER), drain(serving, PEER)]).toEqual([false, []]);
    give(serving);
    expect(serving.has(PEER)).toBe(true);
    const verifier = new BatchVerifier(group);
    const frames = drain(serving, PEER);
    expect(frames.map(({ leaf }) => leaf.esi)).toEqual(Array.from({ length: K }, (_, esi) => esi));
    for (const frame of frames) {
      expect(frame.depth).toBe(SERVED);
      expect(verifier.verify(0, 0, frame)).toBe('valid');
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
    give(serving, served);
    using decoder = new Decoder(new Oti({ ...descriptorOf(ID, large), transferLength: large.length }));
    let complete = false;
    for (const { leaf } of drain(serving, PEER)) complete = decoder.add(leaf.sbn, leaf.esi, leaf.symbol);
    expect(complete).toBe(true);
    expect(Buffer.compare(decoder.object(), large)).toBe(0);
  });

  test('of one symbol is copies of it', () => {
    const small = storedObject(ID, new Uint8Array(100).fill(7));
    const serving = newServing();
    ask(serving, PEER, 5);
    give(serving, small);
    expect(drain(serving, PEER).map(({ leaf }) => leaf.esi)).toEqual([0]);
  });
});

describe('with room for several symbols', () => {
  const room = 4 * DATAGRAM_SIZE;

  test('they go together, and are the same as one by one', () => {
    const serving = newServing();
    ask(serving, PEER);
    give(serving);
    const leaves = drain(serving, PEER, room).map(({ leaf }) => leaf);
    const most = Math.max(...leaves.map(({ symbol }) => symbol.length / descriptor.symbolSize));
    expect([leaves.map(({ esi }) => esi), most]).toEqual([
      Array.from({ length: Math.ceil(K / most) }, (_, i) => i * most),
      4,
    ]);
    const symbols = Buffer.concat(leaves.map(({ symbol }) => symbol));
    expect(symbols.subarray(0, bytes.length)).toEqual(Buffer.from(bytes));
  });

  test('copies of a single symbol do not', () => {
    const serving = newServing({ lossOf: () => 0.7 });
    ask(serving, PEER, 5);
    give(serving, storedObject(ID, new Uint8Array(100).fill(7)));
    for (const { leaf } of drain(serving, PEER, room)) expect(leaf.symbol).toHaveLength(112);
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
      give(serving);
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
    give(serving);
    const esis = [PEER, OTHER].flatMap((peer) => drain(serving, peer).map(({ leaf }) => leaf.esi));
    expect(new Set(esis).size).toBe(20);
  });

  test('is reckoned with the loss of the path', () => {
    let loss = 0.5;
    const serving = newServing({ lossOf: () => loss });
    ask(serving, PEER, 10);
    give(serving);
    expect(drain(serving, PEER)).toHaveLength(20);
    loss = 1;
    ask(serving, PEER, 10);
    give(serving);
    expect(drain(serving, PEER)).toHaveLength(40);
  });
});

describe('bounds', () => {
  test('a peer that asks for more symbols than the block has gets no more than that', () => {
    const serving = newServing();
    ask(serving, PEER, 65535);
    give(serving);
    expect(drain(serving, PEER)).toHaveLength(K);
  });

  test('a peer that asks for blocks that are not there gets nothing', () => {
    const serving = newServing();
    serving.request(0, PEER, ID, [
      { sbn: 3, symbols: 9 },
      { sbn: 0, symbols: 0 },
    ]);
    give(serving);
    expect([serving.has(PEER), drain(serving, PEER)]).toEqual([false, []]);
  });

  test('a peer that asks twice gets what it asked for last, once', () => {
    const serving = newServing();
    ask(serving, PEER, 30);
    give(serving);
    takeOne(serving);
    ask(serving, PEER, 3);
    expect(drain(serving, PEER)).toHaveLength(3);
  });

  test('a peer may ask for 512 objects at once; others are not concerned', () => {
    const serving = newServing({ mostBytes: () => 1 });
    const request = (peer: number, seq: number) => serving.request(0, peer, { ...ID, seq }, []);
    for (let seq = 0; seq < 512; seq++) request(PEER, seq);
    const before = metrics.drops['pull-quota'] ?? 0;
    request(PEER, 512);
    request(PEER, 0);
    request(OTHER, 512);
    expect([metrics.drops['pull-quota'], reads(serving).length]).toEqual([before + 1, 513]);
  });
});

describe('memory', () => {
  const MiB = 1024 * 1024;

  test.each([
    ['4 MiB of small objects', MiB, 4],
    ['one larger object', 5 * MiB, 1],
    ['one of unknown size', Number.POSITIVE_INFINITY, 1],
  ])('holds %s for a peer that takes nothing, and as much for another', (_what, size, count) => {
    const serving = newServing({ mostBytes: () => size });
    for (const peer of [PEER, OTHER])
      for (let seq = 0; seq < 30; seq++) serving.request(0, peer, { ...ID, seq: 100 * peer + seq }, []);
    expect(reads(serving)).toHaveLength(2 * count);
  });

  test('holds 64 MiB for all peers together, but for one object of each', () => {
    const members = 40;
    const serving = newServing({ members, mostBytes: () => 3 * MiB });
    for (let peer = 1; peer < members; peer++)
      for (const seq of [0, 1]) serving.request(0, peer, { ...ID, seq: 2 * peer + seq }, []);
    expect(reads(serving)).toHaveLength(members - 1);
  });

  test('is used again, in the order of the requests, as objects have been served', () => {
    const serving = newServing({ mostBytes: () => 5 * MiB });
    for (const seq of [5, 6, 7]) serving.request(0, PEER, { ...ID, seq }, []);
    const order = [];
    for (let id = serving.nextRead(0); id; id = serving.nextRead(0)) {
      order.push(id.seq);
      serving.onObject(0, id, object);
      // What was reckoned with is more than what it takes.
      drain(serving, PEER);
    }
    expect(order).toEqual([5, 6, 7]);
  });
});

describe('a peer that asks for the same again and again', () => {
  const PERIOD = 10e6;
  const served = (serving: Serving, now: number): number => {
    let symbols = 0;
    for (let i = 0; i < 10; i++) {
      ask(serving, PEER, undefined, now);
      give(serving, object, now);
      symbols += drain(serving, PEER).length;
    }
    return symbols;
  };

  test('gets it five times over, and then no more for ten seconds', () => {
    const serving = newServing();
    expect(served(serving, 0)).toBe(5 * K);
    expect([served(serving, PERIOD - 1), served(serving, PERIOD)]).toEqual([0, 5 * K]);
  });

  test('gets as much more as is lost on the way', () => {
    expect(served(newServing({ lossOf: () => 0.5 }), 0)).toBe(10 * K);
  });

  test('does not lose what it is being sent by asking again', () => {
    const serving = newServing();
    for (let i = 0; i < 20; i++) {
      ask(serving, PEER);
      give(serving);
      takeOne(serving);
    }
    expect(serving.has(PEER)).toBe(true);
  });
});

describe('a peer that asks for a little of each block, of large objects, and takes that', () => {
  const large = new Rng('large').bytes(16_000_000);
  const served = storedObject(ID, large);
  const { sourceBlocks } = descriptorOf(ID, large);
  const little = Array.from({ length: sourceBlocks }, (_, sbn) => ({ sbn, symbols: 1 }));

  /** How many objects are read for it at this time. */
  function readsFor(serving: Serving, peer: number, now: number): number {
    let count = 0;
    for (let seq = 0; seq < 200; seq++) {
      serving.request(now, peer, { ...ID, seq }, little);
      serving.handleTimeout(now);
      for (let id = serving.nextRead(now); id; id = serving.nextRead(now), count++)
        serving.onObject(now, id, served);
      serving.forget(peer);
    }
    return count;
  }

  test('has so much read and solved in a while, and then as time goes on; another is not held up', () => {
    const serving = newServing({ mostBytes: () => large.length });
    const each = 2 * large.length;
    expect(readsFor(serving, PEER, 0)).toBe(Math.ceil(MAX_WORK / each));
    expect(readsFor(serving, PEER, 10e6)).toBe(Math.round((10 * WORK_RATE) / each));
    expect(readsFor(serving, OTHER, 10e6)).toBe(Math.ceil(MAX_WORK / each));
  });

  test('is not refused what has to wait: it comes in its turn', () => {
    const serving = newServing({ mostBytes: () => large.length });
    readsFor(serving, PEER, 0);
    serving.request(0, PEER, ID, little);
    expect(reads(serving, 1000)).toEqual([]);
    serving.handleTimeout(5e6);
    expect(reads(serving, 5e6)).toEqual([ID.seq]);
  });
});

describe('serving ends', () => {
  test('when the peer holds the object', () => {
    const holders = new Set<number>();
    const serving = newServing({ isHeldBy: (peer) => holders.has(peer) });
    for (const peer of [PEER, OTHER]) ask(serving, peer);
    give(serving);
    holders.add(PEER);
    expect([drain(serving, PEER).length, drain(serving, OTHER).length]).toEqual([0, K]);
  });

  test('not for a peer that has always said that it holds it: its disk has lost it', () => {
    const serving = newServing({ isHeldBy: () => true });
    ask(serving, PEER);
    give(serving);
    expect(drain(serving, PEER)).toHaveLength(K);
  });

  test('when the object turns out to be gone: who asked for it may ask again', () => {
    const serving = newServing();
    ask(serving, PEER);
    serving.onObject(0, serving.nextRead(0)!, undefined);
    expect(serving.has(PEER)).toBe(false);
    ask(serving, PEER);
    expect(serving.nextRead(0)).toEqual(ID);
  });

  test('for a peer that takes nothing for ten seconds, not for one that does', () => {
    const serving = newServing();
    for (const peer of [PEER, OTHER]) ask(serving, peer);
    give(serving);
    takeOne(serving, OTHER, 9e6);
    serving.handleTimeout(10e6);
    expect([serving.has(PEER), serving.has(OTHER)]).toEqual([false, true]);
  });

  test('not for one that has only just begun to ask', () => {
    const serving = newServing();
    ask(serving, PEER, undefined, 20e6);
    give(serving);
    serving.handleTimeout(20e6 + 1);
    expect(serving.has(PEER)).toBe(true);
  });

  test('with the session of the peer', () => {
    const serving = newServing();
    ask(serving, PEER);
    give(serving);
    serving.forget(PEER);
    expect([serving.has(PEER), drain(serving, PEER)]).toEqual([false, []]);
  });

  test('for an object that nobody waits for before it begins', () => {
    const serving = newServing();
    serving.onObject(0, ID, object);
    ask(serving, PEER);
    expect(serving.nextRead(0)).toEqual(ID);
  });
});

test('a peer that may not have more of an object does not take it from the one asking with it', () => {
  const serving = newServing();
  // All that it may have for a while, and the object is let go of.
  for (let i = 0; i < 20; i++) {
    ask(serving, PEER);
    give(serving);
    drain(serving, PEER);
  }
  ask(serving, PEER);
  ask(serving, OTHER);
  expect(reads(serving)).toEqual([ID.seq, ID.seq]);
  serving.onObject(0, ID, object);
  expect(drain(serving, PEER)).toEqual([]);
  expect(drain(serving, OTHER)).toHaveLength(K);
});
