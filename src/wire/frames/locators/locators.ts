/**
 * LOCATORS: where a member is, as it has signed it; told by any member. member 2 | incarnation 6 | number 4 | time 6 | count 1 | count
 * times an address | signature 64
 */
import type { Reader, Writer } from '../../../core/bytes.js';
import { HeadwaterError } from '../../../errors.js';
import { addressSize, readAddress, writeAddress } from '../../address.js';
import { MAX_LOCATORS, SIGNATURE_SIZE } from '../../limits.js';
import type { FrameType } from '../frame.js';

/** What a member says of itself; of two records of one member that with the higher incarnation, then number, counts. */
export interface LocatorRecord {
  member: number;
  /** Of its session, and how many it has made in it. */
  incarnation: number;
  number: number;
  /** When it was made by its clock, in milliseconds since 1970. */
  time: number;
  /** 1 to 8, the preferred one first: numeric, as `readAddress` gives them. */
  addresses: readonly string[];
  signature: Uint8Array;
}

export interface LocatorsFrame extends LocatorRecord {
  kind: 'locators';
}

export const locators: FrameType<LocatorsFrame> = {
  type: 68,
  name: 'locators',
  feature: 'locators',
  eliciting: true,
  parse: (reader) => ({ kind: 'locators', ...readRecord(reader) }),
  size: (frame) => recordSize(frame) + SIGNATURE_SIZE,
  write: (writer, frame) => writeRecord(writer, frame).put(frame.signature),
};

/** Bytes of what is signed. */
export function recordSize({ addresses }: Pick<LocatorRecord, 'addresses'>): number {
  return HEADER + addresses.reduce((sum, address) => sum + addressSize(address), 0);
}

/** Writes what is signed. */
export function writeRecord(writer: Writer, record: Omit<LocatorRecord, 'signature'>): Writer {
  const { member, incarnation, number, time, addresses } = record;
  writer.u16(member).u48(incarnation).u32(number).u48(time).u8(addresses.length);
  for (const address of addresses) writeAddress(writer, address);
  return writer;
}

function readRecord(reader: Reader): LocatorRecord {
  const member = reader.u16('member');
  const incarnation = reader.u48('incarnation');
  const number = reader.u32('number');
  const time = reader.u48('time');
  const count = reader.u8('count');
  if (count < 1 || count > MAX_LOCATORS)
    throw new HeadwaterError('MALFORMED', `locators: expected 1 to ${MAX_LOCATORS} addresses, got ${count}`);
  const addresses = Array.from({ length: count }, () => readAddress(reader));
  const signature = reader.take(SIGNATURE_SIZE, 'signature');
  return { member, incarnation, number, time, addresses, signature };
}

const HEADER = 2 + 6 + 4 + 6 + 1;
