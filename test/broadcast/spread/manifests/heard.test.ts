/** Manifests that a peer tells, and symbols of it that come before theirs: no more is kept than there is room for. */
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../../src/broadcast/metrics.js';
import { References } from '../../../../src/broadcast/references.js';
import type { SpreadDrop } from '../../../../src/broadcast/spread/drops.js';
import { MAX_HEARD, MAX_HELD_BYTES } from '../../../../src/broadcast/spread/manifests/heard.js';
import { cutObject } from '../../../../src/broadcast/spread/plan.js';
import { SECOND } from '../../../../src/core/time.js';
import type { ListedFrame } from '../../../../src/wire/frames/symbols/listed.js';
import { type Manifest, servedManifest, shareManifest } from '../../../../src/wire/manifest.js';
import { writeDescriptor } from '../../../../src/wire/symbol.js';
import { descriptorOf, storedObject } from '../../objects.js';

const object = new Uint8Array(10_000);
const T = cutObject(object.length).symbolSize;

/** What a peer says, and what comes of it: `seq esi` of each symbol. */
function setUp() {
  const metrics = createMetrics<SpreadDrop>();
  const got: string[] = [];
  const references = new References(3, metrics, (_now, hop, { descriptor, leaf }) =>
    got.push(`${hop}: ${descriptor.seq} ${leaf.esi}`),
  );
  const tell = (number: number, manifest: Manifest, from = 1, now = 0) =>
    references.handleManifest(now, from, { kind: 'manifest', number, manifest });
  const refer = (number: number, place: number, from = 1, now = 0, bytes = T) =>
    references.handle(now, from, listed(number, place, bytes));
  return { metrics, got, references, tell, refer };
}

function listed(number: number, place: number, bytes = T): ListedFrame {
  return { kind: 'listed', number, place, symbol: new Uint8Array(bytes) };
}

/** A share of so many symbols of the object of this number, from ESI 5 on; nobody has signed it. */
function share(seq: number, count = 4): Manifest {
  return shareManifest({
    descriptorBytes: writeDescriptor(descriptorOf({ origin: 0, incarnation: 1, seq }, object)),
    ...{ depth: 5, signature: new Uint8Array(64), position: 0, sbn: 0, esi: 5, firstHop: 2 },
    hashes: new Uint8Array(count * 16),
    proof: new Uint8Array((5 - Math.ceil(Math.log2(count))) * 16),
  });
}

describe('a symbol', () => {
  test('is found by what it refers to, of each peer its own', () => {
    const { tell, refer, got } = setUp();
    tell(7, share(3));
    tell(7, share(4), 2);
    refer(7, 2);
    refer(7, 0, 2);
    expect(got).toEqual(['1: 3 7', '2: 4 5']);
  });

  test('waits for its manifest, and comes with it in order', () => {
    const { tell, refer, got, metrics } = setUp();
    refer(7, 3);
    refer(8, 0);
    refer(7, 1);
    expect(got).toEqual([]);
    tell(7, share(3));
    expect(got).toEqual(['1: 3 8', '1: 3 6']);
    // Told twice, it brings nothing twice.
    tell(7, share(3));
    tell(8, share(4));
    expect(got).toEqual(['1: 3 8', '1: 3 6', '1: 4 5']);
    expect(metrics.drops).toEqual({});
  });

  test.each([
    ['beyond the count', (refer: ReturnType<typeof setUp>['refer']) => refer(7, 4)],
    ['of another length', (refer: ReturnType<typeof setUp>['refer']) => refer(7, 0, 1, 0, T - 16)],
  ])('%s is dropped, whether the manifest comes before or after it', (_what, say) => {
    const { tell, refer, got, metrics } = setUp();
    say(refer);
    tell(7, share(3));
    say(refer);
    expect([got, metrics.drops]).toEqual([[], { malformed: 2 }]);
  });

  test('that is served does not go with a share, nor one that is listed with a certificate', () => {
    const { tell, refer, references, metrics } = setUp();
    tell(7, share(3));
    const { certificate } = storedObject({ origin: 0, incarnation: 1, seq: 0 }, object);
    tell(8, servedManifest(certificate));
    references.handle(0, 1, { kind: 'served', number: 7, sbn: 0, esi: 0, symbols: new Uint8Array(T) });
    refer(8, 0);
    expect(metrics.drops).toEqual({ malformed: 2 });
  });

  test('goes by what was told last under its number', () => {
    const { tell, refer, got } = setUp();
    tell(7, share(3));
    tell(7, share(4));
    refer(7, 0);
    expect(got).toEqual(['1: 4 5']);
  });

  test('waits for three seconds', () => {
    const { refer, got, tell, metrics } = setUp();
    refer(7, 0);
    refer(8, 0, 1, 2 * SECOND);
    refer(9, 0, 1, 3 * SECOND);
    expect(metrics.drops).toEqual({ 'no-manifest': 1 });
    for (const number of [7, 8, 9]) tell(number, share(number), 1, 3 * SECOND);
    expect(got).toEqual(['1: 8 5', '1: 9 5']);
  });
});

test('so many bytes of a peer wait for manifests: the oldest go, and others’ are not concerned', () => {
  const { refer, tell, got, metrics } = setUp();
  refer(0, 0, 2);
  const each = T + 128;
  const most = Math.floor(MAX_HELD_BYTES / each);
  for (let number = 0; number < most; number++) refer(number, 0);
  expect(metrics.drops).toEqual({});
  refer(most, 0);
  expect(metrics.drops).toEqual({ 'no-manifest': 1 });
  for (const number of [0, 1]) tell(number, share(number));
  tell(0, share(9), 2);
  expect(got).toEqual(['1: 1 5', '2: 9 5']);
});

test('512 manifests of a peer are remembered, those told last', () => {
  const { tell, refer, got } = setUp();
  for (let number = 0; number <= MAX_HEARD; number++) tell(number, share(number, 1));
  refer(1, 0);
  refer(0, 0);
  expect(got).toEqual(['1: 1 5']);
});

test('nothing is left of a peer that has begun anew', () => {
  const { tell, refer, references, got } = setUp();
  tell(7, share(3));
  refer(8, 0);
  references.onRestart(1);
  refer(7, 0);
  tell(8, share(4));
  expect(got).toEqual([]);
});
