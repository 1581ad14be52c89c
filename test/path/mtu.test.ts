/** How large a datagram may be (DPLPMTUD, RFC 8899): probes against paths that carry so much and lose so often. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import { MtuDiscovery } from '../../src/path/mtu.js';
import { DATAGRAM_SIZE, JUMBO_DATAGRAM, MAX_DATAGRAM } from '../../src/wire/limits.js';
import { holds } from '../wire/holds.js';

const SIZES = [1312, 1392, 1452, 4052, 8952, JUMBO_DATAGRAM];
/** In the order in which they are tried where all arrive. */
const FROM_FIRST = SIZES.slice(2);
const RTT = 50 * MILLISECOND;
const RAISE = 600 * SECOND;

interface PathOf {
  /** The largest datagram that it carries. */
  carries: number;
  loss?: number;
  /** When to stop. */
  until: Micros;
}

/** Probes when it is time to, on a path as described; the probes that went, with their time. */
function probe(mtu: MtuDiscovery, from: Micros, path: PathOf, seed = 'mtu'): { at: Micros; size: number }[] {
  const rng = new Rng(seed);
  const sent: { at: Micros; size: number }[] = [];
  const reports: { at: Micros; size: number }[] = [];
  for (let now = from; now <= path.until; ) {
    while (reports.length > 0 && reports[0].at <= now) mtu.onReport(now, reports.shift()!.size);
    const size = mtu.takeProbe(now, RTT);
    if (size !== undefined) {
      sent.push({ at: now, size });
      if (size <= path.carries && !rng.chance(path.loss ?? 0)) reports.push({ at: now + RTT, size });
    }
    const next = Math.min(mtu.nextProbe(), reports[0]?.at ?? NEVER);
    if (next === NEVER) break;
    now = Math.max(next, now + (size === undefined ? 0 : 1));
  }
  return sent;
}

const largest = (carries: number): number =>
  Math.max(DATAGRAM_SIZE, ...SIZES.filter((size) => size <= carries));

describe('a path', () => {
  test.each([1232, 1300, 1312, 1391, 1392, 1451, 1452, 1500, 4051, 4052, 8951, 8952, 65_507])(
    'that carries %i bytes is used up to the largest size tried below',
    (carries) => {
      const mtu = new MtuDiscovery(MAX_DATAGRAM);
      expect(mtu.size).toBe(DATAGRAM_SIZE);
      probe(mtu, 0, { carries, until: 10 * SECOND });
      expect(mtu.size).toBe(largest(carries));
    },
  );

  test('that carries everything takes one probe of each size from what Ethernet carries, and then none', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    const sent = probe(mtu, 0, { carries: MAX_DATAGRAM, until: SECOND });
    expect(sent.map(({ size }) => size)).toEqual(FROM_FIRST);
    expect(mtu.nextProbe()).toBe(NEVER);
  });

  test('that carries a size is tried with the next one at once', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    const size = mtu.takeProbe(0, RTT)!;
    mtu.onReport(RTT, size);
    expect(mtu.takeProbe(RTT, RTT)).toBe(FROM_FIRST[1]);
  });

  test('that is fast is tried with what a loopback interface carries', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    mtu.setFast(0, true);
    const sent = probe(mtu, 0, { carries: MAX_DATAGRAM, until: SECOND });
    expect(sent.map(({ size }) => size)).toEqual([...FROM_FIRST, MAX_DATAGRAM]);
    expect([mtu.size, mtu.nextProbe()]).toEqual([MAX_DATAGRAM, NEVER]);
  });

  test('that is no longer fast goes back to jumbo frames, and is tried again ten seconds later', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    mtu.setFast(0, true);
    probe(mtu, 0, { carries: MAX_DATAGRAM, until: SECOND });
    mtu.setFast(SECOND, false);
    expect([mtu.size, mtu.nextProbe()]).toEqual([JUMBO_DATAGRAM, NEVER]);
    mtu.setFast(2 * SECOND, true);
    expect(mtu.nextProbe()).toBe(11 * SECOND);
  });

  test('is not tried beyond what is allowed', () => {
    const mtu = new MtuDiscovery(1452);
    const sent = probe(mtu, 0, { carries: MAX_DATAGRAM, until: 2 * RAISE });
    expect(Math.max(...sent.map(({ size }) => size))).toBe(1452);
    expect([mtu.size, mtu.nextProbe()]).toEqual([1452, NEVER]);
    expect(new MtuDiscovery(DATAGRAM_SIZE).nextProbe()).toBe(NEVER);
    expect(new MtuDiscovery(DATAGRAM_SIZE).takeProbe(0, RTT)).toBeUndefined();
  });

  test('that loses at random is not taken for a narrow one', () =>
    holds(
      'mtu under loss',
      fc.property(fc.constantFrom(1452, 4052, 8952), fc.nat(), (carries, seed) => {
        const mtu = new MtuDiscovery(MAX_DATAGRAM);
        // Of ten paths at 20 % loss each way and back one of 15,000 loses six probes of a size.
        probe(mtu, 0, { carries, loss: 0.2, until: RAISE + 10 * SECOND }, `loss ${seed}`);
        expect(mtu.size).toBe(carries);
      }),
      100,
    ));
});

describe('what a path carries is known', () => {
  test.each([
    ['after one round trip where it is what Ethernet carries', 1452, RTT],
    ['once the first size was tried three times where it is less', 1300, 9 * RTT],
  ])('%s', (_, carries, at) => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    probe(mtu, 0, { carries, until: at - 1 });
    expect(mtu.isKnown).toBe(false);
    mtu.takeProbe(at, RTT);
    if (carries >= 1452) mtu.onReport(at, 1452);
    expect(mtu.isKnown).toBe(true);
  });

  test('at once where nothing larger is asked for', () => {
    expect(new MtuDiscovery(DATAGRAM_SIZE).isKnown).toBe(true);
  });
});

describe('probes', () => {
  test('that do not arrive end after three of the first size and six of another, no closer than three round trips, and begin again after ten minutes', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    const sent = probe(mtu, 0, { carries: 1400, until: RAISE - SECOND });
    expect(sent.map(({ size }) => size)).toEqual([
      ...Array(3).fill(1452),
      1312,
      1392,
      ...Array(6).fill(1452),
    ]);
    for (let i = 6; i < sent.length; i++) expect(sent[i].at - sent[i - 1].at).toBeGreaterThanOrEqual(3 * RTT);
    expect(mtu.nextProbe()).toBeGreaterThan(RAISE);
    expect(mtu.nextProbe()).toBeLessThan(RAISE + 2 * SECOND);

    const again = probe(mtu, RAISE, { carries: 9000, until: RAISE + 10 * SECOND });
    expect(again[0]).toMatchObject({ size: 1452 });
    expect(again[0].at).toBeGreaterThanOrEqual(RAISE);
    expect(mtu.size).toBe(JUMBO_DATAGRAM);
  });

  test('wait at least 100 ms for their answer on a short path', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    expect(mtu.takeProbe(0, MILLISECOND)).toBe(1452);
    expect(mtu.nextProbe()).toBe(100 * MILLISECOND);
    expect(mtu.takeProbe(100 * MILLISECOND - 1, MILLISECOND)).toBeUndefined();
    expect(mtu.takeProbe(100 * MILLISECOND, MILLISECOND)).toBe(1452);
  });

  test('are few over a whole day, on any path', () =>
    holds(
      'mtu probes',
      fc.property(fc.integer({ min: DATAGRAM_SIZE, max: 9000 }), (carries) => {
        const mtu = new MtuDiscovery(MAX_DATAGRAM);
        const sent = probe(mtu, 0, { carries, until: 24 * 3600 * SECOND });
        expect(sent.length).toBeLessThanOrEqual(SIZES.length + 3 + 6 * 6 * 24);
        expect(mtu.size).toBe(largest(carries));
      }),
      20,
    ));
});

describe('a report', () => {
  test('of a size that was never tried changes nothing', () =>
    holds(
      'mtu lies',
      fc.property(fc.array(fc.nat(65_535), { maxLength: 20 }), (lies) => {
        const mtu = new MtuDiscovery(MAX_DATAGRAM);
        for (const size of [...lies, ...SIZES]) mtu.onReport(0, size);
        expect(mtu.size).toBe(DATAGRAM_SIZE);
        // Nobody can make it larger than what was tried.
        mtu.takeProbe(0, RTT);
        for (const size of [...lies, ...SIZES.toReversed()]) mtu.onReport(0, size);
        expect(mtu.size).toBe(1452);
      }),
    ));

  test('that comes late or twice changes nothing', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    probe(mtu, 0, { carries: 1452, until: SECOND });
    const next = mtu.nextProbe();
    for (const size of [1312, 1392, 1452, 1452]) mtu.onReport(SECOND, size);
    expect([mtu.size, mtu.nextProbe()]).toEqual([1452, next]);
  });
});

describe('a black hole', () => {
  test('brings the size down to what crosses any path; what it carries now is found out at once', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    probe(mtu, 0, { carries: 9000, until: SECOND });
    expect(mtu.size).toBe(JUMBO_DATAGRAM);
    mtu.onBlackHole(2 * SECOND);
    expect([mtu.size, mtu.nextProbe()]).toEqual([DATAGRAM_SIZE, 2 * SECOND]);
    probe(mtu, 2 * SECOND, { carries: 1400, until: 6 * SECOND });
    expect(mtu.size).toBe(1392);
  });

  test('forgets what was tried before: a late report of that does not make the size large again', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    probe(mtu, 0, { carries: 9000, until: SECOND });
    mtu.onBlackHole(2 * SECOND);
    mtu.onReport(2 * SECOND, JUMBO_DATAGRAM);
    expect(mtu.size).toBe(DATAGRAM_SIZE);
  });

  test('cannot be where the size is the smallest', () => {
    const mtu = new MtuDiscovery(MAX_DATAGRAM);
    mtu.takeProbe(0, RTT);
    const next = mtu.nextProbe();
    mtu.onBlackHole(MILLISECOND);
    expect([mtu.size, mtu.nextProbe()]).toEqual([DATAGRAM_SIZE, next]);
  });
});
