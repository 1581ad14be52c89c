/**
 * A peer that acknowledges what it has not received, to make us send faster than its link carries (RFC 9000, section 21.4;
 * S. Savage et al., 'TCP Congestion Control with a Misbehaving Receiver', 1999). Nothing that it says may make the path
 * exceed what one bottle-neck of 10 Mbit/s carries by much, whichever controller is in use.
 */
import { describe, expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { Path } from '../../src/path/path.js';
import type { Ack } from '../../src/wire/frames/ack.js';
import { MAX_DATAGRAM } from '../../src/wire/limits.js';

/** Says what to acknowledge, of the numbers below `next`; the numbers left out are not known to a liar. */
type Lie = (next: number, rng: Rng) => Ack;

const one = (number: number): Ack => ({ ranges: [number, number], delay: 0, received: 1 });
const LIES: Record<string, Lie> = {
  'one number of those under way': (next) => one(next - 1),
  'a guess of one number': (next, rng) => one(next - 4 + rng.integer(0, 6)),
  'all numbers': (next) => ({ ranges: [next - 1, Math.max(1, next - 300)], delay: 0, received: 1 }),
  'every fourth number': (next) => {
    const ranges: number[] = [];
    for (let number = next - 1 - ((next - 1) % 4); number > Math.max(4, next - 400); number -= 4)
      ranges.push(number, number);
    return ranges.length > 0 ? { ranges, delay: 0, received: 1 } : one(next - 1);
  },
};

const SECONDS = 60;

describe.each(Object.entries(CONTROLLERS))(
  '%s, from a peer that acknowledges before it receives',
  (_, controller) => {
    test.each(Object.entries(LIES))(
      '%s',
      (_what, lie) => {
        const path = newPath(controller);
        const rng = new Rng('liar');
        let bytes = 0;
        // It acknowledges as fast as it likes: four times a millisecond, but where it is held back and that changes nothing.
        const step = () => (path.trust.isLost ? 20 * MILLISECOND : MILLISECOND / 4);
        for (let now = SECOND; now < (1 + SECONDS) * SECOND; now += step()) {
          if (path.nextTimeout() <= now) path.handleTimeout(now);
          for (let burst = 0; burst < 1000 && path.askToSend(now) === 'any'; burst++) {
            path.onSent(now, path.mtu.size, 'soon');
            bytes += path.mtu.size;
          }
          path.onAck(now + 100, lie(path.recovery.nextNumber, rng));
        }
        expect(bytes).toBeLessThan((10e6 / 8) * SECONDS);
        expect(path.trust.losses).toBeGreaterThan(0);
      },
      60_000,
    );
  },
);

describe('after an ack of what was never sent', () => {
  test('two datagrams a third of a second may go, for ten seconds; then the path is learned anew', () => {
    const path = newPath(CONTROLLERS.cubic);
    let now = honest(path, SECOND, 5 * SECOND);
    expect(path.onAck(now, one(path.recovery.nextNumber))).toMatchObject({ ok: false, reason: 'never-sent' });
    expect(path.recovery.breaker.cause).toBe('lies');
    expect(path.recovery.controller.window()).toBe(2 * path.mtu.size);
    const before = path.sentDatagrams;
    now = honest(path, now, 9 * SECOND);
    expect(path.sentDatagrams - before).toBeLessThan(9 * 6 + 10);
    now = honest(path, now, 10 * SECOND);
    expect(path.recovery.breaker.cause).toBeUndefined();
    expect(path.recovery.controller.window()).toBeGreaterThan(20 * path.mtu.size);
  });

  test('each time it lies again the path is held for twice as long, and moving or restarting does not help', () => {
    const path = newPath(CONTROLLERS.cubic);
    let now: Micros = SECOND;
    for (const hold of [10, 20, 40]) {
      path.onAck(now, one(path.recovery.nextNumber));
      path.move(path.recovery.nextNumber);
      path.restart(path.recovery.nextNumber);
      now = honest(path, now, (hold - 1) * SECOND);
      expect(path.recovery.breaker.cause).toBe('lies');
      now = honest(path, now, 3 * SECOND);
      expect(path.recovery.breaker.cause).toBeUndefined();
    }
    expect(path.trust.losses).toBe(3);
  });

  test('a flood of such acks makes one new controller, not one each', () => {
    let made = 0;
    const path = newPath((mtu) => {
      made++;
      return CONTROLLERS.cubic(mtu);
    });
    made = 0;
    for (let i = 0; i < 1000; i++) path.onAck(SECOND + i, one(path.recovery.nextNumber + i));
    expect(made).toBe(1);
  });
});

test('a number is left out within each 1024, so that who acknowledges all of them is soon caught', () => {
  const path = newPath(CONTROLLERS.cubic);
  let last = path.recovery.nextNumber;
  let [sent, longest] = [0, 0];
  for (let i = 0; i < 20_000; i++) {
    path.onSent(SECOND, 100, 'none');
    const { nextNumber } = path.recovery;
    sent++;
    if (nextNumber > last + 1) {
      longest = Math.max(longest, sent);
      sent = 0;
    }
    last = nextNumber;
  }
  expect(longest).toBeGreaterThan(64);
  expect(longest).toBeLessThanOrEqual(1024);
});

function newPath(controller: (mtu: number, seed?: number) => ReturnType<typeof CONTROLLERS.cubic>): Path {
  const path = new Path({ controller, rng: new Rng('lies'), maxDatagram: MAX_DATAGRAM });
  path.isOpen = true;
  path.move(1);
  return path;
}

/** A peer 20 ms away that acknowledges all it gets, and a sender that sends all it may, up to 50 datagrams a millisecond. */
function honest(path: Path, from: Micros, duration: Micros): Micros {
  const arrived: { at: Micros; number: number }[] = [];
  let now = from;
  for (const end = from + duration; now < end; now += MILLISECOND) {
    if (path.nextTimeout() <= now) path.handleTimeout(now);
    const acked: number[] = [];
    while (arrived[0]?.at <= now) acked.push(arrived.shift()!.number);
    for (const number of acked) path.onAck(now, { ...one(number), received: 1 });
    for (let i = 0; i < 50 && path.askToSend(now) === 'any'; i++)
      arrived.push({ at: now + 20 * MILLISECOND, number: path.onSent(now, path.mtu.size, 'soon') });
  }
  return now;
}
