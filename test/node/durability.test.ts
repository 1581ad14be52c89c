/**
 * What one endpoint promises, and what it does first: an object is in its store before anyone hears of it, a quorum has it
 * before it is delivered, and who lacks it gets it from the store, or is told that it is gone.
 */
import { describe, expect, test } from 'vitest';
import { Decoder, Oti } from '../../src/codec/index.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { MemoryStore } from '../../src/store/memory.js';
import { type StoredObject, type StoreWrite, storedSize } from '../../src/store/store.js';
import { type ObjectId, objectKey, parseSymbol } from '../../src/wire/symbol.js';
import { parcelOf, storedObject, textsOf } from '../broadcast/objects.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench, type BenchOptions } from './peer.js';
import { chainOf, entryOf, servedSymbols, signedSymbols } from './traffic.js';

const SELF = 0;
const ORIGIN = 1;
const STREAM = { origin: ORIGIN, incarnation: 7 };
const OWN = { origin: SELF, incarnation: 1 };
/** Five members: a quorum is three. */
const members = smallGroup(5);
const PEERS = [1, 2, 3, 4];

function newBench(options: Partial<BenchOptions> = {}): Bench {
  return new Bench({ ...members, self: SELF, ...options }).open();
}

/** ORIGIN sends an object, whole. */
function broadcast(bench: Bench, seq: number, bytes: Uint8Array): void {
  bench.peer(ORIGIN).sendSymbols(signedSymbols(members, { ...STREAM, seq }, bytes));
}

function confirm(bench: Bench, peers: number[], objects: Uint8Array[]): void {
  for (const peer of peers) bench.peer(peer).confirm(entryOf(STREAM, objects));
}

function delivered(bench: Bench): string[] {
  return textsOf(bench.eventsOf('deliver').map(({ bytes }) => bytes));
}

function symbolsHeard(bench: Bench): number {
  return PEERS.reduce((sum, peer) => sum + bench.peer(peer).symbols().length, 0);
}

/** Gives `object` to the bench as often as it asks these members for it. */
function serve(bench: Bench, peers: number[], object: StoredObject): void {
  const served = servedSymbols(object);
  for (let i = 0; i < 20; i++) {
    bench.run(50 * MILLISECOND);
    for (const peer of peers) {
      bench.peer(peer).send([{ kind: 'ping' }]);
      for (const _ of bench.peer(peer).takePulls()) bench.peer(peer).sendSymbols(served);
    }
  }
}

const text = (content: string) => new TextEncoder().encode(content);
const first = parcelOf('one', 'two');
const second = parcelOf('three');

describe('durable', () => {
  test('comes before the first send of an object of ours', () => {
    const bench = newBench();
    bench.holdsCommits = true;
    const ticket = bench.submit(text('hello'));
    bench.run(SECOND);
    expect([symbolsHeard(bench), bench.eventsOf('durable')]).toEqual([0, []]);
    expect(PEERS.map((peer) => bench.peer(peer).told(OWN)?.count ?? 0)).toEqual([0, 0, 0, 0]);
    bench.release();
    expect(bench.eventsOf('durable')).toEqual([
      { type: 'durable', id: { ...OWN, seq: 0 }, tickets: [ticket] },
    ]);
    bench.run(100 * MILLISECOND);
    expect(symbolsHeard(bench)).toBeGreaterThan(0);
  });

  test("comes before the confirm of another's", () => {
    const bench = newBench();
    bench.holdsCommits = true;
    broadcast(bench, 0, first);
    bench.run(SECOND);
    expect(PEERS.map((peer) => bench.peer(peer).told(STREAM)?.count ?? 0)).toEqual([0, 0, 0, 0]);
    bench.release();
    bench.run(100 * MILLISECOND);
    for (const peer of PEERS) expect(bench.peer(peer).told(STREAM)).toEqual(entryOf(STREAM, [first]));
  });

  test("is not waited for to say that nothing of another's is missing: nobody needs to send more of it", () => {
    const bench = newBench();
    bench.holdsCommits = true;
    broadcast(bench, 0, first);
    bench.run(SECOND);
    expect(bench.peer(ORIGIN).frames('progress').at(-1)).toMatchObject({
      id: { ...STREAM, seq: 0 },
      complete: new Uint8Array([1]),
      missing: [],
    });
  });

  test('comes before delivery, even if everybody else has confirmed', () => {
    const bench = newBench();
    bench.holdsCommits = true;
    broadcast(bench, 0, first);
    confirm(bench, PEERS, [first]);
    bench.run(SECOND);
    expect(delivered(bench)).toEqual([]);
    bench.release();
    expect(delivered(bench)).toEqual(['one', 'two']);
  });

  test('is one commit for all that was submitted while another was under way', () => {
    const bench = newBench();
    bench.holdsCommits = true;
    bench.submit(text('a'));
    for (const content of ['b', 'c', 'd']) bench.submit(text(content));
    bench.release();
    expect(bench.eventsOf('durable').map(({ id, tickets }) => [id.seq, tickets.length])).toEqual([
      [0, 1],
      [1, 3],
    ]);
  });
});

describe('delivery', () => {
  test("of another's object waits for a quorum: ourselves, its origin and one more", () => {
    const bench = newBench();
    broadcast(bench, 0, first);
    bench.run(SECOND);
    expect(delivered(bench)).toEqual([]);
    confirm(bench, [3], [first]);
    expect(delivered(bench)).toEqual(['one', 'two']);
  });

  test('of our own waits for two others', () => {
    const bench = newBench();
    bench.submit(text('ours'));
    const stored = bench.store.read({ ...OWN, seq: 0 })!;
    bench.peer(2).confirm(entryOf(OWN, [stored.bytes]));
    expect(delivered(bench)).toEqual([]);
    bench.peer(4).confirm(entryOf(OWN, [stored.bytes]));
    expect(delivered(bench)).toEqual(['ours']);
  });

  test('does not count who confirms something else', () => {
    const bench = newBench();
    broadcast(bench, 0, first);
    confirm(bench, [2], [second]);
    expect(delivered(bench)).toEqual([]);
  });

  test('goes on when the consumer is done, and after a crash with the message that it was not done with', () => {
    const bench = newBench();
    bench.consumes = false;
    broadcast(bench, 0, first);
    confirm(bench, [2, 3], [first]);
    bench.run(SECOND);
    expect(delivered(bench)).toEqual(['one']);
    bench.consume();
    expect(delivered(bench)).toEqual(['two']);
    // The cursor is stored within so long, if nothing else is.
    bench.run(250 * MILLISECOND);

    const again = newBench({ store: bench.store, incarnation: 6 });
    confirm(again, [2, 3], [first]);
    expect(again.eventsOf('deliver').map(({ id }) => [id.seq, id.index])).toEqual([[0, 1]]);
    again.run(250 * MILLISECOND);
    const last = newBench({ store: bench.store, incarnation: 7 });
    confirm(last, [2, 3], [first]);
    expect(delivered(last)).toEqual([]);
  });
});

describe('a member that asks', () => {
  const large = parcelOf('x'.repeat(5000));

  /** What a peer can make of the symbols that it was served. */
  function rebuilt(bench: Bench, peer: number): Uint8Array | undefined {
    const frames = bench.peer(peer).symbols().map(parseSymbol);
    if (frames.length === 0) return undefined;
    const { descriptor } = frames[0];
    using decoder = new Decoder(new Oti({ ...descriptor, transferLength: descriptor.length }));
    return frames.some(({ leaf }) => decoder.add(leaf.sbn, leaf.esi, leaf.symbol))
      ? decoder.object()
      : undefined;
  }

  test("is served another's object, whose origin is gone", () => {
    const bench = newBench();
    broadcast(bench, 0, large);
    bench.run(10 * SECOND);
    bench.clear();
    bench.peer(4).send([{ kind: 'pull', id: { ...STREAM, seq: 0 }, missing: [] }]);
    bench.run(100 * MILLISECOND);
    expect(rebuilt(bench, 4)).toEqual(large);
  });

  test('is served from the store after a restart, our own too, though it was never sent', () => {
    const before = newBench();
    before.holdsCommits = true;
    before.submit(text('y'.repeat(5000)));
    before.release();
    const own = before.store.read({ ...OWN, seq: 0 })!;

    const bench = newBench({ store: before.store, incarnation: 6 });
    bench.run(100 * MILLISECOND);
    expect(bench.peer(4).told(OWN) ?? entryOf(OWN, [own.bytes])).toEqual(entryOf(OWN, [own.bytes]));
    bench.clear();
    bench.peer(4).send([{ kind: 'pull', id: { ...OWN, seq: 0 }, missing: [] }]);
    bench.run(100 * MILLISECOND);
    expect(rebuilt(bench, 4)).toEqual(own.bytes);
    // Its number is not given again.
    bench.submit(text('next'));
    expect(bench.eventsOf('durable').map(({ id }) => id.seq)).toEqual([1]);
  });

  test('for what every member has had is told that it is gone', () => {
    const bench = newBench();
    broadcast(bench, 0, first);
    broadcast(bench, 1, second);
    confirm(bench, PEERS, [first, second]);
    bench.run(2 * SECOND);
    expect(bench.store.read({ ...STREAM, seq: 0 })).toBeUndefined();
    bench.peer(4).send([{ kind: 'pull', id: { ...STREAM, seq: 0 }, missing: [] }]);
    bench.run(100 * MILLISECOND);
    const chain = chainOf([first, second]);
    expect(bench.peer(4).frames('gone')).toEqual([{ kind: 'gone', ...STREAM, base: 2, chain }]);
    expect(bench.peer(4).symbols()).toEqual([]);
  });
});

describe('what we lack', () => {
  const objects = ['a', 'b', 'c', 'd'].map((content) => parcelOf(content));
  const stored = objects.map((bytes, seq) => storedObject({ ...STREAM, seq }, bytes, members));

  /** The others answer our PULLs: with the objects from `base` on, and GONE for those below. */
  function answer(bench: Bench, peers: number[], base: number): void {
    for (const peer of peers)
      for (const { id } of bench.peer(peer).takePulls())
        if (id.seq >= base) bench.peer(peer).sendSymbols(servedSymbols(stored[id.seq]));
        else
          bench.peer(peer).send([{ kind: 'gone', ...STREAM, base, chain: chainOf(objects.slice(0, base)) }]);
  }

  test('is asked for of who says that it holds it, and comes although its origin is silent', () => {
    const bench = newBench();
    confirm(bench, [2, 3], objects);
    for (let i = 0; i < 40; i++) {
      bench.run(50 * MILLISECOND);
      expect(bench.peer(4).takePulls()).toEqual([]);
      answer(bench, [2, 3], 0);
    }
    expect(delivered(bench)).toEqual(['a', 'b', 'c', 'd']);
    bench.run(100 * MILLISECOND);
    expect(bench.peer(4).told(STREAM)).toEqual(entryOf(STREAM, objects));
  });

  test('and nobody keeps any more is lost, said so, and the rest is delivered', () => {
    const bench = newBench();
    for (const peer of [2, 3]) bench.peer(peer).confirm(entryOf(STREAM, objects, 2));
    for (let i = 0; i < 40; i++) {
      bench.run(50 * MILLISECOND);
      answer(bench, [2, 3], 2);
    }
    const events = bench.events();
    expect(events.filter(({ type }) => type === 'lost')).toEqual([
      { type: 'lost', member: STREAM.origin, incarnation: STREAM.incarnation, from: 0, to: 2 },
    ]);
    expect(textsOf(events.flatMap((event) => (event.type === 'deliver' ? [event.bytes] : [])))).toEqual([
      'c',
      'd',
    ]);
  });

  test('is asked for of nobody that has let go of it, its origin neither, while another keeps it', () => {
    const bench = newBench();
    bench.peer(ORIGIN).confirm(entryOf(STREAM, objects, 4));
    bench.peer(2).confirm(entryOf(STREAM, objects));
    // For three seconds it is believed to.
    for (let i = 0; i < 25; i++) {
      bench.run(100 * MILLISECOND);
      for (const peer of [ORIGIN, 2]) bench.peer(peer).send([{ kind: 'ping' }]);
    }
    expect([ORIGIN, 2].map((peer) => bench.peer(peer).takePulls().length > 0)).toEqual([false, true]);
  });

  test('is not lost by the word of one that was asked while another keeps it', () => {
    const bench = newBench();
    confirm(bench, [2, 3], objects);
    const asked = () => bench.peer(2).takePulls().length > 0;
    for (let i = 0, isAsked = asked(); i < 100 && !isAsked; i++, isAsked = asked())
      bench.run(10 * MILLISECOND);
    bench.peer(2).confirm(entryOf(STREAM, objects, 2));
    bench.peer(2).send([{ kind: 'gone', ...STREAM, base: 2, chain: chainOf(objects.slice(0, 2)) }]);
    expect(bench.drops()).toEqual({});
    expect(bench.eventsOf('lost')).toEqual([]);
  });

  test('is not lost by the word of as many as may lie, only of one more', () => {
    const bench = newBench(smallGroup(5, 'one may lie', { byzantine: 1 }));
    for (const peer of [2, 3]) bench.peer(peer).confirm(entryOf(STREAM, objects, 2));
    const say = (peer: number) => {
      bench.run(50 * MILLISECOND);
      answer(bench, [peer], 2);
    };

    for (let i = 0; i < 40; i++) say(2);
    const byOne = bench.eventsOf('lost');
    for (let i = 0; i < 40; i++) say(3);

    expect(byOne).toEqual([]);
    expect(bench.eventsOf('lost')).toEqual([
      { type: 'lost', member: STREAM.origin, incarnation: STREAM.incarnation, from: 0, to: 2 },
    ]);
  });

  test('is not lost while one member that is there keeps it', () => {
    const bench = newBench();
    bench.peer(2).confirm(entryOf(STREAM, objects, 2));
    bench.peer(3).confirm(entryOf(STREAM, objects));
    bench.peer(2).send([{ kind: 'gone', ...STREAM, base: 2, chain: chainOf(objects.slice(0, 2)) }]);
    for (let i = 0; i < 40; i++) {
      bench.run(50 * MILLISECOND);
      answer(bench, [2], 2);
      answer(bench, [3], 0);
    }
    const events = bench.events();
    expect(events.filter(({ type }) => type === 'lost')).toEqual([]);
    expect(events.filter(({ type }) => type === 'deliver')).toHaveLength(4);
  });
});

describe('the bound of the store', () => {
  const bytes = (seq: number) => parcelOf(`${seq}`.padStart(100));

  test('makes it drop the oldest that a quorum holds, and say who lacks them', () => {
    const bench = newBench({ maxStoredBytes: 140 * storedSize(bytes(0).length) });
    const objects = Array.from({ length: 200 }, (_, seq) => bytes(seq));
    objects.forEach((object, seq) => {
      broadcast(bench, seq, object);
      if (seq % 10 === 9) confirm(bench, [2, 3], objects.slice(0, seq + 1));
    });
    bench.peer(4).confirm(entryOf(STREAM, objects.slice(0, 9)));
    bench.run(2 * SECOND);
    expect(bench.eventsOf('overflow')).toEqual([
      { type: 'overflow', member: STREAM.origin, incarnation: STREAM.incarnation, to: 128, lacking: [4] },
    ]);
    expect(bench.endpoint.metrics.overflowed).toBe(128);
    expect([bench.store.read({ ...STREAM, seq: 127 }), bench.store.read({ ...STREAM, seq: 128 })]).toEqual([
      undefined,
      expect.objectContaining({ bytes: objects[128] }),
    ]);
    expect(bench.peer(4).told(STREAM)).toEqual(entryOf(STREAM, objects, 128));
  });

  test('never makes it drop what is not delivered', () => {
    const bench = newBench({ maxStoredBytes: 1000 });
    for (let seq = 0; seq < 200; seq++) broadcast(bench, seq, bytes(seq));
    bench.run(2 * SECOND);
    expect(bench.eventsOf('overflow')).toEqual([]);
    expect(bench.store.read({ ...STREAM, seq: 0 })).toBeDefined();
  });

  test("keeps what nobody confirms to its origin's share of it", () => {
    const bench = newBench({ maxStoredBytes: 25_000 });
    for (let seq = 0; seq < 200; seq++) broadcast(bench, seq, bytes(seq));
    // A fifth, and the object that went beyond it.
    expect(bench.store.loaded().bytes).toBeLessThan(5000 + 2 * storedSize(bytes(0).length));
    expect(bench.drops()['store-quota']).toBeGreaterThan(180);
  });
});

describe('a store without room', () => {
  const [large, larger] = [new Rng('large').bytes(700), new Rng('larger').bytes(700)].map((noise) =>
    parcelOf(
      Buffer.from(noise)
        .toString('latin1')
        .replaceAll(/[^ -~]/g, 'x'),
    ),
  );

  test('is said once; nothing more is confirmed until there is room, and then all of it', () => {
    const bench = newBench({ store: new MemoryStore(1, 2000) });
    broadcast(bench, 0, large);
    broadcast(bench, 1, larger);
    bench.run(3 * SECOND);
    expect(bench.eventsOf('store-full')).toEqual([{ type: 'store-full', full: true }]);
    expect(bench.peer(3).told(STREAM)?.count).toBe(1);

    // The first is with everyone, so it may go, and makes room for the second.
    confirm(bench, PEERS, [large]);
    bench.run(3 * SECOND);
    expect(bench.eventsOf('store-full')).toEqual([{ type: 'store-full', full: false }]);
    expect(bench.peer(3).told(STREAM)?.count).toBe(2);
    expect(bench.store.read({ ...STREAM, seq: 1 })?.bytes).toEqual(larger);
  });

  test('keeps messages of ours waiting, unsent, and loses none', () => {
    const bench = newBench({ store: new MemoryStore(1, 2000) });
    broadcast(bench, 0, large);
    const ticket = bench.submit(new Uint8Array(400));
    bench.run(3 * SECOND);
    expect(symbolsHeard(bench)).toBe(0);
    confirm(bench, PEERS, [large]);
    bench.run(3 * SECOND);
    expect(bench.eventsOf('durable')).toEqual([
      { type: 'durable', id: { ...OWN, seq: 0 }, tickets: [ticket] },
    ]);
    expect(symbolsHeard(bench)).toBeGreaterThan(0);
  });
});

describe('an object in the store that is damaged', () => {
  test('is fetched again from the others before it is delivered', () => {
    const before = newBench();
    broadcast(before, 0, first);
    before.run(100 * MILLISECOND);
    const bench = newBench({ store: before.store, incarnation: 6 });
    bench.store.apply([{ type: 'drop', stream: STREAM, from: 0 }]);
    confirm(bench, [2, 3], [first]);
    const served = servedSymbols(storedObject({ ...STREAM, seq: 0 }, first, members));
    for (let i = 0; i < 40; i++) {
      bench.run(50 * MILLISECOND);
      for (const peer of [2, 3])
        for (const _ of bench.peer(peer).takePulls()) bench.peer(peer).sendSymbols(served);
    }
    expect(delivered(bench)).toEqual(['one', 'two']);
    expect(bench.store.read({ ...STREAM, seq: 0 })?.bytes).toEqual(first);
  });
});

describe('an object that the disk damages while we run', () => {
  /** A disk that no longer gives some objects as they were written, until they are written anew. */
  class BadDisk extends MemoryStore {
    readonly damaged = new Set<string>();

    override apply(writes: readonly StoreWrite[]): number {
      for (const write of writes) if (write.type === 'object') this.damaged.delete(objectKey(write.object));
      return super.apply(writes);
    }

    override read(id: ObjectId): StoredObject | undefined {
      return this.damaged.has(objectKey(id)) ? undefined : super.read(id);
    }
  }

  const own = { ...OWN, seq: 0 };
  const others = { ...STREAM, seq: 0 };

  /** Two objects of ours are durable and have gone nowhere; we have restarted, and the first is damaged. */
  function withOwn(): { bench: Bench; disk: BadDisk; objects: Uint8Array[] } {
    const disk = new BadDisk(1);
    const before = newBench({ store: disk });
    before.submit(text('mine'));
    before.submit(text('also mine'));
    const objects = [0, 1].map((seq) => disk.read({ ...OWN, seq })!.bytes);
    const bench = newBench({ store: disk, incarnation: 6 });
    disk.damaged.add(objectKey(own));
    return { bench, disk, objects };
  }

  /** An object of ORIGIN has been delivered, is kept for member 4, and is damaged. */
  function withDelivered(): { bench: Bench; disk: BadDisk } {
    const disk = new BadDisk(1);
    const bench = newBench({ store: disk });
    broadcast(bench, 0, first);
    confirm(bench, [2, 3], [first]);
    bench.run(4 * SECOND);
    disk.damaged.add(objectKey(others));
    bench.events();
    bench.clear();
    return { bench, disk };
  }

  const pull = (bench: Bench, peer: number, id: ObjectId) =>
    bench.peer(peer).send([{ kind: 'pull', id, missing: [] }]);

  test('is told, once, and counted', () => {
    const { bench } = withDelivered();
    for (let i = 0; i < 5; i++) {
      pull(bench, 4, others);
      bench.run(100 * MILLISECOND);
    }
    expect(bench.eventsOf('damaged')).toEqual([{ type: 'damaged', member: others.origin, id: others }]);
    expect(bench.endpoint.metrics.damaged).toBe(1);
  });

  test('is not served: who asks for it is turned away, and that is counted', () => {
    const { bench } = withDelivered();
    for (let i = 0; i < 3; i++) {
      pull(bench, 4, others);
      bench.run(100 * MILLISECOND);
    }
    expect([bench.peer(4).symbols(), bench.drops().unreadable]).toEqual([[], 2]);
  });

  test('comes back from another member, and is served again', () => {
    const { bench } = withDelivered();
    pull(bench, 4, others);
    serve(bench, [2, 3], storedObject(others, first, members));
    expect(bench.store.read(others)?.bytes).toEqual(first);
    pull(bench, 4, others);
    bench.run(100 * MILLISECOND);
    expect(bench.peer(4).symbols().length).toBeGreaterThan(0);
  });

  test('does not come back as another one that its origin has signed', () => {
    const { bench } = withDelivered();
    pull(bench, 4, others);
    serve(bench, [2, 3], storedObject(others, second, members));
    expect(bench.store.read(others)).toBeUndefined();
    expect(bench.eventsOf('misbehaviour')).toMatchObject([{ member: ORIGIN, what: 'equivocation' }]);
  });

  test('takes none of our own with it that are durable', () => {
    const { bench, objects } = withOwn();
    pull(bench, 4, own);
    bench.run(SECOND);
    expect(bench.store.read({ ...OWN, seq: 1 })?.bytes).toEqual(objects[1]);
    expect(bench.peer(4).told(OWN)).toEqual(entryOf(OWN, objects));
  });

  test('comes back if it is our own, and all is delivered', () => {
    const { bench, objects } = withOwn();
    for (const peer of [2, 3]) bench.peer(peer).confirm(entryOf(OWN, objects));
    serve(bench, [2, 3], storedObject(own, objects[0], members));
    expect(delivered(bench)).toEqual(['mine', 'also mine']);
  });

  test('is told to be lost, and keeps no later ones back, if it was to be said again in a new stream', () => {
    const { bench } = withOwn();
    pull(bench, 4, own);
    for (const peer of [1, 2, 3]) bench.peer(peer).confirm(entryOf(OWN, [second]));
    bench.runBeside([1, 2, 3], 3 * SECOND);
    const events = bench.events().filter(({ type }) => type === 'lost' || type === 'begun-anew');
    expect(events).toMatchObject([
      { type: 'lost', member: OWN.origin, incarnation: OWN.incarnation, from: 0, to: 1 },
      { type: 'begun-anew' },
    ]);
    const { incarnation } = events[1] as { incarnation: number };
    expect(bench.store.read({ ...OWN, incarnation, seq: 0 })?.bytes).toEqual(parcelOf('also mine'));
  });

  test('is asked of the store only once while nobody has it', () => {
    const { bench, disk, objects } = withOwn();
    let reads = 0;
    const read = disk.read.bind(disk);
    disk.read = (id) => {
      reads++;
      return read(id);
    };
    for (const peer of [2, 3]) bench.peer(peer).confirm(entryOf(OWN, objects));
    bench.run(5 * SECOND);
    expect(reads).toBe(1);
  });
});

describe('objects of ours in whose place others hold different ones, as when our store is an old copy', () => {
  function withOthersInPlace(holders = [1, 2, 3], there = [1, 2, 3]) {
    const bench = newBench();
    bench.submit(text('mine'));
    for (const peer of holders) bench.peer(peer).confirm(entryOf(OWN, [first]));
    bench.runBeside(there, 3 * SECOND);
    return bench;
  }

  test('are said again in a new stream', () => {
    const bench = withOthersInPlace();
    const [{ incarnation, former }] = bench.eventsOf('begun-anew');
    expect(former).toBe(OWN.incarnation);
    expect(bench.store.read({ origin: SELF, incarnation, seq: 0 })?.bytes).toEqual(parcelOf('mine'));
  });

  test('are so, too, where fewer than a quorum hold them: the rest may be away for ever', () => {
    expect(withOthersInPlace([1], [1, 2]).eventsOf('begun-anew')).toHaveLength(1);
  });

  test('are not yet, while fewer than a quorum are there to tell what is delivered', () => {
    const bench = withOthersInPlace([1], [1]);
    const alone = bench.eventsOf('begun-anew').length;
    bench.runBeside([1, 3], 3 * SECOND);
    expect([alone, bench.eventsOf('begun-anew').length]).toEqual([0, 1]);
  });

  test('are not said to be lost', () => {
    expect(withOthersInPlace().eventsOf('lost')).toEqual([]);
  });

  test('give way to the others in the stream that they were said in', () => {
    const bench = withOthersInPlace();
    serve(bench, [1, 2, 3], storedObject({ ...OWN, seq: 0 }, first, members));
    expect(delivered(bench)).toEqual(['one', 'two']);
  });
});
