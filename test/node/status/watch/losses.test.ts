/** How much is lost lately: by the clock, and not of what was lost while a member was away. */
import { expect, test } from 'vitest';
import type { EndpointPeer } from '../../../../src/member/status.js';
import { LossWatch } from '../../../../src/node/status/watch/losses.js';
import { paperGroup } from '../../../network/members.js';

const [, ben] = paperGroup(2).members;

/** A path that is looked at each second. */
class Path {
  readonly watch = new LossWatch();
  private counts = { ackedPackets: 0, lostPackets: 0 };

  /** Seconds, in each of which so many datagrams have arrived, and so many not. */
  pass(seconds: number, acked: number, lost: number, reachable = true): void {
    for (let i = 0; i < seconds; i++) {
      this.counts = {
        ackedPackets: this.counts.ackedPackets + acked,
        lostPackets: this.counts.lostPackets + lost,
      };
      this.watch.take([{ member: ben, reachable, path: this.counts } as EndpointPeer]);
    }
  }

  begin(): void {
    this.counts = { ackedPackets: 0, lostPackets: 0 };
  }
}

test('the share of the last half minute', () => {
  const path = new Path();
  path.pass(60, 70, 30);
  expect(path.watch.share(ben)).toBeCloseTo(0.3);
  path.pass(15, 100, 0);
  expect(path.watch.share(ben)).toBeCloseTo(0.15);
  path.pass(15, 100, 0);
  expect(path.watch.share(ben)).toBe(0);
});

test('a few datagrams say nothing', () => {
  const path = new Path();
  path.pass(4, 2, 2);
  expect(path.watch.share(ben)).toBeUndefined();
});

test('what was lost while it was away, and is found out once it is back, is none of the path', () => {
  const path = new Path();
  path.pass(10, 20, 0);
  path.pass(20, 0, 5, false);
  path.pass(1, 1, 100);
  path.pass(3, 20, 0);
  expect(path.watch.share(ben)).toBe(0);
});

test('a path that begins anew is judged anew', () => {
  const path = new Path();
  path.pass(20, 10, 10);
  path.begin();
  path.pass(10, 20, 0);
  expect(path.watch.share(ben)).toBe(0);
});

test('who acknowledges hears us, until nothing is acknowledged any more', () => {
  const path = new Path();
  path.pass(1, 5, 0);
  expect(path.watch.isHeard(ben)).toBe(false);
  path.pass(1, 1, 9);
  expect(path.watch.isHeard(ben)).toBe(true);
  path.pass(1, 0, 3);
  expect(path.watch.isHeard(ben)).toBe(false);
});

test('nothing is known of who was never here', () => {
  expect(new LossWatch().share(ben)).toBeUndefined();
});
