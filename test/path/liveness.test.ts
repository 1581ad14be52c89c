/** When silence is suspicious and when it is certain: by the chances missed, weighed by how many a path has missed before. */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, NEVER, SECOND } from '../../src/core/time.js';
import { Liveness } from '../../src/path/liveness.js';
import { withSeeds } from '../util/seed.js';

const RTT = 40 * MILLISECOND;
const POLICY = { packets: 4, delay: RTT / 4 };
const STATE = { ackTimeout: RTT + RTT / 4 + MILLISECOND, answerTimeout: RTT + MILLISECOND, loss: 0 };

/** Sends every RTT / 4 and is acknowledged, unless that is lost; returns the time of the last sign of life. */
function live(liveness: Liveness, rounds: number, isLost: () => boolean = () => false): number {
  let last = 0;
  for (let i = 0; i < rounds; i++) {
    const at = i * (RTT / 4);
    liveness.onSent(at, POLICY);
    const acked = at - RTT;
    if (acked < 0 || isLost()) continue;
    liveness.onAlive(at, acked, 'ack', STATE);
    last = at;
  }
  return last;
}

describe('silence', () => {
  test('of a path on which nothing was sent says nothing', () => {
    const liveness = new Liveness();
    expect([liveness.suspectAt(STATE), liveness.deadAt(STATE)]).toEqual([NEVER, NEVER]);
  });

  test('after a long time of answers is suspicious within a round trip, and certain within two', () => {
    const liveness = new Liveness();
    const last = live(liveness, 400);
    const suspectAt = liveness.suspectAt(STATE);
    expect(suspectAt - last).toBeLessThan(RTT);
    for (let i = liveness.challengesNeeded(STATE); i > 0; i--) liveness.onChallenge(suspectAt);
    expect(liveness.deadAt(STATE) - last).toBeLessThan(2 * RTT);
  });

  test('of one datagram alone is suspicious when its acknowledgement is late, and never certain', () => {
    const liveness = new Liveness();
    live(liveness, 400);
    liveness.onAlive(SECOND * 10, SECOND * 10, 'ack', STATE);
    liveness.onSent(11 * SECOND, POLICY);
    expect(liveness.suspectAt(STATE)).toBe(11 * SECOND + STATE.ackTimeout);
    expect(liveness.deadAt(STATE)).toBe(NEVER);
  });

  test('ends with any answer: what was sent before it no longer counts', () => {
    const liveness = new Liveness();
    const last = live(liveness, 400);
    for (let i = 0; i < 12; i++) liveness.onChallenge(last + RTT);
    expect(liveness.deadAt(STATE)).toBeLessThan(NEVER);
    liveness.onAlive(last + 2 * RTT, last + RTT, 'answer', STATE);
    expect([liveness.suspectAt(STATE), liveness.deadAt(STATE)]).toEqual([NEVER, NEVER]);
  });

  test('of datagrams sent in one burst is one chance missed, not many', () => {
    const liveness = new Liveness();
    live(liveness, 400);
    liveness.onAlive(SECOND * 10, SECOND * 10, 'ack', STATE);
    for (let i = 0; i < 100; i++) liveness.onSent(11 * SECOND, POLICY);
    expect(liveness.deadAt(STATE)).toBe(NEVER);
  });
});

test('a path that loses much needs more chances missed than one that loses nothing', () => {
  const needed = (loss: number): number => {
    const liveness = new Liveness();
    const rng = new Rng('needed');
    live(liveness, 4000, () => rng.chance(loss));
    liveness.onAlive(SECOND * 1000, SECOND * 1000, 'ack', STATE);
    return liveness.challengesNeeded(STATE);
  };
  expect(needed(0)).toBeLessThanOrEqual(10);
  expect(needed(0.5)).toBeGreaterThan(14);
  expect(needed(0.75)).toBeGreaterThan(30);
});

test('random loss of acknowledgements alone is hardly ever taken for the end', () =>
  withSeeds(5, (seed) => {
    const rng = new Rng(seed);
    const liveness = new Liveness();
    let ends = 0;
    for (let i = 0; i < 20_000; i++) {
      const at = i * (RTT / 4);
      liveness.onSent(at, POLICY);
      if (rng.chance(0.5)) liveness.onAlive(at, at - RTT, 'ack', STATE);
      if (liveness.deadAt(STATE) <= at) ends++;
    }
    expect(ends).toBeLessThanOrEqual(3);
  }));

test('memory is bounded, however long nothing comes back', () => {
  const liveness = new Liveness();
  for (let i = 0; i < 100_000; i++) liveness.onSent(i * RTT, POLICY);
  expect(liveness['chances'].length).toBeLessThanOrEqual(256);
});
