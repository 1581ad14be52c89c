/**
 * Ed25519 in plain big integers, slow and straight from RFC 8032 section 5.1: a third opinion beside libsodium and
 * OpenSSL, and the means to make signatures that no honest signer makes (points with a part of small order, scalars out
 * of range, odd encodings). `ruleSaysValid` is the one rule of src/crypto/ed25519.ts, written a second time.
 */
import { createHash } from 'node:crypto';

/** Affine x, y. */
export type Point = readonly [bigint, bigint];

export const P = 2n ** 255n - 19n;
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n);
export const BASE: Point = decode(toBytes(mod(4n * inverse(5n))))!;
/** A point of order 8: [L] of a point with a full torsion part. Its multiples are all eight points of small order. */
export const TORSION: readonly Point[] = torsionGroup();

export function add([x1, y1]: Point, [x2, y2]: Point): Point {
  const t = mod(D * x1 * x2 * y1 * y2);
  return [mod((x1 * y2 + x2 * y1) * inverse(1n + t)), mod((y1 * y2 + x1 * x2) * inverse(1n - t))];
}

export function negate([x, y]: Point): Point {
  return [mod(-x), y];
}

export function multiply(scalar: bigint, point: Point): Point {
  // Extended coordinates (RFC 8032, 5.1.4), so that there is one inversion at the end and not one a bit.
  let sum = [0n, 1n, 1n, 0n];
  let power = [point[0], point[1], 1n, mod(point[0] * point[1])];
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = addExtended(sum, power);
    power = addExtended(power, power);
  }
  const z = inverse(sum[2]);
  return [mod(sum[0] * z), mod(sum[1] * z)];
}

export function encode([x, y]: Point): Uint8Array {
  return toBytes(y | ((x & 1n) << 255n));
}

/** The point of 32 bytes, y taken modulo p as decoders in the field do; undefined if there is none. */
export function decode(bytes: Uint8Array): Point | undefined {
  const value = toInteger(bytes);
  const sign = value >> 255n;
  const y = mod(value & (2n ** 255n - 1n));
  const square = mod((y * y - 1n) * inverse(D * y * y + 1n));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x - square) !== 0n) x = mod(x * SQRT_MINUS_1);
  if (mod(x * x - square) !== 0n) return undefined;
  return [(x & 1n) === sign ? x : mod(-x), y];
}

/** SHA-512(R || A || message) modulo L. */
export function challenge(r: Uint8Array, a: Uint8Array, message: Uint8Array): bigint {
  return toInteger(createHash('sha512').update(r).update(a).update(message).digest()) % L;
}

export function ruleSaysValid(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const encodedR = signature.subarray(0, 32);
  const s = toInteger(signature.subarray(32));
  const a = decode(publicKey);
  const r = decode(encodedR);
  if (!a || !r || s >= L) return false;
  if ((toInteger(publicKey) & (2n ** 255n - 1n)) >= P) return false;
  if (isSmall(a) || isSmall(r) || !isOfPrimeOrder(a)) return false;
  const k = challenge(encodedR, publicKey, message);
  const expected = encode(add(multiply(s, BASE), negate(multiply(k, a))));
  return Buffer.compare(expected, encodedR) === 0;
}

export function isOfPrimeOrder(point: Point): boolean {
  return multiply(L, point)[0] === 0n && multiply(L, point)[1] === 1n;
}

export function isSmall(point: Point): boolean {
  return multiply(8n, point)[0] === 0n && multiply(8n, point)[1] === 1n;
}

export function toBytes(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse());
}

export function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

function torsionGroup(): Point[] {
  for (let y = 2n; ; y++) {
    const point = decode(toBytes(y));
    if (!point) continue;
    const generator = multiply(L, point);
    const fourth = multiply(4n, generator);
    if (fourth[0] === 0n && fourth[1] === 1n) continue;
    return Array.from({ length: 8 }, (_, i) => multiply(BigInt(i), generator));
  }
}

function addExtended(a: bigint[], b: bigint[]): bigint[] {
  const A = mod((a[1] - a[0]) * (b[1] - b[0]));
  const B = mod((a[1] + a[0]) * (b[1] + b[0]));
  const C = mod(2n * D * a[3] * b[3]);
  const E = mod(2n * a[2] * b[2]);
  return [mod((B - A) * (E - C)), mod((E + C) * (B + A)), mod((E - C) * (E + C)), mod((B - A) * (B + A))];
}

function inverse(x: bigint): bigint {
  return power(x, P - 2n);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = mod(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

function mod(x: bigint): bigint {
  const r = x % P;
  return r < 0n ? r + P : r;
}
