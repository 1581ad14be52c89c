/**
 * What an object holds, told by its first byte: 0 and a message of any length, or 1 and a file: the length of its
 * header (2 bytes), the header (MessagePack: name and size), the content.
 */
import { Packr } from 'msgpackr';
import { HeadwaterError } from '../errors.js';

export type Content =
  | { kind: 'message'; bytes: Uint8Array }
  | { kind: 'file'; name: string; bytes: Uint8Array };

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

/** The content of a delivered object (a view, not a copy). Throws MALFORMED. */
export function unwrap(object: Uint8Array): Content {
  if (object[0] === MESSAGE) return { kind: 'message', bytes: object.subarray(1) };
  if (object[0] !== FILE || object.length < 3)
    throw malformed(`expected a message or a file, got type ${object[0]}`);
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
      `expected a file header with a name and ${object.length - start} bytes, got size ${size}`,
    );
  return { kind: 'file', name, bytes: object.subarray(start) };
}

function malformed(message: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('MALFORMED', `object: ${message}`, { cause });
}

/** What `wrapFile` adds at most: a name of 255 characters, a size, and the frame around them. */
export const MAX_FILE_HEADER = 1200;

const packr = new Packr({ useRecords: false });
const MESSAGE = 0;
const FILE = 1;
