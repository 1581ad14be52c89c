/**
 * One endpoint and hand-made datagrams of the other members: what is taken up, relayed, refused, and under which reason.
 */
import { describe, expect, test } from 'vitest';
import { signBatch } from '../../src/broadcast/batch.js';
import type { BroadcastEvent } from '../../src/broadcast/broadcast.js';
import { cutObject } from '../../src/broadcast/plan.js';
import { Encoder } from '../../src/codec/index.js';
import { fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import type { KeyPair } from '../../src/crypto/keys.js';
import { Endpoint } from '../../src/node/endpoint.js';
import { datagramOf, parseHeader } from '../../src/wire/header.js';
import { HEADER_SIZE, MAX_REPAIR_SYMBOLS } from '../../src/wire/limits.js';
import { type Descriptor, parseSymbol, writeDescriptor } from '../../src/wire/symbol.js';
import { smallGroup } from '../broadcast/small-group.js';

const SELF = 0;
const ORIGIN = 1;
const OTHERS = [2, 3, 4];

const { group, keys } = smallGroup(5);

function newEndpoint(options: { maxObjectSize?: number; relay?: boolean } = {}): Endpoint {
  return new Endpoint({
    group,
    keys: keys[SELF],
    rng: new Rng(1),
    incarnation: 5,
    controller: () => fixedRate(1e9),
    maxObjectSize: 1e6,
    ...options,
  });
}

/** Datagrams as ORIGIN would send them, with the parts that a liar may change. */
function symbolsOf(
  bytes: Uint8Array,
  esis: number[],
  change: Partial<Descriptor> & { firstHop?: number; signer?: KeyPair; sender?: number } = {},
): Uint8Array[] {
  const { firstHop = 2, signer = keys[ORIGIN], sender = ORIGIN, ...fields } = change;
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
  return signBatch(group, writeDescriptor(descriptor), leaves, signer.sign).map((body, i) =>
    datagramOf({ type: 'symbol', groupTag: group.tag, sender, packetNumber: i + 1 }, body),
  );
}

function feed(endpoint: Endpoint, datagrams: Uint8Array[], now = SECOND): void {
  for (const datagram of datagrams) endpoint.handleDatagram(now, 'anywhere', datagram);
}

/** What the endpoint sends now, symbols only: to whom, and the symbol's ESI. */
function symbolsSent(endpoint: Endpoint, now = SECOND): { to: string; esi: number }[] {
  const sent = [];
  for (let out = endpoint.pollTransmit(now); out; out = endpoint.pollTransmit(now))
    if (parseHeader(out.bytes).type === 'symbol')
      sent.push({ to: out.to, esi: parseSymbol(out.bytes, HEADER_SIZE).leaf.esi });
  return sent;
}

function eventsOf(endpoint: Endpoint): BroadcastEvent[] {
  const events = [];
  for (let event = endpoint.pollEvent(); event; event = endpoint.pollEvent()) events.push(event);
  return events;
}

const text = new Rng('text').bytes(5000);
const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

describe('relaying', () => {
  test('sends a symbol of which it is the first hop once to each of the others', () => {
    const endpoint = newEndpoint();
    feed(endpoint, symbolsOf(text, [3], { firstHop: SELF }));
    feed(endpoint, symbolsOf(text, [3], { firstHop: SELF }));
    expect(
      symbolsSent(endpoint)
        .map(({ to }) => to)
        .sort(),
    ).toEqual(OTHERS.map((index) => group.members[index].locator).sort());
  });

  test('keeps a symbol of which another is the first hop', () => {
    const endpoint = newEndpoint();
    feed(endpoint, symbolsOf(text, [3], { firstHop: 2 }));
    expect(symbolsSent(endpoint)).toEqual([]);
  });

  test('goes on after it holds the object itself', () => {
    const endpoint = newEndpoint();
    feed(endpoint, symbolsOf(text, range(0, 10), { firstHop: 2 }));
    expect(endpoint.objects()[0].complete).toBe(true);
    feed(endpoint, symbolsOf(text, [20], { firstHop: SELF }));
    expect(symbolsSent(endpoint).length).toBe(OTHERS.length);
  });

  test('is what a mute member does not do', () => {
    const endpoint = newEndpoint({ relay: false });
    feed(endpoint, symbolsOf(text, [3], { firstHop: SELF }));
    expect(symbolsSent(endpoint)).toEqual([]);
  });
});

describe('an origin that lies', () => {
  test('about the content is named, and nothing is delivered or confirmed', () => {
    const endpoint = newEndpoint();
    feed(endpoint, symbolsOf(text, range(0, 10), { hash: new Uint8Array(32).fill(9) }));
    expect(eventsOf(endpoint)).toEqual([
      {
        type: 'misbehaviour',
        member: ORIGIN,
        id: { origin: ORIGIN, incarnation: 7, seq: 0 },
        what: 'wrong-symbols',
      },
    ]);
    expect(endpoint.objects()[0]).toMatchObject({ complete: false, confirmed: 1 });
  });

  test('by giving two objects one id is named once, and the first object stands', () => {
    const endpoint = newEndpoint();
    feed(endpoint, symbolsOf(text, [0]));
    feed(endpoint, symbolsOf(new Rng('other').bytes(5000), [0, 1]));
    expect(eventsOf(endpoint).map((event) => event.type === 'misbehaviour' && event.what)).toEqual([
      'equivocation',
    ]);
    expect(endpoint.metrics.drops.equivocation).toBe(2);
    feed(endpoint, symbolsOf(text, range(1, 9)));
    expect(endpoint.objects()[0].complete).toBe(true);
  });

  test('in a name that is not its own is not believed', () => {
    const endpoint = newEndpoint();
    feed(endpoint, symbolsOf(text, range(0, 10), { signer: keys[2] }));
    expect(endpoint.objects()).toEqual([]);
    expect(endpoint.metrics.drops).toEqual({ 'bad-signature': 10 });
  });
});

describe('drops, by reason', () => {
  const cases: [string, (endpoint: Endpoint) => void][] = [
    ['malformed', (endpoint) => feed(endpoint, [new Uint8Array(40)])],
    ['foreign-group', (endpoint) => feed(endpoint, [symbolsOf(text, [0])[0].fill(1, 2, 10)])],
    ['unknown-member', (endpoint) => feed(endpoint, symbolsOf(text, [0], { sender: 77 }))],
    ['duplicate', (endpoint) => feed(endpoint, [...symbolsOf(text, [0]), ...symbolsOf(text, [0])])],
    ['late', (endpoint) => feed(endpoint, symbolsOf(text, range(0, 7)))],
    ['too-large', (endpoint) => feed(endpoint, symbolsOf(new Uint8Array(1e6 + 1), [0]))],
    ['absurd-esi', (endpoint) => feed(endpoint, symbolsOf(text, [6 + MAX_REPAIR_SYMBOLS]))],
    [
      'stale',
      (endpoint) => {
        feed(endpoint, symbolsOf(text, [0], { incarnation: 8 }));
        feed(endpoint, symbolsOf(text, [1], { incarnation: 7 }));
      },
    ],
    [
      'over-quota',
      (endpoint) => {
        for (const seq of range(0, 257)) feed(endpoint, symbolsOf(text, [0], { seq }));
      },
    ],
  ];
  for (const [reason, act] of cases)
    test(reason, () => {
      const endpoint = newEndpoint();
      act(endpoint);
      expect(endpoint.metrics.drops).toEqual({ [reason]: 1 });
    });
});
