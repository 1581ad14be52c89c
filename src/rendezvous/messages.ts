/**
 * The datagrams between a sender who has a code (the host) and a receiver who was told it (a guest): PROTOCOL 15. A guest asks, the
 * host answers, with no more bytes than it was asked with until the guest has shown that it hears at its address. In: bytes. Out:
 * messages, or undefined for what is none.
 *
 *   guest                                              host
 *   HELLO: number, padding ------------------------->
 *   <------------------------------------------------- COOKIE, which is not remembered
 *   SHARE: cookie, Ya ------------------------------->
 *   <------------------------------------------------- ANSWER: Yb
 *   PROOF: Ta, sealed JOIN -------------------------->  one guess
 *   <------------------------------------------------- WELCOME: Tb, sealed STATE
 *   POLL: counter, sealed REQUEST ------------------->  again and again
 *   <------------------------------------------------- STATE: counter, sealed STATE
 *   <------------------------------------------------- REFUSAL: why, in place of any of them
 */
import { Reader, Writer } from '../core/bytes.js';
import { CPACE_SHARE_BYTES } from '../crypto/cpace.js';
import { MAC_BYTES } from '../crypto/mac.js';
import { HeadwaterError } from '../errors.js';

export type Message =
  | { type: 'hello'; id: Uint8Array; number: number }
  | { type: 'cookie'; id: Uint8Array; cookie: Uint8Array }
  | { type: 'share'; id: Uint8Array; cookie: Uint8Array; share: Uint8Array }
  | { type: 'answer'; id: Uint8Array; share: Uint8Array }
  | { type: 'proof'; id: Uint8Array; tag: Uint8Array; sealed: Uint8Array }
  | { type: 'welcome'; id: Uint8Array; tag: Uint8Array; sealed: Uint8Array }
  | { type: 'poll'; id: Uint8Array; counter: number; sealed: Uint8Array }
  | { type: 'state'; id: Uint8Array; counter: number; sealed: Uint8Array }
  | { type: 'refusal'; id: Uint8Array; reason: Refusal };

/**
 * Why a guest is not let in. wrong: its code is another; other: the number is another sender's; closed: too many wrong codes have
 * come; busy: too many ask at once, so later.
 */
export type Refusal = (typeof REFUSALS)[number];

export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer(MAX_MESSAGE)
    .put(MAGIC)
    .u8(VERSION)
    .u8(TYPES.indexOf(message.type))
    .put(message.id);
  switch (message.type) {
    case 'hello':
      return writer
        .u16(message.number)
        .put(new Uint8Array(HELLO_BYTES - HEADER_BYTES - 2))
        .finish();
    case 'cookie':
      return writer.put(message.cookie).finish();
    case 'share':
      return writer.put(message.cookie).put(message.share).finish();
    case 'answer':
      return writer.put(message.share).finish();
    case 'proof':
    case 'welcome':
      return writer.put(message.tag).put(message.sealed).finish();
    case 'poll':
    case 'state':
      return writer.u32(message.counter).put(message.sealed).finish();
    case 'refusal':
      return writer.u8(REFUSALS.indexOf(message.reason)).finish();
  }
}

/** Undefined for what is no message, or one of another version. What it gives is a copy. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_MESSAGE) return undefined;
  try {
    return decode(new Reader(Uint8Array.from(bytes)));
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}

function decode(reader: Reader): Message | undefined {
  for (const byte of MAGIC) if (reader.u8('magic') !== byte) return undefined;
  if (reader.u8('version') !== VERSION) return undefined;
  const type = TYPES[reader.u8('type')];
  const id = reader.take(ID_BYTES, 'id');
  const rest = () => reader.take(reader.remaining, 'sealed');
  const whole = <T>(message: T): T => {
    reader.finish('message');
    return message;
  };
  switch (type) {
    case 'hello': {
      const number = reader.u16('number');
      reader.take(HELLO_BYTES - HEADER_BYTES - 2, 'padding');
      return whole({ type, id, number });
    }
    case 'cookie':
      return whole({ type, id, cookie: reader.take(COOKIE_BYTES, 'cookie') });
    case 'share': {
      const cookie = reader.take(COOKIE_BYTES, 'cookie');
      return whole({ type, id, cookie, share: reader.take(CPACE_SHARE_BYTES, 'share') });
    }
    case 'answer':
      return whole({ type, id, share: reader.take(CPACE_SHARE_BYTES, 'share') });
    case 'proof':
    case 'welcome':
      return { type, id, tag: reader.take(MAC_BYTES, 'tag'), sealed: rest() };
    case 'poll':
    case 'state':
      return { type, id, counter: reader.u32('counter'), sealed: rest() };
    case 'refusal': {
      const reason = REFUSALS[reader.u8('reason')];
      return reason && whole({ type, id, reason });
    }
    default:
      return undefined;
  }
}

/** A guest's own choice: names its run of the exchange. */
export const ID_BYTES = 16;
export const COOKIE_BYTES = 16;
/** Fits everywhere (IPv6's 1280 less headers). */
export const MAX_MESSAGE = 1232;
/** Bytes of a HELLO: no answer to it is longer. */
const HELLO_BYTES = 64;
/** "HWCO". */
const MAGIC = Uint8Array.of(0x48, 0x57, 0x43, 0x4f);
const VERSION = 1;
const HEADER_BYTES = MAGIC.length + 2 + ID_BYTES;
const TYPES: readonly (Message['type'] | undefined)[] = [
  undefined,
  'hello',
  'cookie',
  'share',
  'answer',
  'proof',
  'welcome',
  'poll',
  'state',
  'refusal',
];
const REFUSALS = ['wrong', 'other', 'closed', 'busy'] as const;
