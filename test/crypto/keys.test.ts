/**
 * Keys and their text forms: round trips, every way in which a text can be wrong, and that no error gives a secret away.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeProvider, sodiumProvider } from '../../src/crypto/ed25519.js';
import {
  formatPublicKey,
  formatSecretKey,
  keyPair,
  parsePublicKey,
  parseSecretKey,
} from '../../src/crypto/keys.js';

const seed = new Uint8Array(32).fill(0xc5);
const seedText = 'c5'.repeat(32);
const publicText = formatPublicKey(keyPair(seed).publicKey);
const anySeed = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('keyPair', () => {
  it('signs what its public key verifies, with either provider', () => {
    const message = Buffer.from('headwater');
    for (const provider of [sodiumProvider()!, nodeProvider()]) {
      const keys = keyPair(seed, provider);
      expect(keys.publicKey).toHaveLength(32);
      expect(keys.sign(message)).toEqual(keyPair(seed).sign(message));
      expect(provider.verify(keys.publicKey, message, keys.sign(message))).toBe(true);
    }
  });

  it('does not follow later changes of the seed', () => {
    const mine = Uint8Array.from(seed);
    const keys = keyPair(mine);
    mine.fill(0);
    expect(keys.sign(Buffer.from('x'))).toEqual(keyPair(seed).sign(Buffer.from('x')));
  });

  it('needs 32 bytes', () => {
    expect(() => keyPair(new Uint8Array(16))).toThrow(
      error('INVALID_ARGUMENT', 'seed: expected 32 bytes, got 16'),
    );
  });
});

describe('public keys as text', () => {
  it('survive a round trip; uppercase reads as lowercase', () => {
    fc.assert(
      fc.property(anySeed, (any) => {
        const { publicKey } = keyPair(any);
        const text = formatPublicKey(publicKey);
        expect(text).toMatch(/^[0-9a-f]{64}$/);
        expect(parsePublicKey(text)).toEqual(publicKey);
        expect(parsePublicKey(text.toUpperCase())).toEqual(publicKey);
      }),
    );
  });

  it.each([
    ['', 'got 0'],
    ['ab', 'got 2'],
    [`${publicText}00`, 'got 66'],
    [publicText.slice(1), 'got 63'],
    [`0x${publicText.slice(2)}`, 'got a character that is not one at position 2'],
    [`${publicText}\n`, 'got a character that is not one at position 65'],
    [undefined, 'got none'],
    [null, 'got null'],
    [12, 'got a value of type number'],
    [{}, 'got a value of type object'],
    [[publicText], 'got an array'],
  ])('%j: expected 64 hex digits', (text, got) => {
    expect(() => parsePublicKey(text)).toThrow(
      error('INVALID_CONFIG', `public key: expected 64 hex digits, ${got}`),
    );
    expect(() => parsePublicKey(text, 'members[2].publicKey')).toThrow(
      error('INVALID_CONFIG', `members[2].publicKey: expected 64 hex digits, ${got}`),
    );
  });

  it.each(['00'.repeat(32), `01${'00'.repeat(31)}`, 'ff'.repeat(32), `f0${'ff'.repeat(30)}7f`])(
    '%s is no key',
    (text) => {
      expect(() => parsePublicKey(text)).toThrow(
        error(
          'INVALID_CONFIG',
          'public key: expected an Ed25519 public key, got bytes that are not the canonical encoding of a point of prime order',
        ),
      );
    },
  );
});

describe('secret key files', () => {
  it('have this form', () => {
    expect(formatSecretKey(seed)).toBe(
      `{\n  "headwater": "secret-key",\n  "version": 1,\n  "seed": "${seedText}",\n  "publicKey": "${publicText}"\n}\n`,
    );
  });

  it('survive a round trip', () => {
    fc.assert(
      fc.property(anySeed, (any) => {
        expect(parseSecretKey(formatSecretKey(any))).toEqual({
          seed: any,
          publicKey: keyPair(any).publicKey,
        });
      }),
    );
  });

  const other = formatPublicKey(keyPair(new Uint8Array(32)).publicKey);
  const good = { headwater: 'secret-key', version: 1, seed: seedText, publicKey: publicText };
  it.each([
    ['', 'me.key: expected a secret key file (JSON), got text that is not JSON'],
    [`{"seed": "${seedText}`, 'me.key: expected a secret key file (JSON), got text that is not JSON'],
    [seedText, 'me.key: expected a secret key file (JSON), got text that is not JSON'],
    ['null', 'me.key: expected a JSON object, got null'],
    ['[]', 'me.key: expected a JSON object, got an array'],
    ['7', 'me.key: expected a JSON object, got a value of type number'],
    ['{}', 'me.key: expected "headwater": "secret-key", got none'],
    [json({ headwater: seedText }), 'me.key: expected "headwater": "secret-key", got something else'],
    [json({ version: undefined }), 'me.key: expected "version": 1, got none'],
    [json({ version: 2 }), 'me.key: expected "version": 1, got 2'],
    [json({ version: seedText }), 'me.key: expected "version": 1, got a value of type string'],
    [json({ seed: undefined }), 'me.key: seed: expected 64 hex digits, got none'],
    [json({ seed: seedText.slice(2) }), 'me.key: seed: expected 64 hex digits, got 62'],
    [
      json({ seed: `g${seedText.slice(1)}` }),
      'me.key: seed: expected 64 hex digits, got a character that is not one at position 1',
    ],
    [json({ publicKey: 5 }), 'me.key: publicKey: expected 64 hex digits, got a value of type number'],
    [
      json({ publicKey: '00'.repeat(32) }),
      'me.key: publicKey: expected an Ed25519 public key, got bytes that are not the canonical encoding of a point of prime order',
    ],
    [json({ publicKey: other }), `me.key: publicKey: expected the seed's own, ${publicText}, got another`],
  ])('%s', (text, message) => {
    expect(() => parseSecretKey(text, 'me.key')).toThrow(error('INVALID_CONFIG', message));
  });

  it('no error shows any part of the seed, whatever part of the file is damaged', () => {
    const text = formatSecretKey(seed);
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.nat(text.length),
        fc.constantFrom('', '"', '{', 'x', ',', '\n'),
        (at, cut, put) => {
          const damaged = text.slice(0, at) + put + text.slice(at + 1, at + 1 + cut);
          try {
            parseSecretKey(damaged);
          } catch (caught) {
            const shown = `${(caught as Error).message} ${String((caught as Error).cause)}`;
            expect((caught as { code: string }).code).toBe('INVALID_CONFIG');
            expect(shown).not.toContain('c5c5c5');
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  function json(change: Record<string, unknown>): string {
    return JSON.stringify({ ...good, ...change });
  }
});

function error(code: string, message: string): unknown {
  return expect.objectContaining({ name: 'HeadwaterError', code, message });
}
