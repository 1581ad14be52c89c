/** Which objects may be begun: each origin spends memory and disk of its own, over all its streams, and never blocks itself. */
import { describe, expect, test } from 'vitest';
import type { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Streams } from '../../../src/broadcast/agreement/streams.js';
import { Admission, MAX_HELD, MAX_OPEN } from '../../../src/broadcast/spread/admission.js';
import { Incoming } from '../../../src/broadcast/spread/incoming.js';
import { ObjectUnderWay } from '../../../src/broadcast/spread/objects.js';
import { cutObject } from '../../../src/broadcast/spread/plan.js';
import { SECOND } from '../../../src/core/time.js';
import { storedSize } from '../../../src/store/store.js';
import type { Descriptor } from '../../../src/wire/symbol.js';
import { boundsOf } from '../bounds.js';
import { emptyStore } from '../objects.js';

const MEMBERS = 4;
const SHARE = 10_000;
const [LIAR, HONEST] = [3, 2];
const hash = new Uint8Array(32);
/** Bytes of an object that takes so much of the store. */
const taking = (size: number) => size - storedSize(0);

class Member {
  readonly streams = new Streams(boundsOf(0, MEMBERS), emptyStore());
  readonly admission: Admission<Stream>;
  now = 0;

  constructor(maxObjectSize = 1e6, maxStoredBytes = MEMBERS * SHARE) {
    this.admission = new Admission(this.streams, {
      members: MEMBERS,
      self: 0,
      byzantine: 1,
      maxObjectSize,
      maxStoredBytes,
    });
  }

  stream(origin: number, incarnation = 7): Stream {
    return this.streams.signed({ origin, incarnation }) as Stream;
  }

  admits(origin: number, seq: number, length: number, incarnation = 7): boolean | ObjectUnderWay<Stream> {
    const id = { origin, incarnation, seq };
    const room = this.admission.admits(this.now, this.stream(origin, incarnation), this.describe(id, length));
    return typeof room === 'string' ? false : room;
  }

  /** Begins an object; undefined if it may not be. */
  begin(origin: number, seq: number, length: number, incarnation = 7): ObjectUnderWay<Stream> | undefined {
    const room = this.admits(origin, seq, length, incarnation);
    if (!room) return undefined;
    if (typeof room !== 'boolean') this.admission.remove(room);
    const record = new ObjectUnderWay(this.stream(origin, incarnation), seq, this.now);
    record.incoming = new Incoming(this.describe({ origin, incarnation, seq }, length));
    record.usefulAt = this.now;
    this.admission.add(record);
    return record;
  }

  /** Begins an object and has it in the store at once. */
  hold(origin: number, seq: number, length: number, incarnation = 7): boolean {
    const record = this.begin(origin, seq, length, incarnation);
    if (!record) return false;
    this.admission.remove(record);
    record.stream.hold(seq, hash, length);
    return true;
  }

  private describe(id: { origin: number; incarnation: number; seq: number }, length: number): Descriptor {
    return { ...id, length, ...cutObject(length), hash };
  }
}

describe('what an origin has not seen delivered', () => {
  test('comes to its share of the store, over all its streams, and leaves the others theirs', () => {
    const member = new Member();
    let stored = 0;
    for (let incarnation = 1; incarnation <= 16; incarnation++)
      for (let seq = 0; member.hold(LIAR, seq, taking(1000), incarnation); seq++) stored += 1000;
    expect(stored).toBe(SHARE);
    expect(member.admits(HONEST, 0, SHARE)).toBe(true);
  });

  test('counts while it is being rebuilt and stored, too', () => {
    const member = new Member();
    for (let seq = 0; seq < 5; seq++) member.begin(LIAR, seq, taking(1000), seq + 1);
    expect([member.admits(LIAR, 0, taking(5001)), member.admits(LIAR, 0, taking(5000))]).toEqual([
      false,
      true,
    ]);
  });

  test('makes room as it is delivered', () => {
    const member = new Member();
    for (let seq = 0; seq < 10; seq++) member.hold(HONEST, seq, taking(1000));
    expect(member.admits(HONEST, 10, taking(1000))).toBe(false);
    member.stream(HONEST).onDelivered();
    expect(member.admits(HONEST, 10, taking(1000))).toBe(true);
  });

  test('beyond a gap takes half of it, so that the gap can be filled', () => {
    const member = new Member();
    let seq = 1;
    while (member.hold(HONEST, seq, taking(1000))) seq++;
    expect([seq, member.admits(HONEST, 0, taking(5000))]).toEqual([6, true]);
  });

  test('is so many objects over all its streams, however small, and leaves the others theirs', () => {
    const member = new Member(1e6, 1e12);
    let held = 0;
    for (let incarnation = 1; incarnation <= 8; incarnation++)
      for (let seq = 0; seq < 4096 && member.hold(LIAR, seq, 1, incarnation); seq++) held++;
    expect([held, member.hold(HONEST, 0, 1)]).toEqual([MAX_HELD, true]);
  });

  test('may be as many as are taken ahead, of two streams, behind a gap in each', () => {
    const member = new Member(1e6, 1e12);
    for (const incarnation of [1, 2])
      for (let seq = 1; seq < 4096; seq++)
        if (!member.hold(HONEST, seq, 1, incarnation)) throw new Error(`no room for ${seq}`);
    expect(member.hold(HONEST, 0, 1, 2)).toBe(true);
  });

  test('does not count where more members hold it than may lie: who was away catches up, however much that is', () => {
    const member = new Member();
    for (let seq = 0; seq < 10; seq++) member.hold(HONEST, seq, taking(1000));
    const stream = member.stream(HONEST);
    const claim = { ...stream.telling.entry(), count: 100 };
    for (const holder of [HONEST, LIAR]) stream.onClaim(holder, claim);
    expect(member.admits(HONEST, 10, taking(1000))).toBe(false);
    stream.onClaim(1, claim);
    expect([member.admits(HONEST, 10, taking(1000)), member.admits(HONEST, 99, taking(1000))]).toEqual([
      true,
      true,
    ]);
    expect(member.admits(HONEST, 100, taking(1000))).toBe(false);
  });

  test('is not asked for again before there is room for it', () => {
    const member = new Member();
    for (let seq = 0; seq < 10; seq++) member.hold(HONEST, seq, taking(1000));
    const stream = member.stream(HONEST);
    const id = { origin: HONEST, incarnation: 7, seq: 10 };
    member.admission.onRefused({ ...id, length: taking(1000), ...cutObject(taking(1000)), hash });
    expect(member.admission.isRefused(0, stream, 10)).toBe(true);
    expect(member.admission.isRefused(0, stream, 11)).toBe(false);
    stream.onDelivered();
    expect(member.admission.isRefused(0, stream, 10)).toBe(false);
  });

  test('may be one object larger than its share, if nothing else of it is under way', () => {
    const member = new Member();
    member.hold(HONEST, 1, taking(5000));
    expect(member.hold(HONEST, 0, 3 * SHARE)).toBe(true);
    expect(member.admits(HONEST, 2, 1)).toBe(false);
  });
});

describe('what is being rebuilt of one origin', () => {
  const unbounded = () => new Member(SHARE, Number.POSITIVE_INFINITY);

  test('comes to the bytes of one object, over all its streams', () => {
    const member = unbounded();
    member.begin(LIAR, 0, SHARE - 1, 1);
    expect([member.admits(LIAR, 0, 1, 2), member.admits(LIAR, 0, 2, 2)]).toEqual([true, false]);
    expect(member.admits(HONEST, 0, SHARE)).toBe(true);
  });

  test('comes to 256 objects, over all its streams', () => {
    const member = unbounded();
    for (let i = 0; i < MAX_OPEN; i++) member.begin(LIAR, i >> 4, 1, 1 + (i % 16));
    expect([member.admits(LIAR, 99, 1), member.admits(HONEST, 0, 1)]).toEqual([false, true]);
  });

  test('gives way to another object of its origin once it has stood still for three seconds', () => {
    const member = unbounded();
    const idle = member.begin(HONEST, 0, SHARE, 1);
    member.now = 3 * SECOND - 1;
    expect(member.admits(HONEST, 0, SHARE, 2)).toBe(false);
    member.now++;
    expect(member.admits(HONEST, 0, SHARE, 2)).toBe(idle);
  });

  test('does not give way while it is being stored', () => {
    const member = unbounded();
    member.begin(HONEST, 0, SHARE)!.storing = true;
    member.now = 9 * SECOND;
    expect(member.admits(HONEST, 1, SHARE)).toBe(false);
  });
});

describe('what more than f others hold besides its origin', () => {
  const held = (member: Member, origin: number, count: number) => {
    const stream = member.stream(origin);
    for (const other of [1, 2]) stream.onClaim(other, { ...stream.telling.entry(), count });
  };

  test('has room though all that is the origin’s is taken by what is not', () => {
    const member = new Member(1e6, 1e12);
    member.begin(LIAR, 200, 1e6);
    expect(member.admits(LIAR, 0, 300)).toBe(false);
    held(member, LIAR, 2);
    expect([member.admits(LIAR, 0, 300), member.admits(LIAR, 2, 300)]).toEqual([true, false]);
  });

  test('is itself no more than so much at once', () => {
    const member = new Member(1e6, 1e12);
    held(member, LIAR, 1000);
    for (let seq = 0; seq < MAX_OPEN; seq++) member.begin(LIAR, seq, 1);
    expect(member.admits(LIAR, MAX_OPEN, 1)).toBe(false);
    const other = new Member(1e6, 1e12);
    held(other, LIAR, 1000);
    other.begin(LIAR, 0, 6e5);
    expect(other.admits(LIAR, 1, 6e5)).toBe(false);
  });
});
