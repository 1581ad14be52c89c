/**
 * A path and its other end. `us` sends numbered datagrams, `peer` notes what arrives and acknowledges it:
 *
 *   us                               peer
 *   |-- 0, 1, 2 ... (some lost) ---->|  onReceived
 *   |<-- ranges, delay --------------|  takeFrames -> onAck: loss, round-trip time, controller
 *   |-- MTU_PROBE ------------------>|  onMtuProbe
 *   |<-- MTU_REPORT -----------------|  takeFrames -> onMtuReport: datagram size
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Controller, fixedRate, type RateSample } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import { HEARTBEAT, Path } from '../../src/path/path.js';
import type { Ack } from '../../src/wire/frames/ack.js';
import type { Frame } from '../../src/wire/frames.js';
import { DATAGRAM_SIZE, JUMBO_DATAGRAM, MAX_DATAGRAM } from '../../src/wire/limits.js';
import { ack as anyAck, rangesOf } from '../wire/arbitrary.js';
import { holds } from '../wire/holds.js';

describe('loss, from what the peer acknowledges', () => {
  test('is the share of our datagrams that did not arrive', () => {
    const { us, send, report } = pair();
    send(1000, (i) => i % 10 === 5);
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
    dead.send(1000, (i) => i < 999);
    dead.report();
    // Two before the last may still be under way: the packet threshold is 3.
    expect(dead.us.loss).toBe(997 / 998);
  });

  test('does not suffer from lost acks: the next one says it all', () => {
    const { us, samples, send, peer, report } = pair();
    send(500, (i) => i % 2 === 0);
    expect(peer.takeFrames(0)).toHaveLength(1);
    send(500, (i) => i % 4 === 0);
    report();
    expect(samples).toMatchObject([{ ackedPackets: 625, lostPackets: 375 }]);
    expect(us.loss).toBe(0.375);
  });

  test('is known soon: at first all datagrams count the same, beside 32 that count as arrived', () => {
    const { us, send, report } = pair();
    for (const sum of [32, 64]) {
      send(32, (i) => i % 2 === 0);
      report();
      expect(us.loss).toBeCloseTo(sum / 2 / (sum + 32), 1);
    }
  });

  test('is smoothed over 256 datagrams: an ack of 64 counts a quarter', () => {
    const { us, send, report } = pair();
    send(256, () => false);
    report();
    send(64, (i) => i < 32);
    report();
    expect(us.loss).toBe(0.5 / 4);
    send(64, (i) => i < 32);
    report();
    expect(us.loss).toBe(0.125 + (0.5 - 0.125) / 4);
  });

  test('is told to the controller datagram by datagram: none is counted twice, none is forgotten', () =>
    holds(
      'rate samples',
      // Each number is in at least eight acks, so seven of them may be lost.
      fc.property(fc.array(fc.tuple(fc.nat(300), fc.nat(9), fc.boolean()), { maxLength: 7 }), (rounds) => {
        const { us, peer, samples, send, report } = pair();
        let arrived = 0;
        for (const [count, tenths, isReported] of rounds) {
          arrived += send(count, (i) => i % 10 < tenths);
          if (isReported) report();
          else peer.takeFrames(0);
        }
        // The last ones arrive: up to them all is known.
        arrived += send(4, () => false);
        report();
        const sum = (of: (sample: RateSample) => number): number =>
          samples.reduce((all, each) => all + of(each), 0);
        expect(sum(({ ackedPackets }) => ackedPackets)).toBe(arrived);
        expect(sum(({ lostPackets }) => lostPackets)).toBe(us.sentDatagrams - arrived);
        expect(us.recovery.inFlight).toBe(0);
      }),
    ));

  test('is not lowered by datagrams that the network doubles', () => {
    const { us, peer, send, report } = pair();
    send(300, (i) => i === 7);
    for (let number = 100; number < 300; number++) expect(peer.onReceived(0, number, 'soon')).toBe(false);
    report();
    expect(us.loss).toBe(1 / 300);
    expect(peer.receivedDatagrams).toBe(299);
  });

  test('stays a share, whatever a lying peer acknowledges', () =>
    holds(
      'loss under lies',
      fc.property(fc.array(fc.tuple(fc.nat(600), anyLie())), (rounds) => {
        const { us, samples, send } = pair();
        for (const [count, lie] of rounds) {
          send(count, () => false);
          us.onAck(0, lie);
          expect(us.loss >= 0 && us.loss <= 1).toBe(true);
          expect(us.recovery.inFlight >= 0).toBe(true);
        }
        for (const { ackedPackets, lostPackets } of samples)
          expect(ackedPackets >= 0 && lostPackets >= 0).toBe(true);
        const lost = samples.reduce((sum, { lostPackets }) => sum + lostPackets, 0);
        const acked = samples.reduce((sum, { ackedPackets }) => sum + ackedPackets, 0);
        const spurious = samples.reduce((sum, { spuriousPackets }) => sum + spuriousPackets, 0);
        expect(acked + lost - spurious).toBeLessThanOrEqual(us.sentDatagrams);
      }),
    ));
});

describe('an ack', () => {
  test('of numbers that were never sent is not used, and makes what was sent before count for nothing', () => {
    const { us, samples, send, report } = pair();
    send(300, () => false);
    for (const largest of [us.recovery.nextNumber, 2 ** 32, 2 ** 48 - 1])
      expect(us.onAck(0, ackOf([largest]))).toMatchObject({ ok: false, reason: 'never-sent' });
    report();
    expect([us.loss, samples]).toEqual([0, []]);
    send(300, () => false);
    report();
    expect(samples).toMatchObject([{ ackedPackets: 300, lostPackets: 0 }]);
  });

  test('that says no more than the one before changes nothing', () => {
    const { us, samples, send, report } = pair();
    send(300, () => false);
    const ack = report()!;
    expect(us.onAck(0, ack)).toEqual({ ok: true, sample: undefined });
    expect(samples).toHaveLength(1);
  });

  test('is due after two datagrams or 25 ms, at once for what is worth one of its own, never for what asks for none', () => {
    const { peer } = pair();
    peer.onReceived(SECOND, 0, 'soon');
    expect(peer.nextFrames()).toBe(SECOND + 25 * MILLISECOND);
    peer.onReceived(SECOND + 1, 1, 'soon');
    expect(peer.nextFrames()).toBe(SECOND + 1);
    expect(peer.takeFrames(SECOND + 1)).toMatchObject([
      { kind: 'ack', ack: { ranges: [1, 0], received: 2 } },
    ]);
    expect(peer.nextFrames()).toBe(NEVER);
    peer.onReceived(2 * SECOND, 2, 'none');
    expect(peer.nextFrames()).toBe(NEVER);
    expect(peer.takeFrames(2 * SECOND)).toEqual([]);
    peer.onReceived(3 * SECOND, 3, 'now');
    expect(peer.nextFrames()).toBe(3 * SECOND);
    expect(peer.takeFrames(3 * SECOND)).toMatchObject([{ kind: 'ack', ack: { ranges: [3, 0] } }]);
  });

  test('is due as the sender wishes, within our own limits', () => {
    const { peer } = pair();
    peer.onPolicy({ packets: 10, delay: 5 * MILLISECOND });
    for (let number = 0; number < 9; number++) peer.onReceived(0, number, 'soon');
    expect(peer.nextFrames()).toBe(5 * MILLISECOND);
    peer.onReceived(0, 9, 'soon');
    expect(peer.nextFrames()).toBe(0);
    peer.takeFrames(0);
    peer.onPolicy({ packets: 0xffff, delay: 0xffffff });
    for (let number = 10; number < 1033; number++) peer.onReceived(SECOND, number, 'soon');
    expect(peer.nextFrames()).toBe(SECOND + 25 * MILLISECOND);
    peer.onReceived(SECOND, 1033, 'soon');
    expect(peer.nextFrames()).toBe(SECOND);
    peer.takeFrames(SECOND);
    peer.onPolicy({ packets: 0, delay: 0 });
    peer.onReceived(2 * SECOND, 1034, 'soon');
    expect(peer.nextFrames()).toBe(2 * SECOND);
  });

  test('is not due while there is no session to send it in', () => {
    const { peer } = pair();
    peer.onReceived(0, 0, 'now');
    peer.onMtuProbe(1452);
    peer.isOpen = false;
    expect([peer.nextFrames(), peer.nextTimeout()]).toEqual([NEVER, NEVER]);
  });
});

describe('our wish how often to be acknowledged', () => {
  test('is told at first, again when it has changed by more than a quarter, and each second', () => {
    const path = newPath();
    const first = path.takePolicy(0);
    // A window without end: the largest number of packets there is. A quarter of the first guess of a round trip: too much.
    expect(first).toEqual({ kind: 'ack-policy', packets: 1024, delay: 25 * MILLISECOND });
    expect(path.takePolicy(999 * MILLISECOND)).toBeUndefined();
    expect(path.takePolicy(SECOND)).toEqual(first);
    path.rtt.onSample(60 * MILLISECOND);
    expect(path.takePolicy(SECOND + 59 * MILLISECOND)).toBeUndefined();
    expect(path.takePolicy(SECOND + 60 * MILLISECOND)).toEqual({ ...first, delay: 15 * MILLISECOND });
    path.rtt.onSample(70 * MILLISECOND);
    expect(path.takePolicy(SECOND + 900 * MILLISECOND)).toBeUndefined();
  });

  test('is an eighth of the window', () => {
    const { us } = pair({ window: () => 160 * DATAGRAM_SIZE });
    expect(us.takePolicy(0)).toMatchObject({ packets: 20 });
  });
});

describe('packet numbers of the peer', () => {
  test('give the share of its datagrams that we miss', () => {
    const path = newPath();
    for (let number = 1; number <= 1000; number++) if (number % 4 !== 2) path.onReceived(0, number, 'soon');
    expect(path.inboundLoss).toBe(0.25);
  });

  test('count from the first that was heard', () => {
    const path = newPath();
    for (let number = 1000; number < 1010; number++) path.onReceived(0, number, 'soon');
    expect(path.inboundLoss).toBe(0);
  });

  test('may come in any order, and each counts once', () =>
    holds(
      'reordering',
      fc.property(
        fc.shuffledSubarray(
          Array.from({ length: 50 }, (_, i) => i),
          { minLength: 1 },
        ),
        (numbers) => {
          const path = newPath();
          for (const number of numbers) expect(path.onReceived(0, number, 'soon')).toBe(true);
          for (const number of numbers) expect(path.onReceived(0, number, 'soon')).toBe(false);
          const [frame] = path.takeFrames(0);
          expect(frame).toEqual({
            kind: 'ack',
            ack: { ranges: rangesOf(numbers), delay: 0, received: numbers.length },
          });
          expect(path.inboundLoss >= 0 && path.inboundLoss < 1).toBe(true);
        },
      ),
    ));

  test('of ours never come twice and always grow', () => {
    const path = newPath();
    const numbers = Array.from({ length: 5000 }, () => {
      const { nextNumber } = path.recovery;
      expect(path.onSent(0, 100, 'soon')).toBe(nextNumber);
      return nextNumber;
    });
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    // At least one was left out, to catch who acknowledges what it never got.
    expect(path.recovery.nextNumber).toBeGreaterThan(5000);
  });
});

describe('the round-trip time', () => {
  test('is the way there and back, without the time that the peer held the ack', () => {
    const { us, exchange } = pair();
    exchange(0, 60 * MILLISECOND, 0);
    expect([us.rtt.smoothed, us.rtt.min]).toEqual([60 * MILLISECOND, 60 * MILLISECOND]);
    exchange(SECOND, 80 * MILLISECOND, 20 * MILLISECOND);
    expect([us.rtt.smoothed, us.rtt.min]).toEqual([60 * MILLISECOND, 60 * MILLISECOND]);
  });

  test('is not shortened by a peer that claims to have held it for longer than it may', () => {
    const { us, exchange } = pair();
    exchange(0, 60 * MILLISECOND, 0);
    for (let i = 1; i < 100; i++) exchange(i * SECOND, 100 * MILLISECOND, 0xffffff);
    expect(us.rtt.smoothed).toBeGreaterThan(74 * MILLISECOND);
    expect(us.rtt.min).toBe(60 * MILLISECOND);
  });
});

describe('a peer is', () => {
  test('reachable from its first genuine datagram until ten heartbeats of silence', () => {
    const path = newPath();
    expect(path.isReachable(0)).toBe(false);
    path.onReceived(SECOND, 0, 'soon');
    expect(path.isReachable(SECOND + 10 * HEARTBEAT - 1)).toBe(true);
    expect(path.isReachable(SECOND + 10 * HEARTBEAT)).toBe(false);
    // One that was seen before shows nothing: it may be a replay.
    path.onReceived(20 * SECOND, 0, 'soon');
    expect(path.isReachable(20 * SECOND)).toBe(false);
  });

  test('gone after as long a silence, but not before it was waited for as long', () => {
    const path = newPath();
    expect(path.isGone(10 * HEARTBEAT, 1)).toBe(false);
    expect(path.isGone(10 * HEARTBEAT + 1, 1)).toBe(true);
    path.onReceived(5 * SECOND, 0, 'soon');
    expect(path.isGone(5 * SECOND + 10 * HEARTBEAT - 1, 0)).toBe(false);
    expect(path.isGone(5 * SECOND + 10 * HEARTBEAT, 0)).toBe(true);
  });

  test('responsive for one and a half heartbeats and two round trips', () => {
    const path = newPath();
    path.rtt.onSample(50 * MILLISECOND);
    path.onReceived(SECOND, 0, 'soon');
    const end = SECOND + 1.5 * HEARTBEAT + 100 * MILLISECOND;
    expect([path.isResponsive(end - 1), path.isResponsive(end)]).toEqual([true, false]);
  });
});

describe('sending', () => {
  test('needs a session, then follows the rate of the controller, which is told of every byte', () => {
    const { us, told } = pair({ pacingRate: () => 100_000 });
    us.isOpen = false;
    expect(us.askToSend(0)).toBe('window');
    us.isOpen = true;
    expect(us.askToSend(0)).toBe('any');
    us.onSent(0, DATAGRAM_SIZE, 'soon');
    us.onSent(0, DATAGRAM_SIZE, 'soon');
    expect(us.askToSend(0)).toBe('pacing');
    const next = us.recovery.nextSend(0);
    expect(next).toBeGreaterThan(0);
    expect(us.askToSend(next)).toBe('any');
    expect([us.sentBytes, us.sentDatagrams, told()]).toEqual([2 * DATAGRAM_SIZE, 2, 2 * DATAGRAM_SIZE]);
  });

  test('stops at the window of the controller; what asks for no ack does not count', () => {
    const { us, send, report } = pair({ window: () => 10 * DATAGRAM_SIZE });
    for (let i = 0; i < 10; i++) us.onSent(0, DATAGRAM_SIZE, 'none');
    send(9, () => false, DATAGRAM_SIZE);
    expect(us.askToSend(0)).toBe('any');
    send(1, () => false, DATAGRAM_SIZE);
    expect(us.askToSend(0)).toBe('window');
    report();
    expect(us.askToSend(0)).toBe('any');
  });

  test('goes on with a probe when all is silent: two datagrams beyond the window', () => {
    const { us, send } = pair({ window: () => 2 * DATAGRAM_SIZE });
    send(2, () => true, DATAGRAM_SIZE);
    const at = us.nextTimeout();
    us.handleTimeout(at - 1);
    expect([us.askToSend(at - 1), us.nextFrames()]).toEqual(['window', NEVER]);
    us.handleTimeout(at);
    expect(us.nextFrames()).toBe(-NEVER);
    for (let i = 0; i < 2; i++) {
      expect(us.askToSend(at)).toBe('any');
      us.onSent(at, DATAGRAM_SIZE, 'soon');
    }
    expect([us.askToSend(at), us.nextFrames()]).toEqual(['window', NEVER]);
    expect(us.nextTimeout()).toBeGreaterThan(at);
  });
});

/** Probes and their reports, until the path is known to carry datagrams of `size`. */
function raise(path: Path, now: Micros, size: number): void {
  while (path.mtu.size < size) path.onMtuReport(now, path.mtu.takeProbe(now, 0)!);
}

describe('what goes without asking', () => {
  test('counts in the window, but leaves the smallest one to what asks', () => {
    const { us } = pair({ window: () => 4 * DATAGRAM_SIZE });
    for (let i = 0; i < 8; i++) us.onSent(0, DATAGRAM_SIZE, 'now', false);
    const modes = [0, 1, 2].map(() => {
      const mode = us.askToSend(0);
      if (mode === 'any') us.onSent(0, DATAGRAM_SIZE, 'soon');
      return mode;
    });
    expect(modes).toEqual(['any', 'any', 'window']);
  });

  test('leaves nothing where what asks has filled it', () => {
    const { us } = pair({ window: () => 4 * DATAGRAM_SIZE });
    for (let i = 0; i < 4; i++) us.onSent(0, DATAGRAM_SIZE, 'soon');
    us.onSent(0, DATAGRAM_SIZE, 'now', false);
    expect(us.askToSend(0)).toBe('window');
  });
});

describe('the size of datagrams', () => {
  test('is asked for, told by the peer, and then told to the controller', () => {
    const { us, peer, mtus } = pair({}, MAX_DATAGRAM);
    expect(us.nextTimeout()).toBe(0);
    const size = us.mtu.takeProbe(0, us.rtt.smoothed)!;
    expect(size).toBeGreaterThan(DATAGRAM_SIZE);
    peer.onMtuProbe(size);
    expect(peer.nextFrames()).toBe(-NEVER);
    expect(peer.takeFrames(0)).toEqual([{ kind: 'mtu-report', size }]);
    expect(peer.nextFrames()).toBe(NEVER);
    us.onMtuReport(1, size);
    expect([us.mtu.size, mtus]).toEqual([size, [size]]);
  });

  test('is not asked for where the smallest is all that is wanted', () => {
    const { us } = pair({}, DATAGRAM_SIZE);
    expect(us.nextTimeout()).toBe(NEVER);
  });

  test('goes beyond jumbo frames where the largest passes within a millisecond, and back when a fifth is lost', () => {
    const { us, peer, send } = pair({}, MAX_DATAGRAM);
    raise(us, 0, JUMBO_DATAGRAM);
    let now = 0;
    const round = (datagrams: number, isLost: (i: number) => boolean) => {
      send(datagrams, isLost, JUMBO_DATAGRAM, now);
      now += MILLISECOND;
      deliver(peer, us, now);
    };
    for (let i = 0; i < 10; i++) round(4, () => false);
    // Some 36 MB/s: a datagram of 64 KiB would take two milliseconds.
    expect(us.mtu.nextProbe()).toBe(NEVER);
    for (let i = 0; i < 10; i++) round(16, () => false);
    expect(us.mtu.nextProbe()).toBeLessThanOrEqual(now);
    raise(us, now, MAX_DATAGRAM);
    expect(us.mtu.size).toBe(MAX_DATAGRAM);
    round(4, () => false);
    expect(us.mtu.size).toBe(MAX_DATAGRAM);
    for (let i = 0; i < 20; i++) round(16, (each) => each % 3 === 1);
    expect(us.mtu.size).toBe(JUMBO_DATAGRAM);
  });

  test('is told four times at once at most, however many probes come', () => {
    const { peer } = pair();
    for (let i = 0; i < 100; i++) peer.onMtuProbe(1312);
    expect(peer.takeFrames(0)).toHaveLength(4);
  });

  test('falls back after six probe timeouts in a row', () => {
    const { us, peer, mtus, send } = pair({}, 1312);
    raise(us, 0, 1312);
    send(10, () => false);
    deliver(peer, us, 10 * MILLISECOND);
    send(1, () => true);
    for (let i = 0; i < 6; i++) {
      expect(us.mtu.size).toBe(1312);
      us.handleTimeout(us.recovery.nextTimeout());
    }
    expect([us.mtu.size, mtus.at(-1)]).toEqual([DATAGRAM_SIZE, DATAGRAM_SIZE]);
  });

  test('is asked for anew once a cut is over that has taken probes too', () => {
    const { us, peer, send } = pair({}, 1312);
    raise(us, 0, 1312);
    send(1, () => true);
    for (let i = 0; i < 6; i++) us.handleTimeout(us.recovery.nextTimeout());
    let now = us.recovery.nextTimeout();
    while (us.mtu.nextProbe() < now + 10 * SECOND) {
      now = us.mtu.nextProbe();
      us.mtu.takeProbe(now, 0);
    }
    send(4, () => false, 100, now);
    deliver(peer, us, now + MILLISECOND);
    expect(us.mtu.nextProbe()).toBeLessThanOrEqual(now + MILLISECOND);
    raise(us, now + MILLISECOND, 1312);
    expect(us.mtu.size).toBe(1312);
  });

  test('does not fall back for timeouts between which acks came', () => {
    const { us, peer, send } = pair({}, 1312);
    raise(us, 0, 1312);
    let now = 0;
    for (let i = 0; i < 20; i++) {
      send(1, () => true, 100, now);
      now = us.recovery.nextTimeout();
      us.handleTimeout(now);
      send(4, () => false, 100, now);
      now += 10 * MILLISECOND;
      deliver(peer, us, now);
    }
    expect(us.recovery.stats.probeTimeouts).toBeGreaterThan(10);
    expect(us.mtu.size).toBe(1312);
  });

  test.each([
    ['three', 'loses nothing else', 0, 3],
    ['ten', 'loses half of all', 0.5, 10],
  ])(
    'falls back where small datagrams arrive and %s large ones in a row do not, if it %s',
    (_, __, loss, most) => {
      const { us, peer, send } = pair({}, 1312);
      raise(us, 0, 1312);
      let now = 0;
      const round = (isLost: boolean) => {
        send(1, () => isLost, 1312, now);
        send(8, (number) => number < 8 * loss, 100, now);
        now += 10 * MILLISECOND;
        deliver(peer, us, now);
      };
      for (let i = 0; i < 200; i++) {
        send(20, (number) => number % 20 < 20 * loss, 100, now);
        now += 10 * MILLISECOND;
        deliver(peer, us, now);
      }
      expect(us.loss).toBeCloseTo(loss, 1);
      for (let i = 1; i < most; i++) round(true);
      // One arrives after all.
      round(false);
      for (let i = 1; i < most; i++) round(true);
      expect(us.mtu.size).toBe(1312);
      round(true);
      expect(us.mtu.size).toBe(DATAGRAM_SIZE);
    },
  );

  test('does not fall back for an outage, in which small ones are lost as well', () => {
    const { us, peer, send } = pair({}, 1312);
    raise(us, 0, 1312);
    for (let now = 0; now < 40; now++)
      send(1, (i) => i >= 0 && now < 30, now % 3 === 0 ? 100 : 1312, now * MILLISECOND);
    deliver(peer, us, 50 * MILLISECOND);
    expect([us.recovery.stats.lostPackets, us.mtu.size]).toEqual([expect.any(Number), 1312]);
    expect(us.recovery.stats.lostPackets).toBeGreaterThan(20);
  });

  test('falls back on a new path too, whatever came before', () => {
    const { us, send } = pair({}, 1312);
    for (let path = 0; path < 2; path++) {
      us.move(us.recovery.nextNumber);
      raise(us, 0, 1312);
      send(1, () => true);
      for (let i = 0; i < 6; i++) us.handleTimeout(us.recovery.nextTimeout());
      expect(us.mtu.size, `on path ${path}`).toBe(DATAGRAM_SIZE);
    }
  });
});

describe('a path begins anew', () => {
  test('when the peer is elsewhere: numbers go on, what was measured is void, what arrived is not', () => {
    const { us, peer, send, report, exchange } = pair({}, MAX_DATAGRAM);
    exchange(0, 60 * MILLISECOND, 0);
    send(1000, (i) => i % 2 === 0);
    const late = report()!;
    raise(us, 0, 1452);
    us.takePolicy(0);
    expect(us.loss).toBeGreaterThan(0.4);
    const { nextNumber } = us.recovery;
    us.move(nextNumber);
    expect(us.recovery.nextNumber).toBe(nextNumber);
    expect([us.loss, us.rtt.min, us.recovery.inFlight, us.mtu.size]).toEqual([
      0,
      undefined,
      0,
      DATAGRAM_SIZE,
    ]);
    // Acks of what went before are no news, and no lie either.
    expect(us.onAck(0, late)).toEqual({ ok: true, sample: undefined });
    expect([us.loss, us.rtt.min]).toEqual([0, undefined]);
    send(500, () => false);
    report();
    expect(us.loss).toBe(0);
    // The other direction: the peer moves, and knows still what it got.
    const { receivedDatagrams } = peer;
    peer.move(0);
    expect(peer.receivedDatagrams).toBe(receivedDatagrams);
    expect(peer.onReceived(0, nextNumber, 'soon')).toBe(false);
  });

  test('never with a number that was used, whatever it is told', () => {
    const { us, send } = pair();
    send(100, () => false);
    const { nextNumber } = us.recovery;
    us.move(5);
    expect(us.recovery.nextNumber).toBe(nextNumber);
    us.restart(nextNumber + 50);
    expect(us.recovery.nextNumber).toBe(nextNumber + 50);
  });

  test('when the peer has restarted: its numbers count from the first again', () => {
    const { us } = pair();
    for (let number = 100; number < 200; number += 2) us.onReceived(0, number, 'soon');
    us.onMtuProbe(1312);
    expect(us.inboundLoss).toBeGreaterThan(0.4);
    us.restart(1);
    expect([us.inboundLoss, us.nextFrames()]).toEqual([0, NEVER]);
    expect(us.takeFrames(0)).toEqual([]);
    expect(us.onReceived(0, 100, 'soon')).toBe(true);
    expect(us.onReceived(0, 101, 'soon')).toBe(true);
    expect(us.takeFrames(0)).toMatchObject([{ kind: 'ack', ack: { ranges: [101, 100], received: 2 } }]);
    expect(us.inboundLoss).toBe(0);
  });
});

interface Pair {
  us: Path;
  peer: Path;
  /** What our controller was told. */
  samples: RateSample[];
  mtus: number[];
  told(): number;
  /** Sends `count` datagrams, except those lost on the way, by their place; returns how many arrived. */
  send(count: number, isLost: (i: number) => boolean, bytes?: number, now?: Micros): number;
  /** The peer's ack reaches us. */
  report(): Ack | undefined;
  /** One datagram there at `at`, its ack back `rtt` later, of which the peer says to have held it for `held`. */
  exchange(at: Micros, rtt: Micros, held: Micros): void;
}

/** Two ends of a path with a session between them. */
function pair(change: Partial<Controller> = {}, maxDatagram = DATAGRAM_SIZE): Pair {
  const samples: RateSample[] = [];
  const mtus: number[] = [];
  let told = 0;
  const controller: Controller = {
    ...fixedRate(Number.POSITIVE_INFINITY),
    onSent: (_now, bytes) => {
      told += bytes;
    },
    onAck: (_now, sample) => void samples.push(sample),
    onMtu: (_now, size) => void mtus.push(size),
    ...change,
  };
  const us = newPath(controller, maxDatagram);
  const peer = newPath();
  us.isOpen = true;
  peer.isOpen = true;
  return {
    us,
    peer,
    samples,
    mtus,
    told: () => told,
    send(count, isLost, bytes = 100, now = 0) {
      let arrived = 0;
      for (let i = 0; i < count; i++) {
        const number = us.onSent(now, bytes, 'soon');
        if (isLost(i)) continue;
        expect(peer.onReceived(now, number, 'soon')).toBe(true);
        arrived++;
      }
      return arrived;
    },
    report: () => deliver(peer, us, 0),
    exchange(at, rtt, held) {
      const number = us.onSent(at, 100, 'soon');
      peer.onReceived(at, number, 'now');
      const ack = ackIn(peer.takeFrames(at))!;
      us.onAck(at + rtt, { ...ack, delay: held });
    },
  };
}

function deliver(peer: Path, us: Path, now: Micros): Ack | undefined {
  const ack = ackIn(peer.takeFrames(now));
  if (ack) expect(us.onAck(now, ack).ok).toBe(true);
  return ack;
}

function ackIn(frames: Frame[]): Ack | undefined {
  for (const frame of frames) if (frame.kind === 'ack') return frame.ack;
  return undefined;
}

function newPath(controller = fixedRate(Number.POSITIVE_INFINITY), maxDatagram = DATAGRAM_SIZE): Path {
  return new Path({ controller: () => controller, rng: new Rng('path'), maxDatagram });
}

function ackOf(numbers: number[]): Ack {
  return { ranges: rangesOf(numbers), delay: 0, received: numbers.length };
}

function anyLie(): fc.Arbitrary<Ack> {
  const near = fc
    .record({
      numbers: fc.uniqueArray(fc.nat(2000), { minLength: 1, maxLength: 100 }),
      delay: fc.nat(),
      received: fc.nat(3000),
    })
    .map(({ numbers, ...rest }) => ({ ranges: rangesOf(numbers), ...rest }));
  const unsound = fc.record({
    ranges: fc.array(fc.oneof(fc.nat(2000), fc.integer(), fc.double()), { maxLength: 8 }),
    delay: fc.nat(),
    received: fc.integer(),
  });
  return fc.oneof(near, near, anyAck, unsound);
}
