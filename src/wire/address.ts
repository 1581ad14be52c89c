/**
 * Numeric addresses on the wire: family 1 (4 or 6) | address 4 or 16 | port 2. As text they are `host:port` or `[host]:port`, in the one
 * spelling that sockets give (RFC 5952). Names are none, so that nobody makes another one look them up.
 */
import type { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';

/** Bytes of an address on the wire. */
export function addressSize(address: string): number {
  return 1 + (address.startsWith('[') ? 16 : 4) + 2;
}

/** @param address as `readAddress` gives it, or as `numericAddress` does */
export function writeAddress(writer: Writer, address: string): Writer {
  const { host, port } = split(address)!;
  const bytes = bytesOf(host)!;
  return writer
    .u8(bytes.length === 4 ? 4 : 6)
    .put(bytes)
    .u16(port);
}

/** Throws MALFORMED for what nobody can be reached at: port 0, all interfaces, multicast, IPv4 written as IPv6. */
export function readAddress(reader: Reader): string {
  const family = reader.u8('address family');
  if (family !== 4 && family !== 6) throw malformed('family 4 or 6', family);
  const bytes = reader.take(family === 4 ? 4 : 16, 'address');
  const port = reader.u16('port');
  if (port === 0 || !isUnicast(bytes)) throw malformed('one that can be sent to', text(bytes, port));
  return text(bytes, port);
}

/** The one spelling of a numeric address that can be sent to; undefined for a name, and for any other. */
export function numericAddress(address: string): string | undefined {
  const parts = split(address);
  const bytes = parts && bytesOf(parts.host);
  return bytes && parts.port > 0 && isUnicast(bytes) ? text(bytes, parts.port) : undefined;
}

/** Whether it leads to the machine that sends there, whichever that is. */
export function isLoopback(address: string): boolean {
  return /^(127\.|\[::1\])/.test(address);
}

function split(address: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\d.]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  return match && port <= 0xffff ? { host: match[1] ?? match[2], port } : undefined;
}

function bytesOf(host: string): Uint8Array | undefined {
  if (!host.includes(':')) {
    const parts = host.split('.').map(Number);
    const isOne = parts.length === 4 && parts.every((part) => Number.isInteger(part) && part <= 255);
    return isOne ? Uint8Array.from(parts) : undefined;
  }
  const halves = host.split('::');
  const [front, back] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const zeros = back === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...Array<string>(Math.max(0, zeros)).fill('0'), ...(back ?? [])];
  if (halves.length > 2 || groups.length !== 8 || (back && zeros < 1)) return undefined;
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
}

function isUnicast(bytes: Uint8Array): boolean {
  if (bytes.length === 4) return bytes[0] !== 0 && bytes[0] < 224;
  // Link-local ones need a zone, which is the machine's own.
  const isLinkLocal = bytes[0] === 0xfe && (bytes[1] & 0xc0) === 0x80;
  const isMapped =
    bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return bytes[0] !== 0xff && !isLinkLocal && !isMapped && bytes.some((byte) => byte !== 0);
}

function text(bytes: Uint8Array, port: number): string {
  if (bytes.length === 4) return `${bytes.join('.')}:${port}`;
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16));
  // The longest run of two zeros or more, the first of several, is left out.
  let [best, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === '0') end++;
    if (end - i > length) [best, length] = [i, end - i];
  }
  const host =
    best < 0
      ? groups.join(':')
      : `${groups.slice(0, best).join(':')}::${groups.slice(best + length).join(':')}`;
  return `[${host}]:${port}`;
}

function malformed(expected: string, got: string | number): HeadwaterError {
  return new HeadwaterError('MALFORMED', `address: expected ${expected}, got ${got}`);
}
