/** What a message of the commands holds, told by its first byte: 0, and a text of any length. */
import { HeadwaterError } from '../errors.js';

export function wrapMessage(bytes: Uint8Array): Uint8Array {
  const message = new Uint8Array(MESSAGE_HEADER + bytes.length);
  message[0] = MESSAGE;
  message.set(bytes, MESSAGE_HEADER);
  return message;
}

/** The text of a message (a view, not a copy). Throws MALFORMED. */
export function unwrapMessage(message: Uint8Array): Uint8Array {
  if (message[0] !== MESSAGE)
    throw new HeadwaterError('MALFORMED', `message: expected a text, got type ${message[0]}`);
  return message.subarray(MESSAGE_HEADER);
}

/** Bytes that `wrapMessage` adds. */
export const MESSAGE_HEADER = 1;
const MESSAGE = 0;
