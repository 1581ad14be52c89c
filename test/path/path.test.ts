/**
 * A path and its other end. `us` sends numbered datagrams, `peer` counts what arrives and reports it:
 *
 *   us                             peer
 *   |-- 1, 2, 3 ... (some lost) -->|  onReceived
 *   |<-- highest, received --------|  report -> onReport: loss
 *   |<-- echo of our timestamp ----|  report -> onReport: round-trip time
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Controller, fixedRate, type RateSample } from '../../src/congestion/controller.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { HEARTBEAT, Path, type PathReport } from '../../src/path/path.js';
import { u32, u48 } from '../wire/arbitrary.js';
import { holds } from '../wire/holds.js';

const OURS = 500;
const THEIRS = 900;

describe('loss, from the counters that the peer reports', () => {
  test('is the share of our datagrams that did not arrive', () => {
    const { us, send, report } = pair();
    send(1000, (number) => number % 10 === 5);
    report();
    expect(us.loss).toBe(0.1);
    expect(us.sentDatagrams).toBe(1000);
  });

  test('is none when all arrive, and nearly all when only the last does', () => {
    const clean = pair();
    clean.send(1000, () => false);
    clean.report();
    expect(clean.us.loss).toBe(0);
    const dead = pair();
    dead.send(1000, (number) => number < 1000);
    dead.report();
    expect(dead.us.loss).toBe(0.999);
  });

  test('does not suffer from a lost report: the next one says it all', () => {
    const { us, samples, send, report } = pair();
    send(500, (number) => number % 2 === 0);
    send(501, (number) => number % 4 === 0);
    report();
    expect(samples).toEqual([{ received: 1001 - 250 - 125, lost: 250 + 125, rtt: undefined }]);
    expect(us.loss).toBe(375 / 1001);
  });

  test('is smoothed over 256 datagrams: a report of 64 counts a quarter', () => {
    const { us, send, report } = pair();
    send(64, (number) => number % 2 === 1);
    report();
    expect(us.loss).toBe(0.5 / 4);
    send(64, (number) => number % 2 === 1);
    report();
    expect(us.loss).toBe(0.125 + (0.5 - 0.125) / 4);
  });

  test('is told to the controller datagram by datagram: none is counted twice, none is forgotten', () =>
    holds(
      'rate samples',
      fc.property(fc.array(fc.tuple(fc.nat(300), fc.nat(9), fc.boolean())), (rounds) => {
        const { samples, send, report } = pair();
        let arrived = 0;
        for (const [count, tenths, reported] of rounds) {
          arrived += send(count, (number) => number % 10 < tenths);
          if (reported) report();
        }
        // The last datagram arrives: up to it all is known.
        arrived += send(1, () => false);
        report();
        const sum = (of: (sample: RateSample) => number): number =>
          samples.reduce((all, each) => all + of(each), 0);
        expect(sum(({ received }) => received)).toBe(arrived);
        expect(sum(({ lost }) => lost)).toBe(rounds.reduce((all, [count]) => all + count, 1) - arrived);
      }),
    ));

  test('is not lowered below nothing by datagrams that the network doubles', () => {
    const { us, peer, send, report } = pair();
    send(300, () => false);
    for (let number = 1; number <= 300; number++) peer.onReceived(number);
    report();
    expect([us.loss, peer.inboundLoss]).toEqual([0, 0]);
  });

  test('stays a share, whatever a lying peer reports', () =>
    holds(
      'loss under lies',
      fc.property(fc.array(fc.tuple(fc.nat(600), anyReport())), (rounds) => {
        const { us, samples, send } = pair();
        for (const [count, lie] of rounds) {
          send(count, () => false);
          us.onReport(0, lie, OURS);
          expect(us.loss >= 0 && us.loss <= 1).toBe(true);
        }
        for (const { received, lost } of samples) expect(received >= 0 && lost >= 0).toBe(true);
        const known = samples.reduce((sum, { received, lost }) => sum + received + lost, 0);
        expect(known).toBeLessThanOrEqual(us.sentDatagrams);
      }),
    ));
});

describe('a report', () => {
  test('of numbers that were never sent changes nothing, and an honest one still counts after it', () => {
    const { us, samples, send, report } = pair();
    send(300, () => false);
    us.onReport(0, reportOf({ highest: 301, received: 0 }), OURS);
    us.onReport(0, reportOf({ highest: 0xffffffff, received: 0 }), OURS);
    expect([us.loss, samples]).toEqual([0, []]);
    report();
    expect(samples).toEqual([{ received: 300, lost: 0, rtt: undefined }]);
  });

  test('about an earlier life of ours changes nothing', () => {
    const { us, samples, send } = pair();
    send(300, () => false);
    us.onReport(0, reportOf({ highest: 300, received: 0, ackedIncarnation: OURS - 1 }), OURS);
    expect([us.loss, samples]).toEqual([0, []]);
  });

  test('that says no more than the one before changes nothing', () => {
    const { samples, send, report } = pair();
    send(300, () => false);
    report();
    report();
    expect(samples).toHaveLength(1);
  });
});

describe('control datagrams', () => {
  test('are taken in the order of their numbers: a replayed or an overtaken one is refused', () => {
    const path = new Path(fixedRate(1e6));
    const verdicts = [5, 5, 4, 6, 1, 9, 8, 10].map((number) => path.acceptControl(THEIRS, number));
    expect(verdicts).toEqual([true, false, false, true, false, true, false, true]);
  });

  test('of an earlier incarnation are refused, whatever their number', () => {
    const path = new Path(fixedRate(1e6));
    path.acceptControl(THEIRS, 5);
    expect(path.acceptControl(THEIRS - 1, 1000)).toBe(false);
    expect(path.acceptControl(THEIRS, 6)).toBe(true);
  });

  test('of a new incarnation begin a new count, and what came of the old one is stale', () => {
    const path = new Path(fixedRate(1e6));
    path.acceptControl(THEIRS, 1);
    path.acceptControl(THEIRS, 100);
    for (const number of [1, 2, 100]) path.onReceived(number);
    path.onReport(SECOND, reportOf({ timestamp: 77 }), OURS);
    expect(path.inboundLoss).toBe(0.97);

    expect(path.acceptControl(THEIRS + 1, 3)).toBe(true);
    path.onReceived(3);
    expect(path.inboundLoss).toBe(0);
    expect(path.report(2 * SECOND)).toEqual({
      timestamp: 2_000_000,
      echo: undefined,
      ackedIncarnation: THEIRS + 1,
      received: 3,
      highest: 3,
    });
    expect(path.acceptControl(THEIRS, 101)).toBe(false);
  });
});

describe('packet numbers of the peer', () => {
  test('give the share of its datagrams that we miss', () => {
    const path = new Path(fixedRate(1e6));
    path.acceptControl(THEIRS, 1);
    for (let number = 1; number <= 1000; number++) if (number % 4 !== 2) path.onReceived(number);
    expect(path.inboundLoss).toBe(0.25);
  });

  test('may come in any order', () =>
    holds(
      'reordering',
      fc.property(fc.shuffledSubarray(Array.from({ length: 50 }, (_, i) => i + 1)), (numbers) => {
        const path = new Path(fixedRate(1e6));
        for (const number of numbers) path.onReceived(number);
        expect(path.report(0)).toMatchObject({ received: numbers.length, highest: Math.max(0, ...numbers) });
      }),
    ));

  test('far ahead of the others are no number of a symbol: anyone could have written it', () => {
    const path = new Path(fixedRate(1e6));
    path.acceptControl(THEIRS, 1);
    path.onReceived(1);
    path.onReceived(1 + 65_537);
    expect(path.report(0)).toMatchObject({ received: 1, highest: 1 });
    path.onReceived(1 + 65_536);
    expect(path.report(0)).toMatchObject({ received: 2, highest: 65_537 });
  });

  test('far ahead in a signed control datagram end an outage: counting goes on, and what was lost was lost', () => {
    const path = new Path(fixedRate(1e6));
    path.acceptControl(THEIRS, 1);
    path.onReceived(1);
    path.acceptControl(THEIRS, 200_000);
    path.onReceived(200_000);
    path.onReceived(200_001);
    expect(path.report(0)).toMatchObject({ received: 3, highest: 200_001 });
  });

  test('of ours begin at 1, and no number comes twice', () => {
    const path = new Path(fixedRate(1e6));
    expect([1, 2, 3].map(() => path.nextPacketNumber())).toEqual([1, 2, 3]);
  });
});

describe('the round-trip time', () => {
  test('is the way there and back, without the time that the peer held our timestamp', () => {
    const { us, peer } = pair();
    // 30 ms there, 200 ms held, 30 ms back.
    peer.onReport(30 * MILLISECOND, us.report(0), THEIRS);
    us.onReport(260 * MILLISECOND, peer.report(230 * MILLISECOND), OURS);
    expect([us.rtt.smoothed, us.rtt.min]).toEqual([60 * MILLISECOND, 60 * MILLISECOND]);
  });

  test('is right across the end of the 32-bit timestamp, also for a clock that has run for years', () =>
    holds(
      'timestamp wrap',
      fc.property(
        fc
          .nat(100)
          .chain((turns) =>
            fc.integer({ min: -2_000_000, max: 2_000_000 }).map((by) => (turns + 1) * 2 ** 32 + by),
          ),
        fc.integer({ min: 1, max: SECOND }),
        fc.nat(SECOND),
        (start, way, held) => {
          const { us, peer } = pair();
          peer.onReport(way, us.report(start), THEIRS);
          us.onReport(start + 2 * way + held, peer.report(way + held), OURS);
          expect(us.rtt.smoothed).toBe(2 * way);
        },
      ),
    ));

  test('takes no sample where there is no echo, or one of more than a minute', () => {
    const { us } = pair();
    us.onReport(0, reportOf({ echo: undefined }), OURS);
    us.onReport(60 * SECOND, reportOf({ echo: { timestamp: 0, delay: 0 } }), OURS);
    expect(us.rtt.min).toBeUndefined();
    us.onReport(60 * SECOND, reportOf({ echo: { timestamp: 1, delay: 0 } }), OURS);
    expect(us.rtt.min).toBe(60 * SECOND - 1);
  });

  test('is not negative, though the peer claims to have held the timestamp for longer than that', () => {
    const { us } = pair();
    us.onReport(1000, reportOf({ echo: { timestamp: 0, delay: 5000 } }), OURS);
    expect(us.rtt.min).toBe(0);
  });
});

describe('a peer is reachable', () => {
  test('from its first signed datagram until ten heartbeats of silence', () => {
    const path = new Path(fixedRate(1e6));
    expect(path.isReachable(0)).toBe(false);
    path.onReport(SECOND, reportOf({}), OURS);
    expect(path.isReachable(SECOND + 10 * HEARTBEAT - 1)).toBe(true);
    expect(path.isReachable(SECOND + 10 * HEARTBEAT)).toBe(false);
  });
});

describe('sending', () => {
  test('is paced at the rate of the controller, which is told of every byte', () => {
    const { us, told } = pair(100_000);
    us.onSent(0, 1232);
    expect(us.nextSend(0)).toBe(0);
    us.onSent(0, 1232);
    expect(us.nextSend(0)).toBe(10);
    expect([us.sentBytes, us.sentDatagrams, told()]).toEqual([2464, 2, 2464]);
  });
});

interface Pair {
  us: Path;
  peer: Path;
  /** What our controller was told. */
  samples: RateSample[];
  told(): number;
  /** Sends the next `count` numbers, except those lost on the way; returns how many arrived. */
  send(count: number, isLost: (number: number) => boolean): number;
  /** The peer's report reaches us. */
  report(): void;
}

/** Two ends of a path that have each heard of the other's incarnation, before any datagram is counted. */
function pair(bytesPerSecond = 1e6): Pair {
  const samples: RateSample[] = [];
  let told = 0;
  const controller: Controller = {
    onSent: (_now, bytes) => {
      told += bytes;
    },
    onReport: (_now, sample) => void samples.push(sample),
    pacingRate: () => bytesPerSecond,
  };
  const us = new Path(controller);
  const peer = new Path(fixedRate(1e6));
  peer.acceptControl(OURS, 0);
  us.acceptControl(THEIRS, 0);
  return {
    us,
    peer,
    samples,
    told: () => told,
    send(count, isLost) {
      let arrived = 0;
      for (let i = 0; i < count; i++) {
        const number = us.nextPacketNumber();
        us.onSent(0, 0);
        if (isLost(number)) continue;
        peer.onReceived(number);
        arrived++;
      }
      return arrived;
    },
    report: () => us.onReport(0, { ...peer.report(0), echo: undefined }, OURS),
  };
}

function reportOf(change: Partial<PathReport>): PathReport {
  return { timestamp: 0, echo: undefined, ackedIncarnation: OURS, received: 0, highest: 0, ...change };
}

function anyReport(): fc.Arbitrary<PathReport> {
  return fc.record({
    timestamp: u32,
    echo: fc.option(fc.record({ timestamp: u32, delay: u32 }), { nil: undefined }),
    ackedIncarnation: fc.oneof(fc.constant(OURS), u48),
    received: fc.oneof(fc.nat(2000), u32),
    highest: fc.oneof(fc.nat(2000), u32),
  });
}
