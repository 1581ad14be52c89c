/**
 * What an object holds: messages of one origin, and what it had delivered before it sent them.
 *
 *   version 1 | count 2 | count * (origin 2, incarnation 6, objects 4) | messages: (length 4, bytes)*
 */
import { Reader, Writer } from '../../core/bytes.js';
import type { Sha256 } from '../../crypto/hash.js';
import { HeadwaterError } from '../../errors.js';
import type { StreamId } from '../../wire/symbol.js';
import { MAX_STREAMS } from '../agreement/streams.js';

/** 'Deliver my messages after the first `count` objects of this stream.' */
export interface Dependency extends StreamId {
  count: number;
}

export interface Parcel {
  dependencies: Dependency[];
  messages: Uint8Array[];
}

/** A parcel as it is read. */
export interface OpenParcel {
  dependencies: Dependency[];
  messages: Messages;
}

/**
 * The messages of a parcel, found as they are asked for: a message of no bytes takes four of an object, and would take a
 * hundred as one of many views.
 */
export class Messages {
  readonly length: number;
  private readonly bytes: Uint8Array;
  private readonly start: number;
  /** Where the message `index` begins. */
  private at = 0;
  private index = 0;

  /** Throws MALFORMED unless `bytes` are messages, and not too many, from `start` to their end. */
  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes;
    this.start = start;
    const reader = new Reader(bytes, start);
    let length = 0;
    for (; reader.remaining > 0; length++) {
      if (length === MAX_MESSAGES) throw malformed(`messages: expected at most ${MAX_MESSAGES}, got more`);
      reader.skip(reader.u32('message length'), 'message');
    }
    this.length = length;
    this.at = start;
  }

  /** A view of the object's bytes. Cheap for the one after that which was asked for before. */
  get(index: number): Uint8Array {
    if (index < this.index) {
      this.index = 0;
      this.at = this.start;
    }
    const reader = new Reader(this.bytes, this.at);
    for (; this.index < index; this.index++) {
      const length = reader.u32('message length');
      reader.skip(length, 'message');
      this.at += MESSAGE_OVERHEAD + length;
    }
    return reader.take(reader.u32('message length'), 'message');
  }
}

/** @param hash is given the object's bytes, while the processor has them at hand */
export function writeParcel({ dependencies, messages }: Parcel, hash?: Sha256): Uint8Array {
  let size = PARCEL_OVERHEAD + DEPENDENCY_SIZE * dependencies.length;
  for (const message of messages) size += MESSAGE_OVERHEAD + message.length;
  // Not the pool's memory: an object is kept for long, and would keep what lies beside it. Not zeroed: all of it is written.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
  const head = new Writer(PARCEL_OVERHEAD + DEPENDENCY_SIZE * dependencies.length);
  head.u8(VERSION).u16(dependencies.length);
  for (const { origin, incarnation, count } of dependencies) head.u16(origin).u48(incarnation).u32(count);
  let at = 0;
  const put = (piece: Uint8Array) => {
    // In this order: to copy is the faster way to get bytes into the processor's cache, where they are hashed faster.
    bytes.set(piece, at);
    hash?.update(piece);
    at += piece.length;
  };
  put(head.finish());
  for (const message of messages) {
    put(new Writer(MESSAGE_OVERHEAD).u32(message.length).finish());
    for (let from = 0; from < message.length; from += PIECE) put(message.subarray(from, from + PIECE));
  }
  return bytes;
}

/**
 * Dependencies that an object may name, at most: one on each stream that there is room for. Their number is what a liar can
 * make others look at, and keep, for as long as one of them is not met.
 */
export function maxDependencies(members: number): number {
  return Math.min(0xffff, MAX_STREAMS * members);
}

/** A parcel of `stream`, in a group of so many members. Throws MALFORMED. */
export function parseParcel(bytes: Uint8Array, stream: StreamId, members: number): OpenParcel {
  const reader = new Reader(bytes);
  const version = reader.u8('parcel version');
  if (version !== VERSION) throw malformed(`parcel version: expected ${VERSION}, got ${version}`);
  const dependencies: Dependency[] = [];
  const count = reader.u16('dependencies');
  if (count > maxDependencies(members))
    throw malformed(`dependencies: expected at most ${maxDependencies(members)}, got ${count}`);
  for (let i = 0; i < count; i++) {
    const dependency = {
      origin: reader.u16('origin'),
      incarnation: reader.u48('incarnation'),
      count: reader.u32('objects'),
    };
    if (dependency.origin >= members)
      throw malformed(`dependency: expected one of ${members} members, got ${dependency.origin}`);
    if (i > 0 && compareStreams(dependencies[i - 1], dependency) >= 0)
      throw malformed('dependencies: expected each stream once, in order, got another order');
    if (compareStreams(dependency, stream) === 0)
      throw malformed('dependency: expected another stream, got its own');
    dependencies.push(dependency);
  }
  return { dependencies, messages: new Messages(bytes, bytes.length - reader.remaining) };
}

/** The order in which an object names streams. */
export function compareStreams(a: StreamId, b: StreamId): number {
  return a.origin - b.origin || a.incarnation - b.incarnation;
}

function malformed(message: string): HeadwaterError {
  return new HeadwaterError('MALFORMED', message);
}

const VERSION = 1;
/** Bytes copied and hashed in turn: 750 us/MB, against 1060 us/MB one after the other for 16 MiB. */
const PIECE = 128 * 1024;
/** Of one object: as many come before another origin's turn to be delivered, however small they are. */
export const MAX_MESSAGES = 256;
export const PARCEL_OVERHEAD = 3;
export const DEPENDENCY_SIZE = 12;
export const MESSAGE_OVERHEAD = 4;
