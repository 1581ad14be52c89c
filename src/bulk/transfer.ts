/**
 * One transfer as a member sees it: its manifest (object 0) and its slices (from 1 on), which of them are held here, and what the
 * others say. To the spread it is a stream of which objects come in any order, and every one has to have the hash that the
 * manifest says.
 */

import type { StreamView } from '../broadcast/spread/view.js';
import { equalBytes } from '../core/bytes.js';
import { type Micros, NEVER_YET, SECOND } from '../core/time.js';
import type { TransferState } from '../wire/frames/transfer.js';
import { MAX_TRANSFER_AHEAD } from '../wire/limits.js';
import type { Descriptor, StreamId } from '../wire/symbol.js';
import { Claims } from './claims.js';
import { type Manifest, parseManifest, sliceHash, transferId } from './manifest.js';

/** Members that were asked for objects: what others send as served is not taken. */
class Keepers {
  private readonly servingAt = new Map<number, Micros>();

  /** It was asked, or has served something of use. */
  onServing(now: Micros, member: number): void {
    this.servingAt.set(member, now);
  }

  mayServe(now: Micros, member: number): boolean {
    return now - (this.servingAt.get(member) ?? NEVER_YET) < PATIENCE;
  }
}

export class BulkTransfer implements StreamView {
  readonly origin: number;
  readonly incarnation: number;
  readonly claims = new Claims();
  readonly keepers = new Keepers();
  readonly standing = { attested: true, closed: false };
  readonly following = {
    admits: (_member: number, _isServed: boolean, object: Pick<Descriptor, 'seq' | 'hash'>) =>
      this.admits(object),
  };
  readonly ledger = {
    backlog: 0,
    waiting: 0,
    /** A long manifest comes to who asks alone, and a short one may be lost. */
    damaged: new Set([MANIFEST]),
    // Another one is not admitted.
    fits: () => true,
  };
  /** How it comes by multicast, if it does. */
  hearing: { progressAt(now: Micros): Micros | undefined } | undefined;
  state: TransferState = 'joining';
  /** Why it failed. */
  reason = '';
  /** Its origin had offered it, and has forgotten that. */
  isFormer = false;
  manifest: Manifest | undefined;
  /** Its bytes, which are served from memory. */
  manifestBytes: Uint8Array = new Uint8Array(0);
  /** All objects below are held. */
  count = 0;
  /** If it is ours: objects below are sent to nobody any more who does not ask. */
  sent = 0;
  /** By object that is held: what shows that its origin has sent it. */
  private readonly certificates = new Map<number, Uint8Array>();
  /** Beyond it nothing is held. */
  private end = 0;

  constructor({ origin, incarnation }: StreamId) {
    this.origin = origin;
    this.incarnation = incarnation;
  }

  /** Objects in all, the manifest among them; 0 while that is not known. */
  get objects(): number {
    return this.manifest ? this.manifest.slices + 1 : 0;
  }

  /** Nobody consumes it in order, so that all of it may come at once. */
  get delivered(): number {
    return this.objects;
  }

  get isWhole(): boolean {
    return this.manifest !== undefined && this.certificates.size === this.objects;
  }

  get held(): number {
    return this.certificates.size;
  }

  /** The manifest has come, and its hash fits. Throws MALFORMED if it is none. */
  open(bytes: Uint8Array, certificate: Uint8Array): Manifest {
    this.ledger.damaged.delete(MANIFEST);
    this.manifest = parseManifest(bytes);
    this.manifestBytes = bytes;
    this.hold(MANIFEST, certificate);
    return this.manifest;
  }

  /** Whether it is there at all: its origin has signed or named it. Of what others only say anybody may have made up. */
  get isVouchedFor(): boolean {
    return this.manifest !== undefined || this.claims.of(this.origin) !== undefined;
  }

  hold(seq: number, certificate: Uint8Array): void {
    this.certificates.set(seq, certificate);
    this.end = Math.max(this.end, seq + 1);
    while (this.certificates.has(this.count)) this.count++;
  }

  /** What was held is no longer there, or not what it was. */
  lose(seq: number): void {
    this.certificates.delete(seq);
    this.count = Math.min(this.count, seq);
  }

  /** The same of all slices; the manifest stays. */
  loseSlices(): void {
    const manifest = this.certificates.get(MANIFEST);
    this.certificates.clear();
    this.count = this.end = 0;
    if (manifest) this.hold(MANIFEST, manifest);
  }

  certificate(seq: number): Uint8Array | undefined {
    return this.certificates.get(seq);
  }

  holds(seq: number): boolean {
    return this.certificates.has(seq);
  }

  lacks(seq: number): boolean {
    if (this.certificates.has(seq)) return false;
    if (seq === MANIFEST) return this.manifest === undefined && this.state === 'joining';
    return this.state === 'receiving' && seq < this.objects;
  }

  reportAt(now: Micros): Micros | undefined {
    return this.hearing?.progressAt(now);
  }

  isWantedBy(member: number): boolean {
    return this.claims.isReceiving(member);
  }

  /** Which objects beyond the first that is missing are held, as far as a TRANSFER says it. */
  ahead(): Uint8Array {
    const bits = Math.min(this.end - this.count - 1, 8 * MAX_TRANSFER_AHEAD);
    const bytes = new Uint8Array(Math.max(0, Math.ceil(bits / 8)));
    for (let i = 0; i < bits; i++)
      if (this.certificates.has(this.count + 1 + i)) bytes[i >>> 3] |= 1 << (i & 7);
    return bytes;
  }

  /** Whether an object is what it must be: the manifest what the transfer's number says, a slice what the manifest says. */
  private admits({ seq, hash }: Pick<Descriptor, 'seq' | 'hash'>): boolean {
    if (seq === MANIFEST) return transferId(this.origin, hash).incarnation === this.incarnation;
    if (!this.manifest || seq >= this.objects) return false;
    return equalBytes(sliceHash(this.manifest, seq - 1), hash);
  }
}

/** The object that is the manifest. */
export const MANIFEST = 0;
/** A member that was asked, or has served something of use, may serve more for so long. */
const PATIENCE: Micros = 10 * SECOND;

/** In place of the certificate of what was received in another group: it is held, and nobody here could be shown whose it is. */
export const UNSHOWN = new Uint8Array(0);
