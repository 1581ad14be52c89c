/**
 * Signed batches: each symbol stands alone, nothing else passes for one, and a batch costs one signature check. The
 * tests read a body as an endpoint does: what cannot be parsed, or names no member, never reaches the verifier.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  type BatchVerdict,
  BatchVerifier,
  inlineBody,
  listedAlone,
  signBatch,
  signShares,
} from '../../../src/broadcast/proof/batch.js';
import { Reader } from '../../../src/core/bytes.js';
import { MILLISECOND, SECOND } from '../../../src/core/time.js';
import { defaultProvider } from '../../../src/crypto/ed25519.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { HeadwaterError } from '../../../src/errors.js';
import type { Group } from '../../../src/group/group.js';
import { copyOf, type ListedSymbol, listedFrame, parseManifest } from '../../../src/wire/manifest.js';
import {
  type Descriptor,
  type Leaf,
  parseSymbol,
  writeDescriptor,
  writeSymbol,
} from '../../../src/wire/symbol.js';
import { holds } from '../../wire/holds.js';
import { smallGroup } from '../small-group.js';

const SYMBOL = 16;
/** Where the signature stands in a body: behind the descriptor, the depth and the index. */
const SIGNATURE_AT = 54;
const { group, keys } = smallGroup(4);

afterEach(() => vi.restoreAllMocks());

describe('every symbol of a batch verifies alone', () => {
  test.each([1, 2, 3, 5, 8, 16, 31, 32])('of %i', (size) => {
    for (const body of batch({ size })) expect(judge(new BatchVerifier(group), body)).toBe('valid');
  });

  test('with whatever its object and its leaves hold', () =>
    holds(
      'batches',
      fc.property(
        fc.record({
          size: fc.integer({ min: 1, max: 32 }),
          origin: fc.nat(3),
          seq: fc.nat(0xffffffff),
          content: fc.nat(255),
        }),
        (options) => {
          const bodies = batch(options);
          for (const body of bodies) expect(judge(new BatchVerifier(group), body)).toBe('valid');
        },
      ),
      20,
    ));
});

describe('shares of a batch', () => {
  const shares = signShares(
    group,
    writeDescriptor(descriptor(0, 0)),
    [3, 16, 1, 5].map((count, firstHop) => ({
      ...{ sbn: 0, esi: 100 * firstHop, firstHop },
      symbols: Array.from({ length: count }, (_, i) => new Uint8Array(SYMBOL).fill(16 * firstHop + i)),
    })),
    keys[0].sign,
  );
  const all = shares.flat();
  /** As another member reads it, which knows nothing yet. */
  const read = ({ manifest, place, symbol }: ListedSymbol) => listedFrame(copyOf(manifest), place, symbol);

  test('verify by their manifests, each symbol alone', () => {
    for (const listed of all) expect(new BatchVerifier(group).verify(0, 3, read(listed))).toBe('valid');
  });

  test('cost one check of a signature, and each symbol one hash once a manifest has been checked', () => {
    const verify = vi.spyOn(defaultProvider(), 'verify');
    const verifier = new BatchVerifier(group);
    const manifests = new Map(shares.map(([{ manifest }]) => [manifest, copyOf(manifest)]));
    for (const { manifest, place, symbol } of all) {
      const frame = listedFrame(manifests.get(manifest)!, place, symbol);
      expect(verifier.verify(0, 3, frame)).toBe('valid');
    }
    expect(verify).toHaveBeenCalledTimes(1);
  });

  test('have places of their own', () => {
    const taken = shares.flatMap(([{ manifest }]) => [manifest.position, manifest.count]);
    expect(taken).toEqual([24, 3, 0, 16, 28, 1, 16, 5]);
  });

  test('are the same as SYMBOLs that say all themselves, and these as shares of one', () => {
    for (const listed of all) {
      const body = inlineBody(listed);
      expect(judge(new BatchVerifier(group), body)).toBe('valid');
      expect(new BatchVerifier(group).verify(0, 3, read(listedAlone(parseSymbol(body))))).toBe('valid');
    }
  });

  test('do not verify with any bit of the manifest changed, whether another of the batch was known or not', () => {
    const { manifest, place, symbol } = shares[0][1];
    const accepted: number[] = [];
    for (let bit = 0; bit < manifest.bytes.length * 8; bit++) {
      const bytes = flipped(manifest.bytes, bit);
      const verifier = new BatchVerifier(group);
      if (bit % 2 === 0) verifier.verify(0, 3, read(shares[1][0]));
      let verdict: string;
      try {
        const frame = listedFrame(parseManifest(new Reader(bytes)), place, symbol);
        verdict = frame.descriptor.origin < 4 ? verifier.verify(0, 3, frame) : 'unknown-member';
      } catch (error) {
        if (!(error instanceof HeadwaterError)) throw error;
        verdict = error.code;
      }
      if (verdict === 'valid') accepted.push(bit);
    }
    expect(accepted).toEqual([]);
  });

  test('do not verify with a bit of the symbol changed, or at another place, also when the manifest has been checked', () => {
    const verifier = new BatchVerifier(group);
    const [first, second] = shares[1].map(read);
    expect(verifier.verify(0, 3, first)).toBe('valid');
    const { manifest, symbol } = shares[1][1];
    const wrong = [
      listedFrame(first.manifest!, 1, flipped(symbol, 5)),
      listedFrame(first.manifest!, 2, symbol),
      listedFrame(copyOf(manifest), 1, flipped(symbol, 5)),
    ];
    for (const frame of wrong) expect(verifier.verify(0, 3, frame)).toBe('bad-signature');
    expect(verifier.verify(0, 3, second)).toBe('valid');
  });
});

describe('any bit of a body changed', () => {
  const body = batch({ size: 4 })[2];
  const places = Array.from({ length: body.length * 8 }, (_, bit) => bit);

  test('and it is not valid to a member that knows nothing of the batch', () => {
    const accepted = places.filter((bit) => judge(new BatchVerifier(group), flipped(body, bit)) === 'valid');
    expect(accepted).toEqual([]);
  });

  test('and it is not valid to a member that has verified the batch', () => {
    const verifier = new BatchVerifier(group);
    expect(judge(verifier, body)).toBe('valid');
    const accepted = places.filter((bit) => judge(verifier, flipped(body, bit)) === 'valid');
    expect(accepted).toEqual([]);
  });
});

describe('signatures are checked', () => {
  test('once for a batch, whatever the order of its symbols', () => {
    const check = vi.spyOn(defaultProvider(), 'verify');
    const verifier = new BatchVerifier(group);
    for (const body of batch({ size: 32 }).reverse()) expect(judge(verifier, body)).toBe('valid');
    expect(check).toHaveBeenCalledTimes(1);
  });

  test('under the key of the origin that the descriptor names, with the group in the message', () => {
    for (let origin = 0; origin < 4; origin++)
      for (let signer = 0; signer < 4; signer++)
        expect(judge(new BatchVerifier(group), batch({ origin, signer })[0])).toBe(
          origin === signer ? 'valid' : 'bad-signature',
        );
    const elsewhere = smallGroup(4, 'another').group;
    expect(judge(new BatchVerifier(group), batch({ of: elsewhere })[0])).toBe('bad-signature');
    expect(judge(new BatchVerifier(elsewhere), batch({ of: elsewhere })[0])).toBe('valid');
  });

  test('again for a batch so old that it has been given up for 10,000 others', () => {
    const check = vi.spyOn(defaultProvider(), 'verify').mockReturnValue(true);
    const verifier = new BatchVerifier(group);
    for (let i = 0; i <= 10_000; i++) judge(verifier, unsigned(i), i * MILLISECOND);
    check.mockClear();
    judge(verifier, unsigned(10_000), 11 * SECOND);
    expect(check).toHaveBeenCalledTimes(0);
    judge(verifier, unsigned(0), 11 * SECOND);
    expect(check).toHaveBeenCalledTimes(1);
  });
});

test('one that signs thousands of batches makes room for itself alone: those of the others stay known', () => {
  const check = vi.spyOn(defaultProvider(), 'verify').mockReturnValue(true);
  const verifier = new BatchVerifier(group);
  const others = batch({ origin: 1, size: 2 });
  judge(verifier, others[0]);
  for (let i = 0; i <= 10_000; i++) judge(verifier, unsigned(i), i * MILLISECOND);
  check.mockClear();
  judge(verifier, others[1], 11 * SECOND);
  expect(check).toHaveBeenCalledTimes(0);
});

describe('a forged symbol', () => {
  test('that comes before the batch does not spoil it', () => {
    const verifier = new BatchVerifier(group);
    const bodies = batch({ size: 8 });
    expect(judge(verifier, flipped(bodies[0], 8 * SIGNATURE_AT))).toBe('bad-signature');
    for (const body of bodies) expect(judge(verifier, body)).toBe('valid');
  });

  test('that comes after one of the batch does not spoil the others', () => {
    const verifier = new BatchVerifier(group);
    const bodies = batch({ size: 8 });
    judge(verifier, bodies[0]);
    for (let byte = 0; byte < bodies[1].length; byte++) judge(verifier, flipped(bodies[1], 8 * byte));
    for (const body of bodies) expect(judge(verifier, body)).toBe('valid');
  });

  test('of a member that signs the root of another as its own does not spoil that one', () => {
    const verifier = new BatchVerifier(group);
    const genuine = batch({ origin: 0, size: 8 });
    const stolen = batch({ origin: 1, size: 8 });
    expect(judge(verifier, stolen[3])).toBe('valid');
    for (const body of genuine) expect(judge(verifier, body)).toBe('valid');
  });
});

test('the same bytes broadcast twice make the same leaves, and both objects are valid', () => {
  const verifier = new BatchVerifier(group);
  for (const seq of [7, 8])
    for (const body of batch({ seq, size: 8 })) expect(judge(verifier, body)).toBe('valid');
});

describe('the signature budget', () => {
  const OTHER_HOP = 2;

  test('of 4000 checks at once goes to whoever comes first, 500 are its own, and known batches need none', () => {
    const verifier = new BatchVerifier(group);
    const known = batch({ size: 2 });
    expect(judge(verifier, known[0])).toBe('valid');
    vi.spyOn(defaultProvider(), 'verify').mockReturnValue(false);
    for (let i = 1; i < 4500; i++) expect(judge(verifier, unsigned(i))).toBe('bad-signature');
    vi.restoreAllMocks();
    expect(judge(verifier, batch({ seq: 1 })[0])).toBe('signature-budget');
    expect(judge(verifier, known[1])).toBe('valid');
  });

  test('of the others is left to them by one that forges all it can', () => {
    const verifier = exhausted();
    const verdicts = Array.from({ length: 501 }, (_, seq) =>
      judge(verifier, batch({ origin: 1, seq })[0], 0, OTHER_HOP),
    );
    expect(verdicts.filter((verdict) => verdict === 'valid')).toHaveLength(500);
  });

  test("is not charged for forgeries under another member's name", () => {
    const verifier = exhausted();
    expect(judge(verifier, batch({ origin: 0 })[0], 0, OTHER_HOP)).toBe('valid');
  });

  test('is charged to the origin that has signed, not to the members that relay it', () => {
    const verifier = new BatchVerifier(group);
    vi.spyOn(defaultProvider(), 'verify').mockReturnValue(true);
    for (let i = 0; i < 4500; i++) judge(verifier, unsigned(i));
    vi.restoreAllMocks();
    expect(judge(verifier, batch({ origin: 0, seq: 9999 })[0])).toBe('signature-budget');
    expect(judge(verifier, batch({ origin: 1 })[0])).toBe('valid');
  });

  test('is charged to the member that sent it where the origin has none left, if that may be', () => {
    const verifier = new BatchVerifier(group);
    vi.spyOn(defaultProvider(), 'verify').mockReturnValue(true);
    for (let i = 0; i < 4500; i++) judge(verifier, unsigned(i));
    vi.restoreAllMocks();
    const verdicts = Array.from({ length: 501 }, (_, i) =>
      verifier.verify(0, OTHER_HOP, parseSymbol(batch({ origin: 0, seq: 9000 + i })[0]), () => true),
    );
    expect(verdicts.filter((verdict) => verdict === 'valid')).toHaveLength(500);
  });

  test('comes back with time, at 4 checks a millisecond, and one each 2 ms of its own', () => {
    const verifier = exhausted();
    vi.spyOn(defaultProvider(), 'verify').mockReturnValue(false);
    const verdicts = range(12).map((seq) => judge(verifier, unsigned(10_000 + seq), 2 * MILLISECOND));
    expect(verdicts).toEqual(range(12).map((i) => (i < 9 ? 'bad-signature' : 'signature-budget')));
  });

  test('does not save up more than a second', () => {
    const verifier = exhausted();
    vi.spyOn(defaultProvider(), 'verify').mockReturnValue(false);
    const verdicts = Array.from({ length: 4600 }, (_, i) =>
      judge(verifier, unsigned(10_000 + i), 3600 * SECOND),
    );
    expect(verdicts.filter((verdict) => verdict === 'bad-signature')).toHaveLength(4500);
    expect(verdicts.lastIndexOf('bad-signature')).toBe(4499);
  });

  /** One of which a member has just spent all checks that it may have, at time 0, on forgeries. */
  function exhausted(): BatchVerifier {
    const verifier = new BatchVerifier(group);
    vi.spyOn(defaultProvider(), 'verify').mockReturnValue(false);
    for (let i = 0; i < 4500; i++) judge(verifier, unsigned(i));
    expect(judge(verifier, unsigned(4500))).toBe('signature-budget');
    vi.restoreAllMocks();
    return verifier;
  }
});

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

interface BatchOptions {
  size?: number;
  origin?: number;
  /** Whose key signs: the origin's, unless a test forges. */
  signer?: number;
  seq?: number;
  content?: number;
  of?: Group;
}

function batch(options: BatchOptions = {}): Uint8Array[] {
  const { size = 1, origin = 0, signer = origin, seq = 0, content = 9, of = group } = options;
  const leaves: Leaf[] = Array.from({ length: size }, (_, esi) => ({
    sbn: 0,
    esi,
    firstHop: 3,
    symbol: new Uint8Array(SYMBOL).fill(content + esi),
  }));
  return signBatch(of, writeDescriptor(descriptor(origin, seq)), leaves, keys[signer].sign);
}

/** A body that nobody signed, of a batch of its own, with a signature of its own. */
function unsigned(seq: number): Uint8Array {
  return writeSymbol({
    descriptorBytes: writeDescriptor(descriptor(0, seq)),
    depth: 0,
    index: 0,
    signature: Uint8Array.from([...new Uint8Array(62), seq >>> 8, seq & 0xff]),
    proof: new Uint8Array(0),
    leafBytes: Uint8Array.from([...new Uint8Array(6 + SYMBOL - 2), seq >>> 8, seq & 0xff]),
  });
}

function descriptor(origin: number, seq: number): Descriptor {
  return {
    origin,
    incarnation: 1,
    seq,
    length: 32 * SYMBOL,
    symbolSize: SYMBOL,
    sourceBlocks: 1,
    hash: sha256(new Uint8Array(1)),
  };
}

function judge(
  verifier: BatchVerifier,
  body: Uint8Array,
  now = 0,
  hop = 3,
): BatchVerdict | 'malformed' | 'unknown-member' {
  try {
    const frame = parseSymbol(body);
    return frame.descriptor.origin < group.members.length
      ? verifier.verify(now, hop, frame)
      : 'unknown-member';
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return 'malformed';
    throw error;
  }
}

function flipped(body: Uint8Array, bit: number): Uint8Array {
  const changed = body.slice();
  changed[bit >>> 3] ^= 1 << (bit & 7);
  return changed;
}
