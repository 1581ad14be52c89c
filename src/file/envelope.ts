/**
 * What a message of the commands holds, told by its first byte: 0 and a text of any length; 1 and a file: the length of its
 * header (2 bytes), the header (MessagePack: name and size), the content; 2 and a receipt: what became of a file here.
 */
import { Packr } from 'msgpackr';
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import type { MessageId } from '../wire/symbol.js';

export type Content =
  | { kind: 'message'; bytes: Uint8Array }
  | { kind: 'file'; name: string; bytes: Uint8Array }
  | { kind: 'receipt'; receipt: Receipt };

/** What its sender has done with a file. */
export interface Receipt {
  /** The message that the file came in. */
  of: MessageId;
  /** held: by a member that saves no files. */
  state: 'saved' | 'failed' | 'held';
  /** For people: why it failed. Cut to 200 bytes of UTF-8. */
  reason: string;
}

export function wrapMessage(bytes: Uint8Array): Uint8Array {
  const object = new Uint8Array(1 + bytes.length);
  object[0] = MESSAGE;
  object.set(bytes, 1);
  return object;
}

/** `name` is the file's own, without folders. */
export function wrapFile(name: string, bytes: Uint8Array): Uint8Array {
  const header = packr.pack({ name, size: bytes.length });
  const object = new Uint8Array(3 + header.length + bytes.length);
  object[0] = FILE;
  object[1] = header.length >>> 8;
  object[2] = header.length & 0xff;
  object.set(header, 3);
  object.set(bytes, 3 + header.length);
  return object;
}

export function wrapReceipt({ of, state, reason }: Receipt): Uint8Array {
  const text = new TextEncoder().encode(reason).subarray(0, MAX_REASON);
  return new Writer(RECEIPT_SIZE + text.length)
    .u8(RECEIPT)
    .u16(of.origin)
    .u48(of.incarnation)
    .u32(of.seq)
    .u32(of.index)
    .u8(STATES.indexOf(state))
    .put(text)
    .finish();
}

/** The content of a delivered object (a view, not a copy). Throws MALFORMED. */
export function unwrap(object: Uint8Array): Content {
  if (object[0] === MESSAGE) return { kind: 'message', bytes: object.subarray(1) };
  if (object[0] === RECEIPT) return { kind: 'receipt', receipt: unwrapReceipt(object) };
  if (object[0] !== FILE || object.length < 3)
    throw malformed(`expected a message, a file or a receipt, got type ${object[0]}`);
  const start = 3 + ((object[1] << 8) | object[2]);
  if (start > object.length)
    throw malformed(`expected a file header of ${start - 3} bytes, got ${object.length - 3}`);
  let header: unknown;
  try {
    header = packr.unpack(object.subarray(3, start));
  } catch (cause) {
    throw malformed('expected a file header, got something else', cause);
  }
  const { name, size } = (header ?? {}) as { name?: unknown; size?: unknown };
  if (typeof name !== 'string' || size !== object.length - start)
    throw malformed(
      `expected a file header with a name and ${object.length - start} bytes, got ${typeof size === 'number' ? `size ${size}` : 'something else'}`,
    );
  return { kind: 'file', name, bytes: object.subarray(start) };
}

function unwrapReceipt(object: Uint8Array): Receipt {
  const reader = new Reader(object, 1);
  const of = {
    origin: reader.u16('receipt'),
    incarnation: reader.u48('receipt'),
    seq: reader.u32('receipt'),
    index: reader.u32('receipt'),
  };
  const state = STATES[reader.u8('receipt')];
  if (state === undefined || reader.remaining > MAX_REASON)
    throw malformed(
      `expected a receipt of ${RECEIPT_SIZE} to ${RECEIPT_SIZE + MAX_REASON} bytes, got another`,
    );
  return { of, state, reason: new TextDecoder().decode(reader.take(reader.remaining, 'receipt')) };
}

function malformed(message: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('MALFORMED', `object: ${message}`, { cause });
}

/** What `wrapFile` adds at most: a name of 255 characters, a size, and the frame around them. */
export const MAX_FILE_HEADER = 1200;

const packr = new Packr({ useRecords: false });
const MESSAGE = 0;
const FILE = 1;
const RECEIPT = 2;
const STATES = ['saved', 'failed', 'held'] as const;
const RECEIPT_SIZE = 18;
const MAX_REASON = 200;
