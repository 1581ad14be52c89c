/** Pulls: what is missing is asked for after a while of silence, again and ever more rarely, and at once while catching up. */
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Incoming } from '../../../src/broadcast/spread/incoming.js';
import { Objects, ObjectUnderWay } from '../../../src/broadcast/spread/objects.js';
import { Pulls } from '../../../src/broadcast/spread/pulls.js';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../../src/core/time.js';
import { boundsOf } from '../bounds.js';
import { descriptorOf } from '../objects.js';

const RTT = 40 * MILLISECOND;
const RELAYED = 50 * MILLISECOND;
const PATIENCE = { rtt: RTT, relayed: RELAYED };
const PEER = 2;
const OTHER = 3;
const LARGE = 20_000;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

function streamOf(...held: number[]): Stream {
  const stream = new Stream({ origin: 1, incarnation: 7 }, boundsOf(0, 4));
  for (const seq of held) stream.hold(seq, new Uint8Array(32));
  return stream;
}

/** An entry of a VECTOR: its member holds the first object. */
const claimOfOne = (() => {
  const speaker = streamOf(0);
  return speaker.telling.entry();
})();

function newPulls(objects = new Objects()): Pulls {
  return new Pulls(new Rng('pulls'), objects);
}

/** The first object of a stream, of which something may have come. */
function underWay() {
  const objects = new Objects();
  const stream = streamOf();
  const record = new ObjectUnderWay(stream, 0, 0);
  objects.add(record);
  return { pulls: newPulls(objects), stream, record };
}

/** Asks one member for all that is to be asked for. */
function askAll(pulls: Pulls, now: Micros, peer: number): number[] {
  return pulls
    .take(now, () => RTT)
    .map(({ stream, seq }) => {
      pulls.onAsked(now, { stream, seq }, peer, { rtt: RTT });
      return seq;
    });
}

function asked(pulls: Pulls, now: Micros): number[] {
  return pulls.take(now, () => RTT).map(({ seq }) => seq);
}

describe('patience', () => {
  test('lasts 100 ms and two round trips, since most comes unasked', () => {
    const pulls = newPulls();
    pulls.update(0, streamOf(), 2, PATIENCE);
    const first = 100 * MILLISECOND + 2 * RTT;
    expect(pulls.nextTimeout()).toBe(first);
    expect(asked(pulls, first - 1)).toEqual([]);
    expect(asked(pulls, first)).toEqual([0, 1]);
  });

  test('there is none for what was sent when there was another session, known to be so at once or later', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 3, { ...PATIENCE, lostBelow: 1 });
    expect(asked(pulls, 0)).toEqual([0]);
    pulls.update(1, stream, 3, { ...PATIENCE, lostBelow: 2 });
    expect(asked(pulls, 1)).toEqual([1]);
    // What was asked for is not asked for again sooner.
    pulls.update(2, stream, 3, { ...PATIENCE, lostBelow: 2 });
    expect(asked(pulls, 2)).toEqual([]);
    expect(asked(pulls, 100 * MILLISECOND + 2 * RTT)).toContain(2);
  });

  test('begins when an object is first known to be missing, and news of others does not renew it', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    pulls.update(100 * MILLISECOND, stream, 2, PATIENCE);
    expect(asked(pulls, 180 * MILLISECOND)).toEqual([0]);
    expect(asked(pulls, 280 * MILLISECOND)).toContain(1);
  });

  test('after one has been asked is as long as that one is far, whoever else is farther', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    const far = (member: number) => (member === stream.origin ? SECOND : RTT);
    expect(pulls.take(2 * SECOND, far)).toMatchObject([{ seq: 0 }]);
    pulls.onAsked(2 * SECOND, { stream, seq: 0 }, PEER, { rtt: RTT });
    expect(pulls.nextTimeout()).toBeLessThan(2 * SECOND + 1.25 * (50 * MILLISECOND + 2 * RTT) + 1);
  });

  test('is renewed while symbols of the object come in', () => {
    const { pulls, stream, record } = underWay();
    pulls.update(0, stream, 1, PATIENCE);
    record.usefulAt = 150 * MILLISECOND;
    expect(asked(pulls, 180 * MILLISECOND)).toEqual([]);
    expect(pulls.nextTimeout()).toBe(150 * MILLISECOND + 50 * MILLISECOND + RTT);
    expect(asked(pulls, pulls.nextTimeout())).toEqual([0]);
  });

  test('has an end where symbols only trickle in: another member is asked as well, and the next one later', () => {
    const { pulls, stream, record } = underWay();
    pulls.update(0, stream, 1, PATIENCE);
    const times: Micros[] = [];
    for (let now = 0; now < 10 * SECOND; now += 10 * MILLISECOND) {
      for (const { last, seq } of pulls.take(now, () => RTT)) {
        times.push(now);
        expect(last).toBe(times.length > 1 ? PEER : undefined);
        pulls.onAsked(now, { stream, seq }, PEER, { rtt: RTT });
      }
      if (times.length > 0) record.usefulAt = now;
    }
    const waits = times.slice(1).map((at, i) => at - times[i]);
    expect(waits.length).toBe(3);
    waits.forEach((wait, i) => {
      expect(wait).toBeGreaterThanOrEqual(SECOND * 2 ** i);
      expect(wait).toBeLessThan(1.3 * SECOND * 2 ** i);
    });
  });

  test('is short again, after many tries that brought nothing, once a try has brought a part', () => {
    const objects = new Objects();
    const pulls = newPulls(objects);
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    for (let i = 0; i < 15; i++) expect(askAll(pulls, pulls.nextTimeout(), PEER)).toEqual([0]);
    const record = new ObjectUnderWay(stream, 0, 0);
    objects.add(record);
    const before = pulls.nextTimeout();
    record.usefulAt = before - 200 * MILLISECOND;
    expect(askAll(pulls, before, PEER)).toEqual([0]);
    expect(pulls.nextTimeout() - before).toBeLessThan(1.25 * (50 * MILLISECOND + 2 * RTT) + 1);
  });

  test('is not needed for what is held, nor for what is being stored', () => {
    const objects = new Objects();
    const pulls = newPulls(objects);
    const stream = streamOf(0, 2);
    const record = new ObjectUnderWay(stream, 3, 0);
    record.storing = true;
    objects.add(record);
    pulls.update(0, stream, 5, PATIENCE);
    expect(asked(pulls, SECOND)).toEqual([1, 4]);
  });
});

test('what was missing, has come and is on its way to the disk is not asked for, however slow the disk is', () => {
  const { pulls, stream, record } = underWay();
  pulls.update(0, stream, 1, PATIENCE);
  record.storing = true;
  for (let now = 0; now < SECOND; now += 10 * MILLISECOND) expect(asked(pulls, now)).toEqual([]);
  record.storing = false;
  expect(asked(pulls, 2 * SECOND)).toEqual([0]);
});

describe('an object that others confirm, one more than may lie and not its origin', () => {
  /** That the first object is there, says its origin first. */
  function confirmed(stream: Stream, members: readonly number[]): void {
    for (const member of members) stream.onClaim(member, claimOfOne);
  }

  test('is asked for once relays would have brought it', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    confirmed(stream, [PEER, OTHER]);
    pulls.update(10 * MILLISECOND, stream, 1, PATIENCE);
    expect(pulls.nextTimeout()).toBe(10 * MILLISECOND + RELAYED);
    expect(asked(pulls, pulls.nextTimeout())).toEqual([0]);
  });

  test('is not asked for sooner if only its origin and one that may lie say that they hold it', () => {
    const pulls = newPulls();
    const stream = streamOf();
    confirmed(stream, [stream.origin, OTHER]);
    pulls.update(0, stream, 1, PATIENCE);
    expect(pulls.nextTimeout()).toBe(100 * MILLISECOND + 2 * RTT);
  });

  test('is asked for though symbols of it trickle in', () => {
    const { pulls, stream, record } = underWay();
    confirmed(stream, [PEER, OTHER]);
    pulls.update(0, stream, 1, PATIENCE);
    const times: Micros[] = [];
    for (let now = 0; now < 200 * MILLISECOND; now += 10 * MILLISECOND) {
      record.usefulAt = now;
      if (asked(pulls, now).length > 0) times.push(now);
    }
    expect(times[0]).toBe(RELAYED);
  });

  test('is waited for while an earlier one is coming in, which is asked for', () => {
    const { pulls, stream, record } = underWay();
    record.incoming = new Incoming(descriptorOf({ origin: 1, incarnation: 7, seq: 0 }, new Uint8Array(5000)));
    for (const member of [PEER, OTHER]) stream.onClaim(member, { ...claimOfOne, count: 2 });
    pulls.update(0, stream, 2, PATIENCE);
    record.usefulAt = RELAYED;
    expect(asked(pulls, RELAYED)).toEqual([0]);
  });

  test('does not show that we are behind, if it had begun to come', () => {
    const { pulls, stream, record } = underWay();
    confirmed(stream, [PEER, OTHER]);
    pulls.update(0, stream, 2, PATIENCE);
    record.usefulAt = RELAYED;
    askAll(pulls, RELAYED, PEER);
    pulls.onServed(RELAYED + 1, { stream, seq: 0 }, PEER, LARGE);
    expect(asked(pulls, RELAYED + 1)).toEqual([]);
  });
});

describe('an object that does not come', () => {
  test('is asked for again, each time later, up to each 2 to 2.5 s, and the tries are counted', () => {
    const pulls = newPulls();
    pulls.update(0, streamOf(), 1, PATIENCE);
    const times: Micros[] = [];
    for (let i = 0; i < 15; i++) {
      const now = pulls.nextTimeout();
      expect(pulls.take(now, () => RTT)).toMatchObject([{ seq: 0, tries: i }]);
      times.push(now);
    }
    const gaps = times.slice(1).map((at, i) => at - times[i]);
    const base = 50 * MILLISECOND + 2 * RTT;
    gaps.forEach((gap, i) => {
      const wait = Math.min(2 * SECOND, base * 1.5 ** i);
      expect(gap).toBeGreaterThanOrEqual(wait);
      expect(gap).toBeLessThanOrEqual(1.25 * wait + 1);
    });
  });

  test('is asked for again as soon as before, as often as loss alone would explain that nothing has come; each wait so often', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    const times: Micros[] = [];
    for (let i = 0; i < 12; i++) {
      const now = pulls.nextTimeout();
      pulls.take(now, () => RTT);
      pulls.onAsked(now, { stream, seq: 0 }, PEER, { rtt: RTT, likely: 5 });
      times.push(now);
    }
    const gaps = times.slice(1).map((at, i) => at - times[i]);
    const base = 50 * MILLISECOND + 2 * RTT;
    const waits = [1, 1, 1, 1, 1, 1.5, 1.5, 1.5, 1.5, 1.5, 2.25].map((factor) => factor * base);
    gaps.forEach((gap, i) => {
      expect(gap).toBeGreaterThanOrEqual(waits[i]);
      expect(gap).toBeLessThanOrEqual(1.25 * waits[i] + 1);
    });
  });

  test('is asked for no more once it has come', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    asked(pulls, SECOND);
    stream.hold(0, new Uint8Array(32));
    pulls.update(SECOND, stream, 1, PATIENCE);
    expect(asked(pulls, 60 * SECOND)).toEqual([]);
    expect(pulls.nextTimeout()).toBe(NEVER);
  });

  test('is forgotten with its stream', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    pulls.forget(stream);
    expect(asked(pulls, SECOND)).toEqual([]);
  });
});

describe('catching up', () => {
  test('goes on at once after the first object that came because it was asked for', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    expect(asked(pulls, SECOND)).toEqual([0]);
    pulls.update(SECOND, stream, 3, PATIENCE);
    pulls.onServed(SECOND + 1, { stream, seq: 0 }, PEER, LARGE);
    expect(asked(pulls, SECOND + 1)).toEqual([1, 2]);
    pulls.update(SECOND + 2, stream, 5, PATIENCE);
    expect(asked(pulls, SECOND + 2)).toEqual([3, 4]);
  });

  test('is over when nothing is missing: then there is patience again', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1, PATIENCE);
    asked(pulls, SECOND);
    pulls.onServed(SECOND, { stream, seq: 0 }, PEER, LARGE);
    stream.hold(0, new Uint8Array(32));
    pulls.update(SECOND, stream, 1, PATIENCE);
    pulls.update(SECOND, stream, 2, PATIENCE);
    expect(asked(pulls, SECOND + 100 * MILLISECOND)).toEqual([]);
    expect(asked(pulls, SECOND + 180 * MILLISECOND)).toEqual([1]);
  });

  test('does not begin with an object that nobody was asked for', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 2, PATIENCE);
    pulls.onServed(1, { stream, seq: 0 }, PEER, LARGE);
    expect(asked(pulls, 2)).toEqual([]);
  });

  test('wants 64 objects at once, and the next as those come', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1000, PATIENCE);
    expect(asked(pulls, SECOND)).toEqual(range(0, 64));
    pulls.onServed(SECOND, { stream, seq: 0 }, PEER, LARGE);
    for (const seq of range(0, 10)) stream.hold(seq, new Uint8Array(32));
    pulls.update(SECOND + 1, stream, 1000, PATIENCE);
    expect(asked(pulls, SECOND + 1)).toEqual(range(64, 74));
  });

  test('wants up to 256 objects at once if they are small', () => {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 1000, PATIENCE);
    asked(pulls, SECOND);
    pulls.onServed(SECOND, { stream, seq: 0 }, PEER, 100);
    stream.hold(0, new Uint8Array(32));
    pulls.update(SECOND, stream, 1000, PATIENCE);
    expect(asked(pulls, SECOND)).toEqual(range(64, 257));
  });
});

describe('members serve in the order in which they are asked', () => {
  /** Objects 0 to 9 have been asked of one member. */
  function afterTen(): { pulls: Pulls; stream: Stream } {
    const pulls = newPulls();
    const stream = streamOf();
    pulls.update(0, stream, 10, PATIENCE);
    askAll(pulls, SECOND, PEER);
    return { pulls, stream };
  }

  test('so what three later ones overtook is asked for again, at once', () => {
    const { pulls, stream } = afterTen();
    pulls.onServed(SECOND + RTT, { stream, seq: 4 }, PEER, LARGE);
    expect(asked(pulls, SECOND + RTT)).toEqual([0, 1]);
  });

  test('so nothing is lost because another member was faster', () => {
    const { pulls, stream } = afterTen();
    pulls.onServed(SECOND + RTT, { stream, seq: 4 }, OTHER, LARGE);
    expect(asked(pulls, SECOND + RTT)).toEqual([]);
  });

  test('so what comes later waits for its turn while earlier ones come', () => {
    const { pulls, stream } = afterTen();
    const late = SECOND + 120 * MILLISECOND;
    pulls.onServed(late, { stream, seq: 0 }, PEER, LARGE);
    stream.hold(0, new Uint8Array(32));
    pulls.update(late, stream, 10, PATIENCE);
    expect(asked(pulls, late + 50 * MILLISECOND + RTT - 1)).toEqual([]);
    expect(asked(pulls, late + 50 * MILLISECOND + RTT)).toEqual(range(1, 10));
  });

  test('so a loss that is known makes no later try wait longer', () => {
    const { pulls, stream } = afterTen();
    pulls.onServed(SECOND + RTT, { stream, seq: 4 }, PEER, LARGE);
    askAll(pulls, SECOND + RTT, OTHER);
    for (const seq of range(2, 10)) stream.hold(seq, new Uint8Array(32));
    pulls.update(SECOND + RTT, stream, 10, PATIENCE);
    asked(pulls, SECOND + RTT);
    expect(pulls.nextTimeout()).toBeLessThanOrEqual(SECOND + RTT + 1.25 * (50 * MILLISECOND + 2 * RTT) + 1);
  });
});
