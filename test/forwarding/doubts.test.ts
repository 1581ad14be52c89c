/** When a direct way that nobody has named is left for one by others, and for how long. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { Doubts, type Tried } from '../../src/forwarding/doubts.js';

const MEMBER = 1;
const RTT = 20 * MILLISECOND;
const WAY_COST = 2 * RTT;
const DIRECT = { rtt: RTT, loss: 0, via: undefined, heardAt: 0, answeredAt: 0 };

/** A member at an address of nobody; so many datagrams arrive and are lost in each quarter of a second. */
function setUp() {
  const doubts = new Doubts();
  const trial = { path: 1, acked: 0, lost: 0, unanswered: 0 };
  const at = { now: 0 as Micros };
  const pass = (time: Micros, [acked, lost]: readonly [number, number], rtt = RTT) => {
    for (const end = at.now + time; at.now < end; at.now += 250 * MILLISECOND) {
      trial.acked += acked;
      trial.lost += lost;
      doubts.look(at.now, MEMBER, { ...DIRECT, rtt }, { ...trial });
      if (doubts.isBetter(MEMBER, WAY_COST)) return true;
    }
    return false;
  };
  return { doubts, trial, at, pass };
}

describe('a direct way', () => {
  test('that loses half is kept', () => {
    expect(setUp().pass(600 * SECOND, [4, 4])).toBe(false);
  });

  test('that loses nine tenths is left', () => {
    expect(setUp().pass(5 * SECOND, [1, 9])).toBe(true);
  });

  test('by which nothing is acknowledged is left', () => {
    const { trial, pass } = setUp();
    pass(SECOND, [4, 0]);
    trial.unanswered = 24;
    expect(pass(SECOND, [0, 0])).toBe(true);
  });

  describe('of which two probe timeouts have shown nothing', () => {
    const quiet = (changes: Partial<typeof DIRECT>, unanswered = 2) => {
      const { doubts, trial, pass, at } = setUp();
      pass(SECOND, [4, 0]);
      for (trial.unanswered = 1; trial.unanswered <= unanswered; trial.unanswered++) {
        at.now += 50 * MILLISECOND;
        doubts.look(at.now, MEMBER, { ...DIRECT, heardAt: 0, ...changes }, { ...trial });
      }
      const isLeft = doubts.isBetter(MEMBER, WAY_COST);
      return { isLeft, isSuspected: doubts.isSuspected(at.now, MEMBER) };
    };

    test('is left if the member is heard', () => {
      expect(quiet({ heardAt: 2 * SECOND }).isLeft).toBe(true);
    });

    test('is left if it answers challenges', () => {
      expect(quiet({ answeredAt: 2 * SECOND }).isLeft).toBe(true);
    });

    test('is kept if nothing comes of it, but others are asked', () => {
      expect(quiet({})).toEqual({ isLeft: false, isSuspected: true });
    });

    test('is kept where so much is lost anyway', () => {
      expect(quiet({ heardAt: 2 * SECOND, loss: 0.3 }).isLeft).toBe(false);
      expect(quiet({ heardAt: 2 * SECOND, loss: 0.3 }, 7).isLeft).toBe(true);
    });
  });

  test('that takes far longer than by way of others is left', () => {
    const slow = (rtt: Micros) => {
      const { doubts, at, pass } = setUp();
      doubts.look(at.now, MEMBER, { ...DIRECT, via: 2, rtt: 2 * RTT }, undefined);
      return pass(5 * SECOND, [4, 0], rtt);
    };
    expect(slow(170 * MILLISECOND)).toBe(false);
    expect(slow(190 * MILLISECOND)).toBe(true);
  });

  test('that takes a second is left', () => {
    expect(setUp().pass(5 * SECOND, [1, 0], SECOND)).toBe(true);
  });

  test('is kept where no way is much better, and then not judged for a while', () => {
    const { doubts, at, trial } = setUp();
    trial.lost = 0;
    const look = () => doubts.look(at.now, MEMBER, DIRECT, { ...trial });
    look();
    trial.lost = 40;
    look();
    expect([doubts.isDoubted(MEMBER), doubts.isBetter(MEMBER, 1e15)]).toEqual([true, false]);
    at.now = 4 * SECOND;
    look();
    trial.lost = 80;
    look();
    expect(doubts.isDoubted(MEMBER)).toBe(false);
    at.now = 65 * SECOND;
    look();
    expect(doubts.isDoubted(MEMBER)).toBe(true);
  });
});

describe('what has been left', () => {
  const left = () => {
    const all = setUp();
    all.pass(5 * SECOND, [1, 9]);
    const until = all.doubts.leave(all.at.now, MEMBER);
    return { ...all, rest: until - all.at.now };
  };

  test('rests for longer each time', () => {
    const all = left();
    const rests = [all.rest];
    for (let i = 0; i < 6; i++) {
      all.at.now += rests[i];
      all.trial.path++;
      expect(all.pass(5 * SECOND, [0, 9])).toBe(true);
      rests.push(all.doubts.leave(all.at.now, MEMBER) - all.at.now);
    }
    expect(rests.map((rest) => rest / SECOND)).toEqual([60, 60, 120, 240, 300, 300, 300]);
  });

  test('where nobody is heard rests for a short while the first time only', () => {
    const { doubts, trial, at, pass } = setUp();
    const rests: number[] = [];
    const look = (way: Partial<Tried>, now?: typeof trial) => {
      const until = doubts.look(at.now, MEMBER, { ...DIRECT, ...way }, now);
      if (until !== undefined) rests.push((until - at.now) / SECOND);
    };
    pass(SECOND, [4, 0]);
    for (let times = 0; times < 2; times++) {
      trial.path++;
      look({}, { ...trial });
      look({}, { ...trial, unanswered: 1 });
      look({ via: 2 });
      at.now += 10 * SECOND;
    }
    expect(rests).toEqual([5, 60]);
  });

  test('is left at once when it comes back before', () => {
    const all = left();
    all.at.now += SECOND;
    all.trial.path++;
    expect(all.pass(SECOND / 4, [4, 0])).toBe(true);
  });

  test('is missed when what was taken instead is silent, or no better', () => {
    const way = { rtt: RTT, loss: 0, isLively: true };
    const isMissed = (changes: Partial<typeof way>, after: Micros) => {
      const { doubts, at } = left();
      return doubts.isMissed(at.now + after, MEMBER, { ...way, ...changes });
    };
    expect(isMissed({}, 9 * SECOND)).toBe(false);
    expect(isMissed({ isLively: false }, SECOND)).toBe(false);
    expect(isMissed({ isLively: false }, 5 * SECOND)).toBe(true);
    expect(isMissed({ loss: 0.99 }, 5 * SECOND)).toBe(true);
  });
});
