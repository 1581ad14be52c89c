/** Members that lie about what they received, and clocks that jump, at a whole endpoint: only the liar's path may suffer. */
import { describe, expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import type { Ack } from '../../src/wire/frames/ack.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';

const LIAR = 1;
const { group, keys } = smallGroup(4);
const text = new Uint8Array(20_000).fill(7);

function newBench(): Bench {
  return new Bench({ group, keys, self: 0, controller: CONTROLLERS.bbr }).open();
}

describe('an ack', () => {
  test.each<[string, (newest: number) => Ack]>([
    [
      'of a number that was never sent',
      (newest) => ({ ranges: [newest + 1000, newest], delay: 0, received: 1 }),
    ],
    ['of the largest number there is', () => ({ ranges: [2 ** 40, 2 ** 40], delay: 0, received: 1 })],
    [
      'of more datagrams than were sent',
      (newest) => ({ ranges: [newest, newest], delay: 0, received: newest + 9 }),
    ],
  ])('%s is a counted drop, names its member, and holds that one path to a trickle', (_what, lie) => {
    const bench = newBench();
    bench.endpoint.messages.submit(text);
    bench.settle();
    const before = bench.endpoint.status(bench.now).peers;
    for (let i = 0; i < 3; i++) bench.peer(LIAR).send([{ kind: 'ack', ack: lie(bench.peer(LIAR).newest) }]);
    expect(bench.drops()).toEqual({ 'bad-ack': 3 });
    expect(bench.eventsOf('misbehaviour')).toMatchObject([{ member: LIAR, what: 'bad-ack' }]);
    const [liar, ...others] = bench.endpoint.status(bench.now).peers;
    expect(liar.breaker).toEqual({ cause: 'lies', trips: 0 });
    expect(others).toEqual(before.slice(1));
  });

  test('of one member says nothing of another: its own path moves, no other does', () => {
    const bench = newBench();
    bench.endpoint.messages.submit(text);
    bench.settle();
    const before = bench.endpoint.status(bench.now).peers;
    const { newest } = bench.peer(LIAR);
    bench.now += 20 * MILLISECOND;
    bench.peer(LIAR).send([{ kind: 'ack', ack: { ranges: [newest, newest], delay: 0, received: 1 } }]);
    const after = bench.endpoint.status(bench.now).peers;
    expect(after[0].path.bytesInFlight).toBeLessThan(before[0].path.bytesInFlight);
    expect(after.slice(1)).toEqual(before.slice(1));
  });
});

test.each([-3600, -1, 1, 3600])(
  'a clock that jumps by %i s breaks nothing: the object is sent to all',
  (seconds) => {
    const bench = newBench();
    bench.now += 2 * 3600 * SECOND;
    bench.run(SECOND);
    bench.now += seconds * SECOND;
    bench.clear();
    // A clock that was put back is waited for.
    bench.run(SECOND);
    bench.now += Math.max(0, -seconds) * SECOND;
    bench.run(SECOND);
    bench.endpoint.messages.submit(text);
    bench.run(SECOND);
    for (const peer of bench.peers) if (peer) expect(peer.symbols().length).toBeGreaterThan(0);
    for (const { rtt } of bench.endpoint.status(bench.now).peers) expect(rtt ?? 0).toBeLessThan(SECOND);
  },
);

test('a member that has restarted is acknowledged from its first number on', () => {
  const bench = newBench();
  for (let i = 0; i < 100; i++) bench.peer(LIAR).send([{ kind: 'ping' }]);
  bench.settle();
  const restarted = bench.replace(LIAR, { incarnation: 2 });
  restarted.connect();
  bench.run(100 * MILLISECOND);
  restarted.forget();
  restarted.send([{ kind: 'ping' }]);
  bench.run(50 * MILLISECOND);
  const acks = restarted.frames('ack').map((frame) => (frame.kind === 'ack' ? frame.ack : undefined));
  expect(acks.length).toBeGreaterThan(0);
  expect(acks.at(-1)!.ranges[0]).toBeLessThan(50);
  expect(acks.at(-1)!.received).toBeLessThan(50);
});
