/**
 * Strangers in numbers: what they cost is counted in operations and entries, not in time. The honest member gets in all
 * the same, and nobody is sent more than three times what came from its address.
 */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { keyPair } from '../../src/crypto/keys.js';
import { shortMac } from '../../src/crypto/mac.js';
import { defaultSuite, type Suite } from '../../src/crypto/noise.js';
import { macKeyOf, readCookie, writeMacs } from '../../src/session/handshake/guard.js';
import { MAX_OUTBOX } from '../../src/session/limits.js';
import { SessionTable } from '../../src/session/table.js';
import { INITIATION_SIZE, mac1At, mac2At } from '../../src/session/wire.js';
import { drops, KIND, kindOf, World } from './world.js';

interface Counts {
  agreements: number;
  ciphers: number;
}

/** The default suite, counting what costs. */
function counting(): { suite: Suite; counts: Counts } {
  const { agreement, aead } = defaultSuite();
  const counts = { agreements: 0, ciphers: 0 };
  return {
    counts,
    suite: {
      agreement: {
        name: agreement.name,
        publicKey: (secret) => {
          counts.agreements++;
          return agreement.publicKey(secret);
        },
        agree: (secret, key) => {
          counts.agreements++;
          return agreement.agree(secret, key);
        },
      },
      aead: {
        name: aead.name,
        cipher: (key) => {
          counts.ciphers++;
          return aead.cipher(key);
        },
      },
    },
  };
}

const LIMITS = { cookielessRate: 20, cookieRate: 20, sourceRate: 5, cookieReplyRate: 100 };

/** A first message that only lacks what a member has: its mac1 is right, the rest is noise. */
function forgedInitiation(rng: Rng, victimStatic: Uint8Array): Uint8Array {
  const bytes = rng.bytes(INITIATION_SIZE);
  bytes[0] = 0x31;
  bytes.set(shortMac(macKeyOf(victimStatic), bytes.subarray(0, mac1At(bytes))), mac1At(bytes));
  if (rng.chance(0.5)) bytes.fill(0, mac2At(bytes));
  return bytes;
}

describe('a flood of first messages', () => {
  test.each(['with', 'without'])('%s knowledge of our key is bounded in work and memory', (knowledge) => {
    const { suite, counts } = counting();
    const rng = new Rng('flood');
    const keys = keyPair(rng.bytes(32)).exchangeKeys();
    const member = keyPair(rng.bytes(32));
    const table = new SessionTable({
      groupId: new Uint8Array(32),
      keys,
      incarnation: 1,
      entropy: rng,
      peers: [{ publicKey: member.publicKey, locators: ['member:1'] }],
      suite,
      limits: LIMITS,
    });
    counts.agreements = 0;
    let sent = 0;
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      // Two seconds of it, from ever new addresses.
      const now = SECOND + i * 100;
      const bytes = forgedInitiation(rng, knowledge === 'with' ? keys.publicKey : rng.bytes(32));
      table.handleDatagram(now, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:9`, bytes);
      for (let out = table.pollTransmit(); out; out = table.pollTransmit()) {
        sent++;
        expect(out.bytes.length).toBe(53);
      }
    }
    // Who knows our key may hold another group file: told once a second.
    const { events, ...others } = table.sizes();
    expect(events).toBeLessThanOrEqual(knowledge === 'with' ? 3 : 0);
    expect(others).toEqual({ indices: 0, transports: 0, outbox: 0 });
    const { drops } = table.metrics;
    expect(Object.values(drops).reduce((a, b) => a + b, 0)).toBe(count);
    if (knowledge === 'without') {
      expect(drops).toEqual({ 'bad-mac': count });
      expect([counts.agreements, sent]).toEqual([0, 0]);
      return;
    }
    // A burst and two seconds of the rate.
    expect(counts.agreements).toBeLessThanOrEqual(3 * LIMITS.cookielessRate);
    expect(sent).toBeLessThanOrEqual(3 * LIMITS.cookieReplyRate);
    expect(drops['handshake-budget']).toBeGreaterThan(count / 2);
  });

  test('or of anything else from nobody known leaves nothing behind and is answered with nothing', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const rng = new Rng('nobody');
    const before = b.table.sizes();
    const sealed = a.table.protect(world.now, 1, new Uint8Array(40))!.bytes;
    const dropped = () => Object.values(drops(b)).reduce((sum, count) => sum + count, 0);
    const droppedBefore = dropped();
    const count = 5000;
    for (let i = 0; i < count; i++) {
      const bytes = i % 2 === 0 ? sealed.slice() : rng.bytes(rng.integer(1, 1300));
      // Data, answers, cookies and control of every version byte; of the genuine one index or tag is wrong.
      if (i % 2 === 0) bytes[i % 4 === 0 ? 1 : bytes.length - 1] ^= 0x55;
      else bytes[0] = 0x30 | rng.pick([KIND.response, KIND.cookie, KIND.data, KIND.control]);
      expect(b.table.handleDatagram(world.now, `10.1.${i >> 8}.${i & 255}:9`, bytes)).toBeUndefined();
    }
    expect(b.table.sizes()).toEqual(before);
    expect(b.table.pollTransmit()).toBeUndefined();
    expect(dropped() - droppedBefore).toBe(count);
    expect(b.table.session(0)!.addresses.current).toBe('m0:1');
  });

  test('makes cookies necessary, and the honest member gets in with one', () => {
    for (const hidden of [false, true]) {
      const { suite, counts } = counting();
      const world = new World({ limits: LIMITS, suite });
      const [a, b] = world.nodes;
      // A member at a configured locator, and one behind a NAT that nobody knows the address of.
      if (hidden) a.address = 'nat:5';
      const rng = new Rng(`flood ${hidden}`);
      const victim = b.keys.exchangeKeys().publicKey;
      const flood = (times: number) => {
        for (let i = 0; i < times; i++)
          b.table.handleDatagram(world.now, `10.0.${i >> 8}.${i & 255}:9`, forgedInitiation(rng, victim));
      };
      flood(200);
      counts.agreements = 0;
      a.table.connect(world.now, 1);
      for (let i = 0; i < 200 && !b.saw('established'); i++) {
        flood(50);
        // The flood's cookie replies are not what is looked at here.
        world.tap = (datagram) => (datagram.to.startsWith('10.') ? [] : [datagram]);
        world.run(10 * MILLISECOND);
      }
      expect(a.saw('established') && b.saw('established')).toBe(true);
      expect(world.wire.some(({ bytes, to }) => kindOf(bytes) === KIND.cookie && to === a.address)).toBe(
        true,
      );
      expect(drops(b)['cookie-required']).toBeGreaterThan(0);
      expect(counts.agreements).toBeLessThan(100);
    }
  });

  test('cookies are of no use at another address, to another first message, or after four minutes', () => {
    const world = new World({ limits: { ...LIMITS, cookielessRate: 0 } });
    const [a, b] = world.nodes;
    a.table.connect(world.now, 1);
    const first = a.table.pollTransmit()!.bytes;
    expect(b.table.handleDatagram(world.now, 'm0:1', first.slice())).toBeUndefined();
    const cookie = b.table.pollTransmit()!;
    expect(cookie.to).toBe('m0:1');
    // A changed cookie is refused; the true one is taken once.
    const changed = cookie.bytes.slice();
    changed[30] ^= 1;
    a.table.handleDatagram(world.now, 'm1:1', changed);
    expect(a.table.pollTransmit()).toBeUndefined();
    a.table.handleDatagram(world.now, 'm1:1', cookie.bytes.slice());
    const second = a.table.pollTransmit()!.bytes;
    a.table.handleDatagram(world.now, 'm1:1', cookie.bytes.slice());
    expect(a.table.pollTransmit()).toBeUndefined();
    expect(drops(a)).toEqual({ 'bad-cookie': 2 });
    expect(second.subarray(0, mac2At(first))).toEqual(first.subarray(0, mac2At(first)));

    b.table.handleDatagram(world.now, 'm0:2', second.slice());
    expect(kindOf(b.table.pollTransmit()!.bytes)).toBe(KIND.cookie);
    b.table.handleDatagram(world.now + 241 * SECOND, 'm0:1', second.slice());
    expect(kindOf(b.table.pollTransmit()!.bytes)).toBe(KIND.cookie);
    const fresh = new World({ limits: { ...LIMITS, cookielessRate: 0 } });
    fresh.nodes[1].table.handleDatagram(fresh.now, 'm0:1', second.slice());
    expect(kindOf(fresh.nodes[1].table.pollTransmit()!.bytes)).toBe(KIND.cookie);
  });

  test('a cookie holds across one change of its secret', () => {
    const world = new World({ limits: { ...LIMITS, cookielessRate: 0 } });
    const [a, b] = world.nodes;
    a.table.connect(world.now, 1);
    b.table.handleDatagram(world.now, 'm0:1', a.table.pollTransmit()!.bytes);
    a.table.handleDatagram(world.now, 'm1:1', b.table.pollTransmit()!.bytes);
    const second = a.table.pollTransmit()!.bytes;
    b.table.handleDatagram(world.now + 125 * SECOND, 'm0:1', second);
    expect(kindOf(b.table.pollTransmit()!.bytes)).toBe(KIND.response);
  });

  test('a cookie that no longer holds is replaced with the next repetition of the first message', () => {
    const world = new World({ limits: { ...LIMITS, cookielessRate: 0 } });
    const [a, b] = world.nodes;
    const answer = () => {
      b.table.handleDatagram(world.now, 'm0:1', a.table.pollTransmit()!.bytes);
      return b.table.pollTransmit()!.bytes;
    };
    a.table.connect(world.now, 1);
    a.table.handleDatagram(world.now, 'm1:1', answer());
    // What goes out with the cookie is lost, and so is what it was made with.
    a.table.pollTransmit();
    world.start(b);
    world.now = a.table.nextTimeout();
    a.table.handleTimeout(world.now);
    a.table.handleDatagram(world.now, 'm1:1', answer());
    expect(kindOf(answer())).toBe(KIND.response);
  });

  test('leaves half of the queue of what is to be sent to members', () => {
    const world = new World({ limits: { cookielessRate: 0, cookieReplyRate: 1e6 } });
    const [, b] = world.nodes;
    const rng = new Rng('queue');
    const victim = b.keys.exchangeKeys().publicKey;
    for (let i = 0; i < 2000; i++)
      b.table.handleDatagram(world.now, `10.0.${i >> 8}.${i & 255}:9`, forgedInitiation(rng, victim));
    expect(b.table.sizes().outbox).toBe(MAX_OUTBOX / 2);
  });

  test('with valid cookies is bounded by host, and the honest member keeps its own budget', () => {
    const { suite, counts } = counting();
    const world = new World({ limits: LIMITS, suite });
    const [a, b] = world.nodes;
    const victim = b.keys.exchangeKeys().publicKey;
    const rng = new Rng('real addresses');
    // Hosts that can receive: each gets a cookie of its own, and then floods with it.
    const cookies = new Map<string, Uint8Array>();
    for (let i = 0; cookies.size < 30; i++) {
      const host = `10.0.0.${i % 250}:9`;
      const first = forgedInitiation(rng, victim);
      first.fill(0, mac2At(first));
      b.table.handleDatagram(world.now, host, first.slice());
      const reply = b.table.pollTransmit();
      if (reply) cookies.set(host, readCookie(suite.aead, victim, first, reply.bytes)!);
    }
    counts.agreements = 0;
    const work: number[] = [];
    for (const [host, cookie] of cookies) {
      const before = counts.agreements;
      for (let i = 0; i < 100; i++) {
        const bytes = forgedInitiation(rng, victim);
        writeMacs(bytes, macKeyOf(victim), cookie);
        b.table.handleDatagram(world.now, host, bytes);
      }
      work.push(counts.agreements - before);
    }
    expect(Math.max(...work)).toBe(LIMITS.sourceRate);
    expect(counts.agreements).toBeLessThanOrEqual(LIMITS.cookieRate);
    world.connect(a, b);
    expect(b.saw('established')).toBe(true);
  });

  test('by a member costs us ten answers and five more a second', () => {
    const rng = new Rng('bad member');
    const victim = keyPair(rng.bytes(32));
    const member = keyPair(rng.bytes(32));
    const { suite, counts } = counting();
    const make = (keys: typeof victim, peer: typeof victim, incarnation: number, own = defaultSuite()) =>
      new SessionTable({
        groupId: new Uint8Array(32),
        keys: keys.exchangeKeys(),
        incarnation,
        entropy: rng,
        peers: [{ publicKey: peer.publicKey, locators: ['x:1'] }],
        suite: own,
      });
    const table = make(victim, member, 1, suite);
    let answers = 0;
    counts.agreements = 0;
    for (let i = 0; i < 200; i++) {
      const attacker = make(member, victim, i + 1);
      attacker.connect(0, 0);
      table.handleDatagram(SECOND + i * 1000, 'x:1', attacker.pollTransmit()!.bytes);
      while (table.pollTransmit()) answers++;
    }
    expect(answers).toBeLessThanOrEqual(12);
    expect(counts.agreements).toBeLessThanOrEqual(200 + 12 * 3);
    expect(table.sizes().transports).toBe(answers);
    expect(table.metrics.drops['handshake-budget']).toBeGreaterThan(180);
    table.handleTimeout(13 * SECOND);
    expect(table.sizes().transports).toBe(0);
  });
});

describe('first messages that a stranger sends again from elsewhere, sooner than they come themselves', () => {
  test.each(['one address', 'many addresses'])('from %s do not keep two members apart', (how) => {
    const world = new World({ seed: 'copies' });
    const [a, b] = world.nodes;
    const isStranger = (address: string) => address.startsWith('x');
    world.links.update((from) => (isStranger(from) ? { delay: MILLISECOND } : {}));
    const copied = new Map<string, Uint8Array>();
    world.tap = (datagram) => {
      if (kindOf(datagram.bytes) === KIND.initiation && !isStranger(datagram.from))
        copied.set(datagram.to, datagram.bytes.slice());
      return [datagram];
    };
    const isUp = () => a.table.session(1)!.isEstablished && b.table.session(0)!.isEstablished;
    a.table.connect(world.now, 1);
    for (let i = 0; i < 400 && !isUp(); i++) {
      for (const [to, bytes] of copied) world.inject(how === 'one address' ? 'x:9' : `x${i}:9`, to, bytes);
      world.run(5 * MILLISECOND, isUp);
    }
    expect(isUp()).toBe(true);
  });
});

describe('amplification', () => {
  test('nobody is sent more than three times what came from its address', () => {
    const rng = new Rng('amplification');
    const world = new World({ locators: [['m0:1'], ['m1:1']] });
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.run(SECOND);
    const genuine = world.wire.map(({ bytes }) => bytes.slice());
    world.start(b);
    const received = new Map<string, number>();
    const sent = new Map<string, number>();
    const add = (map: Map<string, number>, key: string, value: number) =>
      map.set(key, (map.get(key) ?? 0) + value);
    for (let i = 0; i < 3000; i++) {
      // The source is forged: members' own locators among them.
      const from = rng.pick(['m0:1', 'v1:1', 'v2:1', 'v3:1']);
      let bytes: Uint8Array = rng.pick(genuine).slice();
      if (rng.chance(0.3)) bytes = rng.bytes(rng.integer(1, 100));
      if (rng.chance(0.3)) bytes[0] = 0x30 | rng.integer(1, 5);
      if (rng.chance(0.3)) bytes = bytes.subarray(0, rng.integer(1, bytes.length));
      add(received, from, bytes.length);
      const now = world.now + i * 10 * MILLISECOND;
      b.table.handleDatagram(now, from, bytes);
      if (b.table.nextTimeout() <= now) b.table.handleTimeout(now);
      for (let out = b.table.pollTransmit(); out; out = b.table.pollTransmit()) {
        add(sent, out.to, out.bytes.length);
        expect(sent.get(out.to)!).toBeLessThanOrEqual(3 * (received.get(out.to) ?? 0));
      }
    }
    expect(sent.size).toBeGreaterThan(0);
  });

  test('a short strange datagram earns no first message, a few of them do', () => {
    const world = new World();
    const [, b] = world.nodes;
    const noise = new Rng(2).bytes(53);
    noise[0] = 0x34;
    const give = (size: number) => {
      world.now += SECOND;
      b.table.handleDatagram(world.now, 'm0:1', noise.slice(0, size));
      return b.table.pollTransmit()?.bytes.length;
    };
    // 3 * 53 = 159 < 161.
    expect(give(53)).toBeUndefined();
    expect(give(25)).toBe(INITIATION_SIZE);
    expect(give(25)).toBeUndefined();
    expect(give(25)).toBe(INITIATION_SIZE);
  });

  test('strange datagrams from a member address cause one small first message at a time, and no retries', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.start(a);
    const noise = new Rng(1).bytes(1232);
    noise[0] = 0x34;
    // The forger owns the link from the member's address; the member itself is away.
    world.links.update((from, to) => ({ blocked: to === 'm0:1' && from === 'm1:1' }));
    world.inject('m0:1', 'm1:1', noise);
    world.run(60 * SECOND);
    expect(world.wire.filter(({ from }) => from === 'm1:1').length).toBe(1);
    for (let i = 0; i < 1000; i++) {
      world.inject('m0:1', 'm1:1', noise);
      world.run(MILLISECOND);
    }
    expect(world.wire.filter(({ from }) => from === 'm1:1').length).toBeLessThanOrEqual(1 + 11);
    expect(b.table.sizes().indices).toBeLessThanOrEqual(1);
  });

  test('forged resets and strange datagrams do nothing to a session that is up', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const sent = world.wire.length;
    const rng = new Rng('forged resets');
    for (let i = 0; i < 500; i++) {
      const bytes = rng.bytes(rng.pick([21, 25, 34, 75, 151, 1232]));
      bytes[0] = 0x30 | rng.integer(0, 15);
      world.inject('m0:1', 'm1:1', bytes);
      // With the right index, as one who listens could write it.
      const aimed = bytes.slice();
      aimed[0] = 0x34 + (i & 1);
      aimed.set(
        world.wire
          .find(({ bytes: w, to }) => kindOf(w) === KIND.control && to === 'm1:1')!
          .bytes.subarray(1, 5),
        1,
      );
      world.inject('m0:1', 'm1:1', aimed);
      world.run(MILLISECOND);
    }
    world.run(SECOND);
    expect(world.wire.length).toBe(sent + 1000);
    expect(b.events.map(({ type }) => type)).toEqual(['established']);
    world.send(a, b, 'unmoved');
    world.send(b, a, 'unmoved');
    world.run(SECOND);
    expect([...a.texts(), ...b.texts()]).toEqual(['unmoved', 'unmoved']);
  });
});
