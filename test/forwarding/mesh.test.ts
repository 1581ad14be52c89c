/** Who tells whom of ways to members, and which addresses come of it. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../../src/core/time.js';
import type { Trial } from '../../src/forwarding/doubts.js';
import { Mesh, type Reach } from '../../src/forwarding/mesh.js';
import { ROUTES_LIFE } from '../../src/forwarding/neighbour.js';
import { MAX_HOPS, MAX_ROUTES, type RouteEntry } from '../../src/wire/frames/forwarding/routes.js';

const [SELF, A, B, C] = [0, 1, 2, 3];
const route = (member: number, hops = 1): RouteEntry => ({ member, hops, rtt: 10, loss: 0 });

class Bench {
  now: Micros = 0;
  number = 0;
  /** By peer: by whom it is reached; 'direct', or not at all. */
  readonly reached = new Map<number, number | 'direct'>();
  readonly ways = new Map<number, readonly string[]>();
  readonly lacking = new Map<number, number[]>();
  readonly trials = new Map<number, Trial>();
  readonly left: [number, string][] = [];
  readonly backs: number[] = [];
  readonly speaking: Set<number>;
  readonly mesh: Mesh;

  constructor(members = 4) {
    this.speaking = new Set(Array.from({ length: members }, (_, i) => i));
    this.mesh = new Mesh({
      ...{ self: SELF, members },
      reach: (peer) => this.reach(peer),
      speaks: (peer) => this.speaking.has(peer),
      setWays: (_now, peer, addresses) => this.ways.set(peer, addresses),
      moveTo: (peer, address) => this.left.push([peer, address]),
      rest: (peer, until) => until === NEVER_YET && this.backs.push(peer),
      tryDirect: () => {},
      setLacking: (peer, lacking) => this.lacking.set(peer, [...lacking]),
      notify: () => {},
      punching: {
        ...{ isUnlisted: () => false, speaks: () => false, addressOf: () => undefined },
        ...{ own: () => [], knock: () => {}, counters: { drops: {} } },
      },
    });
  }

  /** Time passes, with a look each so often. */
  pass(time: Micros): this {
    for (const end = this.now + time; this.now < end; this.now += 50 * MILLISECOND)
      this.mesh.handleTimeout(this.now);
    return this;
  }

  hears(from: number, lacking: number[], routes: RouteEntry[]): this {
    const frame = { kind: 'routes' as const, number: ++this.number, lacking, routes };
    this.mesh.handleRoutes(this.now, from, frame);
    return this.pass(100 * MILLISECOND);
  }

  private reach(peer: number): Reach | undefined {
    const by = this.reached.get(peer);
    if (by === undefined) return undefined;
    const via = by === 'direct' ? undefined : by;
    return {
      via,
      rtt: 20 * MILLISECOND,
      loss: 0,
      heardAt: this.now,
      answeredAt: this.now,
      trial: this.trials.get(peer),
    };
  }
}

const bench = (reached: Record<number, number | 'direct'>, members?: number) => {
  const made = new Bench(members);
  for (const [peer, by] of Object.entries(reached)) made.reached.set(Number(peer), by);
  return made;
};

describe('a member that reaches all others', () => {
  test('has nothing to say', () => {
    const { mesh } = bench({ [A]: 'direct', [B]: 'direct', [C]: 'direct' }).pass(60 * SECOND);
    expect([A, B, C].map((peer) => mesh.nextControl(peer))).toEqual([NEVER, NEVER, NEVER]);
    expect([A, B, C].map((peer) => mesh.take(SECOND, peer))).toEqual([undefined, undefined, undefined]);
  });

  test('says how far those are that a peer lacks', () => {
    const told = bench({ [A]: 'direct', [B]: 'direct', [C]: 'direct' })
      .pass(SECOND)
      .hears(A, [B], []);
    const routes = [{ member: B, hops: 1, rtt: 20, loss: 0 }];
    expect(told.mesh.take(told.now, A)).toMatchObject({ lacking: [], routes });
    expect(told.mesh.take(told.now, B)).toBeUndefined();
  });

  test('says which members a peer lacks, as long as its word counts', () => {
    const told = bench({ [A]: 'direct', [B]: 'direct', [C]: 'direct' }).hears(A, [B, C], []);
    expect(told.lacking.get(A)).toEqual([B, C]);
    expect(told.pass(ROUTES_LIFE).lacking.get(A)).toEqual([]);
  });
});

describe('a member that lacks another one', () => {
  const lacking = () => bench({ [A]: 'direct', [B]: 'direct' }).pass(SECOND);

  test('tells those that it reaches, soon and then now and then', () => {
    const told = lacking();
    expect(told.mesh.nextControl(A)).toBeLessThanOrEqual(told.now);
    expect(told.mesh.take(told.now, A)).toMatchObject({ number: 1, lacking: [C], routes: [] });
    expect(told.mesh.nextControl(A)).toBe(NEVER);
    expect(told.mesh.take(told.now, A)).toBeUndefined();
    expect(told.mesh.take(told.now + 300 * MILLISECOND, A)).toMatchObject({ number: 2, lacking: [C] });
  });

  test('tells nobody who does not know of all this', () => {
    const told = bench({ [A]: 'direct', [B]: 'direct' });
    told.speaking.delete(A);
    told.pass(SECOND);
    expect(told.mesh.take(told.now, A)).toBeUndefined();
    expect(told.mesh.take(told.now, B)).toBeDefined();
  });

  test('reaches it by way of who does, the nearest first', () => {
    const told = lacking()
      .hears(A, [], [route(C, 3)])
      .hears(B, [], [{ ...route(C), rtt: 1 }]);
    expect(told.ways.get(C)).toEqual(['~2:3', '~1:3']);
  });

  test('does so no more once it reaches it, and takes back that it lacks it', () => {
    const told = lacking().hears(A, [], [route(C)]);
    told.mesh.take(told.now, A);
    told.reached.set(C, 'direct');
    told.pass(SECOND);
    expect(told.ways.get(C)).toEqual([]);
    expect(told.mesh.take(told.now, A)).toMatchObject({ lacking: [] });
  });

  test('forgets what it was told long ago', () => {
    const told = lacking()
      .hears(A, [], [route(C)])
      .pass(ROUTES_LIFE + SECOND);
    expect(told.ways.get(C)).toEqual([]);
  });

  test('takes no way that is too long, nor an older word', () => {
    const told = lacking().hears(A, [], [route(C, MAX_HOPS)]);
    expect(told.ways.get(C)).toBeUndefined();
    told.hears(A, [], []);
    told.number = 0;
    told.hears(A, [], [route(C)]);
    expect(told.ways.get(C)).toBeUndefined();
  });

  test(`asks for ${MAX_ROUTES} others, and no more`, () => {
    const told = bench({ [A]: 'direct' }, MAX_ROUTES + 10).pass(SECOND);
    expect(told.mesh.take(told.now, A)?.lacking).toHaveLength(MAX_ROUTES);
  });
});

describe('a member that reaches another one by way of a third', () => {
  const forwarded = () => {
    const told = bench({ [A]: 'direct', [B]: 'direct', [C]: A })
      .pass(SECOND)
      .hears(A, [], [route(C, 2)]);
    return told.hears(B, [C], []);
  };

  test('passes that on, with a session more on the way', () => {
    const told = forwarded();
    expect(told.mesh.take(told.now, B)?.routes).toEqual([{ member: C, hops: 3, rtt: 20, loss: 0 }]);
  });

  test('does not tell it to that third', () => {
    const told = forwarded().hears(A, [C], [route(C, 2)]);
    expect(told.mesh.take(told.now, A)?.routes).toEqual([]);
  });

  test('does not pass it on before it hears that member itself', () => {
    const told = bench({ [A]: 'direct', [B]: 'direct' })
      .pass(SECOND)
      .hears(A, [], [route(C)]);
    told.hears(B, [C], []);
    expect(told.mesh.take(told.now, B)?.routes).toEqual([]);
  });
});
