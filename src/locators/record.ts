/** Signed records of where a member is: made, compared, checked. */
import { Writer } from '../core/bytes.js';
import { defaultProvider } from '../crypto/ed25519.js';
import type { KeyPair } from '../crypto/keys.js';
import type { RecordName } from '../wire/frames/locators/heard.js';
import { type LocatorRecord, recordSize, writeRecord } from '../wire/frames/locators/locators.js';

export function signRecord(
  keys: KeyPair,
  groupId: Uint8Array,
  record: Omit<LocatorRecord, 'signature'>,
): LocatorRecord {
  return { ...record, signature: keys.sign(signed(groupId, record)) };
}

/** Whether the member with this key has signed it. */
export function isSigned(record: LocatorRecord, groupId: Uint8Array, publicKey: Uint8Array): boolean {
  return defaultProvider().verify(publicKey, signed(groupId, record), record.signature);
}

/** Whether `a` counts in place of `b`, of the same member. */
export function isNewer(a: RecordName, b: RecordName): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.number > b.number);
}

function signed(groupId: Uint8Array, record: Omit<LocatorRecord, 'signature'>): Uint8Array {
  const writer = new Writer(LABEL.length + groupId.length + recordSize(record)).put(LABEL).put(groupId);
  return writeRecord(writer, record).finish();
}

const LABEL = new TextEncoder().encode('headwater locators v1\0');
