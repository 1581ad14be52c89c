/** Vectors between two members, over a channel that loses, duplicates and reorders: both end with the same view, then silence. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Vectors } from '../../../src/broadcast/agreement/vectors.js';
import { Marks } from '../../../src/core/marks.js';
import { Rng } from '../../../src/core/rng.js';
import { AT_ONCE, MILLISECOND, type Micros, NEVER, SECOND } from '../../../src/core/time.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { VECTOR_FRAME_SIZE, type VectorFrame } from '../../../src/wire/frames/vector.js';
import { frameSize } from '../../../src/wire/frames.js';
import { holds } from '../../wire/holds.js';
import { boundsOf } from '../bounds.js';

const ROOM = 1200;
const TIMEOUT = 60 * MILLISECOND;
const hashOf = (seq: number) => sha256(Uint8Array.of(seq));

/** Member `self` of two, with what it holds of a few streams and what it believes of the other's. */
class Side {
  readonly self: number;
  readonly vectors = new Vectors(2, new Marks(2));
  readonly streams: Stream[];

  constructor(self: number, streams = 3) {
    this.self = self;
    // Of members that are neither of the two.
    this.streams = Array.from(
      { length: streams },
      (_, i) => new Stream({ origin: 9, incarnation: i }, boundsOf(self, 2)),
    );
  }

  get other(): number {
    return 1 - this.self;
  }

  hold(index: number, seq: number): void {
    const stream = this.streams[index];
    stream.hold(seq, hashOf(seq));
    this.vectors.touch(stream);
  }

  take(now: Micros, room = ROOM): VectorFrame | undefined {
    return this.vectors.take(now, this.other, room, { timeout: TIMEOUT, copies: 1 });
  }

  give(now: Micros, frame: VectorFrame): void {
    for (const { claim, lower } of this.vectors.onFrame(now, this.other, frame))
      this.streams
        .find(({ incarnation }) => incarnation === claim.incarnation)!
        .onClaim(this.other, claim, lower);
  }

  dueAt(): Micros {
    return this.vectors.dueAt(this.other);
  }

  /** What it believes that the other holds. */
  belief(): boolean[][] {
    return this.streams.map((stream) =>
      Array.from({ length: 20 }, (_, seq) => stream.claims.isHeldBy(this.other, seq)),
    );
  }

  truth(): boolean[][] {
    return this.streams.map((stream) => Array.from({ length: 20 }, (_, seq) => stream.holds(seq)));
  }
}

interface Flight {
  at: Micros;
  to: Side;
  frame: VectorFrame;
}

/** Runs both until nothing is due or on its way; says how many frames went, or throws after a virtual minute. */
function converse(
  a: Side,
  b: Side,
  rng: Rng,
  loss: number,
  changes: { at: Micros; make: () => void }[],
): number {
  let flights: Flight[] = [];
  let sent = 0;
  for (let now = 0; now < 60 * SECOND; now += MILLISECOND) {
    for (const { at, make } of changes) if (at === now) make();
    for (const { to, frame } of flights.filter(({ at }) => at <= now)) to.give(now, frame);
    flights = flights.filter(({ at }) => at > now);
    for (const side of [a, b]) {
      if (side.dueAt() > now) continue;
      const frame = side.take(now, rng.chance(0.2) ? VECTOR_FRAME_SIZE + 45 : ROOM);
      if (!frame) continue;
      sent++;
      const to = side === a ? b : a;
      const copies = rng.chance(loss) ? 0 : rng.chance(0.2) ? 2 : 1;
      for (let i = 0; i < copies; i++)
        flights.push({ at: now + rng.integer(1, 60) * MILLISECOND, to, frame: structuredClone(frame) });
    }
    const isQuiet = flights.length === 0 && a.dueAt() === NEVER && b.dueAt() === NEVER;
    if (isQuiet && changes.every(({ at }) => at <= now)) return sent;
  }
  throw new Error('expected silence within a minute, got none');
}

test('both sides end with the same view, and silence follows', () =>
  holds(
    'vectors',
    fc.property(
      fc.record({
        seed: fc.nat(),
        loss: fc.constantFrom(0, 0.2, 0.6),
        changes: fc.array(
          fc.record({ at: fc.nat(400), side: fc.nat(1), stream: fc.nat(2), seq: fc.nat(19) }),
          { minLength: 1, maxLength: 60 },
        ),
      }),
      ({ seed, loss, changes }) => {
        const sides = [new Side(0), new Side(1)];
        const [a, b] = sides;
        const made = changes.map(({ at, side, stream, seq }) => ({
          at: at * MILLISECOND,
          make: () => sides[side].hold(stream, seq),
        }));
        converse(a, b, new Rng(seed), loss, made);
        expect(a.belief()).toEqual(b.truth());
        expect(b.belief()).toEqual(a.truth());
      },
    ),
    60,
  ));

describe('without loss', () => {
  test('a change costs one vector and one answer', () => {
    const [a, b] = [new Side(0), new Side(1)];
    a.hold(0, 0);
    expect(a.dueAt()).toBe(-NEVER);
    const frame = a.take(0)!;
    expect(a.dueAt()).toBe(TIMEOUT + 10 * MILLISECOND);
    b.give(0, frame);
    expect(b.dueAt()).toBe(10 * MILLISECOND);
    const answer = b.take(10 * MILLISECOND)!;
    expect(answer).toMatchObject({ version: 0, heard: 1, entries: [] });
    a.give(20 * MILLISECOND, answer);
    expect([a.dueAt(), b.dueAt()]).toEqual([NEVER, NEVER]);
  });

  test('changes in one stream share an entry, and an answer travels with news', () => {
    const [a, b] = [new Side(0), new Side(1)];
    for (let seq = 0; seq < 10; seq++) a.hold(0, seq);
    const frame = a.take(0)!;
    expect(frame.entries).toHaveLength(1);
    b.give(0, frame);
    b.hold(0, 0);
    expect(b.take(0)).toMatchObject({ version: 1, heard: 1, entries: [{ count: 1 }] });
  });
});

test('a change that a member can do without goes to it 10 ms later, to another one at once', () => {
  const vectors = new Vectors(3, new Marks(3));
  const stream = new Stream({ origin: 0, incarnation: 1 }, boundsOf(2, 3));
  stream.hold(0, hashOf(0));
  vectors.touch(stream, { now: SECOND, but: 0 });
  expect([vectors.dueAt(0), vectors.dueAt(1)]).toEqual([AT_ONCE, SECOND + 10 * MILLISECOND]);
});

test('a change that a member can do without does not delay an earlier one', () => {
  const vectors = new Vectors(3, new Marks(3));
  const [urgent, patient] = [1, 2].map(
    (incarnation) => new Stream({ origin: 0, incarnation }, boundsOf(2, 3)),
  );
  vectors.touch(urgent);
  vectors.touch(patient, { now: SECOND, but: 0 });
  expect(vectors.dueAt(1)).toBe(AT_ONCE);
});

describe('what was not heard', () => {
  test('goes out again, ever more rarely, up to each 300 ms', () => {
    const a = new Side(0);
    a.hold(0, 0);
    const times: Micros[] = [];
    for (let now = 0; times.length < 8; now = a.dueAt()) {
      times.push(Math.max(0, now));
      expect(a.take(now)!.entries).toHaveLength(1);
    }
    const gaps = times.slice(1).map((at, i) => (at - times[i]) / MILLISECOND);
    expect(gaps).toEqual([70, 105, 157.5, 236.25, 300, 300, 300]);
  });

  test('goes out as it is by then', () => {
    const a = new Side(0);
    a.hold(0, 0);
    a.take(0);
    a.hold(1, 0);
    a.take(1);
    a.hold(1, 1);
    expect(a.take(2)!.entries).toMatchObject([{ incarnation: 1, count: 2 }]);
    // Each at its own time, and none as it was before.
    expect([1, 2].map(() => a.take(a.dueAt())!.entries.map(({ count }) => count))).toEqual([[1], [2]]);
  });

  test('goes out as often at once as the path needs, 8 ms apart', () => {
    const a = new Side(0);
    a.hold(0, 0);
    const times: Micros[] = [];
    for (let now = 0; times.length < 5; now = a.dueAt()) {
      times.push(Math.max(0, now));
      a.vectors.take(now, a.other, ROOM, { timeout: TIMEOUT, copies: 3 });
    }
    expect(times.map((at) => at / MILLISECOND)).toEqual([0, 8, 16, 86, 191]);
  });

  test('of one vector among many is known from the answer to the later ones', () => {
    const [a, b] = [new Side(0, 5), new Side(1, 5)];
    for (let i = 0; i < 5; i++) {
      a.hold(i, 0);
      const frame = a.take(i)!;
      if (i !== 2) b.give(i, frame);
    }
    a.give(20, b.take(10 * MILLISECOND + 20)!);
    expect(a.take(a.dueAt())!.entries).toMatchObject([{ incarnation: 2 }]);
  });
});

test('which of the last 33 versions came is told, whatever was lost, overtaken or leapt over', () =>
  holds(
    'versions heard',
    fc.property(fc.array(fc.constantFrom(-33, -32, -1, 1, 2, 31, 32, 33), { minLength: 1 }), (steps) => {
      const a = new Side(0);
      const came = new Set<number>();
      let version = 100;
      for (const step of steps) {
        version = Math.max(1, version + step);
        came.add(version);
        a.vectors.onFrame(0, 1, { kind: 'vector', version, heard: 0, heardBefore: 0, entries: [] });
      }
      const { heard, heardBefore } = a.vectors.number(1);
      const told = Array.from({ length: 32 }, (_, i) => (heardBefore & (1 << i)) !== 0);
      expect(heard).toBe(Math.max(...came));
      expect(told).toEqual(told.map((_, i) => came.has(heard - 1 - i)));
    }),
  ));

test('an older entry that comes late does not undo a newer one', () => {
  const [a, b] = [new Side(0), new Side(1)];
  a.hold(0, 0);
  const old = structuredClone(a.take(0)!);
  a.hold(0, 1);
  b.give(1, a.take(1)!);
  b.give(2, old);
  expect(b.belief()).toEqual(a.truth());
});

test('what does not fit the room stays for the next', () => {
  const a = new Side(0, 9);
  for (let i = 0; i < 9; i++) a.hold(i, 0);
  const counts: number[] = [];
  for (let now = 0; a.dueAt() === -NEVER; now++) {
    const frame = a.take(now, VECTOR_FRAME_SIZE + 4 * 50 + 10)!;
    expect(frameSize(frame)).toBeLessThanOrEqual(VECTOR_FRAME_SIZE + 4 * 50 + 10);
    counts.push(frame.entries.length);
  }
  expect(counts).toEqual([4, 4, 1]);
  expect(a.take(10, VECTOR_FRAME_SIZE - 1)).toBeUndefined();
});

test('what is to be said to one member alone is repeated until that is heard, not what was said before it', () => {
  const [a, b] = [new Side(0), new Side(1)];
  a.hold(0, 0);
  b.give(0, a.take(0)!);
  a.vectors.touchFor(1, a.streams[0]);
  a.take(1);

  a.give(2, b.take(10 * MILLISECOND)!);

  expect(a.take(a.dueAt())?.entries ?? []).toHaveLength(1);
});

test('of a stream that is over nothing is said any more', () => {
  const a = new Side(0);
  a.hold(0, 0);
  a.take(0);
  a.hold(0, 1);
  a.vectors.forget(a.streams[0]);
  expect(a.dueAt()).toBe(TIMEOUT + 10 * MILLISECOND);
  expect(a.take(a.dueAt())?.entries ?? []).toEqual([]);
});

describe('a session made anew', () => {
  test('says all again, to a peer that has forgotten everything', () => {
    const [a, b] = [new Side(0), new Side(1)];
    for (let i = 0; i < 3; i++) a.hold(i, 0);
    converse(a, b, new Rng('first'), 0, []);
    const again = new Side(1);
    a.vectors.restart(1, a.streams, true);
    again.vectors.restart(0, again.streams, true);
    converse(a, again, new Rng('second'), 0, []);
    expect(again.belief()).toEqual(a.truth());
  });

  test('with a peer that counts its versions from 1 again takes them from the first on', () => {
    const [a, b] = [new Side(0), new Side(1)];
    for (let seq = 0; seq < 5; seq++) {
      b.hold(0, seq);
      a.give(seq, b.take(seq)!);
    }
    const again = new Side(1);
    for (let seq = 0; seq < 7; seq++) again.hold(0, seq);
    a.vectors.restart(1, a.streams, true);

    const first = again.take(10)!;
    a.give(10, first);

    expect(first.version).toBe(1);
    expect(a.belief()).toEqual(again.truth());
    expect(a.take(20 * MILLISECOND)).toMatchObject({ heard: 1, heardBefore: 0 });
  });

  test('with a peer that goes on with its numbers does not take what came before for news', () => {
    const [a, b] = [new Side(0), new Side(1)];
    b.hold(0, 0);
    const old = structuredClone(b.take(0)!);
    b.hold(0, 1);
    a.give(1, b.take(1)!);
    a.vectors.restart(1, a.streams, false);

    expect(a.vectors.onFrame(2, 1, old)).toEqual([]);
  });

  test('on one side only does not make the other deaf', () => {
    const [a, b] = [new Side(0), new Side(1)];
    for (let seq = 0; seq < 10; seq++) {
      a.hold(0, seq);
      b.give(seq, a.take(seq)!);
    }
    a.vectors.restart(1, a.streams, false);
    a.hold(0, 10);
    b.give(11, a.take(11)!);
    expect(b.belief()).toEqual(a.truth());
  });
});

describe('versions that no longer fit into 32 bits', () => {
  /** Both sides as they are after as many versions, of which all have been heard. */
  function longAfter(version: number): [Side, Side] {
    const sides: [Side, Side] = [new Side(0), new Side(1)];
    for (const { vectors, other } of sides) {
      Object.assign(vectors['peers'][other], { version, heard: version });
    }
    return sides;
  }

  test('go over the wire as their low 32 bits, and none of them as 0', () => {
    const [a] = longAfter(2 ** 32 - 3);
    const sent = [0, 1, 2, 3].map((seq) => {
      a.hold(0, seq);
      return a.take(seq)!.version;
    });
    expect(sent).toEqual([0xffff_fffe, 0xffff_ffff, 1, 2]);
  });

  test('end in the same view, whatever is lost and overtaken while they pass', () => {
    const [a, b] = longAfter(2 ** 32 - 20);
    const rng = new Rng('wrap');
    const changes = Array.from({ length: 60 }, (_, i) => ({
      at: 10 * i * MILLISECOND,
      make: () => [a, b][i % 2].hold(i % 3, i >> 2),
    }));
    converse(a, b, rng, 0.3, changes);
    expect(a.belief()).toEqual(b.truth());
    expect(b.belief()).toEqual(a.truth());
  });
});
