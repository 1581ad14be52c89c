/** Addresses of multicast groups. In: texts, bytes, the number of a transfer. Out: the others of these. */
import { HeadwaterError } from '../../errors.js';
import type { StreamId } from '../../wire/symbol.js';

/** 4 or 16 bytes of a numeric address. Throws INVALID_ARGUMENT. */
export function addressBytes(text: string): Uint8Array {
  const bytes = text.includes(':') ? v6Bytes(text) : v4Bytes(text);
  if (bytes) return bytes;
  throw new HeadwaterError('INVALID_ARGUMENT', `address: expected a numeric one, got '${text}'`);
}

/** The text of a numeric address. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16));
  return words.join(':');
}

export function isMulticast(bytes: Uint8Array): boolean {
  return bytes.length === 4 ? bytes[0] >> 4 === 14 : bytes[0] === 0xff;
}

/** Whether only a named source can be listened to (RFC 4607): 232/8, ff3x::/32. */
export function needsSource(bytes: Uint8Array): boolean {
  return bytes.length === 4 ? bytes[0] === 232 : bytes[0] === 0xff && bytes[1] >> 4 === 3;
}

/** A group for a transfer, in the site's own range: 239.255/16 (RFC 2365, 6.1), ff15::/16 (RFC 4291, 2.7: transient, site-local). */
export function defaultGroup({ incarnation }: Pick<StreamId, 'incarnation'>, isV6: boolean): string {
  const low = incarnation % 2 ** 32;
  const [a, b] = [Math.floor(low / 2 ** 16), low % 2 ** 16];
  if (isV6) return `ff15::${a.toString(16)}:${b.toString(16)}`;
  return `239.255.${b >> 8}.${b & 255}`;
}

function v4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  const isNumeric = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  return isNumeric ? Uint8Array.from(parts, Number) : undefined;
}

function v6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return undefined;
  const words = [...head, ...Array<string>(zeros).fill('0'), ...tail];
  if (!words.every((word) => /^[0-9a-f]{1,4}$/i.test(word))) return undefined;
  return Uint8Array.from(
    words.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 255]),
  );
}

/** Of the group, where no other is given. */
export const DEFAULT_CAST_PORT = 7810;
