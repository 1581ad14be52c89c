/**
 * The primitives and the handshake against published vectors, with both providers, and the two against each other:
 * RFC 7748 (X25519), RFC 8439 (ChaCha20-Poly1305), RFC 4231 (HMAC), and Noise_IK_25519_ChaChaPoly_SHA256 from the
 * public vector sets of cacophony and snow (sources in the file).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { nodeAead, sodiumAead } from '../../src/crypto/aead.js';
import { keyPair } from '../../src/crypto/keys.js';
import { equalSecrets, hmac } from '../../src/crypto/mac.js';
import { initiate, readInitiation, type Suite } from '../../src/crypto/noise.js';
import { agreementKeyOf, nodeAgreement, sodiumAgreement, staticKeys } from '../../src/crypto/x25519.js';

const sodium: Suite = { agreement: sodiumAgreement()!, aead: sodiumAead()! };
const node: Suite = { agreement: nodeAgreement(), aead: nodeAead() };
const suites = [
  { name: 'sodium-native', suite: sodium },
  { name: 'node:crypto', suite: node },
];

describe.each(suites)('X25519 with $name (RFC 7748)', ({ suite: { agreement } }) => {
  test('section 5.2, the two given scalar multiplications', () => {
    expect(
      hex(
        agreement.agree(
          bytes('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4'),
          bytes('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c'),
        )!,
      ),
    ).toBe('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552');
    expect(
      hex(
        agreement.agree(
          bytes('4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d'),
          bytes('e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493'),
        )!,
      ),
    ).toBe('95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957');
  });

  test('section 6.1, the Diffie-Hellman of Alice and Bob', () => {
    const alice = bytes('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
    const bob = bytes('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    expect(hex(agreement.publicKey(alice))).toBe(
      '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
    );
    expect(hex(agreement.publicKey(bob))).toBe(
      'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    );
    expect(hex(agreement.agree(alice, agreement.publicKey(bob))!)).toBe(shared);
    expect(hex(agreement.agree(bob, agreement.publicKey(alice))!)).toBe(shared);
  });

  test('section 5.2, a thousand iterations', () => {
    let k = new Uint8Array(32);
    k[0] = 9;
    let u = k;
    for (let i = 0; i < 1000; i++) {
      const next = agreement.agree(k, u)!;
      u = k;
      k = next as Uint8Array<ArrayBuffer>;
    }
    expect(hex(k)).toBe('684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51');
  });

  it.each([
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ])('gives nothing for the key of small order %s', (key) => {
    expect(agreement.agree(new Rng(1).bytes(32), bytes(key))).toBeUndefined();
  });
});

describe('the static key of an identity', () => {
  const native = createRequire(import.meta.url)('sodium-native') as {
    crypto_sign_ed25519_pk_to_curve25519(out: Uint8Array, key: Uint8Array): void;
    crypto_sign_ed25519_sk_to_curve25519(out: Uint8Array, key: Uint8Array): void;
  };

  test('is what libsodium converts it to, from either half, with either provider', () => {
    const rng = new Rng('identities');
    for (let i = 0; i < 50; i++) {
      const seed = rng.bytes(32);
      const { publicKey } = keyPair(seed);
      const expected = new Uint8Array(32);
      native.crypto_sign_ed25519_pk_to_curve25519(expected, publicKey);
      expect(agreementKeyOf(publicKey)).toEqual(expected);
      const secret = new Uint8Array(32);
      native.crypto_sign_ed25519_sk_to_curve25519(secret, Buffer.concat([seed, publicKey]));
      for (const { suite } of suites) {
        const keys = staticKeys(seed, suite.agreement);
        expect(keys.secret).toEqual(secret);
        expect(keys.publicKey).toEqual(expected);
      }
      expect(keyPair(seed).exchangeKeys()).toEqual({ secret, publicKey: expected });
    }
  });

  test('does not exist for a point of small order or an encoding that is not canonical', () => {
    const one = new Uint8Array(32);
    one[0] = 1;
    expect(agreementKeyOf(one)).toBeUndefined();
    expect(agreementKeyOf(new Uint8Array(32).fill(0xff))).toBeUndefined();
    expect(agreementKeyOf(new Uint8Array(31))).toBeUndefined();
  });
});

describe.each(suites)('ChaCha20-Poly1305 with $name (RFC 8439)', ({ suite: { aead } }) => {
  const cipher = aead.cipher(bytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'));
  const nonce = bytes('070000004041424344454647');
  const additional = bytes('50515253c0c1c2c3c4c5c6c7');
  const plain = new TextEncoder().encode(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const sealed =
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691';

  test('section 2.8.2, in place', () => {
    const text = new Uint8Array(plain.length + 16);
    text.set(plain);
    cipher.seal(nonce, additional, text);
    expect(hex(text)).toBe(sealed);
    expect(cipher.open(nonce, additional, text)).toEqual(text.subarray(0, -16));
    expect(text.subarray(0, plain.length)).toEqual(plain);
  });

  test('refuses any change of text, additional data or nonce, and what is shorter than a tag', () => {
    for (let i = 0; i < sealed.length / 2; i++) {
      const text = bytes(sealed);
      text[i] ^= 1 << (i & 7);
      expect(cipher.open(nonce, additional, text)).toBeUndefined();
    }
    expect(cipher.open(nonce, bytes('50515253c0c1c2c3c4c5c6c6'), bytes(sealed))).toBeUndefined();
    expect(cipher.open(bytes('070000004041424344454648'), additional, bytes(sealed))).toBeUndefined();
    expect(cipher.open(nonce, additional, new Uint8Array(15))).toBeUndefined();
    expect(cipher.open(nonce, additional, new Uint8Array(0))).toBeUndefined();
  });
});

test('both providers seal to the same bytes and open what the other sealed', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 1500 }),
      (key, nonce, additional, plain) => {
        const [a, b] = suites.map(({ suite }) => {
          const text = new Uint8Array(plain.length + 16);
          text.set(plain);
          suite.aead.cipher(key).seal(nonce, additional, text);
          return text;
        });
        expect(a).toEqual(b);
        expect(sodium.aead.cipher(key).open(nonce, additional, b)).toEqual(plain);
        expect(node.aead.cipher(key).open(nonce, additional, a)).toEqual(plain);
        expect(a).toEqual(b);
      },
    ),
    { numRuns: 50, seed: 4 },
  );
});

test('providers are undefined where the native module does not load or is not whole', () => {
  const fails = () => {
    throw new Error('no such module');
  };
  expect(sodiumAead(fails)).toBeUndefined();
  expect(sodiumAgreement(fails)).toBeUndefined();
  expect(sodiumAead(() => ({}))).toBeUndefined();
  expect(sodiumAgreement(() => ({}))).toBeUndefined();
});

test('HMAC-SHA-256 (RFC 4231, cases 1, 2 and 4)', () => {
  expect(hex(hmac(new Uint8Array(20).fill(0x0b), text('Hi There')))).toBe(
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  );
  expect(hex(hmac(text('Jefe'), text('what do ya want for nothing?')))).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
  expect(
    hex(hmac(bytes('0102030405060708090a0b0c0d0e0f10111213141516171819'), new Uint8Array(50).fill(0xcd))),
  ).toBe('82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b');
  expect(equalSecrets(bytes('0102'), bytes('0102'))).toBe(true);
  expect(equalSecrets(bytes('0102'), bytes('0103'))).toBe(false);
  expect(equalSecrets(bytes('0102'), bytes('01'))).toBe(false);
});

interface NoiseVector {
  source: string;
  init_prologue: string;
  init_static: string;
  init_ephemeral: string;
  init_remote_static: string;
  resp_static: string;
  resp_ephemeral: string;
  handshake_hash?: string;
  messages: { payload: string; ciphertext: string }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../vectors/noise-ik.json', import.meta.url), 'utf8'),
) as NoiseVector[];

describe.each(suites)('Noise IK with $name', ({ suite }) => {
  const keysOf = (secret: string) => ({
    secret: bytes(secret),
    publicKey: suite.agreement.publicKey(bytes(secret)),
  });

  it.each(vectors)('gives the bytes of $source', (vector) => {
    const prologue = bytes(vector.init_prologue);
    const ours = keysOf(vector.init_static);
    const theirs = keysOf(vector.resp_static);
    expect(hex(theirs.publicKey)).toBe(vector.init_remote_static);
    const initiator = initiate({
      suite,
      prologue,
      keys: ours,
      remoteStatic: theirs.publicKey,
      sharedStatic: suite.agreement.agree(ours.secret, theirs.publicKey)!,
      ephemeral: bytes(vector.init_ephemeral),
      payload: bytes(vector.messages[0].payload),
    })!;
    expect(hex(initiator.message)).toBe(vector.messages[0].ciphertext);
    const responder = readInitiation({
      suite,
      prologue,
      keys: theirs,
      message: initiator.message,
      sharedStatic: (remote) => suite.agreement.agree(theirs.secret, remote),
    })!;
    expect(responder.remoteStatic).toEqual(ours.publicKey);
    expect(hex(responder.payload)).toBe(vector.messages[0].payload);
    const answer = responder.respond(bytes(vector.resp_ephemeral), bytes(vector.messages[1].payload))!;
    expect(hex(answer.message)).toBe(vector.messages[1].ciphertext);

    // A forged answer changes nothing: the true one still holds afterwards.
    const forged = answer.message.slice();
    forged[40] ^= 1;
    expect(initiator.readResponse(forged)).toBeUndefined();
    expect(initiator.readResponse(new Uint8Array(20))).toBeUndefined();
    const done = initiator.readResponse(answer.message)!;
    expect(hex(done.payload)).toBe(vector.messages[1].payload);
    expect(done.established.sendKey).toEqual(answer.established.receiveKey);
    expect(done.established.receiveKey).toEqual(answer.established.sendKey);
    expect(done.established.handshakeHash).toEqual(answer.established.handshakeHash);
    if (vector.handshake_hash) expect(hex(done.established.handshakeHash)).toBe(vector.handshake_hash);

    // Transport messages alternate, the initiator first; each direction counts its own.
    vector.messages.slice(2).forEach((message, i) => {
      const key = i % 2 === 0 ? done.established.sendKey : answer.established.sendKey;
      const nonce = new Uint8Array(12);
      nonce[4] = Math.floor(i / 2);
      const sealed = new Uint8Array(message.payload.length / 2 + 16);
      sealed.set(bytes(message.payload));
      suite.aead.cipher(key).seal(nonce, new Uint8Array(0), sealed);
      expect(hex(sealed)).toBe(message.ciphertext);
    });
  });

  test('every changed byte of either message is refused', () => {
    const rng = new Rng('noise tamper');
    const [ours, theirs] = [staticKeys(rng.bytes(32)), staticKeys(rng.bytes(32))];
    const prologue = rng.bytes(20);
    const shared = suite.agreement.agree(ours.secret, theirs.publicKey)!;
    const initiator = initiate({
      suite,
      prologue,
      keys: ours,
      remoteStatic: theirs.publicKey,
      sharedStatic: shared,
      ephemeral: rng.bytes(32),
      payload: rng.bytes(10),
    })!;
    const read = (message: Uint8Array, by = prologue) =>
      readInitiation({ suite, prologue: by, keys: theirs, message, sharedStatic: () => shared });
    expect(read(initiator.message, rng.bytes(20))).toBeUndefined();
    for (let i = 0; i < initiator.message.length; i++) {
      const tampered = initiator.message.slice();
      tampered[i] ^= 1 << rng.integer(0, 7);
      // The top bit of the ephemeral key is ignored by X25519 but not by the transcript.
      expect(read(tampered)).toBeUndefined();
    }
    const answer = read(initiator.message)!.respond(rng.bytes(32), rng.bytes(6))!;
    for (let i = 0; i < answer.message.length; i++) {
      const tampered = answer.message.slice();
      tampered[i] ^= 1 << rng.integer(0, 7);
      expect(initiator.readResponse(tampered)).toBeUndefined();
    }
    expect(initiator.readResponse(answer.message)).toBeDefined();
  });
});

function bytes(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
