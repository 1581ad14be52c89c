/**
 * A change as it is broadcast: keys that are put, and leases that are over. One message of the group, applied by each member as
 * one revision of its own.
 *
 *   1 | tag 16 | stamp 6 | puts 2 | { key length 2 | key | lease 8 | value length 4 | value }... | leases 2 | { lease 8 }...
 */
import { Reader, toHex, Writer } from '../../core/bytes.js';
import { HeadwaterError } from '../../errors.js';
import { bytesOf, textOf } from './bytes.js';

export interface Put {
  key: string;
  value: Uint8Array;
  /** 0n: of none. */
  lease: bigint;
}

export interface Change {
  /** What its origin knows it by: 16 bytes in hex. */
  tag: string;
  /** A Lamport clock: of two members that put the same key the one with the later stamp wins everywhere. */
  stamp: number;
  puts: Put[];
  /** What was put with them is deleted. */
  revoked: bigint[];
}

/** Bytes of a key: what the format has room for. */
export const MAX_KEY = 0xffff;
export const TAG_BYTES = 16;

export function writeChange({ tag, stamp, puts, revoked }: Change): Uint8Array {
  const keys = puts.map(({ key }) => bytesOf(key));
  const size = puts.reduce((sum, { value }, i) => sum + PUT_OVERHEAD + keys[i].length + value.length, 0);
  const writer = new Writer(OVERHEAD + size + LEASE_SIZE * revoked.length);
  writer.u8(FORMAT).put(Buffer.from(tag, 'hex')).u48(stamp).u16(puts.length);
  for (const [i, { value, lease }] of puts.entries()) {
    writer.u16(keys[i].length).put(keys[i]);
    putLease(writer, lease).u32(value.length).put(value);
  }
  writer.u16(revoked.length);
  for (const lease of revoked) putLease(writer, lease);
  return writer.finish();
}

/** The values are views. @throws HeadwaterError MALFORMED */
export function parseChange(bytes: Uint8Array): Change {
  const reader = new Reader(bytes);
  const format = reader.u8('format');
  if (format !== FORMAT)
    throw new HeadwaterError('MALFORMED', `change: expected format ${FORMAT}, got ${format}`);
  const tag = toHex(reader.take(TAG_BYTES, 'tag'));
  const stamp = reader.u48('stamp');
  const puts: Put[] = [];
  for (let left = reader.u16('puts'); left > 0; left--) {
    const key = textOf(reader.take(reader.u16('key length'), 'key'));
    const lease = takeLease(reader);
    puts.push({ key, lease, value: reader.take(reader.u32('value length'), 'value') });
  }
  const revoked: bigint[] = [];
  for (let left = reader.u16('leases'); left > 0; left--) revoked.push(takeLease(reader));
  reader.finish('change');
  return { tag, stamp, puts, revoked };
}

export function putLease(writer: Writer, lease: bigint): Writer {
  const bits = BigInt.asUintN(64, lease);
  return writer.u32(Number(bits >> 32n)).u32(Number(bits & 0xffffffffn));
}

export function takeLease(reader: Reader): bigint {
  return (BigInt(reader.u32('lease')) << 32n) | BigInt(reader.u32('lease'));
}

const FORMAT = 1;
const LEASE_SIZE = 8;
const OVERHEAD = 1 + TAG_BYTES + 6 + 2 + 2;
const PUT_OVERHEAD = 2 + LEASE_SIZE + 4;
