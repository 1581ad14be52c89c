/** What is asked, passed on and tried where members do not reach each other, by hand. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import {
  KNOCK_BURST,
  KNOCK_RATE,
  MAX_WAITING,
  PASS_RATE,
  Punching,
  TELL_RATE,
} from '../../src/forwarding/punching.js';
import type { PunchFrame } from '../../src/wire/frames/forwarding/punch.js';
import { viaAddress } from '../../src/wire/via.js';

const [SELF, HUB, PEER, OTHER] = [0, 1, 2, 3];
const MEMBERS = 4;
const VICTIM = '203.0.113.9:53';
const RTT = 40 * MILLISECOND;
const OWN = ['10.0.0.1:7000', '203.0.113.1:40000', '203.0.113.1:40001', '203.0.113.1:40002'];

const frame = (changes: Partial<PunchFrame> = {}): PunchFrame => ({
  ...{ kind: 'punch', from: PEER, to: SELF, isAnswer: true, wait: 0, addresses: [VICTIM] },
  ...changes,
});

class Bench {
  now: Micros = 0;
  readonly knocked: { at: Micros; member: number; address: string }[] = [];
  readonly counters = { drops: {} as Record<string, number> };
  /** By member: where it is reached. */
  readonly addresses = new Map<number, string>();
  /** Members that are told to be near to all. */
  readonly helpers: number[] = [];
  readonly unlisted = new Set([PEER, OTHER]);
  readonly speaking = new Set([HUB, PEER, OTHER]);
  readonly punching = new Punching({
    ...{ self: SELF, members: MEMBERS, counters: this.counters, notify: () => {} },
    isUnlisted: (member) => this.unlisted.has(member),
    speaks: (peer) => this.speaking.has(peer),
    isNear: (peer) => this.isNear(peer),
    isDirect: (_now, peer) => this.isNear(peer),
    helpers: () => this.helpers,
    addressOf: (peer) => this.addresses.get(peer),
    rttOf: () => RTT,
    own: () => OWN,
    knock: (at, member, address) => void this.knocked.push({ at, member, address }),
  });

  constructor(near: readonly number[] = [HUB]) {
    for (const peer of near) this.addresses.set(peer, `198.51.100.${peer}:7000`);
  }

  pass(time: Micros): this {
    for (const end = this.now + time; this.now < end; this.now += 10 * MILLISECOND)
      this.punching.handleTimeout(this.now);
    return this;
  }

  hears(peer: number, changes: Partial<PunchFrame> = {}, isForwarded = false): this {
    this.punching.handle(this.now, peer, frame(changes), isForwarded);
    return this;
  }

  /** What a peer has been told since it was asked last. */
  told(peer: number): PunchFrame[] {
    return this.punching.take(peer, Number.POSITIVE_INFINITY);
  }

  private isNear(peer: number): boolean {
    return this.addresses.get(peer)?.startsWith('198.') === true;
  }
}

describe('a member that nobody calls', () => {
  test('is asked for with whoever comes near, thrice, and then only where somebody says that it is near to it', () => {
    const bench = new Bench();
    bench.unlisted.delete(OTHER);
    bench.punching.onNear(0, HUB);
    bench.pass(MILLISECOND);
    expect(bench.told(HUB)).toEqual([
      frame({ from: SELF, to: PEER, isAnswer: false, addresses: OWN.slice(0, 3) }),
    ]);
    bench.pass(20 * SECOND);
    expect(bench.told(HUB)).toHaveLength(2);
    bench.helpers.push(HUB);
    bench.punching.onLacking(bench.now, [PEER]);
    bench.pass(SECOND);
    expect(bench.told(HUB)).toHaveLength(3);
    // Then after 2, 4, 8, 16, 32 s, and each minute.
    bench.pass(600 * SECOND);
    expect(bench.told(HUB).length).toBeLessThan(17);
  });

  test('is not asked for once it is reached, nor with who does not know of this', () => {
    const bench = new Bench([HUB, PEER]);
    bench.unlisted.delete(OTHER);
    bench.punching.onNear(0, HUB);
    bench.pass(10 * SECOND);
    expect(bench.told(HUB)).toEqual([]);
    bench.addresses.delete(PEER);
    bench.speaking.delete(HUB);
    bench.punching.onNear(bench.now, HUB);
    bench.pass(10 * SECOND);
    expect(bench.told(HUB)).toEqual([]);
  });

  test('is asked by itself where its session is forwarded and nobody is near to it', () => {
    const bench = new Bench();
    bench.addresses.set(PEER, viaAddress({ hop: HUB, member: PEER }));
    bench.punching.onLacking(0, [PEER]);
    bench.pass(SECOND);
    expect(bench.told(HUB)).toEqual([]);
    expect(bench.told(PEER)[0]).toEqual(frame({ from: SELF, to: PEER, isAnswer: false, addresses: OWN }));
  });
});

test('a member that the group gives an address of is left 2 s to answer there', () => {
  const bench = new Bench();
  bench.helpers.push(HUB);
  bench.unlisted.clear();
  bench.punching.onLacking(0, [PEER]);
  bench.pass(1.9 * SECOND);
  expect(bench.told(HUB)).toEqual([]);
  bench.pass(SECOND);
  expect(bench.told(HUB)).not.toEqual([]);
});

describe('a PUNCH for us', () => {
  test('that is an answer is tried at once, again after 100, 300 and 700 ms, and then not any more', () => {
    const bench = new Bench().hears(HUB).pass(10 * SECOND);
    expect(bench.knocked.map(({ at }) => at / MILLISECOND)).toEqual([0, 100, 300, 700]);
    expect(bench.knocked.every(({ member, address }) => member === PEER && address === VICTIM)).toBe(true);
    expect(bench.told(HUB)).toEqual([]);
  });

  test('that is none is answered, and tried when the answer has come', () => {
    const bench = new Bench().hears(HUB, { isAnswer: false, wait: 30 });
    expect(bench.told(HUB)).toEqual([frame({ from: SELF, to: PEER, addresses: OWN.slice(0, 3) })]);
    bench.pass(10 * SECOND);
    expect(bench.knocked[0].at).toBe(50 * MILLISECOND);
  });

  test('keeps nobody waiting for more than a second', () => {
    const bench = new Bench().hears(HUB, { isAnswer: false, wait: 0xffff }).pass(10 * SECOND);
    expect(bench.knocked[0].at).toBe(SECOND);
  });

  test('is not tried any more once the member is reached', () => {
    const bench = new Bench().hears(HUB).pass(50 * MILLISECOND);
    bench.addresses.set(PEER, '198.51.100.2:7000');
    expect(bench.pass(10 * SECOND).knocked).toHaveLength(1);
  });

  test('with addresses of this machine alone counts if who tells it is here', () => {
    expect(new Bench().hears(HUB, { addresses: ['127.0.0.1:7000'] }).pass(SECOND).knocked).toEqual([]);
    const here = new Bench();
    here.addresses.set(HUB, '127.0.0.1:7001');
    expect(here.hears(HUB, { addresses: ['127.0.0.1:7000'] }).pass(SECOND).knocked).not.toEqual([]);
  });

  test.each([
    ['of ourselves', { from: SELF }],
    ['of nobody', { from: 9 }],
    ['for nobody', { from: HUB, to: 9 }],
    ['for who sends it', { from: HUB, to: HUB }],
    ['for who is not near', { from: HUB, to: OTHER }],
  ])('%s is refused', (_, changes) => {
    const bench = new Bench().hears(HUB, changes).pass(SECOND);
    expect(bench.counters.drops).toEqual({ 'punch-refused': 1 });
    expect(bench.knocked).toEqual([]);
  });
});

describe('a PUNCH for another one', () => {
  test('goes on with where its sender is seen, and how long it takes to there', () => {
    const bench = new Bench([HUB, PEER]).hears(HUB, {
      ...{ from: HUB, to: PEER, isAnswer: false, wait: 7 },
      addresses: ['10.0.0.9:7000', '198.51.100.1:7000', '10.0.0.8:7000', '10.0.0.7:7000'],
    });
    const addresses = ['198.51.100.1:7000', '10.0.0.9:7000', '10.0.0.8:7000', '10.0.0.7:7000'];
    expect(bench.told(PEER)).toEqual([frame({ from: HUB, to: PEER, isAnswer: false, wait: 20, addresses })]);
  });

  test('is refused of a third', () => {
    const bench = new Bench([HUB, OTHER]).hears(HUB, { to: OTHER });
    expect(bench.counters.drops).toEqual({ 'punch-refused': 1 });
    expect(bench.told(OTHER)).toEqual([]);
  });

  test('is refused where it was forwarded itself', () => {
    const bench = new Bench([HUB, PEER]).hears(HUB, { from: HUB, to: PEER }, true);
    expect(bench.counters.drops).toEqual({ 'punch-refused': 1 });
  });

  test('is passed on so often', () => {
    const bench = new Bench([HUB, PEER]);
    let passed = 0;
    const ask = () => {
      bench.hears(HUB, { from: HUB, to: PEER });
      passed += bench.told(PEER).length;
    };
    for (let i = 0; i < 200; i++) ask();
    expect(passed).toBe(4 * MEMBERS + 8);
    bench.now += 10 * SECOND;
    for (let i = 0; i < 200; i++) ask();
    expect(passed).toBeLessThanOrEqual(2 * (4 * MEMBERS + 8));
    expect(PASS_RATE * 10).toBeGreaterThan(4 * MEMBERS + 8);
    expect(bench.counters.drops['punch-budget']).toBe(400 - passed);
  });
});

describe('what a liar makes of it', () => {
  /** Sees to it that each is taken for another one. */
  const tell = (bench: Bench, i: number, victim: string) =>
    bench.hears(HUB, { from: PEER + (i % 2), isAnswer: i % 3 > 0, addresses: [victim] });

  test('one host gets a few datagrams, and then 4 a second, whatever its ports', () => {
    const bench = new Bench();
    for (let i = 0; i < 30_000; i++) {
      // All others lie.
      const told = { from: PEER + (i % 2), addresses: [`203.0.113.9:${1 + (i % 60_000)}`] };
      bench.hears(1 + (i % 3), told);
      if (i % 10 === 0) bench.pass(10 * MILLISECOND);
    }
    const seconds = bench.now / SECOND;
    expect(bench.knocked.length).toBeLessThanOrEqual(KNOCK_BURST + KNOCK_RATE * seconds);
    expect(bench.knocked.length).toBeGreaterThan(KNOCK_BURST);
  });

  test('many hosts get what one PUNCH a second asks for', () => {
    const bench = new Bench();
    for (let i = 0; i < 30_000; i++) {
      tell(bench, i, `203.0.${i % 250}.${i % 251}:53`);
      if (i % 10 === 0) bench.pass(10 * MILLISECOND);
    }
    const punches = 2 * MEMBERS + 8 + (TELL_RATE * bench.now) / SECOND;
    expect(bench.knocked.length).toBeLessThanOrEqual(4 * punches);
    expect(bench.counters.drops['punch-budget']).toBeGreaterThan(29_000);
  });

  test('what a peer does not take is bounded', () => {
    const bench = new Bench([HUB, PEER, OTHER]);
    for (let i = 0; i < 1000; i++) {
      bench.now += SECOND;
      bench.hears(HUB, { from: HUB, to: PEER });
    }
    expect(bench.told(PEER)).toHaveLength(MAX_WAITING);
  });
});
