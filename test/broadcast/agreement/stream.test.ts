/**
 * One stream, by what a member holds of it and what the others say: its story goes from counting over agreement and
 * delivery to pruning. Members are 0 (ourselves), 1 (the origin), and 2 to 4.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { sha256 } from '../../../src/crypto/hash.js';
import type { VectorEntry } from '../../../src/wire/frames/vector.js';
import { holds } from '../../wire/holds.js';
import { boundsOf } from '../bounds.js';

const ID = { origin: 1, incarnation: 7 };
const [SELF, ORIGIN] = [0, 1];
const MEMBERS = 5;
const QUORUM = 3;
const NONE = new Uint8Array(0);

const hashOf = (seq: number, version = '') => sha256(new TextEncoder().encode(`object ${seq}${version}`));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** A member's view that holds these objects. */
function viewOf(seqs: Iterable<number>, self = SELF, version = '', byzantine = 1): Stream {
  const stream = new Stream(ID, boundsOf(self, MEMBERS, { quorum: QUORUM, byzantine }));
  for (const seq of seqs) stream.hold(seq, hashOf(seq, version));
  return stream;
}

/** What a member says that holds the first `count` objects. */
function claim(count: number, version = ''): VectorEntry {
  return viewOf(range(0, count), 2, version).telling.entry();
}

describe('counting', () => {
  test('objects that come in any order are counted up to the first gap, the others named', () =>
    holds(
      'stream counting',
      fc.property(fc.uniqueArray(fc.nat(200), { maxLength: 60 }), (seqs) => {
        const stream = viewOf(seqs);
        let count = 0;
        while (seqs.includes(count)) count++;
        expect(stream.count).toBe(count);
        const heard = new Stream(ID, boundsOf(3, MEMBERS));
        heard.onClaim(2, stream.telling.entry());
        for (const seq of range(0, 220)) {
          expect(stream.holds(seq)).toBe(seqs.includes(seq));
          expect(heard.claims.isHeldBy(2, seq)).toBe(seqs.includes(seq));
        }
      }),
      50,
    ));

  test('beyond 256 behind the gap nothing is named', () => {
    const stream = viewOf([1, 256, 257, 5000]);
    expect(stream.telling.entry().ahead).toHaveLength(32);
    const heard = viewOf([]);
    heard.onClaim(2, stream.telling.entry());
    expect([1, 256, 257, 5000].map((seq) => heard.claims.isHeldBy(2, seq))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  test('an object counts once, and as what it was first', () => {
    const stream = viewOf([0]);
    stream.hold(0, hashOf(0, 'other'));
    expect(stream.telling.entry()).toEqual(claim(1));
  });
});

describe('agreement', () => {
  test('of two that hold the same does not depend on the order in which it came', () => {
    expect(viewOf([2, 0, 3, 1]).telling.entry()).toEqual(viewOf([0, 1, 2, 3]).telling.entry());
  });

  test('ends with the first object that differs', () => {
    const stream = viewOf([0, 1, 2]);
    const other = viewOf([0], 2);
    expect(stream.onClaim(2, other.telling.entry())).toBe(true);
    other.hold(1, hashOf(1, 'other'));
    expect(stream.onClaim(2, other.telling.entry())).toBe(false);
    other.hold(2, hashOf(2));
    expect(stream.onClaim(2, other.telling.entry())).toBe(false);
  });

  test('with what is ahead of us is looked at once we are there', () => {
    const stream = viewOf([0]);
    for (const member of [2, 3]) stream.onClaim(member, claim(3));
    expect(stream.deliverable()).toBe(0);
    stream.hold(1, hashOf(1));
    expect(stream.deliverable()).toBe(0);
    stream.hold(2, hashOf(2));
    expect(stream.deliverable()).toBe(3);
  });

  test('on what is delivered is settled, whatever is said later', () => {
    const stream = viewOf([0, 1]);
    for (const member of [2, 3]) stream.onClaim(member, claim(1));
    stream.onDelivered();
    stream.onClaim(2, claim(1, 'other'));
    expect(stream.comparison.rivals()).toBeUndefined();
    expect(stream.deliverable()).toBe(1);
  });
});

describe('delivery', () => {
  test('goes as far as a quorum agrees: ourselves, the origin who signed it, and who confirms', () => {
    const stream = viewOf(range(0, 5));
    expect(stream.deliverable()).toBe(0);
    stream.onClaim(2, claim(2));
    expect(stream.deliverable()).toBe(2);
    stream.onClaim(3, claim(4));
    expect(stream.deliverable()).toBe(4);
    stream.onClaim(4, claim(5, 'other'));
    expect(stream.deliverable()).toBe(4);
  });

  test('needs ourselves: what only the others hold is not there to deliver', () => {
    const stream = viewOf([]);
    for (const member of [1, 2, 3, 4]) stream.onClaim(member, claim(5));
    expect(stream.deliverable()).toBe(0);
  });

  test('of our own objects needs the others', () => {
    const own = new Stream({ ...ID, origin: SELF }, boundsOf(SELF, MEMBERS, { quorum: QUORUM }));
    own.hold(0, hashOf(0));
    const entry = { ...own.telling.entry() };
    expect(own.deliverable()).toBe(0);
    own.onClaim(2, entry);
    expect(own.deliverable()).toBe(0);
    own.onClaim(3, entry);
    expect(own.deliverable()).toBe(1);
  });

  test('forgets the confirm of a member that has lost its store', () => {
    const stream = viewOf(range(0, 3));
    stream.onClaim(2, claim(3));
    expect(stream.deliverable()).toBe(3);
    stream.onClaim(2, claim(0));
    expect(stream.deliverable()).toBe(0);
  });

  test('never takes back what is delivered', () => {
    const stream = viewOf(range(0, 3));
    stream.onClaim(2, claim(3));
    stream.onDelivered();
    stream.onClaim(2, claim(0));
    expect(stream.deliverable()).toBe(1);
  });

  test('follows a member that is always ahead by more confirms than are remembered', () => {
    const stream = viewOf([]);
    for (const seq of range(0, 100)) {
      for (const member of [2, 3]) stream.onClaim(member, claim(seq + 1));
      if (seq >= 50) stream.hold(seq - 50, hashOf(seq - 50));
    }
    expect(stream.count).toBe(50);
    expect(stream.deliverable()).toBeGreaterThan(0);
  });
});

describe('a disagreement', () => {
  test('is found whichever comes first, the object or the claim', () => {
    const first = viewOf([0]);
    expect(first.onClaim(2, claim(1, 'other'))).toBe(false);
    const later = new Stream(ID, boundsOf(SELF, MEMBERS, { quorum: QUORUM }));
    expect(later.onClaim(2, claim(1, 'other'))).toBe(true);
    later.hold(0, hashOf(0));
    expect(later.comparison.disputed).toEqual([2]);
  });

  test('shows the rivals that say the same, the most of them', () => {
    const stream = viewOf([0, 1]);
    stream.onClaim(2, claim(2, 'other'));
    stream.onClaim(3, claim(2, 'third'));
    stream.onClaim(4, claim(2, 'other'));
    const { chain } = claim(2, 'other');
    expect(stream.comparison.rivals()).toMatchObject({ members: [2, 4], count: 2, chain });
  });

  test('is no rivalry where the others agree with us', () => {
    const stream = viewOf([0, 1]);
    for (const member of [2, 3, 4]) stream.onClaim(member, claim(2));
    expect(stream.comparison.rivals()).toBeUndefined();
  });

  test('settled by trust: what comes must match it, from those that are trusted', () => {
    const stream = viewOf([0, 1]);
    const { following } = stream;
    for (const member of [2, 4]) stream.onClaim(member, claim(2, 'other'));
    stream.follow(stream.comparison.rivals()!, 0);
    stream.restart(stream.delivered);
    expect([stream.count, following.believes(2), following.believes(3)]).toEqual([0, true, false]);
    for (const seq of [0, 1]) stream.hold(seq, hashOf(seq));
    expect(following.isMisled).toBe(true);
    stream.restart(stream.delivered);
    stream.hold(0, hashOf(0, 'other'));
    expect([following.isMisled, following.believes(3)]).toEqual([false, false]);
    stream.hold(1, hashOf(1, 'other'));
    expect([following.isMisled, following.trusted, following.believes(3)]).toEqual([false, undefined, true]);
    expect(stream.deliverable()).toBe(2);
  });
});

describe('objects exist', () => {
  test('if their origin says so, whatever the number of liars', () => {
    const stream = viewOf([0], SELF, '', 3);
    stream.onClaim(ORIGIN, viewOf([0, 1, 4]).telling.entry());
    expect(stream.claims.existing()).toBe(5);
  });

  test('if more members say so than may lie', () => {
    const existing = [0, 1, 2].map((liars) => {
      const stream = viewOf([0], SELF, '', liars);
      return [1000, 3].map((count, i) => {
        stream.onClaim(2 + i, claim(count));
        return stream.claims.existing();
      });
    });
    expect(existing).toEqual([
      [1000, 1000],
      [1, 3],
      [1, 1],
    ]);
  });
});

describe('pruning', () => {
  test('is for what every member holds, the origin and ourselves included', () => {
    const stream = viewOf(range(0, 9));
    expect(stream.stable()).toBe(0);
    for (const [member, count] of [
      [ORIGIN, 9],
      [2, 8],
      [3, 9],
      [4, 5],
    ])
      stream.onClaim(member, claim(count));
    expect(stream.stable()).toBe(5);
    expect(stream.claims.lacking(8)).toEqual([4]);
  });

  test('waits for the origin, which may have lost what it signed', () => {
    const stream = viewOf(range(0, 9));
    for (const member of [2, 3, 4]) stream.onClaim(member, claim(9));
    expect(stream.stable()).toBe(0);
    stream.onClaim(ORIGIN, claim(9));
    expect(stream.stable()).toBe(9);
  });

  test('waits for a member that has started again to say anew what it holds', () => {
    const stream = viewOf(range(0, 9));
    for (const member of [ORIGIN, 2, 3, 4]) stream.onClaim(member, claim(9));
    stream.onFresh(3);
    expect(stream.stable()).toBe(0);
    expect(stream.deliverable()).toBe(9);
    stream.onClaim(3, claim(9));
    expect(stream.stable()).toBe(9);
  });

  test('goes on when a digest that was not ours has been taken back', () => {
    const stream = viewOf(range(0, 9));
    for (const member of [ORIGIN, 2, 3]) stream.onClaim(member, claim(9));
    expect(stream.onClaim(4, claim(9, 'other'))).toBe(false);
    expect(stream.stable()).toBe(0);
    stream.onClaim(4, claim(9));
    expect(stream.stable()).toBe(9);
  });

  test('never goes back: a member that holds less than we keep changes nothing', () => {
    const stream = viewOf(range(0, 9));
    for (let i = 0; i < 4; i++) stream.onDelivered();
    stream.prune(4);
    stream.prune(stream.stable());
    expect(stream.base).toBe(4);
  });

  test('of one member is known to the others: it holds it, but does not keep it', () => {
    const stream = viewOf([]);
    stream.onClaim(2, { ...claim(9), base: 4 });
    expect([stream.claims.isHeldBy(2, 3), stream.claims.keeps(2, 3), stream.claims.keeps(2, 4)]).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('that leaves us behind is known to keep nothing below, too', () => {
    const stream = viewOf([]);
    for (const member of [2, 3]) stream.onClaim(member, claim(9));
    const chain = sha256(NONE);
    expect([stream.onGone(2, 5, chain), stream.onGone(3, 5, chain)]).toEqual([1, 2]);
    expect(stream.claims.keeps(2, 4)).toBe(false);
  });
});

describe('a restart', () => {
  test('goes on from the state that was written, to the same digests', () => {
    const before = viewOf(range(0, 10));
    for (let i = 0; i < 6; i++) before.onDelivered();
    before.ledger.index = 2;
    before.prune(4);
    const after = new Stream(ID, boundsOf(SELF, MEMBERS), before.state);
    expect([after.base, after.delivered, after.index, after.count]).toEqual([4, 6, 2, 6]);
    for (const seq of [9, 7, 6, 8]) after.hold(seq, hashOf(seq));
    expect(after.telling.entry()).toEqual(before.telling.entry());
    expect(after.state).toEqual(before.state);
  });

  test('in between drops what is not delivered, and what was agreed beyond', () => {
    const stream = viewOf(range(0, 5));
    stream.onClaim(2, claim(5));
    expect(stream.deliverable()).toBe(5);
    stream.onDelivered();
    stream.restart(stream.delivered);
    expect([stream.count, stream.holds(0), stream.holds(1)]).toEqual([1, true, false]);
    expect(stream.deliverable()).toBe(1);
    for (const seq of range(1, 5)) stream.hold(seq, hashOf(seq));
    stream.onClaim(2, claim(5));
    expect(stream.deliverable()).toBe(5);
  });
});
