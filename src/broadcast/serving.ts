/**
 * Answers PULLs: fresh symbols of objects that we hold, whoever broadcast them. In: what peers ask for, and the objects
 * once they are read. Out: for each peer the next SYMBOL body.
 */
import { Encoder } from '../codec/index.js';
import type { Rng } from '../core/rng.js';
import type { StoredObject } from '../store/store.js';
import { MAX_REPAIR_SYMBOLS } from '../wire/limits.js';
import { type ObjectId, objectKey } from '../wire/symbol.js';
import { certifiedDescriptor, serveSymbols } from './certificate.js';
import { esiOf } from './plan.js';

interface Source {
  encoder: Encoder;
  certificate: Uint8Array;
}

interface Request {
  id: ObjectId;
  key: string;
  missing: readonly { sbn: number; symbols: number }[];
  /** Once the object is there: what is left to be sent of each block. */
  blocks: { sbn: number; esi: number; left: number }[] | undefined;
}

export class Serving {
  private readonly rng: Rng;
  private readonly sources = new Map<string, Source>();
  private readonly requests: Request[][];

  constructor(members: number, rng: Rng) {
    this.rng = rng;
    this.requests = Array.from({ length: members }, () => []);
  }

  /**
   * Takes a request; a newer one for the same object takes the place of the one before.
   *
   * @returns 'read' if the object has to be fetched for it, 'full' if it was refused
   */
  request(
    peer: number,
    id: ObjectId,
    missing: readonly { sbn: number; symbols: number }[],
    loss: number,
  ): 'read' | 'ready' | 'full' {
    const key = objectKey(id);
    const queue = this.requests[peer];
    const known = queue.find((request) => request.key === key);
    if (!known && queue.length >= MAX_REQUESTS) return 'full';
    const request: Request = known ?? { id, key, missing, blocks: undefined };
    request.missing = missing;
    if (!known) queue.push(request);
    const source = this.sources.get(key);
    if (!source) return 'read';
    this.plan(peer, request, source, loss);
    return 'ready';
  }

  /** The object that requests wait for; undefined if it could not be read. */
  onObject(id: ObjectId, object: StoredObject | undefined, lossOf: (peer: number) => number): void {
    const key = objectKey(id);
    const waiting = this.requests.some((queue) => queue.some((request) => request.key === key));
    if (!waiting || this.sources.has(key)) return;
    if (!object) return this.remove(key, () => true);
    const descriptor = certifiedDescriptor(object.certificate);
    const source = {
      certificate: object.certificate,
      encoder: new Encoder(object.bytes, descriptor),
    };
    this.sources.set(key, source);
    this.requests.forEach((queue, peer) => {
      for (const request of [...queue])
        if (request.key === key) this.plan(peer, request, source, lossOf(peer));
    });
  }

  /** What a peer holds by now it need not be sent. */
  drop(isHeldBy: (peer: number, id: ObjectId) => boolean): void {
    this.requests.forEach((queue, peer) => {
      for (const { id, key } of queue) if (isHeldBy(peer, id)) this.remove(key, (other) => other === peer);
    });
  }

  has(peer: number): boolean {
    return this.requests[peer].some((request) => request.blocks !== undefined);
  }

  /** Writes the next SYMBOL body for `peer` to `target`, and returns its length; 0 if there is none that fits. */
  next(peer: number, target: Uint8Array): number {
    const request = this.requests[peer].find((candidate) => candidate.blocks !== undefined);
    if (!request?.blocks) return 0;
    const { encoder, certificate } = this.sources.get(request.key)!;
    const block = request.blocks[0];
    const { sbn, left: most } = block;
    const esi = esiOf(block.esi, encoder.oti.blockSymbols(sbn));
    const { count, bytes } = serveSymbols(certificate, encoder, { sbn, esi, most }, target);
    if (count === 0) return 0;
    block.esi += count;
    block.left -= count;
    if (block.left === 0) request.blocks.shift();
    if (request.blocks.length === 0) this.remove(request.key, (other) => other === peer);
    return bytes;
  }

  dispose(): void {
    for (const queue of this.requests) queue.length = 0;
    for (const { encoder } of this.sources.values()) encoder.dispose();
    this.sources.clear();
  }

  private plan(peer: number, request: Request, { encoder }: Source, loss: number): void {
    const { oti } = encoder;
    const whole = request.missing.length === 0;
    const wanted = whole
      ? Array.from({ length: oti.sourceBlocks }, (_, sbn) => ({ sbn, symbols: oti.blockSymbols(sbn) }))
      : request.missing.filter(({ sbn, symbols }) => sbn < oti.sourceBlocks && symbols > 0);
    request.blocks = wanted.map(({ sbn, symbols }) => {
      const k = oti.blockSymbols(sbn);
      // Who has nothing gets the block as it is; who has some, symbols that nobody else is likely to have sent.
      const esi = whole ? 0 : k + this.rng.integer(MAX_REPAIR_SYMBOLS / 4, MAX_REPAIR_SYMBOLS / 2);
      const left = Math.ceil(Math.min(symbols, k) / (1 - Math.min(loss, MAX_LOSS_PLANNED)));
      return { sbn, esi, left };
    });
    // It asks for what the object does not have.
    if (request.blocks.length === 0) this.requests[peer] = this.requests[peer].filter((r) => r !== request);
  }

  private remove(key: string, isFor: (peer: number) => boolean): void {
    let used = false;
    this.requests.forEach((queue, peer) => {
      if (isFor(peer)) this.requests[peer] = queue.filter((request) => request.key !== key);
      used ||= this.requests[peer].some((request) => request.key === key);
    });
    if (used) return;
    this.sources.get(key)?.encoder.dispose();
    this.sources.delete(key);
  }
}

/** Objects served to one peer at a time: what it wants of one stream, and of a second. */
const MAX_REQUESTS = 512;
const MAX_LOSS_PLANNED = 0.75;
