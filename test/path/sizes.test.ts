/** What size of datagrams the whole group carries: what is told to whom and when, and what follows from what others tell. */
import { describe, expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { Marks } from '../../src/core/marks.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { Path } from '../../src/path/path.js';
import { PathSizes } from '../../src/path/sizes.js';

const LIARS = 1;

/** Ourselves as member 0, and paths to others that have shown what they carry: undefined for one that has not. */
function sizesOf(...carried: (number | undefined)[]) {
  return sizesWith(() => true, ...carried);
}

/** @param tells whether a peer tells its own */
function sizesWith(tells: (peer: number) => boolean, ...carried: (number | undefined)[]) {
  const paths = carried.map((size, i) => {
    const path = new Path({ controller: CONTROLLERS.cubic, rng: new Rng(i), maxDatagram: 9000 });
    path.isOpen = true;
    path.onReceived(0, 0, 'now');
    while (size !== undefined && path.mtu.size < size) path.onMtuReport(0, path.mtu.takeProbe(0, 0)!);
    return path;
  });
  const changed = new Marks(paths.length + 1);
  const sizes = new PathSizes(LIARS, [undefined, ...paths], changed, tells);
  const marked = () => {
    const list: number[] = [];
    for (let peer = changed.take(); peer >= 0; peer = changed.take()) list.push(peer);
    return list;
  };
  return { sizes, paths, marked };
}

describe('what a member tells', () => {
  test('is the smallest size that its paths have shown, and nothing before one has', () => {
    const { sizes, paths, marked } = sizesOf(undefined, undefined);
    expect([sizes.take(0, 1), sizes.isNews(1)]).toEqual([undefined, false]);
    paths[0].onMtuReport(0, paths[0].mtu.takeProbe(0, 0)!);
    sizes.onPath(0);
    expect([marked(), sizes.isNews(1), sizes.isNews(2)]).toEqual([[0, 1, 2], true, true]);
    expect([sizes.take(0, 1), sizes.take(0, 2)]).toEqual([1452, 1452]);
  });

  test('is told again after a second, and at once when it changes or the peer begins anew', () => {
    const { sizes, paths } = sizesOf(1452, 1452);
    const tell = (at: number) => sizes.take(at, 1);
    expect([tell(0), tell(SECOND - 1), tell(SECOND), tell(SECOND + 1)]).toEqual([
      1452,
      undefined,
      1452,
      undefined,
    ]);
    sizes.onSession(1);
    expect(tell(SECOND + 2)).toBe(1452);
    paths[1].mtu.onBlackHole(SECOND);
    for (const path of paths) path.onReceived(SECOND, 1, 'now');
    expect(tell(SECOND + 150 * MILLISECOND)).toBe(1232);
  });

  test('leaves out members that are silent', () => {
    const { sizes, paths } = sizesOf(1452, undefined);
    for (let tries = 0; tries < 4; tries++) paths[1].mtu.takeProbe(tries * SECOND, 0);
    sizes.onPath(0);
    expect(sizes.take(0, 1)).toBe(1232);
    paths[0].onReceived(5 * SECOND, 1, 'now');
    expect(sizes.take(5 * SECOND, 1)).toBe(1452);
  });
});

describe('the size for the group', () => {
  test('is the smallest of our own paths and of what each peer tells, at most what Ethernet carries', () => {
    const { sizes } = sizesOf(8952, 8952, 8952);
    for (const [peer, size] of [8952, 1452, 65_488].entries()) sizes.onTold(peer + 1, size);
    expect(sizes.group(0)).toBe(1452);
    sizes.onTold(2, 1392);
    expect(sizes.group(0)).toBe(1392);
  });

  test('is not known before all who tell have told, and all our paths are known', () => {
    const { sizes, paths } = sizesOf(1452, undefined);
    sizes.onTold(1, 1452);
    expect(sizes.group(0)).toBeUndefined();
    paths[1].onMtuReport(0, paths[1].mtu.takeProbe(0, 0)!);
    expect(sizes.group(0)).toBeUndefined();
    sizes.onTold(2, 1452);
    expect(sizes.group(0)).toBe(1452);
    sizes.onSession(2);
    expect(sizes.group(0)).toBeUndefined();
  });

  test('is what every path carries where a member cannot tell', () => {
    const { sizes } = sizesWith((peer) => peer === 1, 1452, 1452);
    sizes.onTold(1, 1452);
    expect(sizes.group(0)).toBe(1232);
  });

  test('does not wait for members that are silent; without any it is not known', () => {
    const { sizes, paths } = sizesOf(1452, undefined);
    sizes.onTold(1, 1452);
    paths[0].onReceived(5 * SECOND, 1, 'now');
    expect(sizes.group(5 * SECOND)).toBe(1452);
    expect(sizes.group(50 * SECOND)).toBeUndefined();
  });

  test('is known at once where one path shows that it cannot be larger', () => {
    const { sizes } = sizesOf(undefined, undefined);
    sizes.onTold(2, 1232);
    expect(sizes.group(0)).toBe(1232);
  });
});

describe('who wants to know the size first', () => {
  test('waits for a second at most, and not again for a minute', () => {
    const { sizes } = sizesOf(undefined);
    const wait = (now: number) => {
      sizes.onWanted(now);
      return sizes.awaitedUntil(now) - now;
    };
    expect([wait(0), wait(SECOND - 1), wait(SECOND) > 0, wait(59 * SECOND) > 0]).toEqual([
      SECOND,
      1,
      false,
      false,
    ]);
    expect(wait(60 * SECOND)).toBe(SECOND);
  });

  test('goes on as soon as it is known of all but as many as may lie', () => {
    const { sizes } = sizesOf(1452, 1452, 1452);
    sizes.onWanted(0);
    sizes.onTold(1, 1452);
    expect(sizes.awaitedUntil(1)).toBe(SECOND);
    sizes.onTold(2, 1452);
    expect(sizes.awaitedUntil(1)).toBeLessThan(0);
    // Who has not told may have the smallest.
    expect(sizes.group(1)).toBeUndefined();
  });

  test('does not wait in a group of one', () => {
    const { sizes } = sizesOf();
    sizes.onWanted(0);
    expect(sizes.awaitedUntil(0)).toBeLessThan(0);
  });
});
