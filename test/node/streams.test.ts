/** What one endpoint keeps of streams, others' and its own: no more than is bounded, and no longer than there is need. */
import { expect, test } from 'vitest';
import { Stream } from '../../src/broadcast/agreement/stream.js';
import { MAX_CACHED } from '../../src/broadcast/delivery/journal.js';
import { MAX_OUTCOMES } from '../../src/broadcast/delivery/own.js';
import { parseParcel } from '../../src/broadcast/delivery/parcel.js';
import { SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import { MemoryStore } from '../../src/store/memory.js';
import { boundsOf } from '../broadcast/bounds.js';
import { parcelOf } from '../broadcast/objects.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench, type BenchOptions } from './peer.js';
import { entryOf, signedSymbols } from './traffic.js';

const SELF = 0;
const ORIGIN = 1;
const STREAM = { origin: ORIGIN, incarnation: 7 };
const OWN = { origin: SELF, incarnation: 1 };
/** Five members: a quorum is three. */
const members = smallGroup(5);
const text = (content: string) => new TextEncoder().encode(content);

function newBench(options: Partial<BenchOptions> = {}): Bench {
  return new Bench({ ...members, self: SELF, ...options }).open();
}

test('a stream that has ended without an object is not in the store any more', () => {
  const bench = newBench();
  bench.peer(ORIGIN).confirm(entryOf(STREAM, []));
  bench.peer(ORIGIN).confirm(entryOf({ ...STREAM, incarnation: 8 }, []));
  bench.run(SECOND);
  const kept = bench.store.loaded().streams.filter(({ origin }) => origin === ORIGIN);
  expect(kept.map(({ incarnation }) => incarnation)).toEqual([8]);
});

test('the first object of a stream of ours comes after all that we had delivered, though one before it did', () => {
  const store = new MemoryStore(1);
  // Runs before this one, in which the others have met a later stream of ours.
  for (let run = 0; run < 5; run++) store.loaded();
  const bench = newBench({ store, order: 'causal' });
  const object = parcelOf('one');
  bench.peer(ORIGIN).sendSymbols(signedSymbols(members, { ...STREAM, seq: 0 }, object));
  for (const peer of [2, 3]) bench.peer(peer).confirm(entryOf(STREAM, [object]));
  bench.submit(text('before'));
  for (const peer of [2, 3, 4]) bench.peer(peer).confirm(entryOf({ ...OWN, incarnation: 3 }, [object]));
  bench.runBeside([1, 2, 3, 4], 3 * SECOND);
  bench.submit(text('after'));

  const [{ incarnation }] = bench.eventsOf('begun-anew');
  const id = { ...OWN, incarnation, seq: 0 };
  expect(parseParcel(store.read(id)!.bytes, id, 5).dependencies).toEqual([{ ...STREAM, count: 1 }]);
});

test('a key that another process had for a while: what was said meanwhile is said again above the stream of that', () => {
  const bench = newBench();
  bench.submit(text('meanwhile'));
  const { bytes } = bench.store.read({ ...OWN, seq: 0 })!;
  for (const peer of [1, 2, 3, 4]) bench.peer(peer).confirm(entryOf({ ...OWN, incarnation: 900 }, []));
  bench.runBeside([1, 2, 3, 4], 3 * SECOND);
  expect(bench.eventsOf('begun-anew')).toMatchObject([{ incarnation: 901, former: OWN.incarnation }]);
  expect(bench.store.read({ ...OWN, incarnation: 901, seq: 0 })?.bytes).toEqual(bytes);
});

test('more than what is kept at hand of a former stream is said again all the same', () => {
  const bench = newBench();
  const objects = Array.from({ length: Math.ceil(MAX_CACHED / 900_000) + 1 }, (_, index) =>
    new Uint8Array(900_000).fill(index),
  );
  bench.submit(objects[0]);
  // The first waits for what the paths carry.
  bench.run(SECOND);
  for (const message of objects.slice(1)) bench.submit(message);
  for (const peer of [1, 2, 3, 4]) bench.peer(peer).confirm(entryOf({ ...OWN, incarnation: 900 }, []));
  bench.runBeside([1, 2, 3, 4], 3 * SECOND);
  const again = { ...OWN, incarnation: 901, seq: objects.length - 1 };
  expect(parseParcel(bench.store.read(again)!.bytes, again, 5).messages.get(0)).toEqual(objects.at(-1));
});

test('what becomes of our objects is told of the oldest once more than 1024 are open', () => {
  const bench = newBench();
  // What the others hold, to make their digests of.
  const held = new Stream(OWN, boundsOf(1, 5));
  for (let seq = 0; seq <= MAX_OUTCOMES; seq++) {
    bench.submit(text('x'));
    held.hold(seq, sha256(bench.store.read({ ...OWN, seq })!.bytes));
    for (const peer of [1, 2]) bench.peer(peer).confirm(held.telling.entry());
  }
  expect(bench.eventsOf('outcome')).toEqual([
    { type: 'outcome', id: { ...OWN, seq: 0 }, outcome: { confirmed: [1, 2], missing: [3, 4] } },
  ]);
});
