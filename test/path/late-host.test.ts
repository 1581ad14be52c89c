/** Hosts that get their turn late: what they measure and decide is not to be taken for the path's. */
import { expect, test } from 'vitest';
import { fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { Recovery } from '../../src/path/recovery.js';
import { Host } from '../../src/sim/net/host.js';

const MS = MILLISECOND;

function recovery(): Recovery {
  return new Recovery({ controller: fixedRate(1e9), rng: new Rng('late') });
}

/** Sends one packet at `at`, acknowledged 20 ms later. */
function roundTrip(path: Recovery, at: number): void {
  const number = path.onSent(at, 1200);
  path.onAckReceived(at + 20 * MS, { ranges: [number, number], delay: 0, received: number + 1 });
}

test('an ack that waited in the socket measures the path by when it came', () => {
  const path = recovery();
  roundTrip(path, SECOND);
  const number = path.onSent(2 * SECOND, 1200);
  const ack = { ranges: [number, number], delay: 0, received: number + 1 };
  path.onAckReceived(2 * SECOND + 320 * MS, ack, 2 * SECOND + 20 * MS);
  expect(path.rtt.latest).toBe(20 * MS);
  expect(path.rtt.smoothed).toBe(20 * MS);
});

test('a host that wakes up late reads before it takes an answer for lost', () => {
  const path = recovery();
  roundTrip(path, SECOND);
  path.onSent(2 * SECOND, 1200);
  const due = path.nextTimeout();
  const late = due + 300 * MS;
  path.onHostLimited(late);
  path.handleTimeout(late);
  expect(path.stats.probeTimeouts).toBe(0);
  path.onAckReceived(late, { ranges: [1, 1], delay: 0, received: 2 });
  path.handleTimeout(late + SECOND);
  expect(path.stats.probeTimeouts).toBe(0);
});

test('a host that is always late still probes', () => {
  const path = recovery();
  roundTrip(path, SECOND);
  path.onSent(2 * SECOND, 1200);
  for (let now = path.nextTimeout() + 100 * MS, i = 0; i < 3; i++, now += 100 * MS) {
    path.onHostLimited(now);
    path.handleTimeout(now);
  }
  expect(path.stats.probeTimeouts).toBeGreaterThan(0);
});

test('a host reads what came while it slept once it runs, one after the other', () => {
  const host = new Host({ stalls: [{ at: 10 * MS, length: 10 * MS }], work: MS });
  expect(host.receive(0, 100)).toBe(MS);
  expect(host.receive(12 * MS, 100)).toBe(21 * MS);
  expect(host.receive(13 * MS, 100)).toBe(22 * MS);
});

test('what the socket has no room for is lost', () => {
  const host = new Host({ stalls: [{ at: 0, length: 10 * MS }], work: MS, buffer: 250 });
  expect([host.receive(0, 100), host.receive(1, 100), host.receive(2, 100)]).toEqual([
    11 * MS,
    12 * MS,
    undefined,
  ]);
  expect(host.dropped).toBe(1);
  expect(host.receive(11 * MS, 100)).toBe(13 * MS);
});
