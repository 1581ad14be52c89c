/** Symbols that refer to manifests, at a member: what is checked, held back, relayed and told again. */
import { describe, expect, test } from 'vitest';
import { signShares } from '../../src/broadcast/proof/batch.js';
import { cutObject } from '../../src/broadcast/spread/plan.js';
import { Encoder } from '../../src/codec/index.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import type { Frame } from '../../src/wire/frames.js';
import type { ListedSymbol, Manifest } from '../../src/wire/manifest.js';
import { parseSymbol, writeDescriptor } from '../../src/wire/symbol.js';
import { parcelOf } from '../broadcast/objects.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench, type Peer } from '../node/peer.js';

const [ORIGIN, SELF] = [0, 1];
const members = smallGroup(4);
const { group, keys } = members;
const OTHERS = [2, 3];
const newBench = () => new Bench({ ...members, self: SELF }).open();

const object = parcelOf('x'.repeat(11_000));
const SOURCE = Math.ceil(object.length / cutObject(object.length).symbolSize);

/** `count` symbols from `esi` on, for one first hop, as ORIGIN signs them. */
function share(firstHop: number, esi: number, count: number, seq = 0): ListedSymbol[] {
  const cut = cutObject(object.length);
  const id = { origin: ORIGIN, incarnation: 7, seq };
  const descriptor = { ...id, length: object.length, ...cut, hash: sha256(object) };
  using encoder = new Encoder(object, cut);
  const symbols = Array.from({ length: count }, (_, i) => encoder.symbol(0, esi + i));
  const descriptorBytes = writeDescriptor(descriptor);
  return signShares(group, descriptorBytes, [{ sbn: 0, esi, firstHop, symbols }], keys[ORIGIN].sign)[0];
}

const told = (number: number, manifest: Manifest): Frame => ({ kind: 'manifest', number, manifest });
const listed = (number: number, { place, symbol }: ListedSymbol): Frame => ({
  kind: 'listed',
  number,
  place,
  symbol,
});

/** Sends each frame in a datagram of its own. */
function say(peer: Peer, ...frames: Frame[]): void {
  for (const frame of frames) peer.send([frame]);
}

/** ESIs that a peer has got. */
function esisAt(bench: Bench, peer: number): number[] {
  return bench
    .peer(peer)
    .symbols()
    .map((body) => parseSymbol(body).leaf.esi);
}

describe('a symbol of a share', () => {
  test('goes to all others, each of which is told the manifest once, before it', () => {
    const bench = newBench();
    bench.clear();
    const symbols = share(SELF, 4, 3);
    say(bench.peer(ORIGIN), told(9, symbols[0].manifest), ...symbols.map((each) => listed(9, each)));
    bench.settle();
    for (const other of OTHERS) {
      expect(esisAt(bench, other)).toEqual([4, 5, 6]);
      const kinds = bench.peer(other).heard.flatMap(({ frames }) => frames.map(({ kind }) => kind));
      expect(kinds.filter((kind) => kind === 'manifest')).toHaveLength(1);
      expect(kinds.indexOf('manifest')).toBeLessThan(kinds.indexOf('listed'));
    }
    expect(bench.drops()).toEqual({});
  });

  test('is neither kept nor relayed before its manifest has come, then both', () => {
    const bench = newBench();
    bench.clear();
    const symbols = share(SELF, 0, SOURCE);
    say(bench.peer(ORIGIN), ...symbols.map((each) => listed(9, each)));
    bench.settle();
    expect([
      bench.endpoint.status(bench.now).objects,
      ...OTHERS.map((other) => esisAt(bench, other)),
    ]).toEqual([[], [], []]);
    say(bench.peer(ORIGIN), told(9, symbols[0].manifest));
    bench.settle();
    expect(bench.endpoint.status(bench.now).objects[0].complete).toBe(true);
    for (const other of OTHERS) expect(esisAt(bench, other)).toHaveLength(SOURCE);
  });

  test('is dropped if it is not the one that is listed, and nobody is told its manifest', () => {
    const bench = newBench();
    bench.clear();
    const [first] = share(SELF, 4, 3);
    const wrong = { ...first, symbol: first.symbol.map((byte) => byte ^ 1) };
    say(bench.peer(ORIGIN), told(9, first.manifest), listed(9, wrong));
    bench.settle();
    expect(bench.drops()).toEqual({ 'bad-signature': 1 });
    for (const other of OTHERS) expect(bench.peer(other).frames('manifest')).toEqual([]);
  });

  test('is dropped if nobody has signed the manifest, and so are all others of it', () => {
    const bench = newBench();
    bench.clear();
    const symbols = share(SELF, 4, 3);
    const { manifest } = symbols[0];
    const signature = manifest.signature.slice();
    signature[9] ^= 1;
    const bytes = manifest.bytes.slice();
    bytes.set(signature, 53);
    const forged = { ...manifest, bytes, signature };
    say(bench.peer(ORIGIN), told(9, forged), ...symbols.map((each) => listed(9, each)));
    bench.settle();
    expect(bench.drops()).toEqual({ 'bad-signature': 3 });
    for (const other of OTHERS) expect(bench.peer(other).frames('manifest')).toEqual([]);
  });

  test('means something else once its number is told anew, though both have been checked', () => {
    const bench = newBench();
    bench.clear();
    const [old, fresh] = [share(SELF, 4, 3), share(SELF, 20, 3)];
    say(bench.peer(ORIGIN), told(9, old[0].manifest), listed(9, old[0]));
    say(bench.peer(ORIGIN), told(9, fresh[0].manifest), listed(9, fresh[1]), listed(9, old[2]));
    bench.settle();
    expect(esisAt(bench, OTHERS[0])).toEqual([4, 21]);
    expect(bench.drops()).toEqual({ 'bad-signature': 1 });
  });

  test('that came whole, and is too large to go so on another path, goes with a manifest of its own', () => {
    const bench = newBench();
    bench.clear();
    const [first] = share(SELF, 4, 3);
    say(bench.peer(ORIGIN), told(9, first.manifest), listed(9, first));
    bench.settle();
    const [body] = bench.peer(OTHERS[0]).symbols();
    expect(body.length).toBeGreaterThan(1200);
    const other = newBench();
    other.clear();
    other.peer(ORIGIN).sendSymbols([body]);
    other.settle();
    for (const index of OTHERS) {
      expect(other.peer(index).symbols()).toHaveLength(1);
      for (const { bytes } of other.peer(index).heard) expect(bytes).toBeLessThanOrEqual(1232);
    }
  });
});

test('a manifest whose datagram is lost is told again, and the symbols are not', () => {
  const bench = newBench();
  bench.run(SECOND);
  bench.clear();
  const [lost, there] = OTHERS;
  let isFirst = true;
  // Only the first datagram with symbols on one way is lost: that is the one with the manifest.
  bench.isLost = ({ to, bytes }) => {
    const isIt = isFirst && to === bench.peer(lost).address && bytes.length > 150;
    if (isIt) isFirst = false;
    return isIt;
  };
  const symbols = share(SELF, 4, 8);
  say(bench.peer(ORIGIN), told(9, symbols[0].manifest), ...symbols.map((each) => listed(9, each)));
  bench.settle();
  expect([esisAt(bench, lost), esisAt(bench, there)]).toEqual([[], symbols.map((_, i) => 4 + i)]);
  const { newest } = bench.peer(lost);
  bench.peer(lost).send([{ kind: 'ack', ack: { ranges: [newest, newest], delay: 0, received: 1 } }]);
  bench.run(100 * MILLISECOND);
  expect(esisAt(bench, lost)).toEqual(symbols.map((_, i) => 4 + i));
  expect(bench.peer(lost).frames('listed')).toHaveLength(symbols.length);
});

test('what a member had told before it restarted is forgotten', () => {
  const bench = newBench();
  const symbols = share(SELF, 4, 3);
  say(bench.peer(ORIGIN), told(9, symbols[0].manifest));
  const restarted = bench.replace(ORIGIN, { incarnation: 2 });
  restarted.connect();
  bench.run(SECOND);
  say(restarted, listed(9, symbols[0]));
  bench.settle();
  expect(OTHERS.map((other) => esisAt(bench, other))).toEqual([[], []]);
});
