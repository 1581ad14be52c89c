/**
 * READY of one stream, in a group of seven with two liars: confirms make us READY, what we are READY for is stored before it
 * is said, and five that are READY deliver. Members are 0 (ourselves), 1 (the origin), and 2 to 6.
 */
import { describe, expect, test } from 'vitest';
import { Readiness } from '../../../src/broadcast/agreement/readiness.js';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Streams } from '../../../src/broadcast/agreement/streams.js';
import { sha256 } from '../../../src/crypto/hash.js';
import type { StreamState } from '../../../src/store/store.js';
import type { VectorEntry } from '../../../src/wire/frames/vector.js';
import { emptyStore, parcelOf, storedObject } from '../objects.js';
import { smallGroup } from '../small-group.js';

const ID = { origin: 1, incarnation: 7 };
const GROUP = smallGroup(7, 'ready', { byzantine: 2, faulty: 2 });
const BOUNDS = { ...GROUP.group, self: 0, members: 7 };
const NONE = new Uint8Array(0);
const hash = (label: string) => sha256(new TextEncoder().encode(label));

/** The stream with objects of these hashes. */
function streamWith(labels: string[], state?: StreamState): Stream {
  const stream = new Stream(ID, BOUNDS, state);
  labels.forEach((label, seq) => {
    stream.hold(seq, hash(label));
  });
  return stream;
}

/** What a member with these objects says that is READY for so many. */
function claimOf(labels: string[], ready = 0): VectorEntry {
  return { ...streamWith(labels).telling.entry(), ready };
}

/** What we say once what we are READY for is stored. */
function stored(stream: Stream): number {
  if (stream.pledge()) stream.onPledged(stream.state.ready!.count);
  return stream.telling.entry().ready;
}

test('a quorum of confirms makes us READY, which is said only once it is stored', () => {
  const stream = streamWith(['a', 'b']);
  for (const member of [2, 3, 4]) stream.onClaim(member, claimOf(['a']));

  expect([stream.pledge(), stream.telling.entry().ready]).toEqual([true, 0]);
  expect([stream.onPledged(stream.state.ready!.count), stream.telling.entry().ready]).toEqual([true, 1]);
});

test('more READY than may lie make us READY without a quorum', () => {
  const stream = streamWith(['a']);
  for (const member of [2, 3]) stream.onClaim(member, claimOf(['a'], 1));
  expect(stored(stream)).toBe(0);

  stream.onClaim(4, claimOf(['a'], 1));

  expect(stored(stream)).toBe(1);
});

test('who has retired it has been READY for all of it, and says so no more', () => {
  const stream = streamWith(['a']);
  for (const member of [2, 3, 4])
    stream.onClaim(member, { ...claimOf(['a']), ended: true, over: true, base: 1 });

  expect(stored(stream)).toBe(1);
});

test('what is confirmed by all is delivered when k + f + 1 are READY', () => {
  const stream = streamWith(['a', 'b']);
  for (const member of [1, 2, 3, 4, 5, 6]) stream.onClaim(member, claimOf(['a', 'b'], member <= 4 ? 1 : 0));
  expect(stream.deliverable()).toBe(0);

  stored(stream);

  expect(stream.deliverable()).toBe(1);
});

describe('a member that holds something else', () => {
  const misled = () => {
    const stream = streamWith(['a', 'x', 'c']);
    for (const member of [2, 3]) stream.onClaim(member, claimOf(['a', 'b'], 2));
    return stream;
  };

  test('keeps it against a quorum of confirms, and against no more READY than may lie', () => {
    const stream = misled();
    for (const member of [1, 4, 5, 6]) stream.onClaim(member, claimOf(['a', 'b'], 1));
    expect(stream.following.winners()).toBeUndefined();
  });

  test('gives it up for what more than may lie are READY for, and confirms nothing else again', () => {
    const stream = misled();
    stream.onClaim(4, claimOf(['a', 'b'], 2));
    stream.follow(stream.following.winners()!, stream.delivered);
    stream.restart(stream.delivered);
    expect(stream.telling.entry()).toMatchObject({ count: 0, ahead: NONE });

    stream.hold(0, hash('a'));
    expect(stream.telling.entry().count).toBe(0);
    stream.hold(1, hash('x'));
    expect([stream.following.isMisled, stream.telling.entry().count]).toEqual([true, 0]);
    stream.restart(stream.delivered);
    for (const [seq, label] of ['a', 'b'].entries()) stream.hold(seq, hash(label));
    expect([stream.following.isMisled, stream.telling.entry().count]).toEqual([false, 2]);
  });

  test('knows the one object that it lacks by its hash', () => {
    const stream = streamWith(['x']);
    for (const member of [2, 3, 4]) stream.onClaim(member, claimOf(['a'], 1));
    stream.follow(stream.following.winners()!, stream.delivered);
    stream.restart(stream.delivered);

    const admitted = ['a', 'x'].map((label) =>
      stream.following.admits(5, false, { seq: 0, hash: hash(label) }),
    );

    expect(admitted).toEqual([true, false]);
  });
});

describe('of several objects that a member lacks and cannot tell apart', () => {
  const ORIGIN = ID.origin;
  const following = () => {
    const stream = streamWith(['a', 'x']);
    for (const member of [2, 3, 4]) stream.onClaim(member, claimOf(['b', 'c'], 2));
    stream.follow(stream.following.winners()!, stream.delivered);
    stream.restart(stream.delivered);
    return (member: number, isServed: boolean, seq = 0) =>
      stream.following.admits(member, isServed, { seq, hash: hash('a') });
  };

  test('it takes those that others serve', () => {
    expect(following()(5, true)).toBe(true);
  });

  test('it takes none that their origin sends, which has signed two, or has relayed', () => {
    const admits = following();

    expect([admits(ORIGIN, true), admits(ORIGIN, false), admits(5, false)]).toEqual([false, false, false]);
  });

  test('it takes what its origin says next', () => {
    expect(following()(ORIGIN, false, 2)).toBe(true);
  });
});

describe('what we are READY for', () => {
  test('outlives a restart', () => {
    const before = streamWith(['a', 'b']);
    for (const member of [2, 3, 4]) before.onClaim(member, claimOf(['a', 'b']));
    stored(before);

    const after = streamWith(['a', 'b'], before.state);

    expect([after.following.isMisled, after.telling.entry()]).toEqual([false, before.telling.entry()]);
  });

  test('is not what was found in its place: that is neither confirmed nor kept', () => {
    const object = storedObject({ ...ID, seq: 0 }, parcelOf('another'), GROUP);
    const chain = new Uint8Array(32);
    const ready = { count: 1, chain: claimOf(['a']).chain };
    const state = { ...ID, base: 0, delivered: 0, index: 0, chain, baseChain: chain, ready };

    const streams = new Streams(BOUNDS, { ...emptyStore(), streams: [state], held: [object] });

    const stream = streams.find(ID)!;
    expect([stream.following.isMisled, stream.telling.entry().count]).toEqual([true, 0]);
  });

  /** We hold three objects and give up the last one, for what others are READY for. */
  function givingUp(): Stream {
    const stream = streamWith(['a', 'b', 'x']);
    for (const member of [2, 3, 4]) stream.onClaim(member, claimOf(['a', 'b', 'c'], 3));
    stream.follow(stream.following.winners()!, 2);
    return stream;
  }

  test('comes with the object from which on another is to come: after a crash nothing below is dropped', () => {
    const { state } = givingUp();
    const chain = new Uint8Array(32);
    const before = { ...state, base: 0, delivered: 0, index: 0, chain, baseChain: chain };

    const after = streamWith(['a', 'b', 'x'], before);

    expect([after.following.isMisled, after.following.trusted?.from]).toEqual([true, 2]);
  });

  test.each([0, 1, 2])(
    'nor where another wrong one comes after it, but for what was damaged: %i are stored',
    (kept) => {
      const stream = givingUp();
      stream.restart(2);

      const after = streamWith(['a', 'b'].slice(0, kept), stream.state);
      const isNews = after.following.onLoaded();
      for (const [seq, label] of ['a', 'b', 'y'].entries()) after.hold(seq, hash(label));

      expect([isNews, after.state.ready?.from]).toEqual([kept < 2, kept]);
      expect([after.following.isMisled, after.following.trusted?.from]).toEqual([true, kept]);
    },
  );

  test('comes without it once that has come', () => {
    const stream = givingUp();
    stream.restart(2);
    stream.hold(2, hash('c'));
    expect([stream.following.trusted, stream.state.ready?.from]).toEqual([undefined, undefined]);
  });

  test('is said with a digest of its own, since of more the other may never know', () => {
    const stream = streamWith(['a', 'b']);
    for (const member of [2, 3, 4]) stream.onClaim(member, claimOf(['a']));
    stored(stream);

    expect(stream.tell(5).map(({ count, ready }) => [count, ready])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });
});

test('READY for the first objects still counts once we have started over and hold others behind them', () => {
  const stream = streamWith(['a', 'b', 'x']);
  const lower = claimOf(['a', 'b'], 2);
  for (const member of [2, 3, 4, 5, 6]) stream.onClaim(member, claimOf(['a', 'b', 'x'], 2), [lower]);

  stream.restart(stream.delivered);
  ['a', 'b', 'y'].forEach((label, seq) => {
    stream.hold(seq, hash(label));
  });

  expect([stored(stream), stream.deliverable()]).toEqual([2, 2]);
});

test('with one liar, and nobody else to fail, there is no READY', () => {
  const { group } = smallGroup(4, 'one', { byzantine: 1, faulty: 1 });
  const stream = new Stream(ID, { ...group, self: 0, members: 4 });
  stream.hold(0, hash('a'));
  for (const member of [2, 3]) stream.onClaim(member, claimOf(['a'], 1));

  expect([stream.pledge(), stream.telling.entry().ready, stream.deliverable()]).toEqual([false, 0, 1]);
});

test('once we have started over READY counts for what is held still, and we are for what is delivered at least', () => {
  const readiness = new Readiness(BOUNDS, { count: 1, chain: hash('one') });
  for (const member of [2, 3, 4, 5, 6]) readiness.onReady(member, 5);

  readiness.restart({ count: 2, chain: hash('two') }, 3);

  expect([readiness.attested(), readiness.deliverable(0), readiness.pledge]).toEqual([
    3,
    3,
    { count: 2, chain: hash('two') },
  ]);
  readiness.restart({ count: 1, chain: hash('one') }, 3);
  expect(readiness.pledge.count).toBe(2);
});
