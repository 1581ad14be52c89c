/** By whom a member is reached: offers against each other, and against what was measured. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { type Offer, Ways } from '../../src/forwarding/ways.js';

const [A, B, C, D] = [1, 2, 3, 4];
const offer = (hop: number, rtt: number, loss = 0): Offer => ({ hop, hops: 2, rtt: rtt * MILLISECOND, loss });
const by = (via: number, heardAt: number, rtt = 20, loss = 0) => ({
  via,
  heardAt,
  rtt: rtt * MILLISECOND,
  loss,
});

describe('the way to a member', () => {
  test('is the shortest first, three of them', () => {
    const offers = [offer(A, 80), offer(B, 20), offer(C, 40), offer(D, 60)];
    expect(new Ways().choose(0, offers, undefined)).toEqual([B, C, D]);
  });

  test('is rather longer than one that loses half', () => {
    expect(new Ways().choose(0, [offer(A, 20, 0.5), offer(B, 60)], undefined)).toEqual([B, A]);
  });

  test('is said once', () => {
    const ways = new Ways();
    ways.choose(0, [offer(A, 20)], undefined);
    expect(ways.choose(SECOND, [offer(A, 20)], undefined)).toBeUndefined();
  });

  test('stays what it is while others are little better', () => {
    const ways = new Ways();
    ways.choose(0, [offer(A, 20), offer(B, 30)], undefined);
    expect(ways.choose(SECOND, [offer(A, 20), offer(B, 18)], by(A, SECOND))).toBeUndefined();
    expect(ways.choose(2 * SECOND, [offer(A, 20), offer(B, 10)], by(A, 2 * SECOND))).toEqual([B, A]);
  });

  test('goes by what was measured, whatever was offered', () => {
    const ways = new Ways();
    ways.choose(0, [offer(A, 0), offer(B, 30)], undefined);
    expect(ways.choose(SECOND, [offer(A, 0), offer(B, 30)], by(A, SECOND, 200))).toEqual([B, A]);
  });

  test('is another one when nothing comes that way, and that for a while', () => {
    const ways = new Ways();
    const offers = [offer(A, 20), offer(B, 40)];
    ways.choose(0, offers, undefined);
    ways.choose(SECOND, offers, by(A, 0));
    expect(ways.choose(4 * SECOND, offers, by(A, 0))).toEqual([B]);
    expect(ways.choose(12 * SECOND, offers, by(B, 12 * SECOND))).toBeUndefined();
    expect(ways.choose(15 * SECOND, offers, by(B, 15 * SECOND, 40))).toContain(A);
  });

  test('is kept where there is no other, though nothing comes', () => {
    const ways = new Ways();
    ways.choose(0, [offer(A, 20)], undefined);
    ways.choose(SECOND, [offer(A, 20)], by(A, 0));
    expect(ways.choose(9 * SECOND, [offer(A, 20)], by(A, 0))).toBeUndefined();
  });
});
