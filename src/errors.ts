/**
 * Every error that headwater throws on purpose. Compare by `code`, never by message: codes are stable, texts are not.
 */

export type ErrorCode =
  /** An argument or option has the wrong type, shape or range. */
  | 'INVALID_ARGUMENT'
  /** A group file, key file or other configuration cannot be used as it is. */
  | 'INVALID_CONFIG'
  /** Bytes from the network or from disk do not follow their format. */
  | 'MALFORMED'
  /** Fewer symbols are held than rebuilding the object takes. */
  | 'NOT_ENOUGH_SYMBOLS'
  /** The object is larger than the limit in force. */
  | 'TOO_LARGE'
  /** A bounded queue or memory is full; try again after some of it has drained. */
  | 'BUSY'
  /** The codec's memory cannot grow any further. */
  | 'OUT_OF_MEMORY'
  /** The node or the codec object was closed before the call. */
  | 'CLOSED'
  /** The caller's AbortSignal fired. */
  | 'ABORTED'
  /** A socket could not be opened or used. */
  | 'NETWORK'
  /** A file could not be read or written. */
  | 'FILE'
  /** Too few members answered in the time given. */
  | 'UNREACHABLE'
  /** The store cannot be opened, read or written, or is another group's, member's or version's. */
  | 'STORE'
  /** There is no room on the store's disk. */
  | 'STORE_FULL';

/**
 * An error with a stable `code`.
 *
 * @example
 * try { decoder.object(); } catch (error) {
 *   if (error instanceof HeadwaterError && error.code === 'NOT_ENOUGH_SYMBOLS') wait();
 * }
 */
export class HeadwaterError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HeadwaterError';
    this.code = code;
  }
}

/** Throws INVALID_ARGUMENT unless `value` is an integer in [min, max]. For the edges of the API. */
export function assertInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new HeadwaterError(
      'INVALID_ARGUMENT',
      `${name}: expected an integer from ${min} to ${max}, got ${value}`,
    );
}

/** Throws INVALID_ARGUMENT unless `value` is a Uint8Array (of `length` bytes, where given). For the edges of the API. */
export function assertBytes(name: string, value: Uint8Array, length?: number): void {
  if (!(value instanceof Uint8Array))
    throw new HeadwaterError('INVALID_ARGUMENT', `${name}: expected a Uint8Array, got ${typeof value}`);
  if (length !== undefined && value.length !== length)
    throw new HeadwaterError('INVALID_ARGUMENT', `${name}: expected ${length} bytes, got ${value.length}`);
}
