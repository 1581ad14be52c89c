/**
 * What of the state is kept on disk, as bytes: one record for each revision, one for each key, and one for the rest, which is
 * written with each commit. None of it ever leaves the machine.
 *
 *   revision  time 6 | events 2 | { type 1 | key length 2 | key | create 6 | version 6 | lease 8 | value length 4 | value }...
 *   key       key length 2 | key | create 6 | mod 6 | version 6 | lease 8 | stamp 6 | origin 2
 */
import { Reader, Writer } from '../../core/bytes.js';
import { bytesOf, textOf } from './bytes.js';
import { putLease, takeLease } from './change.js';

export interface KeyEvent {
  type: 'put' | 'delete';
  key: string;
  /** The revision that made the key; 0 of a deletion. */
  create: number;
  /** How often it was put since. */
  version: number;
  lease: bigint;
  value: Uint8Array;
}

/** What happened at one revision. */
export interface Revision {
  number: number;
  /** When it was applied here, in ms since 1970 by this machine's clock: for retention by age alone. */
  time: number;
  events: KeyEvent[];
}

/** A key as it stands; its value is in the record of the revision `mod`. */
export interface KeyState {
  create: number;
  mod: number;
  version: number;
  lease: bigint;
  /** Of the change that put it, and whose that was. */
  stamp: number;
  origin: number;
}

export function writeRevision({ time, events }: Revision): Uint8Array {
  const keys = events.map(({ key }) => bytesOf(key));
  const size = events.reduce((sum, { value }, i) => sum + EVENT_OVERHEAD + keys[i].length + value.length, 0);
  const writer = new Writer(6 + 2 + size).u48(time).u16(events.length);
  for (const [i, { type, create, version, lease, value }] of events.entries()) {
    writer.u8(type === 'put' ? 0 : 1);
    writer.u16(keys[i].length).put(keys[i]).u48(create).u48(version);
    putLease(writer, lease).u32(value.length).put(value);
  }
  return writer.finish();
}

/** Values are views. @throws HeadwaterError MALFORMED */
export function parseRevision(number: number, bytes: Uint8Array): Revision {
  const reader = new Reader(bytes);
  const time = reader.u48('time');
  const events: KeyEvent[] = [];
  for (let left = reader.u16('events'); left > 0; left--) {
    const type = reader.u8('type') === 0 ? 'put' : 'delete';
    const key = textOf(reader.take(reader.u16('key length'), 'key'));
    const create = reader.u48('create');
    const version = reader.u48('version');
    const lease = takeLease(reader);
    events.push({
      type,
      key,
      create,
      version,
      lease,
      value: reader.take(reader.u32('value length'), 'value'),
    });
  }
  reader.finish('revision');
  return { number, time, events };
}

export function writeKey(key: string, { create, mod, version, lease, stamp, origin }: KeyState): Uint8Array {
  const bytes = bytesOf(key);
  const writer = new Writer(2 + bytes.length + KEY_SIZE).u16(bytes.length).put(bytes);
  return putLease(writer.u48(create).u48(mod).u48(version), lease).u48(stamp).u16(origin).finish();
}

/** @throws HeadwaterError MALFORMED */
export function parseKey(bytes: Uint8Array): [string, KeyState] {
  const reader = new Reader(bytes);
  const key = textOf(reader.take(reader.u16('key length'), 'key'));
  const state = {
    create: reader.u48('create'),
    mod: reader.u48('mod'),
    version: reader.u48('version'),
    lease: takeLease(reader),
    stamp: reader.u48('stamp'),
    origin: reader.u16('origin'),
  };
  reader.finish('key');
  return [key, state];
}

const EVENT_OVERHEAD = 1 + 2 + 6 + 6 + 8 + 4;
const KEY_SIZE = 6 + 6 + 6 + 8 + 6 + 2;
