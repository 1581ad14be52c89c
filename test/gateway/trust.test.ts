import { describe, expect, test } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { parseCluster } from '../../src/gateway/cluster/cluster.js';
import { ASK_SIZE, TELL_SIZE } from '../../src/gateway/cluster/introduction.js';
import { Trust, type TrustEvent } from '../../src/gateway/cluster/trust.js';

const LIST = 'a=http://127.0.0.1:1,b=http://127.0.0.1:2,c=http://127.0.0.1:3';
const keysOf = (seed: number) => keyPair(new Uint8Array(32).fill(seed));

/** Members on a network that loses nothing; each datagram is delivered at once. */
class World {
  readonly members = new Map<string, { trust: Trust; events: TrustEvent[] }>();
  now = 0;
  /** What is on its way may be changed, or lost. */
  tamper: (bytes: Uint8Array, from: string, to: string) => Uint8Array | undefined = (bytes) => bytes;
  readonly sent: { from: string; to: string; bytes: Uint8Array }[] = [];
  private nonce = 0;

  add(
    name: string,
    seed: number,
    {
      list = LIST,
      known = [],
      onFirstUse = true,
    }: { list?: string; known?: Uint8Array[]; onFirstUse?: boolean } = {},
  ): this {
    const cluster = parseCluster(list, name, 'token');
    const random = (length: number) => new Uint8Array(length).fill(++this.nonce);
    const trust = new Trust(this.now, { cluster, keys: keysOf(seed), known, onFirstUse, random });
    this.members.set(cluster.members[cluster.self].locator, { trust, events: [] });
    return this;
  }

  at(port: number) {
    return this.members.get(`127.0.0.1:${port}`)!;
  }

  run(micros: number): this {
    for (const until = this.now + micros; this.now < until; this.now += 10_000) this.step();
    return this;
  }

  private step(): void {
    for (const { trust } of this.members.values()) trust.handleTimeout(this.now);
    for (let moved = true; moved; ) {
      moved = false;
      for (const [from, { trust, events }] of this.members) {
        for (let next = trust.pollTransmit(); next; next = trust.pollTransmit()) {
          moved = true;
          this.sent.push({ from, ...next });
          const bytes = this.tamper(next.bytes, from, next.to);
          if (bytes) this.members.get(next.to)?.trust.handleDatagram(this.now, from, bytes);
        }
        for (let event = trust.pollEvent(); event; event = trust.pollEvent()) events.push(event);
      }
    }
  }
}

const SECOND = 1_000_000;

describe('members that do not know each other', () => {
  test('learn the keys of all in one exchange each, whoever starts last', () => {
    const world = new World()
      .add('a', 1)
      .add('b', 2)
      .run(SECOND)
      .add('c', 3)
      .run(SECOND / 2);
    for (const port of [1, 2, 3]) {
      const { trust, events } = world.at(port);
      expect(trust.keys).toEqual([1, 2, 3].map((seed) => keysOf(seed).publicKey));
      expect(events.map(({ type }) => type)).toEqual(['learned', 'learned']);
    }
  });

  test('ask no more once they are within reach', () => {
    const world = new World().add('a', 1).add('b', 2).add('c', 3).run(SECOND);
    for (const { trust } of world.members.values())
      for (const member of [0, 1, 2]) trust.handleReachable(world.now, member, true);
    world.run(SECOND / 100);
    const { length } = world.sent;
    world.run(10 * SECOND);
    expect(world.sent).toHaveLength(length);
  });

  test('believe none that is not signed for their question', () => {
    const world = new World().add('a', 1).add('b', 2);
    world.tamper = (bytes) => {
      if (bytes.length !== TELL_SIZE) return bytes;
      const changed = bytes.slice();
      changed[60] ^= 1;
      return changed;
    };
    world.run(2 * SECOND);
    expect(world.at(1).trust.keys[1]).toBeUndefined();
  });

  test('are not made to send more than was sent to them', () => {
    expect(TELL_SIZE).toBeLessThanOrEqual(ASK_SIZE);
  });

  test('believe no first key where keys are given', () => {
    const known = [keysOf(1).publicKey, keysOf(9).publicKey, keysOf(3).publicKey];
    const world = new World().add('a', 1, { known, onFirstUse: false }).add('b', 2).run(SECOND);
    expect(world.at(1).trust.keys[1]).toEqual(known[1]);
    expect(world.at(1).events[0]).toMatchObject({ type: 'other-key', member: 1 });
  });
});

test('a member that has lost its key is told so, and is not believed', () => {
  const world = new World().add('a', 1).add('b', 2).run(SECOND);
  world.add('b', 7).run(2 * SECOND);
  expect(world.at(2).events.map(({ type }) => type)).toContain('rejected');
  expect(world.at(1).trust.keys[1]).toEqual(keysOf(2).publicKey);
});

test('that a key is another one is certain once more have said so than may be wrong', () => {
  const world = new World().add('a', 1).add('b', 2).add('c', 3).run(SECOND);
  world.members.delete('127.0.0.1:3');
  world.add('b', 7).run(2 * SECOND);
  const rejections = () => world.at(2).events.flatMap((event) => (event.type === 'rejected' ? [event] : []));
  expect(new Set(rejections().map(({ by, isCertain }) => `${by} ${isCertain}`))).toEqual(
    new Set(['1 false']),
  );
  world.add('c', 3, { known: [1, 2, 3].map((seed) => keysOf(seed).publicKey) }).run(2 * SECOND);
  expect(rejections().at(-1)).toMatchObject({ by: 2, isCertain: true });
});

test('a member whose key is believed again is not counted against', () => {
  const world = new World().add('a', 1).add('b', 2).add('c', 3).run(SECOND);
  world.add('b', 7).run(SECOND);
  const known = (b: number) => [1, b, 3].map((seed) => keysOf(seed).publicKey);
  for (const [name, seed] of [
    ['a', 1],
    ['c', 3],
  ] as const)
    world.add(name, seed, { known: known(7) });
  world.run(3 * SECOND);
  world.at(2).events.length = 0;
  world.add('a', 1, { known: known(2) }).run(3 * SECOND);
  const rejections = world.at(2).events.filter(({ type }) => type === 'rejected');
  expect(rejections.every((event) => event.type === 'rejected' && !event.isCertain)).toBe(true);
  expect(rejections.length).toBeGreaterThan(0);
});

test('a member of another cluster is told apart', () => {
  const world = new World().add('a', 1).add('b', 2, { list: 'b=http://127.0.0.1:2' }).run(SECOND);
  expect(world.at(1).events[0]).toEqual({ type: 'other-cluster', member: 1 });
  expect(world.at(1).trust.keys[1]).toBeUndefined();
});

test('a cluster is the same in any order, and another one with another token or member', () => {
  const [a, b, c] = LIST.split(',');
  const id = (list: string, token = 't') => Buffer.from(parseCluster(list, 'a', token).id).toString('hex');
  expect(id([c, a, b].join(','))).toBe(id(LIST));
  expect(new Set([id(LIST), id(LIST, 'u'), id([a, b].join(','))]).size).toBe(3);
});
