/**
 * The few values that a hydra-node puts into etcd, in CBOR (RFC 8949): messages, its protocol version, its host. A message
 * is a byte string here; to etcd it is opaque in any case.
 */

/** Protocol 1: one message. */
export function encodeMessage(message: Uint8Array): Buffer {
  return Buffer.concat([head(BYTES, message.length), message]);
}

/** Protocol 2: a list of indefinite length. */
export function encodeBatch(messages: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([LIST_BEGIN]), ...messages.map(encodeMessage), Buffer.from([BREAK])]);
}

/** Of either protocol. Throws if it is none of it. */
export function decodeMessages(value: Buffer): Buffer[] {
  if (value[0] !== LIST_BEGIN) return [item(value, 0, BYTES).content];
  const messages: Buffer[] = [];
  let at = 1;
  while (value[at] !== BREAK) {
    const { content, end } = item(value, at, BYTES);
    messages.push(content);
    at = end;
  }
  return messages;
}

export function encodeNatural(value: number): Buffer {
  return head(NATURAL, value);
}

export function decodeNatural(value: Buffer): number {
  return length(value, 0, NATURAL).value;
}

/** As of a record with two fields: its constructor's number, the host's name, the port. */
export function encodeHost(address: string): Buffer {
  const colon = address.lastIndexOf(':');
  const name = Buffer.from(address.slice(0, colon));
  const port = Number(address.slice(colon + 1));
  return Buffer.concat([head(LIST, 3), head(NATURAL, 0), head(TEXT, name.length), name, head(NATURAL, port)]);
}

export function decodeHost(value: Buffer): string {
  const { content, end } = item(value, 2, TEXT);
  return `${content}:${length(value, end, NATURAL).value}`;
}

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([major | value]);
  if (value < 0x100) return Buffer.from([major | 24, value]);
  if (value < 0x10000) return Buffer.from([major | 25, value >> 8, value & 255]);
  const bytes = Buffer.alloc(5);
  bytes[0] = major | 26;
  bytes.writeUInt32BE(value, 1);
  return bytes;
}

function length(bytes: Buffer, at: number, major: number): { value: number; end: number } {
  if ((bytes[at] & 0xe0) !== major) throw new Error(`cbor: expected type ${major >> 5}, got ${bytes[at]}`);
  const short = bytes[at] & 31;
  if (short < 24) return { value: short, end: at + 1 };
  const size = 1 << (short - 24);
  if (size > 4) throw new Error(`cbor: expected a length of at most 32 bits, got ${bytes[at]}`);
  return { value: bytes.readUIntBE(at + 1, size), end: at + 1 + size };
}

function item(bytes: Buffer, at: number, major: number): { content: Buffer; end: number } {
  const { value, end } = length(bytes, at, major);
  if (bytes.length < end + value) throw new Error(`cbor: expected ${value} bytes, got ${bytes.length - end}`);
  return { content: bytes.subarray(end, end + value), end: end + value };
}

const NATURAL = 0x00;
const BYTES = 0x40;
const TEXT = 0x60;
const LIST = 0x80;
const LIST_BEGIN = 0x9f;
const BREAK = 0xff;
