/** What holds for every store: the one in memory, the one on LMDB and the simulated disk. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { openStore } from '../../src/disk/lmdb.js';
import { HeadwaterError } from '../../src/errors.js';
import { SimDisk } from '../../src/sim/disk.js';
import { memoryStore } from '../../src/store/memory.js';
import { CHUNK_SIZE } from '../../src/store/records.js';
import { type Final, type Loaded, type Store, type StoreWrite, storedSize } from '../../src/store/store.js';
import { seedFor } from '../util/seed.js';
import { holds } from '../wire/holds.js';
import {
  digest,
  prune,
  put,
  sampleObject,
  state,
  storeOptions,
  strays as straysIn,
  stream,
} from './samples.js';

interface Kind {
  name: string;
  open(maxBytes?: number): Promise<Store>;
  /** Closes and opens it again; undefined if it keeps nothing. */
  reopen?(store: Store): Promise<Store>;
  /** Pieces in it, once it is closed, that belong to no object; undefined if it has no pieces. */
  strays?(): Promise<number>;
}

describe.each<Kind>([inMemory(), onLmdb(), onSimDisk()])('$name', ({ open, reopen, strays }) => {
  test.each([0, 1, 500, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE])(
    'an object of %i bytes is read as it was written',
    async (size) => {
      await using store = await open();
      await store.commit([put(sampleObject(0, size))]);
      expect(digest(await store.read({ ...stream, seq: 0 }))).toEqual(digest(sampleObject(0, size)));
    },
  );

  test('an object that was never written is not there', async () => {
    await using store = await open();
    await store.commit([put(sampleObject(1))]);
    expect(await store.read({ ...stream, seq: 0 })).toBeUndefined();
  });

  test('a commit tells what all objects take, each counted once', async () => {
    await using store = await open();
    await store.commit([put(sampleObject(0, 100)), put(sampleObject(1, 50))]);
    expect(await store.commit([put(sampleObject(0, 30)), put(sampleObject(0, 30))])).toBe(
      storedSize(50) + storedSize(30),
    );
  });

  test('an object written again in fewer chunks is the new one', async () => {
    await using store = await open();
    await store.commit([put(sampleObject(0, 3 * CHUNK_SIZE))]);
    await store.commit([put(sampleObject(0, 10))]);
    expect(digest(await store.read({ ...stream, seq: 0 }))).toEqual(digest(sampleObject(0, 10)));
    await store.close();
    expect((await strays?.()) ?? 0).toBe(0);
  });

  test('an object that comes again after it was pruned can be pruned again', async () => {
    await using store = await open();
    await store.commit([put(sampleObject(0, 10)), put(sampleObject(1, 20)), prune(2)]);
    await store.commit([put(sampleObject(0, 10))]);
    expect(await store.commit([prune(3)])).toBe(0);
  });

  test('pruning deletes what is below, of that stream only', async () => {
    await using store = await open();
    const other = { ...stream, incarnation: stream.incarnation + 1 };
    await store.commit(
      [0, 1, 2].flatMap((seq) => [put(sampleObject(seq)), put(sampleObject(seq, 9, other))]),
    );
    await store.commit([prune(2)]);
    const there = async (of: typeof stream): Promise<boolean[]> =>
      Promise.all([0, 1, 2].map(async (seq) => (await store.read({ ...of, seq })) !== undefined));
    expect([await there(stream), await there(other)]).toEqual([
      [false, false, true],
      [true, true, true],
    ]);
  });

  test('pruning comes last in a commit, wherever it stands', async () => {
    await using store = await open();
    expect(await store.commit([prune(1), put(sampleObject(0, 70)), put(sampleObject(1, 30))])).toBe(
      storedSize(30),
    );
  });

  test('what a commit both drops and prunes is counted once', async () => {
    await using store = await open();
    await store.commit([put(sampleObject(0, 70))]);
    expect(await store.commit([{ type: 'drop', stream, from: 0 }, put(sampleObject(5, 30)), prune(3)])).toBe(
      storedSize(30),
    );
  });

  test('beyond its limit it refuses the whole commit and keeps what it had', async () => {
    await using store = await open(storedSize(200) + storedSize(50));
    await store.commit([put(sampleObject(0, 200))]);
    const tooMuch = store.commit([put(sampleObject(1, 40)), put(sampleObject(2, 40))]);
    await expect(tooMuch).rejects.toMatchObject({ code: 'STORE_FULL' });
    expect(
      await Promise.all([0, 1, 2].map(async (seq) => (await store.read({ ...stream, seq }))?.seq)),
    ).toEqual([0, undefined, undefined]);
  });

  test('a full one takes a commit that prunes as much as it puts', async () => {
    await using store = await open(storedSize(250));
    await store.commit([put(sampleObject(0, 200))]);
    expect(await store.commit([put(sampleObject(1, 220)), prune(1)])).toBe(storedSize(220));
  });

  test('a full one still takes the state of streams', async () => {
    await using store = await open(0);
    expect(await store.commit([{ type: 'stream', state: state({ delivered: 5 }) }])).toBe(0);
  });

  test.runIf(reopen)('what a member is READY for comes back as it was', async () => {
    await using store = await open();
    const written = state({ ready: { count: 9, chain: new Uint8Array(32).fill(5), from: 4 } });
    await store.commit([{ type: 'stream', state: written }]);
    await using again = await reopen!(store);
    expect(again.loaded.streams).toEqual([written]);
  });

  test('dead letters are kept, listed in order, and read, until they are taken out', async () => {
    await using store = await open();
    const letter = (seq: number, index: number, size: number, retry = false) => ({
      ...{ ...stream, seq, index, retry },
      bytes: new Uint8Array(size).fill(seq),
    });
    await store.commit([2, 0, 1].map((seq) => ({ type: 'bury', letter: letter(seq, 3, 300_000 * seq) })));
    await store.commit([
      { type: 'unbury', id: letter(1, 3, 0) },
      { type: 'bury', letter: letter(2, 3, 600_000, true) },
    ]);
    const again = reopen ? await reopen(store) : store;
    expect(await again.deadLetters()).toEqual([
      { ...stream, seq: 0, index: 3, retry: false, length: 0 },
      { ...stream, seq: 2, index: 3, retry: true, length: 600_000 },
    ]);
    const read = [await again.deadLetter(letter(2, 3, 0)), await again.deadLetter(letter(1, 3, 0))];
    expect(read).toEqual([letter(2, 3, 600_000, true), undefined]);
    await again.close();
  });

  test('it is the same as a list of objects, whatever is committed', () =>
    holds(
      'store model',
      fc.asyncProperty(fc.array(commits(), { maxLength: 8 }), async (list) => {
        await using first = await open();
        const model = new Model();
        let bytes = 0;
        for (const writes of list) {
          bytes = await first.commit(writes);
          model.apply(writes);
        }
        expect(bytes).toBe(model.bytes());
        for (const object of model.all) expect(digest(await first.read(object))).toEqual(digest(object));
        if (reopen === undefined) return;
        await using again = await reopen(first);
        const { incarnation, session } = first.loaded;
        expect(again.loaded.session).toBeGreaterThan(session);
        const { crash: _, ...loaded } = again.loaded;
        expect(loaded).toEqual({
          ...model.loaded(),
          incarnation: model.incarnation ?? incarnation,
          session: again.loaded.session,
        });
        for (const object of model.all) expect(digest(await again.read(object))).toEqual(digest(object));
        await again.close();
        expect((await strays?.()) ?? 0).toBe(0);
      }) as unknown as fc.IProperty<unknown>,
      40,
    ));
});

function inMemory(): Kind {
  return {
    name: 'in memory',
    open: async (maxBytes) => memoryStore(1, maxBytes === undefined ? {} : { maxBytes }),
  };
}

function onLmdb(): Kind {
  let options: Awaited<ReturnType<typeof storeOptions>>;
  return {
    name: 'on LMDB',
    open: async (maxBytes) => {
      options = await storeOptions(maxBytes === undefined ? {} : { maxBytes });
      return openStore(options);
    },
    reopen: async (store) => {
      await store.close();
      return openStore(options);
    },
    strays: () => straysIn(options.path),
  };
}

function onSimDisk(): Kind {
  let disk: SimDisk;
  return {
    name: 'on a simulated disk',
    open: async (maxBytes) => {
      const rng = new Rng(seedFor('simulated disk'));
      disk = new SimDisk(rng, 1, { slow: 0.1, ...(maxBytes === undefined ? {} : { maxBytes }) });
      return storeOn(disk);
    },
    reopen: async () => {
      disk.crash();
      return storeOn(disk);
    },
  };
}

/** A store that lets virtual time go on until the disk has answered. */
function storeOn(disk: SimDisk): Store {
  let now = 0;
  const answer = (): ReturnType<SimDisk['poll']> => {
    now = disk.nextTimeout();
    return disk.poll(now);
  };
  const close = async (): Promise<void> => {};
  return {
    loaded: disk.load(),
    commit: async (writes) => {
      disk.submit(now, writes);
      const done = answer();
      if (done?.type === 'committed') return done.bytes;
      throw new HeadwaterError('STORE_FULL', 'full');
    },
    read: async (id) => {
      disk.submitRead(now, id);
      const done = answer();
      return done?.type === 'read' ? done.object : undefined;
    },
    deadLetters: async () => disk.deadLetters(),
    deadLetter: async (id) => disk.deadLetter(id),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The plainest thing that could be right. */
class Model {
  all: ReturnType<typeof sampleObject>[] = [];
  private streams: ReturnType<typeof state>[] = [];
  private retired = new Map<number, Final>();
  /** Of our own stream, if a commit has said which one it is. */
  incarnation: number | undefined;

  apply(writes: readonly StoreWrite[]): void {
    for (const write of writes) {
      if (write.type === 'object') {
        this.all = [...this.all.filter((object) => !isSame(object, write.object)), write.object];
      } else if (write.type === 'stream') {
        this.streams = [
          ...this.streams.filter((other) => !isSame({ ...other, seq: 0 }, { ...write.state, seq: 0 })),
          write.state,
        ];
      } else if (write.type === 'drop') this.drop(write.stream, write.from);
      else if (write.type === 'retire' || write.type === 'forget') {
        this.drop(write.stream, 0);
        this.streams = this.streams.filter(
          (other) => !isSame({ ...other, seq: 0 }, { ...write.stream, seq: 0 }),
        );
        if (write.type === 'retire') this.retired.set(write.stream.origin, write.stream);
      } else if (write.type === 'begin') this.incarnation = write.incarnation;
    }
    for (const write of writes)
      if (write.type === 'prune')
        this.all = this.all.filter(
          (object) => !isSame(object, { ...write.stream, seq: object.seq }) || object.seq >= write.below,
        );
  }

  private drop(of: Named, from: number): void {
    this.all = this.all.filter((object) => !isSame(object, { ...of, seq: object.seq }) || object.seq < from);
  }

  bytes(): number {
    return this.all.reduce((sum, { bytes }) => sum + storedSize(bytes.length), 0);
  }

  loaded(): Omit<Loaded, 'incarnation' | 'session'> {
    const delivered = (object: { origin: number; incarnation: number }): number =>
      this.streams.find((other) => isSame({ ...other, seq: 0 }, { ...object, seq: 0 }))?.delivered ?? 0;
    return {
      streams: [...this.streams].sort(compare),
      held: this.all
        .filter((object) => object.seq >= delivered(object))
        .sort((a, b) => compare(a, b) || a.seq - b.seq)
        .map(({ bytes: _, ...object }) => object),
      retired: [...this.retired.values()].sort(compare),
      sent: [],
      bytes: this.bytes(),
    };
  }
}

interface Named {
  origin: number;
  incarnation: number;
}

function isSame(a: Named & { seq: number }, b: Named & { seq: number }): boolean {
  return a.origin === b.origin && a.incarnation === b.incarnation && a.seq === b.seq;
}

function compare(a: Named, b: Named): number {
  return a.origin - b.origin || a.incarnation - b.incarnation;
}

function commits(): fc.Arbitrary<StoreWrite[]> {
  const id = fc.record({ origin: fc.constantFrom(0, 1, 511), incarnation: fc.constantFrom(1, 2 ** 48 - 1) });
  const seq = fc.constantFrom(0, 1, 2, 255, 256, 65_536);
  const size = fc.constantFrom(0, 1, 700, 5000, CHUNK_SIZE + 1);
  return fc.array(
    fc.oneof(
      fc.tuple(id, seq, size).map(([of, n, bytes]) => put(sampleObject(n, bytes, of))),
      fc.tuple(id, seq, seq).map(
        ([of, delivered, base]): StoreWrite => ({
          type: 'stream',
          state: state({ ...of, delivered, base }),
        }),
      ),
      fc.tuple(id, seq).map(([of, below]) => prune(below, of)),
      fc.tuple(id, seq).map(([of, from]): StoreWrite => ({ type: 'drop', stream: of, from })),
      fc.tuple(id, seq).map(
        ([of, count]): StoreWrite => ({
          type: 'retire',
          stream: { ...of, count, chain: new Uint8Array(32).fill(count & 0xff) },
        }),
      ),
      id.map((of): StoreWrite => ({ type: 'forget', stream: of })),
      fc.nat(9).map((incarnation): StoreWrite => ({ type: 'begin', incarnation })),
    ),
    { maxLength: 6 },
  );
}
