/**
 * What is asked for and served of transfers: a manifest always, a slice once its origin sends it to nobody unasked. In: what is
 * lacking, PULLs of others, objects as they are read. Out: PULLs, objects to read, symbols.
 */

import type { Metrics, RepairDrop } from '../broadcast/metrics.js';
import { chooseServer, preferring } from '../broadcast/spread/choice.js';
import type { SpreadDrop } from '../broadcast/spread/drops.js';
import { Mail } from '../broadcast/spread/mail.js';
import type { Objects } from '../broadcast/spread/objects.js';
import { pullsFor } from '../broadcast/spread/plan.js';
import { type Asked, Pulls } from '../broadcast/spread/pulls.js';
import { type Paths, rttOf, typicalRtt } from '../broadcast/spread/rtts.js';
import { Serving } from '../broadcast/spread/serving/serving.js';
import type { Transfer } from '../broadcast/spread/transfer.js';
import { countDrop } from '../core/drops.js';
import type { Marks } from '../core/marks.js';
import type { Rng } from '../core/rng.js';
import type { Micros } from '../core/time.js';
import type { Group } from '../group/group.js';
import type { StoredObject } from '../store/store.js';
import type { PullFrame } from '../wire/frames/pull.js';
import { type ObjectId, objectId } from '../wire/symbol.js';
import { type BulkTransfer, MANIFEST, UNSHOWN } from './transfer.js';
import type { Transfers } from './transfers.js';

export interface FetchingOptions {
  group: Group;
  paths: Paths;
  rng: Rng;
  changed: Marks;
  /** Asks for a slice that is held, for `onRead`. */
  read(transfer: BulkTransfer, seq: number): void;
}

export class Fetching {
  readonly mail: Mail;
  readonly serving: Serving;
  private readonly options: FetchingOptions;
  private readonly metrics: Metrics<SpreadDrop | RepairDrop>;
  private readonly transfers: Transfers;
  private readonly spread: Transfer<BulkTransfer>;
  private readonly objects: Objects<BulkTransfer>;
  private readonly pulls: Pulls<BulkTransfer>;

  constructor(
    options: FetchingOptions,
    metrics: Metrics<SpreadDrop | RepairDrop>,
    parts: { transfers: Transfers; spread: Transfer<BulkTransfer>; objects: Objects<BulkTransfer> },
  ) {
    const { group, paths, rng, changed } = options;
    const { transfers } = parts;
    this.options = options;
    this.metrics = metrics;
    this.transfers = transfers;
    this.spread = parts.spread;
    this.objects = parts.objects;
    this.mail = new Mail(group.members.length, metrics, changed);
    this.pulls = new Pulls(rng.fork('pulls'), parts.objects);
    this.serving = new Serving(
      {
        members: group.members.length,
        rng: rng.fork('serving'),
        lossOf: (peer) => paths[peer]!.loss,
        isHeldBy: (peer, id) => transfers.find(id)?.claims.isHeldBy(peer, id.seq) === true,
        mostBytes: (id) => lengthOf(transfers.find(id), id.seq),
      },
      metrics,
    );
  }

  /** Brings up to date what is asked for. */
  wantMissing(now: Micros, transfer: BulkTransfer): void {
    const existing = this.wanted(now, transfer);
    if (existing === 0 && !this.pulls.wantsOf(transfer)) return;
    const { group, paths } = this.options;
    const rtt = Math.max(typicalRtt(paths, group.faulty), rttOf(paths[transfer.origin]));
    this.pulls.update(now, transfer, existing, { rtt, relayed: rtt });
  }

  onServed(now: Micros, transfer: BulkTransfer, seq: number, peer: number, length: number): void {
    this.pulls.onServed(now, { stream: transfer, seq }, peer, length);
  }

  handlePull(now: Micros, from: number, { id, missing }: PullFrame): void {
    const transfer = this.transfers.find(id);
    if (!transfer?.holds(id.seq) || transfer.state === 'failed') return countDrop(this.metrics, 'stale');
    if (this.objects.find(transfer, id.seq)?.outgoing?.hasFor(now, from)) return;
    this.serving.request(now, from, id, missing);
    this.readServed(now);
  }

  /**
   * A peer will want the manifest: it is served as if it had been asked for.
   *
   * @param spare symbols more than it needs
   */
  push(now: Micros, peer: number, transfer: BulkTransfer, spare: number): void {
    this.serving.request(now, peer, objectId(transfer, MANIFEST), [], spare);
    this.readServed(now);
  }

  /** Reads what peers have asked for, as their turns come. */
  readServed(now: Micros): void {
    for (let id = this.serving.nextRead(now); id; id = this.serving.nextRead(now)) {
      const transfer = this.transfers.find(id);
      const certificate = transfer?.certificate(id.seq);
      if (!transfer || !certificate || certificate === UNSHOWN) this.serve(now, id, undefined);
      else if (id.seq === MANIFEST)
        this.serve(now, id, { ...id, certificate, bytes: transfer.manifestBytes });
      else this.options.read(transfer, id.seq);
    }
  }

  /** What has been read for peers that asked. Says whether there were any. */
  serve(now: Micros, id: ObjectId, object: StoredObject | undefined): boolean {
    const peers = this.serving.onObject(now, id, object);
    for (const peer of peers) this.options.changed.mark(peer);
    return peers.length > 0;
  }

  nextTimeout(): Micros {
    return this.pulls.nextTimeout();
  }

  handleTimeout(now: Micros): void {
    if (this.pulls.nextTimeout() > now) return;
    const { group, paths } = this.options;
    const typical = typicalRtt(paths, group.faulty);
    for (const want of this.pulls.take(now, (member) => Math.max(typical, rttOf(paths[member]))))
      this.ask(now, want);
  }

  /** Looks at what has no deadline of its own. */
  look(now: Micros): void {
    this.serving.handleTimeout(now);
    this.options.paths.forEach((path, peer) => {
      if (path?.isOpen === false) this.serving.forget(peer);
    });
    this.readServed(now);
  }

  forget(transfer: BulkTransfer): void {
    this.pulls.forget(transfer);
  }

  check(): string | undefined {
    return this.pulls.check(this.transfers) ?? this.serving.check();
  }

  /** Objects below are to be asked for if they are lacking; 0 for none. */
  private wanted(now: Micros, transfer: BulkTransfer): number {
    const { claims, state } = transfer;
    if (transfer.lacks(MANIFEST)) return MANIFEST + 1;
    if (state !== 'receiving') return 0;
    const origin = this.options.paths[transfer.origin];
    const sends = origin?.isOpen && origin.isNear(now) ? claims.of(transfer.origin) : undefined;
    const end = Math.min(transfer.objects, sends ? sends.sent : claims.existing());
    let seq = transfer.count;
    for (let lacking = 0; seq < end && lacking < AT_A_TIME; seq++) if (transfer.lacks(seq)) lacking++;
    return seq > transfer.count ? seq : 0;
  }

  private ask(now: Micros, wanted: Asked<BulkTransfer>): void {
    const { stream: transfer, seq, tries, last } = wanted;
    const { paths, rng } = this.options;
    if (this.spread.intake.isRefused(now, transfer, seq)) return;
    const record = this.objects.find(transfer, seq);
    const keeping = paths.flatMap((path, peer) =>
      path?.isOpen && path.isResponsive(now) && transfer.claims.keeps(peer, seq) ? [peer] : [],
    );
    const isNear = (peer: number) => paths[peer]?.isNear(now) === true;
    let peers = preferring(keeping, isNear);
    // Who forwards what they send may get it in a moment.
    const hops = keeping.flatMap((keeper) => paths[keeper]!.via ?? []);
    const isComing = hops.some((hop) => isNear(hop) && transfer.claims.wants(hop, seq));
    if (peers.length > 0 && !isNear(peers[0]) && isComing && this.pulls.defer(now, wanted)) return;
    peers = preferring(peers, (peer) => !record?.distrusted.has(peer));
    // The origin has others to send to.
    if (tries % 2 === 0) peers = preferring(peers, (peer) => peer !== transfer.origin);
    const chosen = chooseServer(this.spread, rng, peers, { record, last });
    if (!chosen) return;
    const { peer, missing } = chosen;
    if (!this.mail.post(peer, { kind: 'pull', id: objectId(transfer, seq), missing })) return;
    transfer.keepers.onServing(now, peer);
    this.pulls.onAsked(now, wanted, peer, { rtt: rttOf(paths[peer]), likely: pullsFor(paths[peer]!.loss) });
    this.metrics.pulls++;
  }
}

/** Bytes of an object of a transfer. */
function lengthOf(transfer: BulkTransfer | undefined, seq: number): number {
  if (!transfer?.manifest) return 0;
  return seq === MANIFEST ? transfer.manifestBytes.length : transfer.manifest.sliceSize;
}

/** Objects of a transfer asked for at once: they are rebuilt in memory. */
const AT_A_TIME = 6;
