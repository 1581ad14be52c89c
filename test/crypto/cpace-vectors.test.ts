/** CPACE-X25519-SHA512 against the draft's vectors, with both providers of X25519, and what a run of it must give and must not. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CpaceInputs,
  type CpaceMessage,
  cpaceKeys,
  cpaceShare,
  generator,
  lvCat,
} from '../../src/crypto/cpace.js';
import { nodeAgreement, sodiumAgreement } from '../../src/crypto/x25519.js';

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/cpace-x25519.json', import.meta.url), 'utf8'),
) as {
  run: Record<string, string>;
  scalar: string;
  points: { u: string; q: string }[];
};
const { run } = vectors;
const inputs: CpaceInputs = {
  password: bytes(run.PRS),
  channel: bytes(run.CI),
  session: bytes(run.sid),
};
const initiator: CpaceMessage = { share: bytes(run.Ya), associated: bytes(run.ADa) };
const responder: CpaceMessage = { share: bytes(run.Yb), associated: bytes(run.ADb) };

test('lv_cat puts the length before each part, in one byte below 128 and in more above', () => {
  const long = new Uint8Array(200).fill(7);
  expect(hex(lvCat(bytes('0102'), bytes(''), long))).toBe(`02010200c801${'07'.repeat(200)}`);
});

test('calculate_generator of the draft', () => {
  expect(hex(generator(inputs))).toBe(run.g);
});

describe.each([
  { name: 'sodium-native', agreement: sodiumAgreement()! },
  { name: 'node:crypto', agreement: nodeAgreement() },
])('the draft’s run with $name', ({ agreement }) => {
  test('messages of both sides', () => {
    expect(hex(cpaceShare(inputs, bytes(run.ya), agreement))).toBe(run.Ya);
    expect(hex(cpaceShare(inputs, bytes(run.yb), agreement))).toBe(run.Yb);
  });

  test('the shared secret and the key, at both sides', () => {
    const { session } = inputs;
    expect(hex(agreement.agree(bytes(run.ya), responder.share)!)).toBe(run.K);
    const both = { session, initiator, responder, agreement };
    const a = cpaceKeys({ ...both, scalar: bytes(run.ya), received: responder.share });
    const b = cpaceKeys({ ...both, scalar: bytes(run.yb), received: initiator.share });
    expect([hex(a!.key), hex(b!.key)]).toEqual([run.ISK_IR, run.ISK_IR]);
  });

  test.each(vectors.points)('scalar_mult_vfy of $u; a run aborts where that is zero', ({ u, q }) => {
    const scalar = bytes(vectors.scalar);
    const isZero = /^0+$/.test(q);
    expect(hex(agreement.agree(scalar, bytes(u)) ?? new Uint8Array(32))).toBe(q);
    const hostile = { share: bytes(u), associated: responder.associated };
    const keys = cpaceKeys({
      ...{ session: inputs.session, scalar, received: hostile.share, agreement },
      ...{ initiator, responder: hostile },
    });
    expect(keys === undefined).toBe(isZero);
  });
});

test('keys agree if, and only if, password, channel, session and associated data do', () => {
  const array = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const scalar = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(
      fc.record({ password: array, channel: array, session: array }),
      fc.tuple(scalar, scalar),
      fc.constantFrom('password', 'channel', 'session', 'associated', 'nothing'),
      (common, [ya, yb], different) => {
        const changed = (part: Uint8Array) => Uint8Array.from(part, (byte, i) => (i === 0 ? byte ^ 1 : byte));
        const others =
          different in common
            ? { ...common, [different]: changed(common[different as keyof CpaceInputs]) }
            : common;
        const a = { share: cpaceShare(common, ya), associated: bytes('0a') };
        const b = { share: cpaceShare(others, yb), associated: bytes('0b') };
        const heard = different === 'associated' ? { ...b, associated: bytes('0c') } : b;
        const atA = cpaceKeys({
          session: common.session,
          scalar: ya,
          received: b.share,
          initiator: a,
          responder: heard,
        })!;
        const atB = cpaceKeys({
          session: others.session,
          scalar: yb,
          received: a.share,
          initiator: a,
          responder: b,
        })!;
        const agree = different === 'nothing';
        expect(hex(atA.key) === hex(atB.key)).toBe(agree);
        expect(hex(atA.responderTag) === hex(atB.responderTag)).toBe(agree);
        expect(hex(atA.initiatorTag) === hex(atB.initiatorTag)).toBe(agree);
        expect(hex(atA.initiatorTag)).not.toBe(hex(atA.responderTag));
      },
    ),
    { numRuns: 50 },
  );
});

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

function hex(data: Uint8Array): string {
  return Buffer.from(data).toString('hex');
}
