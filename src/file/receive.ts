/** Receives what members of a group send, into a folder. */
import { EventEmitter, on } from 'node:events';
import { diskSize } from '../bulk/manifest.js';
import { UNOFFERED } from '../bulk/ports.js';
import { toHex } from '../core/bytes.js';
import {
  type Checks,
  checkOptions,
  checkRequired,
  isAtLeast,
  isBoolean,
  isObjectWith,
  isText,
} from '../core/checks.js';
import { sha256 } from '../crypto/hash.js';
import { HeadwaterError } from '../errors.js';
import type { Member } from '../group/group.js';
import type { Offer, Taker } from '../node/bulk/transfers.js';
import type { Node } from '../node/node.js';
import { type StreamId, streamKey } from '../wire/symbol.js';
import { isNode } from './options.js';
import { openStaging, type Staging, Taken } from './staging.js';

/** Where to save, and what to refuse. */
export interface ReceiveFilesOptions {
  /** The member that receives. It stays open. */
  node: Node;
  /** Where the files go; made if it is missing. What is not complete is kept there, in folders `.….part`, for the next run. */
  folder: string;
  /** Replace files that exist. Default false: what would is refused, and what is the same counts as saved. */
  overwrite?: boolean | undefined;
  /** Takes files of this member alone, and goes on with what is there of them from another group. Default: of all. */
  from?: Member | undefined;
  /** Bytes that a transfer may take on the disk, in blocks of 4 KiB, of which each folder and empty file has one: more is refused. Default: what the disk has room for. */
  maxBytes?: number | undefined;
  /** Listens to what is sent by multicast. Default true; without it all comes by the overlay. */
  multicast?: boolean | undefined;
  /** Name or numeric address of the interface that it listens at. Default: all that this machine has. */
  multicastInterface?: string | undefined;
  /** Ends it. What is under way stops, and is kept for the next run. */
  signal?: AbortSignal | undefined;
}

/** Of which transfer an event tells. */
export interface IncomingFiles {
  /** Names this transfer in the events on it. */
  transfer: string;
  /** Its sender. */
  from: Member;
  /** Of all its files. */
  bytes: number;
}

/** What happens to what others send. */
export type ReceiveEvent =
  /** It is taken; `held` bytes of it are here from before. */
  | ({ type: 'offer'; paths: string[]; held: number } & IncomingFiles)
  | ({ type: 'progress'; held: number } & IncomingFiles)
  /**
   * All of it stands under `paths`. `root`: SHA-256 of its manifest, hex, the same at its sender. `superseded`: folders `.….part` of
   * former versions of it, which nobody can complete any more, and which are removed.
   */
  | ({ type: 'saved'; paths: string[]; root: string; superseded: string[] } & IncomingFiles)
  /** It is refused, or cannot be written; `reason` is what the sender is told. */
  | ({ type: 'failed'; error: Error; reason: string } & IncomingFiles);

/**
 * Iterate it for what happens; it ends with the signal, with the node, and when its loop is left. What is under way stops then; what was saved
 * is served to others on.
 */
export interface FileReceiving extends AsyncIterable<ReceiveEvent> {
  /** Whether nobody needs us any more: each sender knows what became of its files, and who is there needs nothing of them. */
  readonly isSettled: boolean;
  /** Takes nothing new; what is under way goes on, and is served. */
  refuseNew(): void;
}

/**
 * Takes what others offer, and saves it under its names once all of it is there and checked. Who is stopped midway goes on with
 * what it has when the same is offered again.
 *
 * @throws HeadwaterError BUSY if this node receives files already; INVALID_ARGUMENT for an option that is none, or not what it should be
 * @example
 * for await (const event of receiveFiles({ node, folder: 'inbox' })) if (event.type === 'saved') console.log(event.paths);
 */
export function receiveFiles(options: ReceiveFilesOptions): FileReceiving {
  checkOptions('options', options, OPTIONS);
  checkRequired(options, { node: OPTIONS.node, folder: isText });
  return new Receiving(options);
}

const OPTIONS: Checks = {
  node: isNode,
  folder: isText,
  overwrite: isBoolean,
  from: isObjectWith(),
  maxBytes: isAtLeast(0),
  multicast: isBoolean,
  multicastInterface: isText,
  signal: isObjectWith('addEventListener'),
};

class Receiving implements FileReceiving, Taker {
  private readonly options: ReceiveFilesOptions;
  private readonly events = new EventEmitter();
  /** What is told before somebody listens waits. */
  private readonly told: AsyncIterable<unknown[]>;
  /** By transfer: what is taken. */
  private readonly taken = new Map<string, { offer: Offer; staging: Staging; slices: number }>();
  private readonly seen = new Map<string, StreamId>();
  private isFull = false;
  /** With the node. */
  private readonly ended = new AbortController();

  constructor(options: ReceiveFilesOptions) {
    const { node, signal } = options;
    this.options = options;
    const ends = signal ? AbortSignal.any([signal, this.ended.signal]) : this.ended.signal;
    this.told = on(this.events, 'event', { signal: ends });
    node.transfers.take(this, { multicast: options.multicast, at: options.multicastInterface });
  }

  get isSettled(): boolean {
    const { node } = this.options;
    const here = node.transfers.reachable();
    return [...this.seen.values()].every((id) => {
      const status = node.transfers.status(id);
      return !status?.members.some(({ member, state, hasHeard }) => {
        if (!here.has(member)) return false;
        return member === id.origin
          ? !hasHeard
          : state === 'receiving' || state === 'verifying' || state === 'joining';
      });
    });
  }

  refuseNew(): void {
    this.isFull = true;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ReceiveEvent> {
    try {
      for await (const [event] of this.told) yield event as ReceiveEvent;
    } catch (error) {
      if (!this.options.signal?.aborted && !this.ended.signal.aborted) throw error;
    } finally {
      this.options.node.transfers.take(undefined);
    }
  }

  async open(offer: Offer, verifying: () => void): Promise<Staging> {
    const { maxBytes = Number.POSITIVE_INFINITY, from } = this.options;
    for (const [key, id] of this.seen) if (!this.options.node.transfers.status(id)) this.seen.delete(key);
    this.seen.set(streamKey(offer.id), offer.id);
    if (this.isFull || (from && offer.id.origin !== from.index))
      throw new HeadwaterError('BUSY', 'it takes no more files');
    const bytes = diskSize(offer.manifest);
    if (bytes > maxBytes)
      throw new HeadwaterError(
        'TOO_LARGE',
        `transfer: expected at most ${maxBytes} bytes (--max-size of the receiver), got ${bytes}`,
      );
    const staging = await this.stage(offer, verifying);
    this.taken.set(streamKey(offer.id), { offer, staging, slices: -1 });
    return staging;
  }

  /** What only others than its sender still have may be older than what is here: it takes the place of nothing, and is no failure. */
  private async stage(offer: Offer, verifying: () => void): Promise<Staging> {
    const { node, folder, overwrite = false, from } = this.options;
    const { id } = offer;
    const said = node.transfers.status(id)?.members.find(({ member }) => member === id.origin);
    const isOffered = said?.state === 'offered';
    try {
      const how = { folder, overwrite: overwrite && isOffered, anyGroup: from !== undefined };
      return await openStaging(offer, how, verifying);
    } catch (error) {
      if (isOffered || !((error as Error).cause instanceof Taken)) throw error;
      throw new HeadwaterError('BUSY', UNOFFERED);
    }
  }

  reasonOf(error: unknown): string {
    return reasonOf(error);
  }

  onChange(id: StreamId): void {
    const open = this.taken.get(streamKey(id));
    const status = this.options.node.transfers.status(id);
    if (!open || !status) return;
    const { offer, staging } = open;
    if (status.state === 'failed') return this.onAbandoned(offer, status.reason);
    const about = aboutOf(offer);
    const held = Math.min(about.bytes, status.slices * offer.manifest.sliceSize);
    if (open.slices < 0 && status.state === 'receiving')
      this.tell({ type: 'offer', ...about, paths: staging.paths, held });
    else if (status.state === 'receiving' && status.slices > open.slices)
      this.tell({ type: 'progress', ...about, held });
    if (status.state === 'receiving') open.slices = status.slices;
    if (status.state !== 'saved') return;
    this.taken.delete(streamKey(id));
    const { paths, superseded } = staging;
    this.tell({ type: 'saved', ...about, paths, root: toHex(sha256(offer.bytes)), superseded });
  }

  onFailed(offer: Offer, error: unknown): void {
    this.taken.delete(streamKey(offer.id));
    // As we were told to do: its sender alone is to know.
    if ((error as HeadwaterError).code === 'BUSY') return;
    this.tell({ type: 'failed', ...aboutOf(offer), error: error as Error, reason: reasonOf(error) });
  }

  onClosed(): void {
    this.ended.abort();
  }

  private onAbandoned(offer: Offer, reason: string): void {
    this.taken.delete(streamKey(offer.id));
    const error = new HeadwaterError(
      'FILE',
      `receive: expected all of it from ${offer.from.name}, got: ${reason}`,
    );
    this.tell({ type: 'failed', ...aboutOf(offer), error, reason });
  }

  private tell(event: ReceiveEvent): void {
    this.events.emit('event', event);
  }
}

function aboutOf({ id, from, manifest }: Offer): IncomingFiles {
  return { transfer: id.incarnation.toString(16), from, bytes: manifest.bytes };
}

/** Why files were not saved, in words that tell others nothing of our disk but what they need. */
function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  if (cause instanceof Taken) return cause.message;
  const { code } = (cause ?? error) as NodeJS.ErrnoException;
  if (code === 'ESTALE') return 'another process has changed them while they came';
  if (code === 'EBUSY') return 'another process saves them to the same folder';
  if (code === 'ENOSPC' || code === 'EDQUOT') return `its disk is full (${code})`;
  if (error instanceof HeadwaterError && !error.cause) return error.message;
  return `it cannot write the files (${code})`;
}
