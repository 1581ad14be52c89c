/** Delivery: one message at a time, each stream in order, none before those it depends on, and on from where it stopped. */
import { describe, expect, test, vi } from 'vitest';
import { Streams } from '../../../src/broadcast/agreement/streams.js';
import { Attempts } from '../../../src/broadcast/delivery/attempts.js';
import { Delivery } from '../../../src/broadcast/delivery/delivery.js';
import { Journal } from '../../../src/broadcast/delivery/journal.js';
import { type Dependency, writeParcel } from '../../../src/broadcast/delivery/parcel.js';
import { Unrelayed } from '../../../src/broadcast/delivery/unrelayed.js';
import { sha256 } from '../../../src/crypto/hash.js';
import type { StreamState } from '../../../src/store/store.js';
import { boundsOf } from '../bounds.js';
import { emptyStore } from '../objects.js';

const SELF = 0;
const MEMBERS = 4;
const utf8 = new TextEncoder();

/** A member that delivers what it holds: a quorum of two is itself and the origin. */
class Consumer {
  readonly streams: Streams;
  readonly log = new Journal(emptyStore());
  readonly delivery: Delivery;
  readonly unrelayed = new Unrelayed(MEMBERS, { isThere: (_, member) => member !== SELF, rtt: 0 });
  readonly malformed: string[] = [];

  constructor(states: StreamState[] = [], quorum = 2) {
    this.streams = new Streams(boundsOf(SELF, MEMBERS, { quorum }), { ...emptyStore(), streams: states });
    const attempts = new Attempts(emptyStore(), this.log);
    this.delivery = new Delivery(
      { streams: this.streams, log: this.log, attempts, unrelayed: this.unrelayed },
      MEMBERS,
    );
  }

  /** Object `seq` of an origin is in the store, as bytes or as messages. */
  store(
    origin: number,
    seq: number,
    content: Uint8Array | string[],
    dependencies: Dependency[] = [],
    incarnation = 7,
  ): void {
    const stream = this.streams.signed({ origin, incarnation });
    if (typeof stream === 'string') throw new Error(stream);
    const bytes =
      content instanceof Uint8Array
        ? content
        : writeParcel({ dependencies, messages: content.map((message) => utf8.encode(message)) });
    this.log.put({ origin, incarnation, seq, certificate: new Uint8Array(0), bytes });
    stream.hold(seq, sha256(bytes));
  }

  /** The next message as 'origin/seq/index text'. */
  next(): string | undefined {
    const next = this.delivery.next(
      0,
      ({ origin }, seq) => this.malformed.push(`${origin}/${seq}`),
      () => undefined,
    );
    if (!next) return undefined;
    const { origin, seq, index } = next.id;
    return `${origin}/${seq}/${index} ${new TextDecoder().decode(next.bytes)}`;
  }

  all(): string[] {
    const all: string[] = [];
    for (let next = this.next(); next !== undefined; next = this.next()) {
      all.push(next);
      this.delivery.onConsumed(0);
    }
    return all;
  }
}

function after(origin: number, count: number): Dependency {
  return { origin, incarnation: 7, count };
}

describe('messages', () => {
  test('come one at a time: the next waits until the consumer is done', () => {
    const consumer = new Consumer();
    consumer.store(1, 0, ['a', 'b']);
    expect(consumer.next()).toBe('1/0/0 a');
    expect(consumer.next()).toBeUndefined();
    consumer.delivery.onConsumed(0);
    expect(consumer.next()).toBe('1/0/1 b');
    consumer.delivery.onConsumed(0);
    expect(consumer.next()).toBeUndefined();
  });

  test('of one origin come in order, whatever the order in which they were stored', () => {
    const consumer = new Consumer();
    consumer.store(1, 2, ['e']);
    expect(consumer.all()).toEqual([]);
    consumer.store(1, 0, ['a', 'b']);
    expect(consumer.all()).toEqual(['1/0/0 a', '1/0/1 b']);
    consumer.store(1, 1, ['c', 'd']);
    expect(consumer.all()).toEqual(['1/1/0 c', '1/1/1 d', '1/2/0 e']);
  });

  test('of an object that came past the relays wait for the others, and those after it; not those of others', () => {
    const consumer = new Consumer();
    for (const origin of [1, 2]) consumer.store(origin, 0, ['x']);
    consumer.store(1, 1, ['y']);
    consumer.unrelayed.add(0, { origin: 1, incarnation: 7, seq: 0 }, []);
    expect(consumer.all()).toEqual(['2/0/0 x']);
  });

  test('of several origins take turns, object by object', () => {
    const consumer = new Consumer();
    for (const origin of [1, 2]) for (const seq of [0, 1]) consumer.store(origin, seq, ['x', 'y']);
    expect(consumer.all().map((message) => message.slice(0, 5))).toEqual([
      '1/0/0',
      '1/0/1',
      '2/0/0',
      '2/0/1',
      '1/1/0',
      '1/1/1',
      '2/1/0',
      '2/1/1',
    ]);
  });

  test('do not come without a quorum', () => {
    const consumer = new Consumer([], 3);
    consumer.store(1, 0, ['a']);
    expect(consumer.all()).toEqual([]);
    const stream = consumer.streams.find({ origin: 1, incarnation: 7 })!;
    stream.onClaim(2, stream.telling.entry());
    expect(consumer.all()).toEqual(['1/0/0 a']);
  });

  test('may be of no bytes', () => {
    const consumer = new Consumer();
    consumer.store(1, 0, ['']);
    expect(consumer.all()).toEqual(['1/0/0 ']);
  });
});

describe('the causal order', () => {
  test('holds a message back until those it depends on are consumed whole', () => {
    const consumer = new Consumer();
    consumer.store(2, 0, ['answer'], [after(1, 1)]);
    expect(consumer.next()).toBeUndefined();
    consumer.store(1, 0, ['question', 'and more']);
    expect(consumer.all()).toEqual(['1/0/0 question', '1/0/1 and more', '2/0/0 answer']);
  });

  test('holds back no other stream', () => {
    const consumer = new Consumer();
    consumer.store(1, 0, ['waits'], [after(3, 1)]);
    consumer.store(2, 0, ['goes']);
    expect(consumer.all()).toEqual(['2/0/0 goes']);
  });

  test('costs one look at an object that waits, however many dependencies it names, each time that something happens', () => {
    const consumer = new Consumer();
    const dependencies = Array.from({ length: 64 }, (_, i) => ({
      origin: 3,
      incarnation: i,
      count: i < 63 ? 0 : 1,
    }));
    consumer.store(2, 0, ['never'], dependencies);
    consumer.next();
    const looks = vi.spyOn(consumer.streams, 'isPast');
    for (let i = 0; i < 10; i++) consumer.next();
    expect(looks).toHaveBeenCalledTimes(10);
  });

  test('of an origin with many streams come no more often than those of another', () => {
    const consumer = new Consumer();
    for (let incarnation = 1; incarnation <= 10; incarnation++)
      consumer.store(2, 0, ['many'], [], incarnation);
    for (const seq of [0, 1, 2]) consumer.store(1, seq, ['one']);
    const origins = consumer.all().map((message) => message[0]);
    expect(origins.slice(0, 6).join('')).toBe('121212');
  });

  test('keeps no object in memory that waits: it is read again when its turn has come', () => {
    const consumer = new Consumer();
    consumer.store(2, 0, ['answer'], [after(1, 1)]);
    expect(consumer.next()).toBeUndefined();
    const answer = consumer.log.read({ origin: 2, incarnation: 7, seq: 0 })!;
    // The cache of the log is for what comes and goes.
    consumer.log.release(answer);
    consumer.store(1, 0, ['question']);
    expect(consumer.all()).toEqual(['1/0/0 question']);
    consumer.log.onRead(answer, answer, true);
    expect(consumer.all()).toEqual(['2/0/0 answer']);
  });

  test('is told once: of each stream what was delivered since our last object', () => {
    const consumer = new Consumer();
    const own = consumer.streams.signed({ origin: SELF, incarnation: 1 });
    if (typeof own === 'string') throw new Error(own);
    consumer.store(1, 0, ['a']);
    consumer.store(2, 0, ['b']);
    consumer.all();
    expect(consumer.delivery.dependencies(own)).toEqual([after(1, 1), after(2, 1)]);
    expect(consumer.delivery.dependencies(own)).toEqual([]);
    consumer.store(2, 1, ['c']);
    consumer.all();
    expect(consumer.delivery.dependencies(own)).toEqual([after(2, 2)]);
  });

  test('counts an object that is being consumed: a consumer may answer before it is done', () => {
    const consumer = new Consumer();
    const own = consumer.streams.signed({ origin: SELF, incarnation: 1 });
    if (typeof own === 'string') throw new Error(own);
    consumer.store(1, 0, ['a', 'b']);
    expect(consumer.delivery.dependencies(own)).toEqual([]);
    consumer.next();
    expect(consumer.delivery.dependencies(own)).toEqual([after(1, 1)]);
    consumer.delivery.onConsumed(0);
    expect(consumer.delivery.dependencies(own)).toEqual([]);
  });

  test('waits for no stream that is over here and had as many objects, and for more of it until all have retired it', () => {
    const consumer = new Consumer();
    const streams = new Streams(boundsOf(SELF, MEMBERS, { quorum: 2 }), {
      ...emptyStore(),
      retired: [{ origin: 3, incarnation: 9, count: 5, chain: new Uint8Array(32) }],
    });
    const { log } = consumer;
    const delivery = new Delivery(
      { streams, log, attempts: new Attempts(emptyStore(), log), unrelayed: consumer.unrelayed },
      MEMBERS,
    );
    const next = () => {
      const seq = delivery.next(
        0,
        () => undefined,
        () => undefined,
      )?.id.seq;
      if (seq !== undefined) delivery.onConsumed(0);
      return seq;
    };
    consumer.store(1, 0, ['a'], [{ ...after(3, 5), incarnation: 9 }]);
    consumer.store(1, 1, ['b'], [{ ...after(3, 6), incarnation: 9 }]);
    const stream = streams.signed({ origin: 1, incarnation: 7 });
    if (typeof stream === 'string') throw new Error(stream);
    for (const seq of [0, 1]) stream.hold(seq, new Uint8Array(32));
    expect([next(), next()]).toEqual([0, undefined]);
    for (const member of [1, 2]) streams.onOver(member, { origin: 3, incarnation: 9 });
    expect(next()).toBe(1);
  });
});

describe('an object that is no parcel', () => {
  test.each([
    ['at all', Uint8Array.of(9, 9, 9)],
    ['with a message', writeParcel({ dependencies: [], messages: [] })],
    ['of other streams', writeParcel({ dependencies: [after(1, 1)], messages: [utf8.encode('of itself')] })],
    ['of a member', writeParcel({ dependencies: [after(MEMBERS, 1)], messages: [utf8.encode('of none')] })],
  ])('%s is passed over, its origin named, and the stream goes on', (_what, bytes) => {
    const consumer = new Consumer();
    consumer.store(1, 0, bytes);
    consumer.store(1, 1, ['next']);
    expect(consumer.all()).toEqual(['1/1/0 next']);
    expect(consumer.malformed).toEqual(['1/0']);
  });
});

describe('a restart', () => {
  const zero = new Uint8Array(32);

  test('goes on with the message after the last that was consumed', () => {
    const state = {
      origin: 1,
      incarnation: 7,
      base: 0,
      delivered: 4,
      index: 2,
      chain: zero,
      baseChain: zero,
    };
    const consumer = new Consumer([state]);
    consumer.store(1, 4, ['a', 'b', 'c']);
    expect(consumer.all()).toEqual(['1/4/2 c']);
  });

  test('finds in the log how far the consumer has come, part of an object included', () => {
    const consumer = new Consumer();
    consumer.store(1, 0, ['a', 'b']);
    const cursor = (now: number) => {
      const request = consumer.log.poll(now);
      consumer.log.onCommitted(0);
      const writes = request?.type === 'commit' ? request.writes : [];
      return writes.flatMap((write) =>
        write.type === 'stream' ? [[write.state.delivered, write.state.index]] : [],
      );
    };
    cursor(0);
    consumer.next();
    expect(cursor(1e6)).toEqual([]);
    consumer.delivery.onConsumed(1e6);
    expect(cursor(2e6)).toEqual([[0, 1]]);
    consumer.next();
    consumer.delivery.onConsumed(2e6);
    expect(cursor(3e6)).toEqual([[1, 0]]);
  });

  test('reads from the store what is not at hand, and waits for it', () => {
    const state = {
      origin: 1,
      incarnation: 7,
      base: 0,
      delivered: 0,
      index: 0,
      chain: zero,
      baseChain: zero,
    };
    const consumer = new Consumer([state]);
    const id = { origin: 1, incarnation: 7, seq: 0 };
    consumer.streams.find(id)!.hold(0, zero);
    expect(consumer.next()).toBeUndefined();
    expect(consumer.log.poll(0)).toEqual({ type: 'read', id });
    const bytes = writeParcel({ dependencies: [], messages: [utf8.encode('read')] });
    consumer.log.onRead(id, { ...id, certificate: new Uint8Array(0), bytes }, true);
    expect(consumer.next()).toBe('1/0/0 read');
  });
});
