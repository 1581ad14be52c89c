/** The door of the transfers for the shell, which has the files: what it offers and takes, what it reads and writes. */
import type { Micros } from '../core/time.js';
import { sha256 } from '../crypto/hash.js';
import type { ObjectId, StreamId } from '../wire/symbol.js';
import { type Ground, UNSIGNED } from './ground.js';
import { Layout } from './layout.js';
import { type Manifest, transferId } from './manifest.js';
import {
  type BulkEvent,
  type BulkRequest,
  type CastGroup,
  type CastMode,
  TAKES_NO_MORE,
  TAKES_NOTHING,
  type TransferStatus,
} from './ports.js';
import { Sending } from './sending.js';
import { MANIFEST, UNSHOWN } from './transfer.js';

export class FilesDoor {
  private readonly ground: Ground;

  constructor(ground: Ground) {
    this.ground = ground;
  }

  /**
   * Offers what a manifest says; slices are read by request. Throws MALFORMED.
   *
   * @param castTo how it goes by multicast; default: not at all
   */
  offer(
    now: Micros,
    manifest: Uint8Array,
    castTo?: (id: StreamId) => { to: CastGroup; mode: CastMode },
  ): StreamId {
    const { self } = this.ground.options;
    const hash = sha256(manifest);
    const id = transferId(self, hash);
    const known = this.ground.transfers.find(id);
    if (known) return known;
    const transfer = this.ground.transfers.add(id);
    try {
      transfer.open(manifest, this.ground.sign(now, { ...id, seq: MANIFEST }, manifest.length, hash));
    } catch (error) {
      this.ground.transfers.delete(transfer);
      throw error;
    }
    for (let seq = 1; seq < transfer.objects; seq++) transfer.hold(seq, UNSIGNED);
    transfer.state = 'offered';
    this.ground.telling.begin(transfer);
    const { paths } = this.ground.options;
    const how = castTo?.(id);
    const sending = new Sending(transfer, {
      casting: how && this.ground.casts.open(transfer, how.to, how.mode),
      paths,
      byzantine: this.ground.options.group.byzantine,
      spread: this.ground.spread,
      read: (seq) => this.ground.read(transfer, seq),
      release: (bytes) => this.ground.slices.give(bytes),
      touch: (at) => this.ground.touch(at, transfer),
    });
    this.ground.sending.set(transfer, sending);
    this.ground.touch(now, transfer);
    return id;
  }

  /** Whoever is to be there from the first slice on is there. */
  start(now: Micros, id: StreamId): void {
    const transfer = this.ground.transfers.find(id);
    if (transfer) this.ground.sending.get(transfer)?.start(now);
  }

  /**
   * Whether this member takes what others offer, from now on; what it has taken stays.
   *
   * @param byMulticast whether it listens to what they send so
   */
  take(now: Micros, isTaking: boolean, byMulticast = true): void {
    this.ground.isTaking = isTaking;
    this.ground.casts.isAllowed = byMulticast;
    if (!isTaking) return;
    for (const transfer of this.ground.transfers) {
      if (transfer.state !== 'failed' || !REFUSED.includes(transfer.reason)) continue;
      this.ground.reopen(now, transfer, false);
    }
  }

  /** What is held of it from before is being looked at. */
  verify(now: Micros, id: StreamId): void {
    this.ground.enter(now, id, 'verifying');
  }

  /** It is taken; of these slices the certificates are held from before, empty for those of another group. */
  accept(now: Micros, id: StreamId, held: Iterable<readonly [seq: number, certificate: Uint8Array]>): void {
    const transfer = this.ground.transfers.find(id);
    if (!transfer?.manifest) return;
    // Of what was saved before some may be gone, and what was whole would take no more symbols.
    if (transfer.held > 1) this.ground.spread.forgetAll(transfer, (seq) => seq !== MANIFEST);
    transfer.loseSlices();
    for (const [seq, certificate] of held)
      transfer.hold(seq, certificate.length === 0 ? UNSHOWN : certificate);
    this.ground.enter(now, id, 'receiving');
    this.ground.fetching.wantMissing(now, transfer);
    if (transfer.isWhole) this.ground.requests.push({ type: 'complete', id });
  }

  /** It is not taken, cannot be written, or read any more. */
  fail(now: Micros, id: StreamId, reason: string): void {
    this.ground.fail(now, id, reason);
  }

  /** A slice is on our disk, and its `bytes` are of no use any more. */
  handleWritten(now: Micros, { seq, ...id }: ObjectId, certificate: Uint8Array, bytes: Uint8Array): void {
    const transfer = this.ground.transfers.find(id);
    if (transfer?.state !== 'receiving') return;
    transfer.hold(seq, certificate);
    const object = this.ground.objects.find(transfer, seq);
    if (object?.storing) this.ground.spread.onHeld(now, object);
    this.ground.slices.give(bytes);
    this.ground.touch(now, transfer);
    this.ground.fetching.wantMissing(now, transfer);
    if (transfer.isWhole) this.ground.requests.push({ type: 'complete', id });
  }

  /** What `join` has asked for is listened to, or why it is not. */
  handleJoined(now: Micros, id: StreamId, failure?: string): void {
    this.ground.casts.handleJoined(now, id, failure);
  }

  /** All of it stands where it is to stand. */
  handleCompleted(now: Micros, id: StreamId): void {
    this.ground.enter(now, id, 'saved');
  }

  /** A slice, or undefined if the files no longer have it. */
  handleRead(now: Micros, id: ObjectId, bytes: Uint8Array | undefined): void {
    this.ground.onRead(id);
    const transfer = this.ground.transfers.find(id);
    if (!transfer) {
      this.ground.fetching.serve(now, id, undefined);
      return;
    }
    if (!bytes && transfer.holds(id.seq)) {
      this.ground.metrics.damaged++;
      // Of ours nobody can get what it was any more.
      transfer.lose(id.seq);
      if (this.ground.sending.has(transfer))
        this.ground.fail(now, transfer, changedIn(transfer.manifest!, id.seq));
      else {
        // What was whole would take no more symbols.
        const former = this.ground.objects.find(transfer, id.seq);
        if (former) this.ground.spread.forget(former);
        this.ground.touch(now, transfer);
        this.ground.fetching.wantMissing(now, transfer);
      }
    }
    const object = bytes && this.ground.stored(now, transfer, id.seq, bytes);
    const isServed = this.ground.fetching.serve(now, id, object);
    if (object) this.ground.sending.get(transfer)?.onRead(now, object, isServed);
  }

  /** Nothing more is said or sent of it. */
  close(id: StreamId): void {
    const transfer = this.ground.transfers.find(id);
    if (transfer) this.ground.forget(transfer);
  }

  /** What the shell is to do next; ask until there is nothing. */
  pollRequest(): BulkRequest | undefined {
    return this.ground.requests.shift();
  }

  /** A transfer that has changed. */
  pollEvent(): BulkEvent | undefined {
    for (const transfer of this.ground.changed) {
      this.ground.changed.delete(transfer);
      const { origin, incarnation } = transfer;
      return { origin, incarnation };
    }
    return undefined;
  }

  /** Indices of the other members that are within reach. */
  reachable(now: Micros): Set<number> {
    return new Set(
      this.ground.options.paths.flatMap((path, member) => (path?.isReachable(now) ? [member] : [])),
    );
  }

  status(id: StreamId): TransferStatus | undefined {
    const transfer = this.ground.transfers.find(id);
    if (!transfer) return undefined;
    const { claims, manifest, state, reason, held, objects } = transfer;
    const members = this.ground.options.group.members.flatMap(({ index }) => {
      const claim = claims.of(index);
      if (index === this.ground.options.self || !claim) return [];
      const said = new TextDecoder().decode(claim.reason);
      // Who has begun anew may still have said what it holds of something else.
      const slices = Math.min(Math.max(0, objects - 1), Math.max(0, claims.heldBy(index) - 1));
      const hasHeard = this.ground.telling.isHeard(index, transfer);
      return [{ member: index, state: claim.state, slices, reason: said, hasHeard }];
    });
    const cast = this.ground.casts.casting(transfer)?.status();
    return { manifest, state, reason, slices: Math.max(0, held - 1), members, cast };
  }
}

/** What is no longer what was offered, as the slice tells that could not be read. */
function changedIn(manifest: Manifest, seq: number): string {
  const [first, ...others] = seq === MANIFEST ? [] : new Layout(manifest).pieces(seq - 1);
  const what = first ? `: ${manifest.entries[first.entry].path}` : '';
  return `its source has changed since it was offered${what}${others.length > 0 ? ` or one of the ${others.length} files after it` : ''}`;
}

/** Of what is not taken, for no other reason. */
const REFUSED: readonly string[] = [TAKES_NOTHING, TAKES_NO_MORE];
