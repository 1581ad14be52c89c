/** Objects that came past the relays: they wait until all who are there hold them, for a while at most. */
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Unrelayed } from '../../../src/broadcast/delivery/unrelayed.js';
import { MILLISECOND, SECOND } from '../../../src/core/time.js';
import { objectId } from '../../../src/wire/symbol.js';
import { boundsOf } from '../bounds.js';

const [SELF, ORIGIN, OTHER, LAST, MEMBERS] = [0, 1, 2, 3, 4];

/** We hold one object of a stream; all but those are there. */
function setUp(silent: number[] = []) {
  const unrelayed = new Unrelayed(MEMBERS, {
    isThere: (_, member) => member !== SELF && !silent.includes(member),
    rtt: 20 * MILLISECOND,
  });
  const stream = new Stream({ origin: ORIGIN, incarnation: 7 }, boundsOf(SELF, MEMBERS));
  const hold = (seq: number) => {
    stream.hold(seq, new Uint8Array(32).fill(seq));
    unrelayed.add(0, objectId(stream, seq), [OTHER]);
  };
  hold(0);
  const claims = (member: number, count = 1) =>
    stream.onClaim(member, { ...stream.telling.entry(), count, chain: stream.ledger.chainAt(count)! });
  const waits = (now: number) => unrelayed.holdsBack(now, stream);
  return { unrelayed, stream, hold, claims, waits };
}

describe('an object that its origin has given us past the relays', () => {
  test('waits until all others say that they hold it, whatever its origin says', () => {
    const { claims, waits } = setUp();
    claims(OTHER);
    expect(waits(1)).toBe(true);
    claims(LAST);
    expect(waits(1)).toBe(false);
  });

  test('does not wait for members that are not there', () => {
    const { claims, waits } = setUp([LAST]);
    claims(OTHER);
    expect(waits(1)).toBe(false);
  });

  test('waits for one that has reported nothing of it as long as it takes to ask for some', () => {
    const { claims, waits } = setUp();
    claims(OTHER);
    expect([waits(180 * MILLISECOND - 1), waits(180 * MILLISECOND)]).toEqual([true, false]);
  });

  test.each([OTHER, LAST])('waits three seconds for one that has: member %i', (member) => {
    const { unrelayed, stream, claims, waits } = setUp();
    claims(member === OTHER ? LAST : OTHER);
    unrelayed.onProgress(LAST, objectId(stream, 0));
    expect([waits(3 * SECOND - 1), waits(3 * SECOND)]).toEqual([true, false]);
  });

  test('does not wait for the same one again for a minute', () => {
    const { claims, waits, hold, stream } = setUp();
    hold(1);
    claims(LAST, 2);
    expect(waits(3 * SECOND)).toBe(false);
    stream.onDelivered();
    expect(waits(3 * SECOND)).toBe(false);
    stream.onDelivered();
    hold(2);
    claims(LAST, 3);
    expect(waits(3 * SECOND)).toBe(false);
  });

  test('is not remembered once its stream is over', () => {
    const { unrelayed, stream, waits } = setUp();
    unrelayed.forget(stream);
    expect(waits(1)).toBe(false);
  });
});

test('any other object waits for nobody', () => {
  const { unrelayed } = setUp();
  const other = new Stream({ origin: ORIGIN, incarnation: 8 }, boundsOf(SELF, MEMBERS));
  other.hold(0, new Uint8Array(32));
  expect(unrelayed.holdsBack(0, other)).toBe(false);
});
