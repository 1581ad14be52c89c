/** The transfers that a member knows, as the spread asks for them; how many another member can make it know is bounded. */
import type { StreamsView } from '../broadcast/spread/view.js';
import { type StreamId, streamKey } from '../wire/symbol.js';
import { BulkTransfer } from './transfer.js';

export class Transfers implements StreamsView<BulkTransfer> {
  /** Nothing is kept of those that are over. */
  readonly retired = { has: () => false };
  private readonly all = new Map<string, BulkTransfer>();
  /** By member: those that it was the first to speak of, the oldest first. */
  private readonly namedBy: Set<BulkTransfer>[];
  /** And of its own: what others made it speak of leaves room for them. */
  private readonly offeredBy: Set<BulkTransfer>[];

  constructor(members: number) {
    this.namedBy = Array.from({ length: members }, () => new Set());
    this.offeredBy = Array.from({ length: members }, () => new Set());
  }

  get size(): number {
    return this.all.size;
  }

  *[Symbol.iterator](): Generator<BulkTransfer> {
    yield* this.all.values();
  }

  find(id: StreamId): BulkTransfer | undefined {
    return this.all.get(streamKey(id));
  }

  of(origin: number): readonly BulkTransfer[] {
    return [...this.all.values()].filter((transfer) => transfer.origin === origin);
  }

  signed(id: StreamId): BulkTransfer | 'stale' {
    return this.find(id) ?? 'stale';
  }

  hasLater(): boolean {
    return false;
  }

  /**
   * One that `member` speaks of.
   *
   * @returns it, and another one that has to be forgotten for it; undefined if there is no room
   */
  open(
    member: number,
    id: StreamId,
  ): { transfer: BulkTransfer; instead: BulkTransfer | undefined } | undefined {
    const named = (id.origin === member ? this.offeredBy : this.namedBy)[member];
    let instead: BulkTransfer | undefined;
    if (named.size >= MAX_NAMED) {
      const over = [...named].filter(({ state }) => state === 'saved' || state === 'failed');
      // What nobody may have made goes first.
      instead = over.find(({ manifest }) => !manifest) ?? over[0];
      if (!instead) return undefined;
    }
    const transfer = this.add(id);
    named.add(transfer);
    return { transfer, instead };
  }

  /**
   * The list of files of a transfer has come, of so many bytes.
   *
   * @returns those of its origin that are over, and have to be forgotten for it; undefined if there is no room
   */
  roomFor(transfer: BulkTransfer, bytes: number): BulkTransfer[] | undefined {
    const others = this.of(transfer.origin).filter((other) => other !== transfer);
    let total = others.reduce((sum, { manifestBytes }) => sum + manifestBytes.length, bytes);
    const over: BulkTransfer[] = [];
    for (const other of others) {
      if (total <= MAX_MANIFESTS) break;
      if (other.state !== 'saved' && other.state !== 'failed') continue;
      over.push(other);
      total -= other.manifestBytes.length;
    }
    return total <= MAX_MANIFESTS ? over : undefined;
  }

  add(id: StreamId): BulkTransfer {
    const transfer = new BulkTransfer(id);
    this.all.set(streamKey(id), transfer);
    return transfer;
  }

  delete(transfer: BulkTransfer): void {
    this.all.delete(streamKey(transfer));
    for (const named of [...this.namedBy, ...this.offeredBy]) named.delete(transfer);
  }
}

/** Transfers that one member can make another one know. */
export const MAX_NAMED = 64;
/** Bytes of the manifests of one origin that are held at once. In memory each takes some ten times as much. */
export const MAX_MANIFESTS = 32 * 2 ** 20;
