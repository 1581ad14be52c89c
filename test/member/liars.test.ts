/**
 * One endpoint among four members of which one may lie: a quorum is three. Whoever lies is named, with evidence where there
 * is any, and what the honest ones hold is delivered all the same.
 */
import { describe, expect, test } from 'vitest';
import { BatchVerifier } from '../../src/broadcast/proof/batch.js';
import { certifiedDescriptor } from '../../src/broadcast/proof/certificate.js';
import { toHex } from '../../src/core/bytes.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import type { StoredObject } from '../../src/store/store.js';
import { parseSymbol } from '../../src/wire/symbol.js';
import { parcelOf, servedSymbol, storedObject, textsOf } from '../broadcast/objects.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';
import { entryOf, servedSymbols, signedSymbols } from '../node/traffic.js';

const SELF = 0;
const ORIGIN = 1;
const [A, B] = [2, 3];
const STREAM = { origin: ORIGIN, incarnation: 7 };
const ID = { ...STREAM, seq: 0 };
const members = smallGroup(4, 'liars', { byzantine: 1 });

// Of the same length, so that only the hash tells them apart.
const theirs = parcelOf('x'.repeat(3000));
const ours = parcelOf('y'.repeat(3000));
const after = parcelOf('z'.repeat(3000));

function newBench(): Bench {
  return new Bench({ ...members, self: SELF }).open();
}

function broadcast(bench: Bench, bytes: Uint8Array, seq = 0): void {
  bench.peer(ORIGIN).sendSymbols(signedSymbols(members, { ...STREAM, seq }, bytes));
}

/** For two seconds these peers serve what they are asked for; says how often each was asked. */
function serve(bench: Bench, shelves: Record<number, StoredObject[]>): Record<number, number> {
  const asked: Record<number, number> = {};
  for (let i = 0; i < 40; i++) {
    for (const peer of [ORIGIN, A, B]) bench.peer(peer).send([{ kind: 'ping' }]);
    bench.run(50 * MILLISECOND);
    for (const [peer, shelf] of Object.entries(shelves).map(([key, value]) => [Number(key), value] as const))
      for (const { id } of bench.peer(peer).takePulls()) {
        asked[peer] = (asked[peer] ?? 0) + 1;
        if (shelf[id.seq]) bench.peer(peer).sendSymbols(servedSymbols(shelf[id.seq]));
      }
  }
  return asked;
}

const shelfOf = (...objects: Uint8Array[]) =>
  objects.map((bytes, seq) => storedObject({ ...STREAM, seq }, bytes, members));

describe('an origin that signs two objects under one name', () => {
  test('is named with two certificates that verify for anyone', () => {
    const bench = newBench();
    broadcast(bench, ours);
    // Its other object comes by another way.
    bench.peer(A).sendSymbols(signedSymbols(members, ID, theirs));
    const [event, ...more] = bench.eventsOf('misbehaviour');
    expect([event.member, event.id, event.what, more]).toEqual([ORIGIN, ID, 'equivocation', []]);
    const verifier = new BatchVerifier(members.group);
    const hashes = event.evidence!.map((certificate) => {
      const descriptor = certifiedDescriptor(certificate);
      const symbol = new Uint8Array(descriptor.symbolSize);
      const shown = parseSymbol(servedSymbol(certificate, { sbn: 0, esi: 0 }, symbol));
      expect(verifier.verify(0, 0, shown)).toBe('valid');
      expect(descriptor).toMatchObject(ID);
      return toHex(descriptor.hash);
    });
    expect(hashes).toEqual([ours, theirs].map((bytes) => toHex(sha256(bytes))));
  });

  test.each([
    ['is not yet delivered', []],
    ['is delivered, and kept for one who lacks it', [A]],
  ])('is named so also when ours is long in the store, and %s', (_when, confirming) => {
    const bench = newBench();
    broadcast(bench, ours);
    for (const peer of confirming) bench.peer(peer).confirm(entryOf(STREAM, [ours]));
    bench.run(5 * SECOND);
    bench.events();
    for (let i = 0; i < 3; i++) bench.peer(A).sendSymbols(signedSymbols(members, ID, theirs));
    const events = bench.eventsOf('misbehaviour');
    expect(events).toMatchObject([{ member: ORIGIN, id: ID, what: 'equivocation' }]);
    const hashes = events[0].evidence!.map((each) => toHex(certifiedDescriptor(each).hash));
    expect(hashes).toEqual([ours, theirs].map((bytes) => toHex(sha256(bytes))));
  });

  test('does not get the second one delivered', () => {
    const bench = newBench();
    broadcast(bench, ours);
    broadcast(bench, theirs);
    for (const peer of [A, B]) bench.peer(peer).confirm(entryOf(STREAM, [ours]));
    expect(bench.eventsOf('deliver').map(({ bytes }) => bytes[0])).toEqual(['y'.charCodeAt(0)]);
  });

  test.each([
    ['before we held ours', true],
    ['after', false],
  ])('and gave the others the other one is overruled by them, if they said so %s', (_when, saidBefore) => {
    const bench = newBench();
    const say = () => {
      for (const peer of [A, B]) bench.peer(peer).confirm(entryOf(STREAM, [theirs]));
    };
    if (saidBefore) say();
    broadcast(bench, ours);
    if (!saidBefore) say();
    // The origin goes on telling us that ours is the one.
    bench.peer(ORIGIN).confirm(entryOf(STREAM, [ours]));
    serve(bench, { [A]: shelfOf(theirs), [B]: shelfOf(theirs) });
    expect(textsOf(bench.eventsOf('deliver').map(({ bytes }) => bytes.subarray(0, 1)))).toEqual(['x']);
    expect(bench.peer(A).told(STREAM)).toMatchObject({ count: 1, chain: entryOf(STREAM, [theirs]).chain });
  });

  test.each([
    ['before', true],
    ['after', false],
  ])('and serves it again and again cannot make us drop what another serves, begun %s', (_when, isFirst) => {
    const bench = newBench();
    const [lie] = servedSymbols(shelfOf(ours)[0]);
    if (isFirst) bench.peer(ORIGIN).sendSymbols([lie]);
    for (const peer of [A, B]) bench.peer(peer).confirm(entryOf(STREAM, [theirs]));
    let asked: number | undefined;
    for (let i = 0; i < 200 && asked === undefined; i++) {
      for (const peer of [A, B]) bench.peer(peer).send([{ kind: 'ping' }]);
      bench.run(10 * MILLISECOND);
      asked = [A, B].find((peer) => bench.peer(peer).takePulls().length > 0);
    }
    for (const symbol of servedSymbols(shelfOf(theirs)[0])) {
      bench.peer(asked!).sendSymbols([symbol]);
      bench.peer(ORIGIN).sendSymbols([lie]);
    }
    expect(textsOf(bench.eventsOf('deliver').map(({ bytes }) => bytes.subarray(0, 1)))).toEqual(['x']);
  });

  test('cannot have what is delivered overruled', () => {
    const bench = newBench();
    broadcast(bench, ours);
    for (const peer of [A, B]) bench.peer(peer).confirm(entryOf(STREAM, [ours]));
    expect(bench.eventsOf('deliver')).toHaveLength(1);
    for (const peer of [ORIGIN, A, B]) bench.peer(peer).confirm(entryOf(STREAM, [theirs, after]));
    serve(bench, { [A]: shelfOf(theirs, after), [B]: shelfOf(theirs, after) });
    expect(bench.eventsOf('deliver').filter(({ id }) => id.seq === 0)).toEqual([]);
    expect(bench.peer(A).told(STREAM)?.count).toBeGreaterThanOrEqual(1);
  });
});

describe('one member that contradicts us', () => {
  test('is named, and neither stops delivery nor makes us drop anything', () => {
    const bench = newBench();
    broadcast(bench, ours);
    bench.peer(A).confirm(entryOf(STREAM, [theirs]));
    expect(bench.events().filter(({ type }) => type === 'disagreement' || type === 'misbehaviour')).toEqual([
      { type: 'disagreement', member: STREAM.origin, incarnation: STREAM.incarnation, seq: 0, against: [A] },
    ]);
    bench.peer(B).confirm(entryOf(STREAM, [ours]));
    expect(bench.eventsOf('deliver')).toHaveLength(1);
    expect(bench.store.read(ID)?.bytes).toEqual(ours);
  });

  test('and claims objects that nobody has makes us ask for none', () => {
    const bench = newBench();
    bench.peer(ORIGIN).confirm(entryOf(STREAM, []));
    bench.peer(A).confirm(entryOf(STREAM, [theirs, after]));
    const asked = serve(bench, { [A]: [], [B]: [] });
    expect(asked).toEqual({});
  });

  test('and names a stream of which its origin says nothing is asked for the first object of it, or the origin is, and nobody else', () => {
    const bench = newBench();
    bench.peer(A).confirm(entryOf(STREAM, [theirs, after]));
    const asked = serve(bench, { [A]: [], [B]: [], [ORIGIN]: [] });
    expect(Object.keys(asked)).toEqual([ORIGIN, A].map(String));
  });
});

describe('a member that serves wrong symbols', () => {
  /** As the certificate says, but other bytes. */
  const [wrong] = shelfOf(theirs).map((stored) => ({ ...stored, bytes: ours }));

  test('is named, it alone, and the object comes from another', () => {
    const bench = newBench();
    for (const peer of [A, B]) bench.peer(peer).confirm(entryOf(STREAM, [theirs]));
    // The first asked is the liar, whoever it is.
    let liar: number | undefined;
    for (let i = 0; i < 200 && liar === undefined; i++) {
      for (const peer of [A, B]) bench.peer(peer).send([{ kind: 'ping' }]);
      bench.run(10 * MILLISECOND);
      liar = [A, B].find((peer) => bench.peer(peer).takePulls().length > 0);
    }
    if (liar === undefined) throw new Error('nobody was asked');
    bench.peer(liar).sendSymbols(servedSymbols(wrong));
    serve(bench, { [liar]: [wrong], [A + B - liar]: shelfOf(theirs) });
    const events = bench.events();
    expect(events.filter(({ type }) => type === 'misbehaviour')).toEqual([
      { type: 'misbehaviour', member: liar, id: ID, what: 'wrong-symbols' },
    ]);
    expect(events.filter(({ type }) => type === 'deliver')).toHaveLength(1);
  });

  test('beside another that serves right ones spoils the object once, and is found out', () => {
    const bench = newBench();
    for (const peer of [A, B]) bench.peer(peer).confirm(entryOf(STREAM, [theirs]));
    const [right, bad] = [servedSymbols(shelfOf(theirs)[0]), servedSymbols(wrong)];
    bench.peer(A).sendSymbols(bad.slice(0, 1));
    bench.peer(B).sendSymbols(right.slice(1));
    expect(bench.eventsOf('misbehaviour')).toEqual([]);
    serve(bench, { [A]: [wrong], [B]: shelfOf(theirs) });
    const events = bench.events();
    const named = events.filter(({ type }) => type === 'misbehaviour');
    expect(named.every((event) => event.type === 'misbehaviour' && event.member === A)).toBe(true);
    expect(events.filter(({ type }) => type === 'deliver')).toHaveLength(1);
  });
});

describe('an origin that gives its object to the others', () => {
  /** For two seconds, one symbol each 40 ms, as long as there are some; says whether somebody was asked. */
  function isAskedFor(bench: Bench, symbols: Uint8Array[]): boolean {
    for (const peer of [A, B]) bench.peer(peer).confirm(entryOf(STREAM, [large]));
    let pulls = 0;
    for (let i = 0; i < 50; i++) {
      for (const peer of [ORIGIN, A, B]) bench.peer(peer).send([{ kind: 'ping' }]);
      bench.peer(ORIGIN).sendSymbols(symbols.slice(i, i + 1));
      bench.run(40 * MILLISECOND);
      for (const peer of [A, B]) pulls += bench.peer(peer).takePulls().length;
    }
    return pulls > 0;
  }
  const large = parcelOf('x'.repeat(100_000));

  test('and not to us is not waited for', () => {
    expect(isAskedFor(newBench(), [])).toBe(true);
  });

  test('and to us one symbol now and then is not waited for', () => {
    expect(isAskedFor(newBench(), servedSymbols(storedObject(ID, large, members)))).toBe(true);
  });
});
