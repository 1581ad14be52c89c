import { describe, expect, test } from 'vitest';
import {
  type Controller,
  fixedRate,
  type LossEvent,
  type RateSample,
} from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, NEVER } from '../../src/core/time.js';
import { CONFIRM_ACK_DELAY } from '../../src/path/ack.js';
import { Recovery } from '../../src/path/recovery.js';
import { Rtt } from '../../src/path/rtt.js';
import type { Ack } from '../../src/wire/frames/ack.js';

const MS = MILLISECOND;

/** A controller that takes notes. */
function recorder(window = Number.POSITIVE_INFINITY) {
  const losses: LossEvent[] = [];
  const samples: RateSample[] = [];
  let persistent = 0;
  const controller: Controller = {
    ...fixedRate(1e9),
    onLost: (_now, loss) => void losses.push(loss),
    onAck: (_now, sample) => void samples.push(sample),
    onPersistentCongestion: () => void persistent++,
    window: () => window,
  };
  return { controller, losses, samples, persistent: () => persistent };
}

function recovery(notes = recorder()) {
  return { ...notes, path: new Recovery({ controller: notes.controller, rng: new Rng('skip'), mtu: 1200 }) };
}

function ack(...ranges: number[]): Ack {
  return { ranges, delay: 0, received: 0 };
}

describe('RTT, RFC 9002 section 5', () => {
  test('the first sample sets all, later ones move it by an eighth', () => {
    const rtt = new Rtt();
    rtt.onSample(100 * MS);
    expect([rtt.min, rtt.smoothed, rtt.variation]).toEqual([100 * MS, 100 * MS, 50 * MS]);
    rtt.onSample(180 * MS);
    expect(rtt.smoothed).toBe(110 * MS);
    expect(rtt.variation).toBe((50 * 3 * MS + 80 * MS) / 4);
  });

  test('the ack delay is taken off, but never below the minimum, and the minimum ignores it', () => {
    const rtt = new Rtt();
    rtt.onSample(100 * MS);
    rtt.onSample(120 * MS, 20 * MS);
    expect(rtt.smoothed).toBe(100 * MS);
    rtt.onSample(110 * MS, 20 * MS);
    expect(rtt.smoothed).toBe(101.25 * MS);
    expect(rtt.min).toBe(100 * MS);
  });
});

describe('loss detection, RFC 9002 section 6.1', () => {
  test('a packet is lost once one three above it is acked', () => {
    const { path, losses } = recovery();
    for (let i = 0; i < 5; i++) path.onSent(i, 1200);
    path.onAckReceived(50 * MS, ack(2, 1));
    expect(losses).toHaveLength(0);
    path.onAckReceived(51 * MS, ack(3, 1));
    expect(losses).toMatchObject([{ packets: 1, bytes: 1200, ranges: 1, sentAt: 0 }]);
    expect(path.inFlight).toBe(1200);
  });

  test('by time: 9/8 of the RTT, found by the timer', () => {
    const { path, losses } = recovery();
    path.onSent(0, 1200);
    path.onSent(1, 1200);
    path.onAckReceived(80 * MS, ack(1, 1));
    const deadline = path.nextTimeout();
    expect(deadline).toBe(Math.ceil(((80 * MS - 1) * 9) / 8));
    path.handleTimeout(deadline - 1);
    expect(losses).toHaveLength(0);
    path.handleTimeout(deadline);
    expect(losses).toMatchObject([{ packets: 1, sentAt: 0 }]);
    expect(path.nextTimeout()).toBe(NEVER);
  });

  test('a loss that the timer found still reaches the next sample', () => {
    const { path, samples } = recovery();
    for (let i = 0; i < 3; i++) path.onSent(i, 1200);
    path.onAckReceived(80 * MS, ack(1, 1));
    path.handleTimeout(path.nextTimeout());
    path.onAckReceived(95 * MS, ack(2, 1));
    expect(samples.at(-1)).toMatchObject({ lostPackets: 1, ackedPackets: 1 });
  });

  test('a late packet is reported as spurious, and reordering raises the threshold', () => {
    const { path, samples, losses } = recovery();
    for (let i = 0; i < 12; i++) path.onSent(i, 1200);
    path.onAckReceived(50 * MS, ack(5, 1));
    expect(losses).toHaveLength(1);
    path.onAckReceived(51 * MS, ack(5, 0));
    expect(samples.at(-1)).toMatchObject({ spuriousPackets: 1 });
    path.onAckReceived(52 * MS, ack(10, 7, 5, 0));
    expect(losses).toHaveLength(1);
  });
});

test('of the delay that a peer claims no more than 25 ms count, RFC 9002 section 5.3', () => {
  const { path } = recovery();
  for (let i = 0; i < 2; i++) path.onSent(0, 1200);
  path.onAckReceived(100 * MS, ack(0, 0));
  path.onAckReceived(300 * MS, { ...ack(1, 0), delay: 160 * MS });
  // 300 ms less 25, an eighth of the way from 100.
  expect(path.rtt.smoothed).toBe(100 * MS + (275 * MS - 100 * MS) / 8);
});

test('an ack that only adds older numbers gives no round-trip time, RFC 9002 section 5.1', () => {
  const { path, samples } = recovery();
  for (let i = 0; i < 4; i++) path.onSent(0, 1200);
  path.onAckReceived(50 * MS, ack(3, 3));
  path.onAckReceived(60 * MS, ack(3, 2));
  expect(path.rtt.latest).toBe(50 * MS);
  expect(samples.map(({ rtt }) => rtt)).toEqual([50 * MS, undefined]);
});

test('while nothing is acknowledged for long only the probe of each second goes, however little is in flight', () => {
  const { path } = recovery();
  path.onSent(0, 60);
  let sent = 0;
  for (let now = 0; now < 30_000 * MS; now += 10 * MS) {
    path.handleTimeout(now);
    if (path.breaker.cause !== 'silence') continue;
    let atOnce = 0;
    for (; path.askToSend(now) === 'any'; atOnce++) path.onSent(now, 60);
    expect(atOnce).toBeLessThanOrEqual(1);
    sent += atOnce;
  }
  expect(sent).toBeGreaterThan(10);
});

describe('probe timeout, RFC 9002 section 6.2', () => {
  test('runs from the first unanswered datagram, however many follow it', () => {
    const { path } = recovery();
    path.onSent(0, 1200);
    path.onAckReceived(20 * MS, ack(0, 0));
    path.onSent(100 * MS, 1200);
    const due = path.nextTimeout();
    for (let i = 1; i < 8; i++) path.onSent((100 + 10 * i) * MS, 1200);
    expect(path.nextTimeout()).toBe(due);
  });

  test('fires after srtt + 4 rttvar + ack delay, then doubles; probes pass a full window', () => {
    const { path } = recovery(recorder(2400));
    path.onSent(0, 1200);
    path.onAckReceived(100 * MS, ack(0, 0));
    path.onSent(200 * MS, 1200);
    path.onSent(200 * MS, 1200);
    expect(path.askToSend(200 * MS)).toBe('window');
    const first = path.nextTimeout();
    expect(first).toBe(200 * MS + 100 * MS + 200 * MS + path.ackPolicy().delay);
    path.handleTimeout(first - 1);
    expect(path.stats.probeTimeouts).toBe(0);
    path.handleTimeout(first);
    expect(path.askToSend(first)).toBe('any');
    expect(path.nextTimeout() - first).toBe(2 * (first - 200 * MS));
    path.onSent(first, 1200);
    path.onSent(first, 1200);
    expect(path.askToSend(first)).toBe('window');
  });

  test('is what it was before once something has been acknowledged, however often it had doubled', () => {
    const { path } = recovery();
    path.onSent(0, 1200);
    path.onSent(0, 1200);
    for (let i = 0; i < 4; i++) path.handleTimeout(path.nextTimeout());
    const now = path.nextTimeout();
    path.onAckReceived(now, ack(1, 0));
    path.onSent(now, 1200);
    expect(path.nextTimeout() - now).toBe(Math.ceil(path.rtt.probeTimeout(path.ackPolicy().delay)));
  });

  test('no timer while nothing is in flight; silent packets need none', () => {
    const { path } = recovery();
    path.onSent(0, 60, 'none');
    expect(path.inFlight).toBe(0);
    expect(path.nextTimeout()).toBe(NEVER);
  });
});

test('persistent congestion: all lost over three probe timeouts, RFC 9002 section 7.6', () => {
  const { path, persistent } = recovery();
  path.onSent(0, 1200);
  path.onAckReceived(10 * MS, ack(0, 0));
  for (let i = 1; i <= 20; i++) path.onSent(20 * MS + i * 20 * MS, 1200);
  path.onAckReceived(440 * MS, ack(20, 20, 0, 0));
  expect(persistent()).toBe(1);
  for (let i = 21; i <= 26; i++) path.onSent(500 * MS, 1200);
  path.onAckReceived(510 * MS, ack(26, 26));
  expect(persistent()).toBe(1);
});

test('where most is lost at random a few losses in a row, however far apart, are not persistent congestion', () => {
  const { path, losses, persistent } = recovery();
  let now = 0;
  for (let i = 0; i < 40; i++) {
    for (let j = 0; j < 4; j++) path.onSent(now, 1200);
    now += 10 * MS;
    path.onAckReceived(now, ack(4 * i + 3, 4 * i + 3));
  }
  const heartbeats = 5;
  for (let i = 0; i < heartbeats; i++) path.onSent(now + i * 300 * MS, 1200);
  now += heartbeats * 300 * MS;
  const last = path.onSent(now, 1200);
  path.onAckReceived(now + 10 * MS, ack(last, last));
  expect(losses.at(-1)!.packets).toBeGreaterThanOrEqual(heartbeats);
  expect(persistent()).toBe(0);
});

describe('acks that lie', () => {
  test('of a number never sent', () => {
    const { path } = recovery();
    path.onSent(0, 1200);
    expect(path.onAckReceived(1, ack(1, 0))).toMatchObject({ ok: false, reason: 'never-sent' });
    expect(path.inFlight).toBe(1200);
  });

  test('with ranges out of order, overlapping, upside down, or no range', () => {
    const { path } = recovery();
    for (let i = 0; i < 10; i++) path.onSent(i, 1200);
    for (const ranges of [
      [],
      [5],
      [2, 3],
      [3, 2, 8, 7],
      [8, 5, 5, 4],
      [8, 5, 4, 3],
      [3, -1],
      [4.5, 4],
      [Number.NaN, 0],
    ])
      expect(path.onAckReceived(20, ack(...ranges))).toMatchObject({ ok: false, reason: 'malformed' });
    expect(path.inFlight).toBe(12_000);
    expect(path.stats.rejectedAcks).toBe(9);
  });

  test('of more packets than were sent', () => {
    const { path } = recovery();
    path.onSent(0, 1200);
    const lie = { ranges: [0, 0], delay: 0, received: 2 };
    expect(path.onAckReceived(1, lie)).toMatchObject({ ok: false, reason: 'impossible-count' });
  });

  test('optimistic acks: a skipped number gives the liar away', () => {
    const { path } = recovery();
    let previous = -1;
    let skipped = -1;
    for (let i = 0; i < 5000 && skipped < 0; i++) {
      const number = path.onSent(i, 1200);
      if (number !== previous + 1) skipped = previous + 1;
      previous = number;
    }
    expect(skipped).toBeGreaterThan(0);
    const honest = path.onAckReceived(6000, ack(previous, skipped + 1, skipped - 1, skipped - 100));
    expect(honest.ok).toBe(true);
    path.onSent(6001, 1200);
    expect(path.onAckReceived(6100, ack(previous + 1, skipped - 1))).toMatchObject({
      ok: false,
      reason: 'skipped',
    });
  });

  test('the table is bounded: a silent peer stops the sender', () => {
    const controller = fixedRate(1e12);
    const path = new Recovery({ controller, rng: new Rng(1), capacity: 64 });
    let sent = 0;
    while (path.askToSend(0) === 'any' && sent < 1000) {
      path.onSent(0, 1);
      sent++;
      if (path.askToSend(sent) === 'pacing') break;
    }
    for (; path.askToSend(sent * 1000) === 'any' && sent < 1000; sent++) path.onSent(sent * 1000, 1);
    expect(sent).toBeLessThan(64);
    expect(path.askToSend(1e9)).toBe('window');
  });
});

test('numbers go past 2^32', () => {
  const { path } = recovery();
  const table = path['sent'];
  table.next = table.head = 2 ** 40;
  path['skipAt'] = 2 ** 41;
  const number = path.onSent(0, 1200);
  expect(number).toBe(2 ** 40);
  expect(path.onAckReceived(10 * MS, ack(number, number))).toMatchObject({
    ok: true,
    sample: { acked: 1200 },
  });
});

describe('app-limited and host-limited', () => {
  test('a sample sent while there was nothing to send is marked until the gap has passed', () => {
    const { path, samples } = recovery();
    path.onSent(0, 1200);
    path.onAppLimited(1);
    path.onSent(2 * MS, 1200);
    path.onAckReceived(10 * MS, ack(0, 0));
    path.onAckReceived(12 * MS, ack(1, 0));
    expect(samples.map((sample) => sample.appLimited)).toEqual([false, true]);
    path.onSent(20 * MS, 1200);
    path.onAckReceived(30 * MS, ack(2, 0));
    expect(samples.at(-1)!.appLimited).toBe(false);
  });

  test('so is what is sent after that with nothing else in flight', () => {
    const { path, samples } = recovery();
    path.onAppLimited(0);
    path.onSent(0, 1200);
    path.onAckReceived(10 * MS, ack(0, 0));
    expect(samples[0].appLimited).toBe(true);
  });

  test('being held back by pacing alone is not app-limited', () => {
    const notes = recorder();
    const path = new Recovery({
      controller: { ...notes.controller, pacingRate: () => 100_000 },
      rng: new Rng(1),
    });
    for (let now = 0; now < 200 * MS; now += MS) while (path.askToSend(now) === 'any') path.onSent(now, 1200);
    path.onAckReceived(200 * MS, ack(5, 0));
    expect(notes.samples.at(-1)).toMatchObject({ appLimited: false, windowUsed: true });
  });

  test('a wake-up far too late marks samples host-limited', () => {
    const notes = recorder();
    const path = new Recovery({
      controller: { ...notes.controller, pacingRate: () => 100_000 },
      rng: new Rng(1),
    });
    while (path.askToSend(0) === 'any') path.onSent(0, 1200);
    path.nextSend(0);
    expect(path.askToSend(500 * MS)).toBe('any');
    const number = path.onSent(500 * MS, 1200);
    path.onAckReceived(510 * MS, ack(number, number));
    expect(notes.samples.at(-1)).toMatchObject({ hostLimited: true });
  });

  test('the first acked bytes count: a sample with nothing delivered before is valid', () => {
    const { path, samples } = recovery();
    for (let i = 0; i < 10; i++) path.onSent(0, 1200);
    path.onAckReceived(100 * MS, ack(9, 0));
    expect(samples[0]).toMatchObject({ priorDelivered: 0, delivered: 12_000, rate: 120_000 });
  });
});

test('who sends only confirms waits as long for their acknowledgement as the peer may take', () => {
  const { path } = recovery();
  path.rtt.onSample(8 * MS);
  const hurried = path.rtt.probeTimeout(path.ackPolicy().delay);
  path.onSent(0, 60, 'some-time');
  expect(path.nextTimeout()).toBe(path.rtt.probeTimeout(CONFIRM_ACK_DELAY));
  path.onSent(5 * MS, 1200);
  expect(path.nextTimeout()).toBe(5 * MS + hurried);
  path.onAckReceived(10 * MS, ack(2, 2));
  expect(path.nextTimeout()).toBeGreaterThan(10 * MS);
});
