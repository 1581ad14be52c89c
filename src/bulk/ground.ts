/**
 * What the two doors of the transfers stand on, that to the shell and that to the peers: the transfers themselves, the parts that
 * move their objects, and what follows where one of them enters another state.
 */
import type { Metrics, RepairDrop } from '../broadcast/metrics.js';
import { signCertificate } from '../broadcast/proof/certificate.js';
import type { SpreadDrop } from '../broadcast/spread/drops.js';
import { Objects } from '../broadcast/spread/objects.js';
import { copiesFor, cutObject, SMALL_GROUP } from '../broadcast/spread/plan.js';
import { Transfer, type TransferOptions } from '../broadcast/spread/transfer.js';
import type { ControllerFactory } from '../congestion/controller.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import type { StoredObject } from '../store/store.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import { type ObjectId, objectId, objectKey, type StreamId, writeDescriptor } from '../wire/symbol.js';
import { BufferPool } from './buffers.js';
import { Casts, type CastsOptions } from './cast/casts.js';
import { Fetching } from './fetching.js';
import { MAX_MANIFEST, MAX_SLICE, SLICE_SIZE, sliceHash, sliceLength } from './manifest.js';
import type { BulkRequest } from './ports.js';
import { MOST_SLICES, type Sending } from './sending.js';
import { Telling } from './telling.js';
import { type BulkTransfer, MANIFEST } from './transfer.js';
import { Transfers } from './transfers.js';

export interface BulkOptions
  extends Omit<TransferOptions, 'isStoreBusy' | 'maxObjectSize' | 'maxStoredBytes'> {
  /** What size of datagrams reaches everyone in one piece. */
  sizes: { group(now: Micros): number | undefined };
  /** Whether a peer has a session in which transfers are spoken of, and one in which multicast is. */
  speaks(peer: number): boolean;
  hears(peer: number): boolean;
  controller: ControllerFactory;
  entropy: { bytes(length: number): Uint8Array };
}

export class Ground {
  readonly options: BulkOptions;
  readonly metrics: Metrics<SpreadDrop | RepairDrop>;
  readonly transfers: Transfers;
  readonly objects = new Objects<BulkTransfer>();
  readonly spread: Transfer<BulkTransfer>;
  readonly fetching: Fetching;
  readonly telling: Telling;
  readonly casts: Casts;
  /** Of our own. */
  readonly sending = new Map<BulkTransfer, Sending>();
  /** For the shell, the oldest first. */
  readonly requests: BulkRequest[] = [];
  /** Of which the shell is to hear. */
  readonly changed = new Set<BulkTransfer>();
  /** Whether this member takes what others offer: then the shell is asked of each. */
  isTaking = false;
  /** When to look again at what has no deadline of its own. */
  checkAt: Micros = NEVER;
  /** Memory of slices: those under way take turns in it. */
  readonly slices = new BufferPool(SLICE_SIZE, MOST_SLICES + 2);
  private readonly reading = new Set<string>();

  /** @param onSymbol takes what comes by multicast */
  constructor(
    options: BulkOptions,
    metrics: Metrics<SpreadDrop | RepairDrop>,
    onSymbol: CastsOptions['onSymbol'],
  ) {
    const { group, paths, changed } = options;
    const members = group.members.length;
    this.options = options;
    this.metrics = metrics;
    this.transfers = new Transfers(members);
    const { transfers, objects } = this;
    const bounds = {
      files: true,
      // Several slices are under way: one that waits for what a relay has kept holds up nothing.
      absent: 0,
      direct: DIRECT,
      allocate: (size: number) => this.slices.take(size),
      maxObjectSize: MAX_OPEN_BYTES,
      maxStoredBytes: Number.POSITIVE_INFINITY,
      isStoreBusy: () => false,
    };
    this.spread = new Transfer<BulkTransfer>({ ...options, ...bounds }, metrics, {
      streams: transfers,
      objects,
    });
    const { spread } = this;
    const read = (transfer: BulkTransfer, seq: number) => this.read(transfer, seq);
    this.fetching = new Fetching({ ...options, read }, metrics, { transfers, spread, objects });
    const { requests } = this;
    this.casts = new Casts({ ...options, transfers, requests, onSymbol }, metrics);
    // In a small group each transfer waits for every member.
    const isSmall = members <= SMALL_GROUP;
    this.telling = new Telling({
      members,
      self: options.self,
      changed,
      speaks: options.speaks,
      timeoutOf: (peer) => paths[peer]!.rtt.probeTimeout(0),
      copiesFor: (peer) => Math.max(isSmall && paths[peer]!.isUntried ? 2 : 1, copiesFor(paths[peer]!.loss)),
      onFirst: (now, peer, transfer, time) => {
        const isOurs = this.sending.has(transfer);
        if (!isOurs || !isSmall || transfer.manifestBytes.length > PUSHED_MANIFEST) return;
        const spare = paths[peer]!.isUntried ? spareOf(transfer) : 0;
        // Whoever has heard neither of the transfer takes nothing of it: more goes with the second copy.
        if (time === 1) this.fetching.push(now, peer, transfer, 0);
        else if (spare > 0) this.fetching.push(now, peer, transfer, spare);
      },
    });
  }

  /** It is not taken, cannot be written, or read any more. */
  fail(now: Micros, id: StreamId, reason: string): void {
    const transfer = this.transfers.find(id);
    if (!transfer || transfer.state === 'failed') return;
    transfer.reason = reason;
    this.sending.get(transfer)?.stop();
    this.casts.forget(transfer);
    this.spread.forgetAll(transfer);
    this.fetching.forget(transfer);
    this.enter(now, id, 'failed');
  }

  /** It is offered to the shell again, or asked for; `isSaved`: what stood there may be gone. */
  reopen(now: Micros, transfer: BulkTransfer, isSaved: boolean): void {
    const { origin, incarnation, manifestBytes: bytes } = transfer;
    transfer.reason = '';
    transfer.state = isSaved ? 'verifying' : 'joining';
    if (!isSaved) transfer.loseSlices();
    this.touch(now, transfer);
    const certificate = transfer.certificate(MANIFEST);
    if (!certificate) return this.fetching.wantMissing(now, transfer);
    this.requests.push({ type: 'open', id: { origin, incarnation }, certificate, bytes, isSaved });
  }

  enter(now: Micros, id: StreamId, state: BulkTransfer['state']): void {
    const transfer = this.transfers.find(id);
    if (!transfer || (transfer.state === 'failed' && state !== 'failed')) return;
    transfer.state = state;
    this.touch(now, transfer);
  }

  touch(now: Micros, transfer: BulkTransfer): void {
    this.telling.touch(now, transfer);
    this.changed.add(transfer);
    this.checkAt = Math.min(this.checkAt, now + CHECK);
  }

  /** Asks for a slice, once until `onRead`. */
  read(transfer: BulkTransfer, seq: number): void {
    const id = objectId(transfer, seq);
    const key = objectKey(id);
    if (this.reading.has(key)) return;
    this.reading.add(key);
    const target = this.slices.take(sliceLength(transfer.manifest!, seq - 1));
    this.requests.push({ type: 'read', id, target });
  }

  stored(now: Micros, transfer: BulkTransfer, seq: number, bytes: Uint8Array): StoredObject | undefined {
    const id = objectId(transfer, seq);
    let certificate = transfer.certificate(seq);
    if (certificate === UNSIGNED) {
      certificate = this.sign(now, id, bytes.length, sliceHash(transfer.manifest!, seq - 1));
      transfer.hold(seq, certificate);
    }
    return certificate && { ...id, certificate, bytes };
  }

  /** The cut of what was signed once stays: others may have begun it. */
  sign(now: Micros, id: ObjectId, length: number, hash: Uint8Array): Uint8Array {
    const { group, keys, sizes } = this.options;
    const descriptor = { ...id, length, ...cutObject(length, sizes.group(now)), hash };
    return signCertificate(group, writeDescriptor(descriptor), keys.sign);
  }

  forget(transfer: BulkTransfer): void {
    this.sending.get(transfer)?.stop();
    this.sending.delete(transfer);
    this.casts.forget(transfer);
    this.spread.forgetAll(transfer);
    this.fetching.forget(transfer);
    this.telling.forget(transfer);
    this.changed.delete(transfer);
    this.transfers.delete(transfer);
  }

  /** What was asked for has been answered. */
  onRead(id: ObjectId): void {
    this.reading.delete(objectKey(id));
  }
}

/**
 * Of a manifest so many symbols go more than it takes: before much is sent they are what a path is first measured with, and one of them may
 * be lost.
 */
function spareOf({ manifest, manifestBytes }: BulkTransfer): number {
  if (!manifest || manifest.bytes < MUCH) return 0;
  return Math.max(1, FIRST_FLIGHT - Math.ceil(manifestBytes.length / DATAGRAM_SIZE));
}

/** In place of a certificate that is made when it is first needed. */
export const UNSIGNED = new Uint8Array(0);
/** Of the objects of one origin that are rebuilt or written at once: all that is sent unasked, and what is asked for. */
const MAX_OPEN_BYTES = Math.max(MAX_MANIFEST, (MOST_SLICES + 2) * MAX_SLICE);
/** Beyond it the origin would do more than all others together. */
const DIRECT = 4;
/** A manifest of no more bytes goes out with the offer: it is what a path may be sent at first, and saves a round trip. */
const PUSHED_MANIFEST = 8 * 1024;
export const CHECK: Micros = 100 * MILLISECOND;
/** Datagrams: the initial window. */
const FIRST_FLIGHT = 10;
/** Bytes: less is sent before more is known. */
const MUCH = 1 << 20;
