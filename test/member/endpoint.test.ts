/**
 * One endpoint among members in the hands of the test: what is taken up, relayed, refused, and under which reason. All that
 * comes from a member comes through a session; see peer.ts.
 */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { MAX_STREAMS } from '../../src/broadcast/agreement/streams.js';
import { signBatch } from '../../src/broadcast/proof/batch.js';
import { cutObject } from '../../src/broadcast/spread/plan.js';
import { Encoder } from '../../src/codec/index.js';
import { toHex } from '../../src/core/bytes.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import { type KeyPair, keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
import { Path } from '../../src/path/path.js';
import { createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';
import { DIALECT } from '../../src/wire/dialect.js';
import type { Frame } from '../../src/wire/frames.js';
import { MAX_DATAGRAM, MAX_REPAIR_SYMBOLS } from '../../src/wire/limits.js';
import { type Descriptor, parseSymbol, writeDescriptor } from '../../src/wire/symbol.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench, type BenchOptions, Peer } from '../node/peer.js';
import { entryOf } from '../node/traffic.js';

const SELF = 0;
const ORIGIN = 1;
const OTHERS = [2, 3, 4];

const { group, keys } = smallGroup(5);

function newBench(options: Partial<BenchOptions> = {}): Bench {
  return new Bench({ group, keys, self: SELF, ...options }).open();
}

/** SYMBOL bodies as ORIGIN would make them, with the parts that a liar may change. */
function symbolsOf(
  bytes: Uint8Array,
  esis: number[],
  change: Partial<Descriptor> & { firstHop?: number; signer?: KeyPair } = {},
): Uint8Array[] {
  const { firstHop = 2, signer = keys[ORIGIN], ...fields } = change;
  const descriptor: Descriptor = {
    origin: ORIGIN,
    incarnation: 7,
    seq: 0,
    length: bytes.length,
    ...cutObject(bytes.length),
    hash: sha256(bytes),
    ...fields,
  };
  using encoder = new Encoder(bytes, cutObject(bytes.length));
  const leaves = esis.map((esi) => ({ sbn: 0, esi, firstHop, symbol: encoder.symbol(0, esi) }));
  return signBatch(group, writeDescriptor(descriptor), leaves, signer.sign);
}

/** From ORIGIN to the endpoint. */
function feed(bench: Bench, bodies: Uint8Array[]): void {
  bench.peer(ORIGIN).sendSymbols(bodies);
}

/** What the endpoint sends now, symbols only: to whom, and the symbol's ESI. */
function symbolsSent(bench: Bench): { to: number; esi: number }[] {
  for (const peer of bench.peers) peer?.forget();
  bench.settle();
  return bench.peers.flatMap((peer, to) =>
    peer ? peer.symbols().map((body) => ({ to, esi: parseSymbol(body).leaf.esi })) : [],
  );
}

const text = new Rng('text').bytes(5000);
/** Source symbols of `text`. */
const SOURCE = Math.ceil(text.length / cutObject(text.length).symbolSize);
const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

describe('relaying', () => {
  test('sends a symbol of which it is the first hop once to each of the others', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, [3], { firstHop: SELF }));
    feed(bench, symbolsOf(text, [3], { firstHop: SELF }));
    expect(symbolsSent(bench)).toEqual(OTHERS.map((to) => ({ to, esi: 3 })));
  });

  test('keeps a symbol of which another is the first hop', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, [3], { firstHop: 2 }));
    expect(symbolsSent(bench)).toEqual([]);
  });

  test('goes on after it holds the object itself', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, range(0, 10), { firstHop: 2 }));
    expect(bench.endpoint.status(bench.now).objects[0].complete).toBe(true);
    feed(bench, symbolsOf(text, [20], { firstHop: SELF }));
    expect(symbolsSent(bench).length).toBe(OTHERS.length);
  });

  test('is what a mute member does not do', () => {
    const bench = newBench({ relay: false });
    feed(bench, symbolsOf(text, [3], { firstHop: SELF }));
    expect(symbolsSent(bench)).toEqual([]);
  });
});

describe('an origin that lies', () => {
  test('about the content is named, and nothing is delivered or confirmed', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, range(0, 10), { hash: new Uint8Array(32).fill(9) }));
    expect(bench.events()).toEqual([
      {
        type: 'misbehaviour',
        member: ORIGIN,
        id: { origin: ORIGIN, incarnation: 7, seq: 0 },
        what: 'wrong-symbols',
      },
    ]);
    expect(bench.endpoint.status(bench.now).objects[0]).toMatchObject({ complete: false, confirmed: 1 });
  });

  test('by giving two objects one id is named once, and the first object stands', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, [0]));
    feed(bench, symbolsOf(new Rng('other').bytes(5000), [0, 1]));
    expect(bench.events().map((event) => event.type === 'misbehaviour' && event.what)).toEqual([
      'equivocation',
    ]);
    expect(bench.drops().equivocation).toBe(2);
    feed(bench, symbolsOf(text, range(1, 9)));
    expect(bench.endpoint.status(bench.now).objects[0].complete).toBe(true);
  });

  test('in a name that is not its own is not believed', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, range(0, 10), { signer: keys[2] }));
    expect(bench.endpoint.status(bench.now).objects).toEqual([]);
    expect(bench.drops()).toEqual({ 'bad-signature': 10 });
  });
});

describe('drops, by reason', () => {
  const id = { origin: ORIGIN, incarnation: 7, seq: 0 };
  const vectorOf = (origin: number): Frame => ({
    kind: 'vector',
    version: 1,
    heard: 0,
    heardBefore: 0,
    entries: [
      {
        origin,
        incarnation: 7,
        base: 0,
        count: 1,
        ready: 0,
        ended: false,
        first: false,
        over: false,
        chain: new Uint8Array(32),
        ahead: new Uint8Array(0),
      },
    ],
  });
  const ack = (largest: number, received = 1): Frame => ({
    kind: 'ack',
    ack: { ranges: [largest, largest], delay: 0, received },
  });
  const cases: [string, string, (bench: Bench) => void][] = [
    ['malformed', 'no datagram at all', (bench) => bench.give('a:1', new Uint8Array(0))],
    ['malformed', 'a datagram of no known kind', (bench) => bench.give('a:1', Uint8Array.of(0x3f, 1, 2))],
    ['malformed', 'a datagram that is too long', (bench) => giveLong(bench)],
    [
      'foreign-version',
      'a datagram of another version',
      (bench) => bench.give('a:1', new Uint8Array(40).fill(0x41)),
    ],
    ['malformed', 'a frame of no known type', (bench) => bench.peer(ORIGIN).sendText(Uint8Array.of(63))],
    [
      'unknown-frame',
      'a frame of a feature that its sender had not claimed',
      (bench) => {
        const dialect = { ...DIALECT, features: new Set<never>() };
        const plain = bench.replace(ORIGIN, { incarnation: 2, dialect });
        plain.connect();
        bench.settle();
        plain.send([{ kind: 'path-size', size: 1452 }]);
      },
    ],
    [
      'unknown-frame',
      'an optional frame of no known type',
      (bench) => bench.peer(ORIGIN).sendText(Uint8Array.of(99, 0, 2, 7, 7, 5)),
    ],
    ['malformed', 'half a frame', (bench) => bench.peer(ORIGIN).sendText(Uint8Array.of(6, 1))],
    [
      'malformed',
      'a symbol that is cut short',
      (bench) => feed(bench, [symbolsOf(text, [0])[0].subarray(0, -1)]),
    ],
    ['bad-ack', 'an ack of what was never sent', (bench) => bench.peer(ORIGIN).send([ack(1_000_000)])],
    ['bad-ack', 'an ack of more than was sent', (bench) => bench.peer(ORIGIN).send([ack(1, 99)])],
    [
      'unknown-member',
      'an origin that there is not',
      (bench) => feed(bench, symbolsOf(text, [0], { origin: 77 })),
    ],
    ['unknown-member', 'ourselves as origin', (bench) => feed(bench, symbolsOf(text, [0], { origin: SELF }))],
    [
      'unknown-member',
      'a first hop that there is not',
      (bench) => feed(bench, symbolsOf(text, [0], { firstHop: 5 })),
    ],
    [
      'unknown-member',
      'a confirm of an origin that there is not',
      (bench) => bench.peer(2).send([vectorOf(5)]),
    ],
    [
      'stale',
      'a pull of an object that we do not hold',
      (bench) => bench.peer(2).send([{ kind: 'pull', id, missing: [] }]),
    ],
    [
      'stale',
      'word that a stream that nobody has spoken of is gone',
      (bench) =>
        bench.peer(2).send([{ kind: 'gone', origin: 1, incarnation: 7, base: 1, chain: sha256(text) }]),
    ],
    [
      'bad-signature',
      'a relayed symbol with one bit changed',
      (bench) => bench.peer(3).sendSymbols([bitFlipped()]),
    ],
    [
      'duplicate',
      'a symbol that is held',
      (bench) => feed(bench, [...symbolsOf(text, [0]), ...symbolsOf(text, [0])]),
    ],
    [
      'late',
      'a symbol of a block that is rebuilt',
      (bench) => feed(bench, symbolsOf(text, range(0, SOURCE + 1))),
    ],
    [
      'too-large',
      'an object above the limit',
      (bench) => feed(bench, symbolsOf(new Uint8Array(1e6 + 2 ** 14), [0])),
    ],
    [
      'absurd-esi',
      'a symbol far out',
      (bench) => feed(bench, symbolsOf(text, [SOURCE + MAX_REPAIR_SYMBOLS])),
    ],
    [
      'stale',
      'an object that has been held for a while',
      (bench) => {
        feed(bench, symbolsOf(text, range(0, SOURCE)));
        bench.now += 4 * SECOND;
        bench.settle();
        feed(bench, symbolsOf(text, [SOURCE]));
      },
    ],
    [
      'open-quota',
      'one object more than may be open',
      (bench) => {
        for (const seq of range(0, 257)) feed(bench, symbolsOf(text.subarray(0, 3000), [0], { seq }));
      },
    ],
    [
      'open-quota',
      'more bytes than may be open',
      (bench) => {
        for (const seq of range(0, 2)) feed(bench, symbolsOf(new Uint8Array(6e5), [0], { seq }));
      },
    ],
    [
      'beyond-window',
      'an object further ahead than is taken in',
      (bench) => feed(bench, symbolsOf(text, [0], { seq: 4096 })),
    ],
    [
      'stream-quota',
      'one stream more than an origin may have on its word alone',
      (bench) => {
        const vector = vectorOf(ORIGIN) as Extract<Frame, { kind: 'vector' }>;
        for (let version = 1; version <= MAX_STREAMS / 16; version++) {
          const named = range(16 * version, 16);
          const entries = named.map((incarnation) => ({ ...vector.entries[0], count: 0, incarnation }));
          bench.peer(ORIGIN).send([{ ...vector, version, entries }]);
        }
        feed(bench, symbolsOf(text, [0], { incarnation: 10_000 }));
      },
    ],
    [
      'replayed',
      'a datagram once more',
      (bench) => {
        const sealed = bench.peer(ORIGIN).seal([], symbolsOf(text, [0])[0]);
        for (let i = 0; i < 2; i++) bench.give(bench.peer(ORIGIN).address, sealed);
      },
    ],
    [
      'too-old',
      'a datagram from behind the window',
      (bench) => {
        const old = bench.peer(ORIGIN).seal([{ kind: 'ping' }]);
        for (let i = 0; i < 8192; i++) bench.peer(ORIGIN).send([ack(0)].slice(1));
        bench.give(bench.peer(ORIGIN).address, old);
      },
    ],
    [
      'unknown-index',
      'a datagram for no session',
      (bench) => {
        const sealed = bench.peer(ORIGIN).seal([{ kind: 'ping' }]);
        sealed[1] ^= 0x55;
        bench.give('a:1', sealed);
      },
    ],
    [
      'bad-tag',
      'a datagram that was changed',
      (bench) => {
        const sealed = bench.peer(ORIGIN).seal([{ kind: 'ping' }]);
        sealed[sealed.length - 1] ^= 1;
        bench.give(bench.peer(ORIGIN).address, sealed);
      },
    ],
  ];
  test.each(cases)('%s: %s', (reason, _what, act) => {
    const bench = newBench();
    act(bench);
    expect(bench.drops()).toEqual({ [reason]: 1 });
    expect(bench.endpoint.metrics.receivedDatagrams).toBeGreaterThan(0);
  });

  test('an object above the limit is told, once a second, if its origin has signed it', () => {
    const bench = newBench();
    const large = new Uint8Array(1e6 + 2 ** 14);
    feed(bench, symbolsOf(large, [0], { signer: keys[3] }));
    expect(bench.eventsOf('too-large')).toEqual([]);
    feed(bench, symbolsOf(large, [0, 1, 2]));
    const told = { id: { origin: ORIGIN, incarnation: 7, seq: 0 }, length: large.length };
    expect(bench.eventsOf('too-large')).toMatchObject([told]);
    bench.now += 2 * SECOND;
    feed(bench, symbolsOf(large, [3, 4]));
    expect(bench.eventsOf('too-large')).toMatchObject([told]);
  });

  test('an object above the limit is asked for rarely: it may be another one at others, if its origin lies', () => {
    const bench = newBench();
    const large = new Uint8Array(1e6 + 2 ** 14);
    const peers = [ORIGIN, 2].map((peer) => bench.peer(peer));
    for (const peer of peers) peer.confirm(entryOf({ origin: ORIGIN, incarnation: 7 }, [large]));
    feed(bench, symbolsOf(large, [0]));
    const pullsWithin = (seconds: number) => {
      for (let i = 0; i < 10 * seconds; i++) {
        bench.run(100 * MILLISECOND);
        for (const peer of peers) peer.send([{ kind: 'ping' }]);
      }
      return peers.flatMap((peer) => peer.takePulls()).length;
    };
    expect([pullsWithin(25), pullsWithin(25) > 0]).toEqual([0, true]);
  });

  function giveLong(bench: Bench): void {
    const sealed = bench.peer(ORIGIN).seal([{ kind: 'ping' }], undefined, MAX_DATAGRAM + 1);
    bench.give(bench.peer(ORIGIN).address, sealed);
  }

  function bitFlipped(): Uint8Array {
    const [body] = symbolsOf(text, [0]);
    body[body.length - 1] ^= 1;
    return body;
  }
});

describe('on the wire', () => {
  test('no datagram shows anything of the message, its hash, the group or who is who', () => {
    const cluster = createCluster({ seed: 'secret', members: 4, links: { delay: 5_000, loss: iid(0.1) } });
    const seen: Uint8Array[] = [];
    for (const { endpoint } of cluster.members) {
      const poll = endpoint.pollTransmit.bind(endpoint);
      endpoint.pollTransmit = (now) => {
        const out = poll(now);
        if (out) seen.push(out.bytes.slice());
        return out;
      };
    }
    const marker = 'MARKER-that-nobody-may-read ';
    const message = new TextEncoder().encode(marker.repeat(400));
    cluster.world.runUntil(SECOND);
    cluster.broadcast(1, message);
    const isDone = () => cluster.members.every(({ delivered }) => delivered.length === 1);
    expect(cluster.world.runUntil(isDone, 30 * SECOND)).toBe(true);
    cluster.world.runUntil(cluster.world.now + SECOND);
    const secrets = [
      new TextEncoder().encode(marker).subarray(0, 8),
      sha256(message).subarray(0, 8),
      cluster.group.id.subarray(0, 8),
      ...cluster.group.members.map(({ publicKey }) => publicKey.subarray(0, 8)),
    ];
    expect(seen.length).toBeGreaterThan(50);
    for (const secret of secrets)
      expect(seen.filter((bytes) => Buffer.from(bytes).includes(Buffer.from(secret)))).toEqual([]);
    // Handshakes are repeated as they are; no two others are alike.
    const data = seen.filter((bytes) => bytes[0] >= 0x34);
    expect(new Set(data.map(toHex)).size).toBe(data.length);
    cluster.dispose();
  });

  test('any byte changed in any datagram is one more counted drop, and the genuine one still counts', () => {
    const bench = new Bench({ group, keys, self: SELF });
    const genuine: { from: string; bytes: Uint8Array }[] = [];
    // What the peers say is held back, changed at each place, and then given as it is.
    bench.isLost = ({ from, to, bytes }) => {
      if (to === bench.address) genuine.push({ from, bytes });
      return to === bench.address;
    };
    const kinds = new Set<number>();
    const check = (): void => {
      for (const { from, bytes } of genuine.splice(0)) {
        kinds.add(bytes[0]);
        // A first message that needs no cookie is taken with any mac2: those are the last 16 bytes of it.
        const covered = bytes[0] === 0x31 ? bytes.length - 16 : bytes.length;
        for (let at = 0; at < covered; at++) {
          const tampered = bytes.slice();
          tampered[at] ^= 1 << (at % 8);
          const before = bench.totalDrops();
          bench.endpoint.handleDatagram(bench.now, from, tampered);
          expect(bench.totalDrops() - before, `byte ${at} of a datagram of kind ${bytes[0]}`).toBe(1);
        }
        const before = bench.totalDrops();
        bench.endpoint.handleDatagram(bench.now, from, bytes.slice());
        expect(bench.totalDrops()).toBe(before);
      }
    };
    const origin = bench.peer(ORIGIN);
    for (let i = 0; i < 2; i++) {
      origin.connect();
      for (let turn = 0; turn < 5; turn++) {
        bench.settle();
        check();
        bench.now += 5 * MILLISECOND;
      }
      if (i === 1) break;
      expect(origin.isUp).toBe(true);
      for (const body of symbolsOf(text, range(0, SOURCE))) origin.send([{ kind: 'ping' }], body);
      check();
      bench.settle();
      expect(bench.endpoint.status(bench.now).objects[0].complete).toBe(true);
    }
    // First message or answer, data and control of the session layer were all among them.
    expect([...kinds].some((kind) => kind === 0x31 || kind === 0x32)).toBe(true);
    expect([...kinds]).toEqual(expect.arrayContaining([0x34, 0x35]));
    expect(bench.events().filter(({ type }) => type === 'misbehaviour')).toEqual([]);
  });

  test('a conversation replayed, handshake and all, brings nothing twice: all is counted', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, range(0, SOURCE)));
    bench.run(100 * MILLISECOND);
    const before = bench.endpoint.metrics;
    const recorded = bench.wire.filter(({ to }) => to === bench.address);
    const sent = bench.wire.length;
    for (const { from, bytes } of recorded) bench.endpoint.handleDatagram(bench.now, from, bytes.slice());
    const after = bench.endpoint.metrics;
    const dropped = bench.totalDrops() - Object.values(before.drops).reduce((sum, count) => sum + count, 0);
    expect(recorded.length).toBeGreaterThanOrEqual(SOURCE);
    expect(dropped).toBe(recorded.length);
    expect(after.drops.replayed).toBeGreaterThanOrEqual(SOURCE);
    expect(after.usefulSymbols).toBe(before.usefulSymbols);
    bench.settle();
    expect(bench.wire.length).toBe(sent);
  });
});

describe('who is no member', () => {
  test.each<[string, string, (bench: Bench) => Peer]>([
    [
      'a stranger who knows the group and our key',
      'unknown-key',
      (bench) => new Peer(bench, 2, { keys: keyPair(new Uint8Array(32).fill(99)), address: 'evil:1' }),
    ],
    [
      'a member of another group that we are in too',
      'handshake-mismatch',
      (bench) => new Peer(bench, 2, { groupId: smallGroup(5, 'other').group.id, address: 'other:1' }),
    ],
  ])('%s gets no session: %s', (_who, reason, make) => {
    const bench = newBench();
    const before = bench.totalDrops();
    const stranger = make(bench);
    bench.peers.push(stranger);
    bench.clear();
    for (let i = 0; i < 20; i++) {
      stranger.connect();
      bench.run(300 * MILLISECOND);
    }
    const knocks = bench.wire.filter(({ from }) => from === stranger.address);
    expect(knocks.length).toBeGreaterThan(3);
    expect(bench.wire.filter(({ to }) => to === stranger.address)).toEqual([]);
    expect(stranger.isUp).toBe(false);
    expect(bench.drops()).toMatchObject({ [reason]: knocks.length });
    expect(bench.totalDrops() - before).toBe(knocks.length);
    expect(bench.events().filter(({ type }) => type !== 'peer' && type !== 'foreign-group')).toEqual([]);
  });

  test('and knows nothing at all gets no answer: bad-mac', () => {
    const bench = newBench();
    bench.clear();
    const rng = new Rng('knocking');
    for (let i = 0; i < 100; i++) {
      const bytes = rng.bytes(161);
      bytes[0] = 0x31;
      bench.give('evil:1', bytes);
    }
    bench.settle();
    expect(bench.stray).toEqual([]);
    expect(bench.drops()).toEqual({ 'bad-mac': 100 });
  });

  test('cannot be in the endpoint: its key must be of the group', () => {
    expect(() => new Bench({ group, keys: [keyPair(new Uint8Array(32).fill(9))], self: 0 })).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG' }),
    );
  });
});

describe('a session', () => {
  test('is asked for at once: the first poll gives a first message for each peer', () => {
    const bench = new Bench({ group, keys, self: SELF });
    const { endpoint } = bench;
    const to: string[] = [];
    for (let out = endpoint.pollTransmit(0); out; out = endpoint.pollTransmit(0)) {
      expect(out.bytes[0]).toBe(0x31);
      to.push(out.to);
    }
    expect(to.sort()).toEqual(
      group.members
        .filter((_, index) => index !== SELF)
        .map(({ locator }) => locator)
        .sort(),
    );
  });

  test('whose time is over is made anew, whoever looks first', () => {
    const bench = newBench();
    bench.submit(text);
    // Nothing is polled for three minutes; then sending is tried before timers are looked at.
    bench.now += 181 * SECOND;
    expect(() => bench.endpoint.pollTransmit(bench.now)).not.toThrow();
    bench.run(SECOND);
    expect(bench.peers.every((peer) => !peer || peer.isUp)).toBe(true);
    for (const index of [ORIGIN, ...OTHERS]) expect(bench.peer(index).symbols().length).toBeGreaterThan(0);
  });

  test('of a peer that restarts is made anew, and the peer is served and heard again', () => {
    const bench = newBench();
    feed(bench, symbolsOf(text, range(0, SOURCE)));
    expect(bench.endpoint.status(bench.now).objects[0].complete).toBe(true);
    bench.run(SECOND);

    const restarted = bench.replace(ORIGIN, { incarnation: 2 });
    restarted.connect();
    bench.run(SECOND);
    expect(restarted.isUp).toBe(true);
    expect(bench.endpoint.status(bench.now).peers[0]).toMatchObject({ reachable: true, inboundLoss: 0 });
    // Its objects count from 0 again.
    feed(bench, symbolsOf(text.subarray(0, 3000), range(0, 3), { incarnation: 8 }));
    expect(bench.endpoint.status(bench.now).objects.at(-1)).toMatchObject({
      id: { incarnation: 8 },
      complete: true,
    });
    bench.clear();
    bench.submit(text);
    bench.run(100 * MILLISECOND);
    expect(restarted.symbols().length).toBeGreaterThan(0);
    // Its acknowledgements are believed: a peer's first life does not count against its second.
    restarted.send([
      { kind: 'ack', ack: { ranges: [restarted.newest, restarted.newest], delay: 0, received: 1 } },
    ]);
    expect(bench.drops()).toEqual({});
    expect(bench.endpoint.status(bench.now).peers[0].rtt).toBeDefined();
  });

  test('goes on from another address of the same peer, once that has answered', () => {
    const bench = newBench();
    const origin = bench.peer(ORIGIN);
    bench.run(SECOND);
    bench.clear();
    const old = origin.address;
    origin.address = 'moved:1';
    // It does not hear yet: nothing but challenges goes there, and all else to where it was.
    bench.isLost = ({ to }) => to === 'moved:1';
    feed(bench, symbolsOf(text, [0]));
    bench.run(600 * MILLISECOND);
    const challenges = bench.wire.filter(({ to }) => to === 'moved:1');
    expect(challenges.length).toBeGreaterThan(0);
    for (const { bytes } of challenges) expect([bytes[0], bytes.length]).toEqual([0x35, 34]);
    expect(bench.stray.filter(({ to, bytes }) => to === old && bytes[0] === 0x34).length).toBeGreaterThan(0);

    bench.isLost = () => false;
    bench.run(SECOND);
    bench.clear();
    feed(bench, symbolsOf(text, range(1, SOURCE - 1)));
    expect(bench.endpoint.status(bench.now).objects[0].complete).toBe(true);
    bench.submit(text);
    bench.run(SECOND);
    expect(origin.symbols().length).toBeGreaterThan(0);
    // Its locator is at most asked whether it works.
    expect(bench.wire.filter(({ to, bytes }) => to === old && bytes[0] !== 0x35)).toEqual([]);
    expect(bench.endpoint.status(bench.now).peers[0]).toMatchObject({ address: 'moved:1', reachable: true });
    expect(bench.drops()).toEqual({});
  });

  test('is not moved between locators by who copies datagrams with a forged source', () => {
    const several = createGroup({
      name: 'several',
      members: group.members.map(({ publicKey, locator }) => ({
        publicKey,
        locators: [locator, locator.replace('127.0.0.1', '127.0.1.1')],
      })),
    });
    const bench = newBench({ group: several });
    const origin = bench.peer(ORIGIN);
    const [first, second] = several.members[ORIGIN].locators;
    bench.isLost = ({ to }) => to === second;
    for (let i = 0; i < 50; i++) {
      // Each copy comes before what it was copied from, and from a locator that is not lost on the way.
      const bytes = origin.seal([{ kind: 'ping' }]);
      bench.give(second, bytes);
      bench.give(first, bytes);
      bench.run(20 * MILLISECOND);
    }
    const status = bench.endpoint.status(bench.now).peers.find(({ member }) => member.index === ORIGIN);
    expect(status).toMatchObject({ address: first, failOvers: 0 });
    const toSecond = bench.wire.filter(({ to }) => to === second);
    expect(toSecond.every(({ bytes }) => bytes[0] === 0x35)).toBe(true);
    expect(toSecond.length).toBeGreaterThan(0);
  });

  test('is not moved by who copies a datagram to another address', () => {
    const bench = newBench();
    const origin = bench.peer(ORIGIN);
    bench.run(SECOND);
    const sealed = origin.seal([], symbolsOf(text, [0])[0]);
    bench.give('evil:1', sealed);
    bench.give(origin.address, sealed);
    expect(bench.drops()).toEqual({ replayed: 1 });
    bench.clear();
    bench.submit(text);
    bench.run(SECOND);
    // It gets a few challenges of 34 bytes, and no word of anything else.
    const there = bench.wire.filter(({ to }) => to === 'evil:1');
    expect(there.length).toBeLessThanOrEqual(3);
    for (const { bytes } of there) expect([bytes[0], bytes.length]).toEqual([0x35, 34]);
    expect(origin.symbols().length).toBeGreaterThan(0);
  });
});

describe('acknowledgements', () => {
  test('answer every second symbol at first, and what is not a symbol at once', () => {
    const bench = newBench();
    const origin = bench.peer(ORIGIN);
    feed(bench, symbolsOf(text, [0]));
    bench.settle();
    expect(origin.frames('ack')).toEqual([]);
    feed(bench, symbolsOf(text, [1]));
    bench.settle();
    expect(origin.frames('ack')).toHaveLength(1);
    origin.send([{ kind: 'ping' }]);
    bench.settle();
    expect(origin.frames('ack')).toHaveLength(2);
  });

  test.each([1, 2])('answer a lone datagram of %i symbols within 25 ms, not at once', (count) => {
    const bench = newBench();
    const origin = bench.peer(ORIGIN);
    const bodies = symbolsOf(text, [0, 1]).slice(0, count);
    origin.send(bodies.map((body): Frame => ({ kind: 'sized-symbol', body })));
    bench.settle();
    expect(origin.frames('ack')).toEqual([]);
    bench.run(26 * MILLISECOND);
    expect(origin.frames('ack')).toHaveLength(1);
  });

  test('answer a lone symbol within 25 ms, as often as the peer wants', () => {
    const bench = newBench();
    const origin = bench.peer(ORIGIN);
    feed(bench, symbolsOf(text, [0]));
    bench.run(26 * MILLISECOND);
    expect(origin.frames('ack')).toHaveLength(1);
    origin.send([{ kind: 'ack-policy', packets: 1, delay: 0 }]);
    bench.settle();
    bench.clear();
    for (const body of symbolsOf(text, [1, 2, 3])) {
      origin.send([], body);
      bench.settle();
    }
    expect(origin.frames('ack')).toHaveLength(3);
  });

  test('of a size probe tell its size', () => {
    const bench = newBench();
    const origin = bench.peer(ORIGIN);
    bench.give(origin.address, origin.seal([{ kind: 'mtu-probe', size: 1452 }], undefined, 1452));
    bench.settle();
    expect(origin.frames('mtu-report')).toEqual([{ kind: 'mtu-report', size: 1452 }]);
    // A datagram of another size than it says shows nothing.
    bench.give(origin.address, origin.seal([{ kind: 'mtu-probe', size: 4052 }], undefined, 1452));
    bench.settle();
    expect(origin.frames('mtu-report')).toHaveLength(1);
    expect(bench.drops()).toEqual({});
  });
});

describe('where four of ten datagrams are lost', () => {
  function lossyBench(): Bench {
    const loss = vi.spyOn(Path.prototype, 'loss', 'get').mockReturnValue(0.4);
    onTestFinished(() => loss.mockRestore());
    const bench = newBench();
    bench.clear();
    return bench;
  }

  /** By datagram to ORIGIN that has any: the objects whose symbols are in it. */
  function carried(bench: Bench): number[][] {
    return bench
      .peer(ORIGIN)
      .heard.map(({ frames, symbol }) => {
        const sized = frames.flatMap((frame) => (frame.kind === 'sized-symbol' ? [frame.body] : []));
        return [...sized, ...(symbol ? [symbol] : [])].map((body) => parseSymbol(body).descriptor.seq);
      })
      .filter(({ length }) => length > 0);
  }

  test('copies of a small message go apart, or they would be lost together', () => {
    const bench = lossyBench();
    bench.submit(new Uint8Array(20));
    bench.settle();
    expect(carried(bench)).toEqual([[0], [0], [0]]);
  });

  test('a datagram has copies of several messages instead', () => {
    const bench = lossyBench();
    for (const fill of [1, 2]) bench.submit(new Uint8Array(20).fill(fill));
    bench.settle();
    expect(carried(bench)).toContainEqual([0, 1]);
    expect(carried(bench).every((seqs) => new Set(seqs).size === seqs.length)).toBe(true);
  });

  test('what a member has asked for comes in copies that go apart', () => {
    const bench = lossyBench();
    feed(bench, symbolsOf(new Uint8Array(20), [0], { firstHop: ORIGIN }));
    bench.run(5 * SECOND);
    bench.peer(ORIGIN).send([{ kind: 'ping' }]);
    bench.clear();
    bench.peer(ORIGIN).send([{ kind: 'pull', id: { origin: ORIGIN, incarnation: 7, seq: 0 }, missing: [] }]);
    bench.settle();
    expect(carried(bench)).toEqual([[0], [0]]);
  });
});

describe('where a path carries 4052 bytes', () => {
  /** One peer, which reports every probe up to that size. */
  function wideBench(): Bench {
    const two = smallGroup(2);
    const bench = new Bench({ ...two, self: SELF, maxDatagram: 4052 }).open();
    const peer = bench.peer(1);
    for (const size of [1452, 4052]) {
      peer.send([{ kind: 'mtu-report', size }]);
      bench.settle();
    }
    bench.clear();
    return bench;
  }

  test('three symbols share a datagram, and none is lost or sent twice', () => {
    const bench = wideBench();
    bench.endpoint.messages.submit(new Rng('wide').bytes(14_000));
    bench.settle();
    const runs = bench
      .peer(1)
      .symbols()
      .map((body) => parseSymbol(body))
      .map(({ descriptor, leaf }) => [leaf.esi, leaf.symbol.length / descriptor.symbolSize]);
    expect(runs).toEqual([0, 3, 6, 9].map((esi) => [esi, 3]));
    for (const { bytes } of bench.peer(1).heard) expect(bytes).toBeLessThanOrEqual(4052);
  });

  test('small objects share one too', () => {
    const bench = wideBench();
    for (const fill of [1, 2]) bench.submit(new Uint8Array(900).fill(fill));
    bench.settle();
    const carriers = bench
      .peer(1)
      .heard.filter(({ frames }) => frames.some(({ kind }) => kind === 'sized-symbol'));
    expect([carriers.length, bench.peer(1).symbols().length]).toEqual([1, 2]);
  });

  test('memory that is given back changes nothing of what is sent', () => {
    const sent = [false, true].map((givesBack) => {
      const bench = wideBench();
      bench.submit(new Rng('wide').bytes(14_000));
      const datagrams: Uint8Array[] = [];
      for (
        let next = bench.endpoint.pollTransmit(bench.now);
        next;
        next = bench.endpoint.pollTransmit(bench.now)
      ) {
        datagrams.push(next.bytes.slice());
        if (givesBack) bench.endpoint.takeBack();
      }
      return datagrams;
    });
    expect(sent[0].length).toBeGreaterThan(3);
    expect(sent[1]).toEqual(sent[0]);
  });

  test('each symbol of a shared datagram counts', () => {
    const bench = newBench();
    const bodies = symbolsOf(text, range(0, SOURCE));
    const frames: Frame[] = bodies.slice(1).map((body) => ({ kind: 'sized-symbol', body }));
    bench.peer(ORIGIN).send(frames, bodies[0]);
    expect(bench.endpoint.status(bench.now).objects).toMatchObject([{ held: SOURCE, complete: true }]);
  });
});
