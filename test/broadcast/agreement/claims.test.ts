/** What one stream makes of claims that are not its own. */
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Journal } from '../../../src/broadcast/delivery/journal.js';
import { sha256 } from '../../../src/crypto/hash.js';
import type { VectorEntry } from '../../../src/wire/frames/vector.js';
import { boundsOf } from '../bounds.js';

const ID = { origin: 4, incarnation: 1 };
const hash = (label: string) => sha256(new TextEncoder().encode(label));

/** The stream as member `self` of five has it, with objects of these hashes. */
function streamWith(labels: string[], self = 0): Stream {
  const stream = new Stream(ID, boundsOf(self, 5));
  labels.forEach((label, seq) => {
    stream.hold(seq, hash(label));
  });
  return stream;
}

/** What a member with these objects says to one with which it has no dispute. */
function claimOf(labels: string[]): VectorEntry {
  return streamWith(labels, 3).tell(0).at(-1)!;
}

describe('a stream', () => {
  test('sees no rival in a claim beyond what it holds', () => {
    const stream = streamWith(['a']);

    for (const member of [1, 2, 3]) stream.onClaim(member, claimOf(['a', 'b', 'c']));

    expect(stream.comparison.rivals()).toBeUndefined();
  });

  test('where nobody lies, is not deliverable by claims that turn out to be of something else', () => {
    const stream = new Stream({ origin: 0, incarnation: 1 }, boundsOf(0, 3, { byzantine: 0 }));
    stream.hold(0, hash('a'));
    const theirs = new Stream({ origin: 0, incarnation: 1 }, boundsOf(1, 3, { byzantine: 0 }));
    for (const label of ['a', 'b']) theirs.hold(theirs.count, hash(label));
    for (const member of [1, 2]) stream.onClaim(member, theirs.telling.entry());
    // Said from an old copy of the store.
    stream.hold(1, hash('x'));
    expect(stream.deliverable()).toBe(1);
  });

  test('counts the origin as a vote for what rivals hold', () => {
    const stream = streamWith(['x']);

    for (const member of [1, 2, 3]) stream.onClaim(member, claimOf(['a']));

    expect(stream.comparison.rivals()).toMatchObject({ members: [1, 2, 3], votes: 4, count: 1 });
  });

  test('counts a rival once, however often it says so', () => {
    const stream = streamWith(['x']);
    const claim = claimOf(['a']);

    stream.onClaim(1, claim, [claim, claim]);

    expect(stream.comparison.rivals()).toMatchObject({ members: [1], votes: 2 });
  });

  test('knows where it differs from others once more of them than may lie have told both sides of it', () => {
    const stream = streamWith(['a', 'b', 'x', 'c']);
    const theirs = ['a', 'b', 'y', 'z'];
    const told = (...counts: number[]) => counts.map((count) => claimOf(theirs.slice(0, count)));
    const located: boolean[] = [];
    const say = (member: number, ...counts: number[]) => {
      stream.onClaim(member, claimOf(theirs), told(...counts));
      located.push(stream.following.isLocated(stream.comparison.rivals()!, stream.delivered));
    };

    for (const member of [1, 2, 3]) say(member);
    say(1, 2, 3);
    say(2, 1, 3);
    expect(located).toEqual([false, false, false, false, false]);
    say(3, 2);

    expect(located.at(-1)).toBe(true);
    expect(stream.following.sharedWith(stream.comparison.rivals()!)).toBe(2);
  });

  test('and a member that differs halve what lies between, until both know the first object that does', () => {
    const labels = Array.from({ length: 40 }, (_, i) => `${i}`);
    const [ours, theirs] = [
      streamWith([...labels.slice(0, 29), 'x']),
      streamWith([...labels.slice(0, 13), 'y', ...labels.slice(14)], 1),
    ];
    const hears = (by: Stream, of: Stream, from: number) => {
      const entries = of.tell(by === ours ? 0 : 1);
      by.onClaim(from, entries.at(-1)!, entries.slice(0, -1));
    };

    for (let round = 0; round < 8; round++) {
      hears(theirs, ours, 0);
      for (const from of [1, 2]) hears(ours, theirs, from);
    }

    const counts = ours.tell(1).map(({ count }) => count);
    expect([counts.includes(13), counts.includes(14)]).toEqual([true, true]);
    const rivals = ours.comparison.rivals()!;
    expect([ours.following.isLocated(rivals, 0), ours.following.sharedWith(rivals)]).toEqual([true, 13]);
  });

  test('is stable only up to where all agree, not to where all hold something', () => {
    const stream = streamWith(['a', 'b']);

    for (const member of [1, 2]) stream.onClaim(member, claimOf(['a', 'b']));
    stream.onClaim(3, claimOf(['a', 'x']));

    expect(stream.stable()).toBe(0);
  });

  test('tells a member that holds something else how it goes step by step', () => {
    const stream = streamWith(['a', 'b', 'c']);

    stream.onClaim(1, claimOf(['a', 'x', 'y']));

    expect(stream.tell(1).map(({ count }) => count)).toEqual([1, 3]);
    expect(stream.tell(2).map(({ count }) => count)).toEqual([3]);
  });

  test('believes what a member says of fewer objects, though it differs later', () => {
    const stream = streamWith(['a', 'b', 'c']);
    const { chain } = claimOf(['a', 'b']);

    for (const member of [1, 2])
      stream.onClaim(member, claimOf(['a', 'b', 'x']), [{ count: 2, ready: 0, chain }]);

    expect(stream.deliverable()).toBe(2);
  });

  test('prunes nothing for members that hold less than what was pruned', () => {
    const state = { base: 2, delivered: 3, index: 0, chain: hash('c'), baseChain: hash('b') };
    const stream = new Stream(ID, boundsOf(0, 5), { ...ID, ...state });

    stream.prune(0);

    expect(stream.base).toBe(2);
  });
});

describe('the log', () => {
  const object = { ...ID, seq: 0, certificate: new Uint8Array(1), bytes: new Uint8Array(5) };
  const emptyLog = () =>
    new Journal({ incarnation: 1, session: 1, streams: [], retired: [], held: [], sent: [], bytes: 0 });

  test('does not count as stored what was dropped while it was being stored', () => {
    const log = emptyLog();
    log.put(object);
    log.poll(0);

    log.drop(streamWith([]), 0);

    expect([...log.onCommitted(5)]).toEqual([]);
    expect(log.pendingBytes).toBe(0);
    expect(log.poll(0)).toEqual({ type: 'commit', writes: [{ type: 'drop', stream: ID, from: 0 }] });
  });

  test('does not store what was dropped before', () => {
    const log = emptyLog();
    log.put(object);

    log.drop(streamWith([]), 0);

    expect(log.poll(0)).toEqual({ type: 'commit', writes: [{ type: 'drop', stream: ID, from: 0 }] });
    expect(log.pendingBytes).toBe(0);
  });
});
