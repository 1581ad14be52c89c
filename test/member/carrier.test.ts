/** What a member passes on for others, and what it does not. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { FORWARD_BURST, FORWARD_RATE, MIN_FORWARDED } from '../../src/member/carrier.js';
import type { Voice } from '../../src/member/tamper.js';
import { type Cluster, createCluster, memberAt } from '../../src/sim/cluster.js';
import type { ForwardFrame } from '../../src/wire/frames/forwarding/forward.js';
import { MAX_HOPS } from '../../src/wire/frames/forwarding/routes.js';

const [LIAR, MIDDLE, END] = [0, 1, 2];
const frame = (changes: Partial<ForwardFrame> = {}): ForwardFrame => ({
  ...{ kind: 'forward', from: LIAR, to: END, hops: MAX_HOPS, datagram: new Uint8Array(1000) },
  ...changes,
});

/** A chain of three, of which the first says what it is told to. */
function withChain(
  act: (cluster: Cluster, say: (frames: ForwardFrame[], to?: number) => void) => void,
): void {
  let voice: Voice | undefined;
  const begin = (of: Voice) => {
    voice = of;
  };
  const cluster = createCluster({
    seed: 'carrier',
    members: 3,
    links: (from, to) => ({
      delay: MILLISECOND,
      blocked: Math.abs(memberAt(from) - memberAt(to)) > 1,
    }),
    tampers: new Map([[LIAR, { begin }]]),
  });
  const { world, members } = cluster;
  world.runUntil(3 * SECOND);
  const say = (frames: ForwardFrame[], to = MIDDLE) => {
    for (const each of frames) voice!.say(world.now, to, [each]);
    world.poll(members[LIAR].address);
    world.runUntil(world.now + 10 * MILLISECOND);
  };
  try {
    act(cluster, say);
  } finally {
    cluster.dispose();
  }
}

const dropsOf = ({ members }: Cluster, member: number) => members[member].endpoint.metrics.drops;

describe('a datagram for somebody else', () => {
  test('is passed on, and dropped there by the session that it is not of', () => {
    withChain((cluster, say) => {
      say([frame({ datagram: Uint8Array.of(0x34, ...new Uint8Array(40)) })]);
      expect(dropsOf(cluster, MIDDLE)).not.toHaveProperty('no-route');
      expect(dropsOf(cluster, END)).toHaveProperty('unknown-index');
    });
  });

  test.each([
    ['for nobody', { to: 7 }],
    ['from nobody', { from: 7 }],
    ['from whom it is told to', { from: MIDDLE }],
    ['for whom it came from', { to: LIAR, from: END }],
  ])('%s is refused', (_, changes) => {
    withChain((cluster, say) => {
      say([frame(changes)]);
      expect(dropsOf(cluster, MIDDLE)).toMatchObject({ 'forward-refused': 1 });
    });
  });

  test('that has come too far is dropped', () => {
    withChain((cluster, say) => {
      say([frame({ hops: 1 })]);
      expect(dropsOf(cluster, MIDDLE)).toMatchObject({ 'no-route': 1 });
    });
  });

  test('in one that was forwarded itself is refused', () => {
    withChain((cluster, say) => {
      say([frame({ to: MIDDLE, from: MIDDLE })], END);
      expect(dropsOf(cluster, END)).toMatchObject({ 'forward-refused': 1 });
    });
  });

  test('that is smaller than any of a session is refused', () => {
    withChain((cluster, say) => {
      say([frame({ datagram: new Uint8Array(MIN_FORWARDED - 1) })]);
      expect(dropsOf(cluster, MIDDLE)).toMatchObject({ 'forward-refused': 1 });
    });
  });

  test('counts with all that goes over the link, however small it is', () => {
    withChain((cluster, say) => {
      const { metrics } = cluster.members[MIDDLE].endpoint;
      const overLink = () => metrics.sentBytes + 28 * metrics.sentDatagrams;
      const [begun, before] = [cluster.world.now, overLink()];
      const small = frame({ datagram: new Uint8Array(MIN_FORWARDED) });
      for (let i = 0; i < 100; i++) say(Array.from({ length: 100 }, () => small));
      const seconds = (cluster.world.now - begun) / SECOND;
      expect(dropsOf(cluster, MIDDLE)).toHaveProperty('forward-budget');
      expect(overLink() - before).toBeLessThan(1.2 * (FORWARD_BURST + seconds * FORWARD_RATE));
    });
  });

  test('is passed on within what one member may ask for, whatever it asks for', () => {
    withChain((cluster, say) => {
      const begun = cluster.world.now;
      const received = () => cluster.members[END].endpoint.metrics.receivedBytes;
      const before = received();
      for (let i = 0; i < 200; i++) say(Array.from({ length: 10 }, () => frame()));
      const seconds = (cluster.world.now - begun) / SECOND;
      expect(dropsOf(cluster, MIDDLE)).toHaveProperty('forward-budget');
      // Each has a header and a tag more, and there is what members say anyway.
      expect(received() - before).toBeLessThan(1.1 * (FORWARD_BURST + seconds * FORWARD_RATE));
    });
  });

  test('of a flood leaves what others ask for alone', () => {
    withChain((cluster, say) => {
      for (let i = 0; i < 100; i++) say(Array.from({ length: 10 }, () => frame()));
      cluster.broadcast(END, new Uint8Array([1]));
      for (let i = 0; i < 100; i++) say(Array.from({ length: 10 }, () => frame()));
      expect(cluster.members[MIDDLE].delivered).toHaveLength(1);
    });
  });
});
