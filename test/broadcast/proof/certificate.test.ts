/** Certificates: shown to anyone in a served symbol, they prove what their origin broadcast, and nothing else. */
import { describe, expect, test } from 'vitest';
import { BatchVerifier, signBatch } from '../../../src/broadcast/proof/batch.js';
import { certifiedDescriptor, writeCertificate } from '../../../src/broadcast/proof/certificate.js';
import { HeadwaterError } from '../../../src/errors.js';
import { CERTIFICATE_SIZE } from '../../../src/wire/limits.js';
import { parseSymbol, writeDescriptor } from '../../../src/wire/symbol.js';
import { descriptorOf, parcelOf, servedSymbol, storedObject } from '../objects.js';
import { smallGroup } from '../small-group.js';

const { group, keys } = smallGroup(4);
const ID = { origin: 2, incarnation: 7, seq: 5 };
const bytes = parcelOf('hello');
const { certificate } = storedObject(ID, bytes);

/** What somebody who has only the group says of a served symbol with this certificate. */
function judge(shown: Uint8Array, of = group): string {
  const { symbolSize } = descriptorOf(ID, bytes);
  try {
    const frame = parseSymbol(servedSymbol(shown, { sbn: 0, esi: 0 }, new Uint8Array(symbolSize)));
    return frame.descriptor.origin < 4 ? new BatchVerifier(of).verify(0, 0, frame) : 'unknown-member';
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return 'malformed';
    throw error;
  }
}

describe('is valid', () => {
  test('as its origin signs it before there is any symbol', () => {
    expect(certificate).toHaveLength(CERTIFICATE_SIZE);
    expect(judge(certificate)).toBe('valid');
    expect(certifiedDescriptor(certificate)).toEqual(descriptorOf(ID, bytes));
  });

  test('as made of any symbol of the origin that was verified', () => {
    const descriptor = descriptorOf(ID, bytes);
    const symbol = new Uint8Array(descriptor.symbolSize);
    const leaves = [0, 1, 2].map((esi) => ({ sbn: 0, esi, firstHop: 1, symbol }));
    for (const body of signBatch(group, writeDescriptor(descriptor), leaves, keys[2].sign)) {
      const verifier = new BatchVerifier(group);
      const frame = parseSymbol(body);
      expect(verifier.verify(0, 0, frame)).toBe('valid');
      expect(judge(writeCertificate(frame.descriptorBytes, verifier.root, frame.signature))).toBe('valid');
    }
  });
});

describe('is not valid', () => {
  test('with any bit changed', () => {
    const accepted = Array.from({ length: 8 * CERTIFICATE_SIZE }, (_, bit) => bit).filter((bit) => {
      const changed = certificate.slice();
      changed[bit >>> 3] ^= 1 << (bit & 7);
      return judge(changed) === 'valid';
    });
    expect(accepted).toEqual([]);
  });

  test('under the key of another member', () => {
    expect(judge(storedObject(ID, bytes, { group, keys }, keys[1]).certificate)).toBe('bad-signature');
  });

  test('in another group of the same members', () => {
    const other = smallGroup(4, 'another');
    expect(judge(storedObject(ID, bytes, other).certificate)).toBe('bad-signature');
    expect(judge(certificate, other.group)).toBe('bad-signature');
  });
});

test('a symbol that is served shows nothing of the batch: its leaf is on the word of who sends it', () => {
  const { symbolSize } = descriptorOf(ID, bytes);
  const verifier = new BatchVerifier(group);
  for (const fill of [1, 2])
    expect(
      verifier.verify(
        0,
        0,
        parseSymbol(servedSymbol(certificate, { sbn: 0, esi: 3 }, new Uint8Array(symbolSize).fill(fill))),
      ),
    ).toBe('valid');
});
