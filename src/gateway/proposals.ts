/**
 * Changes of this member's clients that are on their way through the group, and the calls that wait for them. In: changes, their
 * delivery. Out: what is to be submitted, and which calls it was for.
 *
 * Each has a tag, which is in its bytes and is the key under which the library sends it once: the hash of what is put, where, and
 * of the revision that the key had then. A client that tries again, to this process or the one after it, asks for the same
 * thing with the same tag until it has been applied, and so it is applied once.
 */
import { toHex, Writer } from '../core/bytes.js';
import { sha256 } from '../crypto/hash.js';
import { bytesOf } from './state/bytes.js';
import { type Put, putLease, TAG_BYTES } from './state/change.js';

export interface Proposal {
  tag: string;
  keys: ReadonlySet<string>;
  /** Calls that wait for it. */
  calls: Set<number>;
}

export interface Submission {
  tag: string;
  bytes: Uint8Array;
}

export class Proposals {
  private readonly underWay = new Map<string, Proposal>();
  private readonly queue: Submission[] = [];

  get size(): number {
    return this.underWay.size;
  }

  find(tag: string): Proposal | undefined {
    return this.underWay.get(tag);
  }

  add(tag: string, bytes: Uint8Array, keys: Iterable<string>): Proposal {
    const proposal = { tag, keys: new Set(keys), calls: new Set<number>() };
    this.underWay.set(tag, proposal);
    this.queue.push({ tag, bytes });
    return proposal;
  }

  /** Whether one is under way that puts this key. */
  isUnderWay(key: string): boolean {
    for (const { keys } of this.underWay.values()) if (keys.has(key)) return true;
    return false;
  }

  /** It has been applied, or never will be. */
  take(tag: string): Proposal | undefined {
    const proposal = this.underWay.get(tag);
    this.underWay.delete(tag);
    return proposal;
  }

  /** The call does not wait any more. */
  forget(call: number): void {
    for (const { calls } of this.underWay.values()) calls.delete(call);
  }

  poll(): Submission | undefined {
    return this.queue.shift();
  }
}

/** Of a put of `key`, which had the revision `mod`. */
export function tagOf({ key, lease, value }: Put, mod: number): string {
  const bytes = bytesOf(key);
  const writer = new Writer(2 + bytes.length + 8 + 6 + value.length).u16(bytes.length).put(bytes);
  return shorten(sha256(putLease(writer, lease).u48(mod).put(value).finish()));
}

/** Of what was put, whenever that was. */
export function contentOf(put: Put): string {
  return tagOf(put, 0);
}

function shorten(hash: Uint8Array): string {
  return toHex(hash.subarray(0, TAG_BYTES));
}
