import { describe, expect, test } from 'vitest';
import { BbrCrowd } from '../../src/congestion/bbr/crowd.js';
import { BbrPath } from '../../src/congestion/bbr/path.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';

const MTU = 1200;
const BASE = 40 * MILLISECOND;

/** A path of 40 ms and 1 MB/s whose queue has stood at up to 40 ms. */
function crowdOn(path: BbrPath): BbrCrowd {
  path.onRate(1e6);
  path.onRtt(0, BASE);
  path.onRtt(1, 2 * BASE);
  return new BbrCrowd(path);
}

/** Runs a whole test in which each RTT is `rtt`; returns the verdict and when it came. */
function runTest(crowd: BbrCrowd, path: BbrPath, start: Micros, rtt: Micros, competing: boolean) {
  crowd.begin(start, competing);
  for (let now = start; now < start + 2 * SECOND; now += 5 * MILLISECOND) {
    path.onRtt(now, rtt);
    const verdict = crowd.poll(now, rtt, true, MTU);
    if (verdict !== undefined) return { verdict, at: now };
  }
  throw new Error('the test did not end');
}

describe('the test whether others hold the queue', () => {
  test('is due five seconds after the queue was last seen empty', () => {
    const crowd = crowdOn(new BbrPath());
    expect(crowd.isDue(5 * SECOND, 2 * BASE, false)).toBe(false);
    expect(crowd.isDue(5 * SECOND + 2, 2 * BASE, false)).toBe(true);
  });

  test('is joined when the queue suddenly gets shorter, but not soon after it was empty', () => {
    const crowd = crowdOn(new BbrPath());
    crowd.onRound(2 * BASE, 2 * BASE);
    const short = BASE + BASE / 2;
    expect(crowd.isDue(3 * SECOND, 2 * BASE, false)).toBe(false);
    expect(crowd.isDue(3 * SECOND, short, false)).toBe(true);
    expect(crowd.isDue(2 * SECOND, short, false)).toBe(false);
  });

  test('a queue that stays belongs to others: compete', () => {
    const path = new BbrPath();
    expect(runTest(crowdOn(path), path, 6 * SECOND, 2 * BASE, false).verdict).toBe(true);
  });

  test('a queue that runs empty was ours', () => {
    const path = new BbrPath();
    expect(runTest(crowdOn(path), path, 6 * SECOND, BASE + MILLISECOND, false).verdict).toBe(false);
  });

  test('a false alarm is no proof of others, and waits longer than a test that finds the queue empty', () => {
    const path = new BbrPath();
    const crowd = crowdOn(path);
    const alarm = runTest(crowd, path, 3 * SECOND, 2 * BASE, false);
    expect(alarm.verdict).toBe(false);
    const empty = runTest(crowd, path, 6 * SECOND, BASE, false);
    expect(alarm.at - 3 * SECOND).toBeGreaterThan(empty.at - 6 * SECOND);
  });

  test('who competes stops after two empty tests, not after one', () => {
    const path = new BbrPath();
    const crowd = crowdOn(path);
    expect(runTest(crowd, path, 6 * SECOND, BASE, true).verdict).toBe(true);
    expect(runTest(crowd, path, 12 * SECOND, BASE, true).verdict).toBe(false);
  });
});
