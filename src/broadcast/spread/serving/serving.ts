/**
 * Answers PULLs: fresh symbols of objects that we hold, whoever broadcast them. In: what peers ask for, and the objects
 * once they are read. Out: for each peer the next SYMBOL body. What a peer asks for waits as a few numbers; an object is
 * read when its turn comes, so that who asks for much and takes little costs others no memory.
 */

import { Encoder } from '../../../codec/index.js';
import { countDrop } from '../../../core/drops.js';
import type { Rng } from '../../../core/rng.js';
import { SparseMap } from '../../../core/sparse.js';
import { type Micros, SECOND } from '../../../core/time.js';
import type { StoredObject } from '../../../store/store.js';
import type { SymbolWriter } from '../../../wire/datagram.js';
import { MAX_REPAIR_SYMBOLS } from '../../../wire/limits.js';
import { type ObjectId, objectKey } from '../../../wire/symbol.js';
import type { Metrics } from '../../metrics.js';
import { certifiedDescriptor, type ServedFrom, servedFrom, serveSymbols } from '../../proof/certificate.js';
import type { SpreadDrop } from '../drops.js';
import { esiOf } from '../plan.js';
import { MAX_LOSS_PLANNED } from '../rtts.js';
import { Allowances } from './allowances.js';
import { Work } from './work.js';

export interface ServingOptions {
  members: number;
  rng: Rng;
  /** Of our path to a peer. */
  lossOf(peer: number): number;
  /** Whether the peer says that it holds an object: it need not be sent. */
  isHeldBy(peer: number, id: ObjectId): boolean;
  /** Bytes of an object, at most: what its memory is reckoned with before it is read. */
  mostBytes(id: ObjectId): number;
}

interface Source extends ServedFrom {
  key: string;
  bytes: number;
  /** Requests that are served from it. */
  users: number;
}

interface Request {
  id: ObjectId;
  key: string;
  missing: readonly { sbn: number; symbols: number }[];
  /** Symbols more than it needs. */
  spare: number;
  /** The peer had said that it holds it: it cannot read it any more. */
  isRepair: boolean;
  /** Bytes that it takes now, read or being read; 0 while its turn has not come. */
  bytes: number;
  /** Once the object is there: what is left to be sent of each block, and how much of it will arrive. */
  source: Source | undefined;
  blocks: { sbn: number; esi: number; left: number }[];
  arrival: number;
}

/** What one peer has asked for, by object, the oldest first. */
interface Queue {
  /** Those whose turn has come. */
  served: SparseMap<string, Request>;
  /** The others. */
  waiting: SparseMap<string, Request>;
  bytes: number;
  /** When it last took something, or began to wait. */
  movedAt: Micros;
  allowances: Allowances;
  work: Work;
}

export class Serving {
  private readonly options: ServingOptions;
  private readonly metrics: Metrics<SpreadDrop>;
  private readonly sources = new Map<string, Source>();
  private readonly queues: Queue[];
  /** Bytes of all objects in memory or being read, each as often as it is asked for. */
  private bytes = 0;
  private turn = 0;
  /** Whether an object may be due to be read that was not before. */
  private isChanged = false;

  constructor(options: ServingOptions, metrics: Metrics<SpreadDrop>) {
    this.options = options;
    this.metrics = metrics;
    this.queues = Array.from({ length: options.members }, () => ({
      served: new SparseMap(),
      waiting: new SparseMap(),
      bytes: 0,
      movedAt: 0,
      allowances: new Allowances(),
      work: new Work(),
    }));
  }

  /**
   * Takes a request; a newer one for the same object takes the place of the one before.
   *
   * @param spare symbols more than it needs
   */
  request(now: Micros, peer: number, id: ObjectId, missing: Request['missing'], spare = 0): void {
    const key = objectKey(id);
    const queue = this.queues[peer];
    const known = queue.served.get(key) ?? queue.waiting.get(key);
    if (known) {
      known.missing = missing;
      known.spare = spare;
      if (known.source && queue.work.mayBegin(now)) this.plan(now, peer, known, known.source);
      return;
    }
    const length = lengthOf(queue);
    if (length >= MAX_REQUESTS) return countDrop(this.metrics, 'pull-quota');
    if (length === 0) queue.movedAt = now;
    const isRepair = this.options.isHeldBy(peer, id);
    const request = {
      id,
      key,
      missing,
      spare,
      isRepair,
      bytes: 0,
      source: undefined,
      blocks: [],
      arrival: 1,
    };
    queue.waiting.set(key, request);
    this.isChanged = true;
  }

  /** The next object to be read, for `onObject`; undefined if none is due. */
  nextRead(now: Micros): ObjectId | undefined {
    if (!this.isChanged) return undefined;
    const { queues } = this;
    for (let i = 0; i < queues.length; i++) {
      const peer = (this.turn + i) % queues.length;
      const request = this.nextOf(now, peer);
      if (!request) continue;
      this.turn = peer + 1;
      return request.id;
    }
    this.isChanged = false;
    return undefined;
  }

  /**
   * The object that requests wait for; undefined if it could not be read.
   *
   * @returns the peers for which there is something now
   */
  onObject(now: Micros, id: ObjectId, object: StoredObject | undefined): number[] {
    const key = objectKey(id);
    const waiting = this.queues.flatMap(({ served }, peer) => {
      const request = served.get(key);
      return request && !request.source ? [{ peer, request }] : [];
    });
    if (waiting.length === 0) return [];
    const source = this.sources.get(key) ?? (object && this.load(key, object));
    // Until all have it: the first may not be allowed any more of it, and would be its last user.
    if (source) source.users++;
    for (const { peer, request } of waiting)
      if (source) this.plan(now, peer, request, source);
      else this.remove(peer, request);
    if (source) this.release(source);
    return waiting.map(({ peer }) => peer);
  }

  has(peer: number): boolean {
    return this.current(peer) !== undefined;
  }

  /**
   * Adds the next symbols for `peer` to a datagram; false if there are none that fit.
   *
   * @param beside see `Outbound.addSymbols`
   */
  next(now: Micros, peer: number, writer: SymbolWriter, beside?: Set<object>): boolean {
    let request = this.current(peer, beside);
    while (request && this.isNeedless(peer, request)) {
      this.remove(peer, request);
      request = this.current(peer, beside);
    }
    if (!request?.source) return false;
    const { encoder } = request.source;
    const block = request.blocks[0];
    const { sbn, left: most } = block;
    const esi = esiOf(block.esi, encoder.oti.blockSymbols(sbn));
    const count = serveSymbols(request.source, { sbn, esi, most }, writer);
    if (count === 0) return false;
    if (encoder.oti.blockSymbols(sbn) === 1) beside?.add(request);
    const queue = this.queues[peer];
    queue.movedAt = now;
    queue.allowances.onServed(request.key, count * request.arrival);
    queue.work.earn(count * encoder.oti.symbolSize);
    block.esi += count;
    block.left -= count;
    if (block.left === 0) request.blocks.shift();
    if (request.blocks.length === 0) this.remove(peer, request);
    return true;
  }

  /** Forgets what peers have asked for that take nothing any more: who still wants it will ask again. */
  handleTimeout(now: Micros): void {
    this.queues.forEach((queue, peer) => {
      // Time alone may let it be read.
      if (queue.waiting.size > 0) this.isChanged = true;
      if (lengthOf(queue) > 0 && now - queue.movedAt >= PATIENCE) this.forget(peer);
    });
  }

  /** The session with this peer is over, or it has begun anew. */
  forget(peer: number): void {
    const { served, waiting } = this.queues[peer];
    for (const request of [...served.values(), ...waiting.values()]) this.remove(peer, request);
  }

  /** Whether bytes and users are counted right. */
  check(): string | undefined {
    const users = new Map<Source, number>();
    let all = 0;
    for (const { served, bytes } of this.queues) {
      let sum = 0;
      for (const request of served.values()) {
        sum += request.bytes;
        if (request.source) users.set(request.source, (users.get(request.source) ?? 0) + 1);
      }
      if (sum !== bytes) return `${bytes} bytes counted for a peer that is served ${sum}`;
      all += sum;
    }
    if (all !== this.bytes) return `${this.bytes} bytes counted of ${all} served`;
    for (const source of this.sources.values())
      if (source.users !== users.get(source))
        return `${source.users} users of ${source.key}, not ${users.get(source)}`;
    return undefined;
  }

  dispose(): void {
    for (const peer of this.queues.keys()) this.forget(peer);
  }

  /** The first request that can be served now. */
  private current(peer: number, beside?: ReadonlySet<object>): Request | undefined {
    for (const request of this.queues[peer].served.values())
      if (request.source && !beside?.has(request)) return request;
    return undefined;
  }

  /** Gives the first request of a peer whose turn has not come its turn, if there is room. */
  private nextOf(now: Micros, peer: number): Request | undefined {
    const queue = this.queues[peer];
    const first = () => queue.waiting.values().next().value;
    let request = first();
    while (request && this.isNeedless(peer, request)) {
      this.remove(peer, request);
      request = first();
    }
    if (!request || !queue.work.mayBegin(now)) return undefined;
    const bytes = Math.max(1, this.options.mostBytes(request.id));
    const hasRoom = queue.bytes + bytes <= MAX_PEER_BYTES && this.bytes + bytes <= MAX_BYTES;
    // Each peer may have one object, of any size.
    if (queue.bytes > 0 && !hasRoom) return undefined;
    queue.waiting.delete(request.key);
    queue.served.set(request.key, request);
    this.account(queue, request, bytes);
    return request;
  }

  private isNeedless(peer: number, { id, isRepair }: Request): boolean {
    return !isRepair && this.options.isHeldBy(peer, id);
  }

  private load(key: string, { certificate, bytes }: StoredObject): Source {
    const encoder = new Encoder(bytes, certifiedDescriptor(certificate));
    const source = { key, ...servedFrom(certificate, encoder), bytes: bytes.length, users: 0 };
    this.sources.set(key, source);
    return source;
  }

  private plan(now: Micros, peer: number, request: Request, source: Source): void {
    const { oti } = source.encoder;
    const { work, allowances } = this.queues[peer];
    if (!request.source) {
      source.users++;
      work.spend(source.bytes);
    }
    request.source = source;
    this.account(this.queues[peer], request, source.bytes);
    const whole = request.missing.length === 0;
    const wanted = whole
      ? Array.from({ length: oti.sourceBlocks }, (_, sbn) => ({ sbn, symbols: oti.blockSymbols(sbn) }))
      : request.missing.filter(({ sbn, symbols }) => sbn < oti.sourceBlocks && symbols > 0);
    request.arrival = 1 - Math.min(this.options.lossOf(peer), MAX_LOSS_PLANNED);
    request.blocks = wanted.map(({ sbn, symbols }) => {
      const k = oti.blockSymbols(sbn);
      // Who has nothing gets the block as it is; who has some, symbols that nobody else is likely to have sent.
      const esi = whole ? 0 : k + this.options.rng.integer(MAX_REPAIR_SYMBOLS / 4, MAX_REPAIR_SYMBOLS / 2);
      const left = Math.ceil(Math.min(symbols, k) / request.arrival) + request.spare;
      if (esi + left > k) work.spend(k * oti.symbolSize);
      return { sbn, esi, left };
    });
    // It asks for what the object does not have.
    if (request.blocks.length === 0) return this.remove(peer, request);
    const symbols = Math.ceil(oti.transferLength / oti.symbolSize);
    if (allowances.onAsked(now, request.key, symbols)) return;
    countDrop(this.metrics, 'serve-quota');
    this.remove(peer, request);
  }

  private account(queue: Queue, request: Request, bytes: number): void {
    queue.bytes += bytes - request.bytes;
    this.bytes += bytes - request.bytes;
    // What takes less than was reckoned with makes room for another.
    if (bytes < request.bytes) this.isChanged = true;
    request.bytes = bytes;
  }

  private remove(peer: number, request: Request): void {
    const queue = this.queues[peer];
    this.account(queue, request, 0);
    queue.served.delete(request.key);
    queue.waiting.delete(request.key);
    const { source } = request;
    request.source = undefined;
    if (source) this.release(source);
  }

  private release(source: Source): void {
    if (--source.users > 0) return;
    source.encoder.dispose();
    this.sources.delete(source.key);
  }
}

function lengthOf({ served, waiting }: Queue): number {
  return served.size + waiting.size;
}

/** Objects served to one peer at a time: what it wants of one stream, and of a second. */
export const MAX_REQUESTS = 512;
/** Bytes of objects read for one peer, or one object: so much that a path takes longer for it than the store. */
export const MAX_PEER_BYTES = 4 * 1024 * 1024;
/** Of all peers, but for one object of each. */
export const MAX_BYTES = 64 * 1024 * 1024;
/** How long a peer may take nothing of what it has asked for. */
export const PATIENCE: Micros = 10 * SECOND;
