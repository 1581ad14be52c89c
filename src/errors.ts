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
  /** A bounded queue or memory is full, or who may use something alone is not done; try again when some of it has drained. */
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
  /** The code of a transfer is wrong, or its sender takes nobody new. */
  | 'CODE_REFUSED'
  /** The store cannot be opened, read or written, or is another group's, member's or version's. */
  | 'STORE'
  /** There is no room on the store's disk. */
  | 'STORE_FULL';

/**
 * An error with a stable `code`.
 *
 * @example
 * try {
 *   parseGroup('{}');
 * } catch (error) {
 *   if (!(error instanceof HeadwaterError && error.code === 'INVALID_CONFIG')) throw error;
 * }
 */
export class HeadwaterError extends Error {
  /** What happened, for programs. */
  readonly code: ErrorCode;

  /** `message` is for people. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HeadwaterError';
    this.code = code;
  }
}

/** INVALID_CONFIG. */
export function invalidConfig(message: string): HeadwaterError {
  return new HeadwaterError('INVALID_CONFIG', message);
}

/** CLOSED, of a node. */
export function closedError(): HeadwaterError {
  return new HeadwaterError('CLOSED', 'node: expected an open one, got one that was closed');
}

/** Throws INVALID_ARGUMENT unless `value` is an integer in [min, max]. For the edges of the API. */
export function assertInteger(name: string, value: unknown, min: number, max: number): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw invalid(name, `an integer from ${min} to ${max}`, value);
}

/** Throws INVALID_ARGUMENT unless `value` is a Uint8Array (of `length` bytes, where given). For the edges of the API. */
export function assertBytes(name: string, value: unknown, length?: number): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw invalid(name, 'a Uint8Array', value);
  if (length !== undefined && value.length !== length)
    throw new HeadwaterError('INVALID_ARGUMENT', `${name}: expected ${length} bytes, got ${value.length}`);
}

/** That an argument named `name` is not what was expected; what came is told shortly, and never a secret's bytes. */
export function invalid(name: string, expected: string, got: unknown): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', `${name}: expected ${expected}, got ${shown(got)}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 40 ? `a text of ${value.length}` : JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
