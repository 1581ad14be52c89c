/** The circuit breaker (RFC 8084, RFC 8085 section 3.1.10): what trips it, what does not, and what may still go then. */
import { describe, expect, test } from 'vitest';
import { type Controller, fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import { Breaker } from '../../src/path/breaker.js';
import { Path } from '../../src/path/path.js';
import { Recovery } from '../../src/path/recovery.js';
import { DATAGRAM_SIZE } from '../../src/wire/limits.js';

const MTU = 1200;

/** Seconds of the same fates, in tenths. */
function live(breaker: Breaker, from: Micros, seconds: number, acked: number, lost: number): Micros {
  let now = from;
  for (let i = 0; i < 10 * seconds; i++) {
    now += SECOND / 10;
    breaker.onFates(now, acked / 10, lost / 10);
  }
  return now;
}

describe('excessive loss', () => {
  test('of nine tenths trips it within four seconds, once', () => {
    const breaker = new Breaker();
    live(breaker, 0, 4, 100, 900);
    expect([breaker.cause, breaker.trips]).toEqual(['loss', 1]);
  });

  test('of three quarters, of nine tenths for two seconds, or of few datagrams does not', () => {
    const half = new Breaker();
    live(half, 0, 60, 250, 750);
    const short = new Breaker();
    for (let now = 0; now < 60 * SECOND; ) now = live(short, live(short, now, 2, 100, 900), 1, 900, 100);
    const slow = new Breaker();
    live(slow, 0, 60, 5, 50);
    expect([half.trips, short.trips, slow.trips]).toEqual([0, 0, 0]);
  });

  test('at random, three of four, at the least rate that counts, hardly ever does', () => {
    const rng = new Rng('breaker');
    const breaker = new Breaker();
    for (let now = 0; now < 24 * 3600 * SECOND; now += 10 * MILLISECOND) {
      const lost = rng.chance(0.75) ? 1 : 0;
      breaker.onFates(now, 1 - lost, lost);
    }
    expect(breaker.trips).toBe(0);
  });

  test('ends after ten seconds if it has ended, and goes on if not', () => {
    const breaker = new Breaker();
    let now = live(breaker, 0, 4, 100, 900);
    now = live(breaker, now, 8, 900, 100);
    expect(breaker.cause).toBe('loss');
    now = live(breaker, now, 3, 900, 100);
    expect(breaker.cause).toBeUndefined();
    now = live(breaker, now, 4, 100, 900);
    now = live(breaker, now, 60, 100, 900);
    expect([breaker.cause, breaker.trips]).toEqual(['loss', 2]);
  });

  test('leaves two datagrams in flight, and has the controller start afresh', () => {
    let restarts = 0;
    const { path, now } = drown({
      ...fixedRate(Number.POSITIVE_INFINITY),
      onPersistentCongestion: () => void restarts++,
    });
    const before = restarts;
    expect(path.breaker.cause).toBe('loss');
    expect(before).toBeGreaterThan(0);
    const largest = path.nextNumber - 1;
    path.onAckReceived(now, { ranges: [largest, largest - 9], delay: 0, received: 300 });
    let sent = 0;
    for (; path.askToSend(now) === 'any' && sent < 10; sent++) path.onSent(now, MTU);
    expect(sent).toBe(2);
  });
});

describe('silence', () => {
  test('of ten seconds leaves one probe a second, until the first ack', () => {
    const { path, end } = silent(30 * SECOND);
    expect([path.breaker.cause, path.breaker.trips]).toEqual(['silence', 1]);
    let probes = 0;
    for (let now = path.nextTimeout(); now < end + 20 * SECOND; now = path.nextTimeout()) {
      path.handleTimeout(now);
      for (; path.askToSend(now) === 'any'; probes++) path.onSent(now, MTU);
    }
    expect(probes).toBeGreaterThanOrEqual(18);
    expect(probes).toBeLessThanOrEqual(20);
    const largest = path.nextNumber - 1;
    path.onAckReceived(end + 20 * SECOND, { ranges: [largest, largest], delay: 0, received: 2 });
    expect(path.breaker.cause).toBeUndefined();
    expect(path.askToSend(end + 20 * SECOND)).toBe('any');
  });

  test('of nine seconds does not trip it', () => {
    expect(silent(9 * SECOND).path.breaker.trips).toBe(0);
  });

  test('is not a clock that leaps an hour ahead', () => {
    const { path } = silent(50 * MILLISECOND);
    path.handleTimeout(3600 * SECOND);
    expect(path.breaker.trips).toBe(0);
  });

  test('is not a flow that has nothing to send', () => {
    const { path, end } = silent(50 * MILLISECOND);
    const largest = path.nextNumber - 1;
    path.onAckReceived(end, { ranges: [largest, 1], delay: 0, received: largest });
    while (path.nextTimeout() !== NEVER) path.handleTimeout(path.nextTimeout());
    path.onSent(3600 * SECOND, MTU);
    for (let i = 0; i < 7; i++) path.handleTimeout(path.nextTimeout());
    expect(path.breaker.trips).toBe(0);
  });

  test('ends with a new path', () => {
    const path = new Path({
      controller: () => fixedRate(Number.POSITIVE_INFINITY),
      rng: new Rng(1),
      maxDatagram: DATAGRAM_SIZE,
    });
    path.isOpen = true;
    path.onSent(0, 100, 'soon');
    for (let now = path.nextTimeout(); now < 30 * SECOND; now = path.nextTimeout()) path.handleTimeout(now);
    expect([path.recovery.breaker.cause, path.askToSend(30 * SECOND)]).toEqual(['silence', 'any']);
    path.move(0);
    expect([path.recovery.breaker.cause, path.askToSend(30 * SECOND)]).toEqual([undefined, 'any']);
  });
});

/** One in twenty of a thousand datagrams a second arrives, for five seconds. */
function drown(controller: Controller): { path: Recovery; now: Micros } {
  const path = new Recovery({ controller, rng: new Rng('drown'), mtu: MTU });
  let received = 0;
  let now = 0;
  for (let i = 0; now < 5 * SECOND; i++, now += MILLISECOND) {
    const number = path.onSent(now, MTU);
    if (i % 20 !== 19) continue;
    path.onAckReceived(now + MILLISECOND / 2, { ranges: [number, number], delay: 0, received: ++received });
  }
  return { path, now };
}

/** One round trip of 20 ms, and then nothing is answered for so long. */
function silent(length: Micros): { path: Recovery; end: Micros } {
  const path = new Recovery({
    controller: fixedRate(Number.POSITIVE_INFINITY),
    rng: new Rng('silent'),
    mtu: MTU,
  });
  path.onSent(0, MTU);
  path.onAckReceived(20 * MILLISECOND, { ranges: [0, 0], delay: 0, received: 1 });
  const end = 20 * MILLISECOND + length;
  path.onSent(20 * MILLISECOND, MTU);
  for (let now = path.nextTimeout(); now < end; now = path.nextTimeout()) {
    path.handleTimeout(now);
    while (path.probesDue > 0) path.onSent(now, MTU);
  }
  return { path, end };
}
