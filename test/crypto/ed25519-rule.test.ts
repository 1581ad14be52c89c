/**
 * One verification rule for all nodes: RFC 8032's own vectors, the published edge cases, edge cases made here with big
 * integers, and random mutations, each put to both providers. Where they differ, a group can be split.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isAdmissiblePublicKey,
  noblePrimeOrder,
  nodeProvider,
  type SignatureProvider,
  sodiumPrimeOrder,
  sodiumProvider,
} from '../../src/crypto/ed25519.js';
import {
  add,
  BASE,
  challenge,
  decode,
  encode,
  isOfPrimeOrder,
  isSmall,
  L,
  multiply,
  negate,
  P,
  type Point,
  ruleSaysValid,
  TORSION,
  toBytes,
  toInteger,
} from './edwards.js';
import { noble } from './noble.js';

const sodium = sodiumProvider();
if (!sodium) throw new Error('expected sodium-native to load where the tests run');
const node = nodeProvider();
const providers: SignatureProvider[] = [sodium, node, noble];

const rfc = vectors('ed25519-rfc8032.json') as Array<Record<string, string>>;
const published = vectors('ed25519-speccheck.json') as Array<{
  number: number;
  about: string;
  message: string;
  publicKey: string;
  signature: string;
  libsodium: boolean;
  openssl: boolean;
}>;

const subgroup = vectors('ed25519-subgroup.json') as Array<Record<string, string>>;

/** What our rule says of the twelve published cases; a row a case. It is the published row of libsodium, but for 3. */
const ACCEPTED: ReadonlyArray<[number, boolean, string]> = [
  [0, false, 'A and R of small order'],
  [1, false, 'A of small order'],
  [2, false, 'R of small order'],
  [3, false, 'A with a part of small order (it holds without the cofactor)'],
  [4, false, 'holds only with the cofactor'],
  [5, false, 'holds only with the cofactor'],
  [6, false, 's > L'],
  [7, false, 's far above L'],
  [8, false, 'R not canonical'],
  [9, false, 'R not canonical (and small)'],
  [10, false, 'A not canonical'],
  [11, false, 'A not canonical (and small)'],
];

describe.each(providers)('RFC 8032 section 7.1 with $name', (provider) => {
  it.each(rfc)('$name', ({ seed, publicKey, message, signature }) => {
    expect(hex(provider.publicKey(unhex(seed)))).toBe(publicKey);
    expect(hex(provider.signer(unhex(seed))(unhex(message)))).toBe(signature);
    expect(provider.verify(unhex(publicKey), unhex(message), unhex(signature))).toBe(true);
  });
});

describe('the published edge cases (Taming the many EdDSAs)', () => {
  it.each(ACCEPTED)('case %i: accepted %s (%s)', (number, accepted) => {
    const { message, publicKey, signature, libsodium } = published[number];
    expect(libsodium).toBe(accepted || number === 3);
    expect(allVerify(unhex(publicKey), unhex(message), unhex(signature))).toBe(accepted);
  });

  it('libsodium alone, without our checks in front, says the same', () => {
    for (const { publicKey, message, signature, libsodium } of published)
      expect(rawSodium(unhex(publicKey), unhex(message), unhex(signature))).toBe(libsodium);
  });

  // Measured: OpenSSL 3.0.19 (Node 20) gives its published row exactly, 3.5.8 (Node 24) that of libsodium. Whatever
  // the version, it must lie between the two, or the fallback would be wrong.
  it('OpenSSL alone accepts all that the rule accepts, and nothing beyond its published row', () => {
    for (const { publicKey, message, signature, libsodium, openssl } of published) {
      const valid = rawOpenssl(unhex(publicKey), unhex(message), unhex(signature));
      expect([libsodium, openssl]).toContain(valid);
    }
  });
});

describe('edge cases made here', () => {
  it('every sum of a normal point and one of small order, as A and as R', () => {
    const counts = { accepted: 0, rejected: 0 };
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < 8; j++) {
        for (let tries = 0; tries < 4; tries++) {
          const made = makeSignature(
            TORSION[i],
            TORSION[j],
            scalar(`a${i}`),
            scalar(`r${j}`),
            message(tries),
          );
          const valid = allVerify(made.publicKey, made.message, made.signature);
          expect(valid).toBe(i === 0 && j === 0);
          counts[valid ? 'accepted' : 'rejected']++;
        }
      }
    }
    expect(counts).toEqual({ accepted: 4, rejected: 252 });
  });

  it('a key outside the prime-order subgroup is none, so that reducing h or not is no question', () => {
    const key = unhex(subgroup[0].publicKey);
    expect(isOfPrimeOrder(decode(key)!)).toBe(false);
    const answers = [isAdmissiblePublicKey, sodiumPrimeOrder()!, noblePrimeOrder].map((is) => is(key));
    expect(answers).toEqual([false, false, false]);
    // Each holds in one reading only, and neither is taken.
    const readings = subgroup.map(({ publicKey, message, signature }) => {
      const [a, text, bytes] = [publicKey, message, signature].map(unhex);
      expect(allVerify(a, text, bytes)).toBe(false);
      const whole = toInteger(
        createHash('sha512').update(bytes.subarray(0, 32)).update(a).update(text).digest(),
      );
      return [whole % L, whole].map((h) => {
        const r = add(multiply(toInteger(bytes.subarray(32)), BASE), negate(multiply(h, decode(a)!)));
        return hex(encode(r)) === hex(bytes.subarray(0, 32));
      });
    });
    expect(readings).toEqual([
      [true, false],
      [false, true],
    ]);
  });

  it('libsodium and noble agree on which points are of prime order', () => {
    const byNoble = (key: Uint8Array) => noblePrimeOrder(key);
    for (let i = 0; i < 8; i++)
      for (const point of [
        multiply(scalar(`p${i}`), BASE),
        add(multiply(scalar(`p${i}`), BASE), TORSION[i]),
      ]) {
        const key = encode(point);
        expect([sodiumPrimeOrder()!(key), byNoble(key)]).toEqual([
          isOfPrimeOrder(point),
          isOfPrimeOrder(point),
        ]);
      }
    for (let y = 2n; y < 12n; y++) {
      const key = toBytes(y);
      const point = decode(key);
      const expected = point !== undefined && isOfPrimeOrder(point);
      expect([sodiumPrimeOrder()!(key), byNoble(key), isAdmissiblePublicKey(key)]).toEqual([
        expected,
        expected,
        expected,
      ]);
    }
  });

  it('every encoding of the eight points of small order, as A and as R', () => {
    const encodings = smallOrderEncodings();
    expect(encodings).toHaveLength(14);
    for (const encoding of encodings) {
      expect(isSmall(decode(encoding)!)).toBe(true);
      // s = 0 and R = -[k]A, or A small and R = [s]B - [k]A: what a verifier without these checks takes for valid.
      for (let tries = 0; tries < 8; tries++) {
        for (const torsion of TORSION) {
          const zero = concat(encode(torsion), toBytes(0n));
          expect(allVerify(encoding, message(tries), zero)).toBe(false);
          const r = encode(add(multiply(7n, BASE), torsion));
          expect(allVerify(encoding, message(tries), concat(r, toBytes(7n)))).toBe(false);
        }
        // A normal A, this R: s = k*a.
        const secret = scalar('normal');
        const publicKey = encode(multiply(secret, BASE));
        const s = (challenge(encoding, publicKey, message(tries)) * secret) % L;
        expect(allVerify(publicKey, message(tries), concat(encoding, toBytes(s)))).toBe(false);
      }
    }
  });

  it('s + L, s + 2L, ... are not s', () => {
    const { publicKey, message, signature } = makeSignature(
      TORSION[0],
      TORSION[0],
      scalar('a'),
      scalar('r'),
      unhex('00'),
    );
    const s = toInteger(signature.subarray(32));
    expect(allVerify(publicKey, message, signature)).toBe(true);
    for (let value = s + L; value < 2n ** 256n; value += L)
      expect(allVerify(publicKey, message, withScalar(signature, value))).toBe(false);
    for (const value of [0n, 1n, L - 1n, L, L + 1n, 2n ** 252n, 2n ** 253n, 2n ** 256n - 1n])
      expect(allVerify(publicKey, message, withScalar(signature, value))).toBe(false);
  });

  it('A and R at and above p, and y that no point has', () => {
    const { publicKey, message, signature } = makeSignature(
      TORSION[0],
      TORSION[0],
      scalar('a'),
      scalar('r'),
      unhex('01'),
    );
    for (let y = P - 20n; y < 2n ** 255n; y++) {
      for (const sign of [0n, 2n ** 255n]) {
        const encoding = toBytes(y + sign);
        expect(allVerify(encoding, message, signature)).toBe(false);
        expect(allVerify(publicKey, message, concat(encoding, signature.subarray(32)))).toBe(false);
      }
    }
    for (let y = 0n; y < 40n; y++) expect(allVerify(toBytes(y), message, signature)).toBe(false);
  });
});

describe('random signatures', () => {
  it('each provider accepts what the other signs, and both sign alike', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ maxLength: 300 }),
        (seed, text) => {
          const publicKey = sodium.publicKey(seed);
          const signature = sodium.signer(seed)(text);
          expect(node.publicKey(seed)).toEqual(publicKey);
          expect(node.signer(seed)(text)).toEqual(signature);
          expect(noble.publicKey(seed)).toEqual(publicKey);
          expect(noble.signer(seed)(text)).toEqual(signature);
          expect(noble.verify(publicKey, text, signature)).toBe(true);
          expect(sodium.verify(publicKey, text, signature)).toBe(true);
          expect(node.verify(publicKey, text, signature)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('any flipped bits in key, message or signature are rejected, by both', () => {
    const bits = fc.array(fc.tuple(fc.constantFrom(0, 1, 2), fc.nat(511)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), bits, (seed, flips) => {
        const publicKey = sodium.publicKey(seed);
        const text = new Uint8Array(64).fill(seed[0]);
        const mutated = [publicKey, text, sodium.signer(seed)(text)].map((part) => Uint8Array.from(part));
        for (const [which, bit] of flips) {
          const part = mutated[which];
          part[(bit >> 3) % part.length] ^= 1 << (bit & 7);
        }
        const unchanged = [publicKey, text].every((part, i) => hex(part) === hex(mutated[i]));
        const same = unchanged && hex(mutated[2]) === hex(sodium.signer(seed)(text));
        expect(providers.map((p) => p.verify(mutated[0], mutated[1], mutated[2]))).toEqual([
          same,
          same,
          same,
        ]);
      }),
      { numRuns: 300 },
    );
  });
});

describe.each([sodium, node])('bad input to $name', (provider) => {
  const seed = new Uint8Array(32).fill(9);

  it('verify answers false to wrong lengths', () => {
    const publicKey = provider.publicKey(seed);
    const text = unhex('abcd');
    const signature = provider.signer(seed)(text);
    for (const length of [0, 1, 31, 33, 64]) {
      expect(provider.verify(new Uint8Array(length), text, signature)).toBe(false);
      expect(provider.verify(concat(publicKey, publicKey).subarray(0, length), text, signature)).toBe(false);
    }
    for (const length of [0, 32, 63, 65, 96, 128])
      expect(provider.verify(publicKey, text, concat(signature, signature).subarray(0, length))).toBe(false);
    expect(provider.verify(publicKey, text, concat(signature, unhex('00')))).toBe(false);
  });

  it('works on views into larger buffers', () => {
    const packet = new Uint8Array(200).fill(0xee);
    packet.set(provider.publicKey(seed), 3);
    packet.set(unhex('0102030405'), 50);
    packet.set(provider.signer(seed)(packet.subarray(50, 55)), 77);
    expect(provider.verify(packet.subarray(3, 35), packet.subarray(50, 55), packet.subarray(77, 141))).toBe(
      true,
    );
    expect(provider.verify(packet.subarray(3, 35), packet.subarray(50, 56), packet.subarray(77, 141))).toBe(
      false,
    );
  });

  it('a seed of another length is refused', () => {
    const refused = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: 'seed: expected 32 bytes, got 31',
    });
    expect(() => provider.publicKey(new Uint8Array(31))).toThrow(refused);
    expect(() => provider.signer(new Uint8Array(31))).toThrow(refused);
  });

  it('results are plain arrays, not Buffers and not views into something shared', () => {
    for (const bytes of [provider.publicKey(seed), provider.signer(seed)(unhex('00'))]) {
      expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
      expect(bytes.buffer.byteLength).toBe(bytes.length);
    }
  });
});

describe('where the native module cannot be used', () => {
  it.each([
    ['it is not there', () => createRequire(import.meta.url)('no-such-module')],
    [
      'it throws',
      () => {
        throw new Error('invalid ELF header');
      },
    ],
    ['it is empty', () => ({})],
    ['it is nothing', () => undefined],
  ])('%s: no provider, no crash', (_, load) => {
    expect(sodiumProvider(load)).toBeUndefined();
  });
});

it('the cache of node:crypto keys is bounded and forgets without harm', () => {
  const text = unhex('77');
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 300; i++) {
      const seed = createHash('sha256').update(`key ${i}`).digest();
      expect(node.verify(sodium.publicKey(seed), text, sodium.signer(seed)(text))).toBe(true);
    }
  }
});

/** Puts a case to all providers and the big-integer rule; they must agree, and raw libsodium where the key is one of ours. */
function allVerify(publicKey: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  const answers = providers.map((provider) => provider.verify(publicKey, text, signature));
  const expected = ruleSaysValid(publicKey, text, signature);
  expect(answers).toEqual([expected, expected, expected]);
  if (isAdmissiblePublicKey(publicKey)) expect(rawSodium(publicKey, text, signature)).toBe(expected);
  return expected;
}

/** A signature with A = [a]B + torsionA and R = [r]B + torsionR, made to hold but for the parts of small order. */
function makeSignature(torsionA: Point, torsionR: Point, a: bigint, r: bigint, text: Uint8Array) {
  const publicKey = encode(add(multiply(a, BASE), torsionA));
  const encodedR = encode(add(multiply(r, BASE), torsionR));
  const s = (r + challenge(encodedR, publicKey, text) * a) % L;
  return { publicKey, message: text, signature: concat(encodedR, toBytes(s)) };
}

function smallOrderEncodings(): Uint8Array[] {
  const ys = new Set(TORSION.map(([, y]) => y));
  const encodings: Uint8Array[] = [];
  for (const y of ys) {
    for (let value = y; value < 2n ** 255n; value += P)
      encodings.push(toBytes(value), toBytes(value + 2n ** 255n));
  }
  return encodings;
}

function rawSodium(publicKey: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  return createRequire(import.meta.url)('sodium-native').crypto_sign_verify_detached(
    signature,
    text,
    publicKey,
  );
}

function rawOpenssl(publicKey: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  const der = Buffer.concat([unhex('302a300506032b6570032100'), publicKey]);
  return verify(null, text, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
}

function scalar(label: string): bigint {
  return toInteger(createHash('sha512').update(label).digest()) % L;
}

function message(number: number): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`message ${number}`).digest());
}

function withScalar(signature: Uint8Array, s: bigint): Uint8Array {
  return concat(signature.subarray(0, 32), toBytes(s));
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from([...a, ...b]);
}

function vectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')).cases;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}
