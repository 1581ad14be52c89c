/** Members in the virtual world that send and take trees. What each has written outlives its crash, as files do. */

import { DEFAULT_CAST_PORT, defaultGroup } from '../../src/bulk/cast/address.js';
import { castKey } from '../../src/bulk/cast/hearing.js';
import {
  type Entry,
  type Manifest,
  parseManifest,
  sliceLength,
  writeManifest,
} from '../../src/bulk/manifest.js';
import type { BulkRequest, CastMode, TransferStatus } from '../../src/bulk/ports.js';
import { Rng } from '../../src/core/rng.js';
import { type Micros, SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import { type Cluster, type ClusterOptions, createCluster } from '../../src/sim/cluster.js';
import type { SimMember } from '../../src/sim/member.js';
import { type StreamId, streamKey } from '../../src/wire/symbol.js';

export const SLICE = 64 * 1024;

/** A tree of files of these sizes, and all their bytes. */
export function treeOf(
  sizes: readonly number[],
  seed = 'tree',
  sliceSize = SLICE,
): { manifest: Uint8Array; bytes: Uint8Array } {
  const bytes = new Rng(seed).bytes(sizes.reduce((sum, size) => sum + size, 0));
  const entries: Entry[] = sizes.map((size, i) => ({
    kind: 'file',
    path: `file-${i}`,
    mode: 0o644,
    modified: 0,
    size,
  }));
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += sliceSize)
    hashes.push(sha256(bytes.subarray(at, at + sliceSize)));
  return { manifest: writeManifest({ entries, sliceSize, hashes: Buffer.concat(hashes) }), bytes };
}

/** What one member has on its disk of a transfer. */
interface Shelf {
  manifest: Manifest;
  bytes: Uint8Array;
  held: Map<number, Uint8Array>;
  /** Slices written, again ones included. */
  written: number[];
  isSaved: boolean;
}

export class Crowd {
  readonly cluster: Cluster;
  readonly shelves: Map<string, Shelf>[];
  /** By member: what it says of what it is offered, in place of taking it. */
  readonly refusals = new Map<number, string>();
  /** By member and slice: why reading it gives nothing. */
  readonly gone = new Set<string>();
  /** By member: why it cannot join groups. */
  readonly deaf = new Map<number, string>();
  /** Members that have looked at an offer, each time that they did. */
  readonly opened: number[] = [];
  private readonly joined = new Map<string, string>();
  /** Called after each write. */
  onWritten: (member: number, slices: number) => void = () => {};
  private readonly sources = new Map<number, Uint8Array>();
  private readonly writeTime: (member: number) => Micros;

  constructor(options: Omit<ClusterOptions, 'onRequest'>, writeTime: (member: number) => Micros = () => 0) {
    this.writeTime = writeTime;
    this.shelves = Array.from({ length: options.members }, () => new Map());
    this.cluster = createCluster({
      ...options,
      onRequest: (member, now, request) => this.serve(member, now, request),
    });
  }

  get now(): Micros {
    return this.cluster.world.now;
  }

  /** These members take what is offered. */
  take(...members: number[]): void {
    for (const index of members) {
      this.cluster.members[index].endpoint.bulk.files.take(this.now, true);
      this.poll(index);
    }
  }

  /** @param mode of multicast; default: none */
  offer(
    member: number,
    { manifest, bytes }: { manifest: Uint8Array; bytes: Uint8Array },
    mode?: CastMode,
  ): StreamId {
    this.sources.set(member, bytes);
    const { origin, incarnation } = this.cluster.members[member].endpoint.bulk.files.offer(
      this.now,
      manifest,
      mode && ((id) => ({ to: { address: defaultGroup(id, false), port: DEFAULT_CAST_PORT }, mode })),
    );
    this.poll(member);
    return { origin, incarnation };
  }

  /** A member has nothing more to say of a transfer. */
  close(member: number, id: StreamId): void {
    this.cluster.members[member].endpoint.bulk.files.close(id);
  }

  /** What a member had saved of it is not there any more. */
  discard(member: number, id: StreamId): void {
    this.shelves[member].delete(streamKey(id));
  }

  start(member: number, id: StreamId): void {
    this.cluster.members[member].endpoint.bulk.files.start(this.now, id);
    this.poll(member);
  }

  /** Starts once these members are receiving. */
  startWith(member: number, id: StreamId, ...receivers: number[]): void {
    this.runUntil(() => receivers.every((other) => this.standing(member, id, other)?.state === 'receiving'));
    this.start(member, id);
  }

  /** A member hears nothing of the group of a transfer any more, and does not know it. */
  leave(member: number, id: StreamId): void {
    const key = this.joined.get(`${member} ${streamKey(id)}`);
    if (key !== undefined) this.cluster.world.groups.leave(this.cluster.members[member].address, key);
  }

  /** What names the group that this member sends a transfer to. */
  groupKey(member: number, id: StreamId): string {
    return castKey(this.status(member, id).cast!.group);
  }

  status(member: number, id: StreamId): TransferStatus {
    return this.cluster.members[member].endpoint.bulk.files.status(id)!;
  }

  standing(member: number, id: StreamId, other: number) {
    return this.status(member, id).members.find((each) => each.member === other);
  }

  shelf(member: number, id: StreamId): Shelf | undefined {
    return this.shelves[member].get(streamKey(id));
  }

  /** Runs until it holds; says whether it did within `limit`. */
  runUntil(holds: () => boolean, limit: Micros = 120 * SECOND): boolean {
    const isDone = this.cluster.world.runUntil(holds, this.now + limit);
    for (const member of this.cluster.members) {
      const fault = member.isLive ? member.endpoint.check() : undefined;
      if (fault) throw new Error(fault);
    }
    return isDone;
  }

  isSaved(id: StreamId, ...members: number[]): boolean {
    return members.every((member) => this.shelf(member, id)?.isSaved === true);
  }

  restart(member: number): void {
    this.cluster.restart(member);
  }

  dispose(): void {
    this.cluster.dispose();
  }

  private serve(member: SimMember, now: Micros, request: BulkRequest): void {
    const bulk = member.endpoint.bulk.files;
    const { index, starts } = member;
    const shelves = this.shelves[index];
    if (request.type === 'open') {
      this.opened.push(index);
      const refusal = this.refusals.get(index);
      if (refusal !== undefined) return bulk.fail(now, request.id, refusal);
      const manifest = parseManifest(request.bytes);
      const key = streamKey(request.id);
      if (!shelves.has(key)) {
        const bytes = new Uint8Array(manifest.bytes);
        shelves.set(key, { manifest, bytes, held: new Map(), written: [], isSaved: false });
      }
      if (request.isSaved && shelves.get(key)!.isSaved) bulk.handleCompleted(now, request.id);
      else bulk.accept(now, request.id, shelves.get(key)!.held);
    } else if (request.type === 'write') {
      const { id, bytes, certificate } = request;
      const { held, written, bytes: all, manifest } = shelves.get(streamKey(id))!;
      const act = () => {
        if (!member.isLive || member.starts !== starts) return;
        all.set(bytes, (id.seq - 1) * manifest.sliceSize);
        held.set(id.seq, certificate);
        written.push(id.seq);
        bulk.handleWritten(this.now, id, certificate, bytes);
        this.poll(index);
        this.onWritten(index, held.size);
      };
      this.cluster.world.at(this.now + this.writeTime(index), act);
    } else if (request.type === 'read') {
      const { id } = request;
      const own = id.origin === index ? this.sources.get(index) : undefined;
      const shelf = shelves.get(streamKey(id));
      const manifest = shelf?.manifest ?? this.status(index, id).manifest!;
      const from = (id.seq - 1) * manifest.sliceSize;
      const isGone = this.gone.has(`${index} ${id.seq}`);
      const length = sliceLength(manifest, id.seq - 1);
      bulk.handleRead(now, id, isGone ? undefined : (own ?? shelf?.bytes)?.slice(from, from + length));
    } else if (request.type === 'join') {
      const failure = this.deaf.get(index);
      const key = castKey(request.group);
      if (failure === undefined) this.cluster.world.groups.join(member.address, key);
      this.joined.set(`${index} ${streamKey(request.id)}`, key);
      bulk.handleJoined(now, request.id, failure);
    } else if (request.type === 'leave') {
      const key = this.joined.get(`${index} ${streamKey(request.id)}`);
      if (key !== undefined) this.cluster.world.groups.leave(member.address, key);
    } else if (request.type === 'complete') {
      shelves.get(streamKey(request.id))!.isSaved = true;
      bulk.handleCompleted(now, request.id);
    }
  }

  private poll(index: number): void {
    const { world, members } = this.cluster;
    members[index].settle(world.now);
    world.poll(members[index].address);
  }
}
