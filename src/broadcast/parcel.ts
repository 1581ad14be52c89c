/**
 * What an object holds: messages of one origin, and what it had delivered before it sent them.
 *
 *   version 1 | count 2 | count * (origin 2, incarnation 6, objects 4) | messages: (length 4, bytes)*
 */
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import type { StreamId } from '../wire/symbol.js';

/** 'Deliver my messages after the first `count` objects of this stream.' */
export interface Dependency extends StreamId {
  count: number;
}

export interface Parcel {
  dependencies: Dependency[];
  /** Views of the object's bytes. */
  messages: Uint8Array[];
}

export function writeParcel({ dependencies, messages }: Parcel): Uint8Array {
  let size = PARCEL_OVERHEAD + DEPENDENCY_SIZE * dependencies.length;
  for (const message of messages) size += MESSAGE_OVERHEAD + message.length;
  // Not the pool's memory: an object is kept for long, and would keep what lies beside it. Not zeroed: all of it is written.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
  const head = new Writer(PARCEL_OVERHEAD + DEPENDENCY_SIZE * dependencies.length);
  head.u8(VERSION).u16(dependencies.length);
  for (const { origin, incarnation, count } of dependencies) head.u16(origin).u48(incarnation).u32(count);
  bytes.set(head.finish());
  let at = head.offset;
  for (const message of messages) {
    bytes.set(new Writer(MESSAGE_OVERHEAD).u32(message.length).finish(), at);
    bytes.set(message, at + MESSAGE_OVERHEAD);
    at += MESSAGE_OVERHEAD + message.length;
  }
  return bytes;
}

/** Throws MALFORMED. */
export function parseParcel(bytes: Uint8Array): Parcel {
  const reader = new Reader(bytes);
  const version = reader.u8('parcel version');
  if (version !== VERSION)
    throw new HeadwaterError('MALFORMED', `parcel version: expected ${VERSION}, got ${version}`);
  const dependencies: Dependency[] = [];
  for (let left = reader.u16('dependencies'); left > 0; left--)
    dependencies.push({
      origin: reader.u16('origin'),
      incarnation: reader.u48('incarnation'),
      count: reader.u32('objects'),
    });
  const messages: Uint8Array[] = [];
  while (reader.remaining > 0) messages.push(reader.take(reader.u32('message length'), 'message'));
  return { dependencies, messages };
}

const VERSION = 1;
export const PARCEL_OVERHEAD = 3;
export const DEPENDENCY_SIZE = 12;
export const MESSAGE_OVERHEAD = 4;
