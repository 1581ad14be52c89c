/**
 * What is done when something is missing: it is asked for, others' requests are answered, what is damaged or not what the others
 * agree on is dropped, and what nobody keeps is given up. In: what is missing, PULLs and GONEs. Out: the same to others.
 */

import { countDrop } from '../core/drops.js';
import { type Micros, SECOND } from '../core/time.js';
import type { StoredObject } from '../store/store.js';
import type { GoneFrame } from '../wire/frames/gone.js';
import type { OwedFrame } from '../wire/frames/owed.js';
import type { ProgressFrame } from '../wire/frames/progress.js';
import type { PullFrame } from '../wire/frames/pull.js';
import { type ObjectId, objectId, streamKey } from '../wire/symbol.js';
import type { Stream } from './agreement/stream.js';
import type { RepairDrop } from './metrics.js';
import type { PullAnswer } from './observer.js';
import { chooseServer, preferring } from './spread/choice.js';
import { WINDOW } from './spread/intake.js';
import { pullsFor } from './spread/plan.js';
import type { Asked, Patience } from './spread/pulls.js';
import { rttOf, typicalRtt, withMargin } from './spread/rtts.js';
import type { Wings } from './wings.js';

export class Repair {
  private readonly wings: Wings;
  /** Streams that start over once the consumer is done with the object it has, and from where. */
  private readonly toRestart = new Map<Stream, number>();
  /** Streams of which a quorum holds others, and since when we wait to learn from where on. */
  private readonly unsettled = new Map<Stream, Micros>();

  constructor(wings: Wings) {
    this.wings = wings;
    for (const stream of wings.streams) {
      const { following, delivered } = stream;
      if (following.onLoaded()) wings.log.write({ type: 'stream', state: stream.state });
      if (following.isMisled) this.toRestart.set(stream, Math.max(following.trusted!.from, delivered));
    }
  }

  /** Asks for what is due. */
  handleTimeout(now: Micros): void {
    if (this.wings.pulls.nextTimeout() > now) return;
    const typical = this.typicalRtt();
    const rttTo = (member: number) => Math.max(typical, rttOf(this.wings.options.paths[member]));
    for (const want of this.wings.pulls.take(now, rttTo)) this.ask(now, want);
  }

  /** Looks again at streams that could not start over yet. */
  settleAll(now: Micros): void {
    this.restartStreams(now);
    for (const stream of [...this.unsettled.keys()]) this.settle(now, stream);
  }

  /** Whether what is held of this stream is about to be dropped. */
  isToRestart(stream: Stream): boolean {
    return this.toRestart.has(stream);
  }

  /** It is not there any more. */
  forget(stream: Stream): void {
    this.toRestart.delete(stream);
    this.unsettled.delete(stream);
  }

  /** A member and we agree on no object at this place: somebody has lied to one of us. */
  onDisagreement(now: Micros, stream: Stream, member: number): void {
    this.wings.reports.addDisagreement(stream, member);
    this.settle(now, stream);
  }

  /** If those that are against us are to be followed, and it is known where we differ, we start over there. */
  private settle(now: Micros, stream: Stream): void {
    const { group } = this.wings.options;
    const winners = stream.following.winners();
    const since = this.unsettled.get(stream) ?? now;
    this.unsettled.delete(stream);
    if (!winners) return;
    // Two quorums have a member in common that does not lie: what may be delivered of ours is theirs.
    const safe = group.byzantine > 0 ? stream.deliverable() : stream.delivered;
    const from = Math.max(stream.following.sharedWith(winners), Math.min(safe, winners.count - 1));
    // Under these names ours will be delivered nowhere: they get others before they are dropped.
    if (stream === this.wings.own.stream) return this.wings.succession.onRefused(now, from);
    const isLocated = stream.following.isLocated(winners, safe);
    if (!isLocated && now - since < SETTLING) {
      this.unsettled.set(stream, since);
      return;
    }
    // Where nobody lies, agreement is taken on trust until something else comes.
    stream.follow(winners, isLocated && group.byzantine > 0 ? from : stream.delivered);
    this.startOver(now, stream, from);
  }

  /** What we had promised to hold is gone; the others may still have it. */
  onDamaged(now: Micros, stream: Stream, seq: number): void {
    this.wings.metrics.damaged++;
    this.wings.events.push({ type: 'damaged', member: stream.origin, id: objectId(stream, seq) });
    // Our word on another's object is counted until it is delivered, so it is taken back. Our own go by our signature:
    // nobody may have the ones behind this one, so they are kept.
    if (seq >= stream.delivered && stream !== this.wings.own.stream)
      return this.startOver(now, stream, Math.min(seq, stream.count));
    stream.ledger.damaged.add(seq);
    this.wantMissing(now, stream);
  }

  /** Those that waited for the consumer start over. */
  restartStreams(now: Micros): void {
    for (const [stream, from] of this.toRestart)
      this.startOver(now, stream, Math.max(from, stream.delivered));
  }

  /** Drops what we hold from `from` on, which is not delivered: it is damaged, or not what the others agree on. */
  startOver(now: Micros, stream: Stream, from: number): void {
    if (this.wings.delivery.isConsuming(stream)) {
      this.toRestart.set(stream, Math.min(from, this.toRestart.get(stream) ?? from));
      return;
    }
    this.toRestart.delete(stream);
    stream.following.onLost(from);
    this.wings.log.drop(stream, from);
    this.wings.kept.drop(stream, from);
    stream.restart(from);
    this.wings.transfer.forgetAll(stream, (seq) => seq >= from);
    this.wings.delivery.forget(stream);
    this.wings.vectors.touch(stream);
    this.wantMissing(now, stream);
  }

  wantMissing(now: Micros, stream: Stream): void {
    const existing = Math.min(stream.claims.existing(), stream.delivered + WINDOW);
    if (existing > stream.count || stream.ledger.damaged.size > 0 || this.wings.pulls.wantsOf(stream))
      this.wings.pulls.update(now, stream, existing, this.patienceFor(stream));
  }

  /** Asks a member that holds it for an object that has not come by itself. */
  private ask(now: Micros, wanted: Asked<Stream>): void {
    const { stream, seq, tries, last } = wanted;
    const { paths, rng } = this.wings.options;
    if (this.wings.transfer.intake.isRefused(now, stream, seq) || now < (stream.refused.get(seq) ?? 0))
      return;
    const able = (isApt: (peer: number) => boolean) =>
      paths.flatMap((path, peer) => {
        const isThere = path?.isOpen && path.isResponsive(now);
        return isThere && isApt(peer) && stream.following.believes(peer) && !stream.following.isTwofold(peer)
          ? [peer]
          : [];
      });
    // The origin may hold more than it has said yet, but not what it has said that it let go of.
    const isOrigin = (peer: number) =>
      peer === stream.origin && tries % 2 === 1 && !stream.claims.hasLetGo(peer, seq);
    const keeping = able((peer) => stream.keepers.isKeptBy(now, peer, seq) || isOrigin(peer));
    const isNear = (peer: number) => paths[peer]!.isNear(now);
    let candidates = preferring(keeping, isNear);
    // Who forwards what they send may get it in a moment.
    const isComing = () =>
      able((peer) => isNear(peer) && isHop(peer) && !stream.claims.isHeldBy(peer, seq)).length > 0;
    const isHop = (peer: number) => keeping.some((keeper) => paths[keeper]!.via === peer);
    if (candidates.length > 0 && !isNear(candidates[0]) && isComing() && this.wings.pulls.defer(now, wanted))
      return;
    // Nobody keeps it any more: who has dropped it will say so, those first that have not yet.
    if (candidates.length === 0) candidates = able((peer) => stream.keepers.mayTell(peer, seq));
    if (candidates.length === 0) candidates = able((peer) => stream.claims.isHeldBy(peer, seq));
    // The origin has sent what it sends unasked.
    if (tries === 0) candidates = preferring(candidates, (peer) => peer !== stream.origin);
    const record = this.wings.objects.find(stream, seq);
    candidates = preferring(candidates, (peer) => !record?.distrusted.has(peer));
    const chosen = chooseServer(this.wings.transfer, rng, candidates, { record, last });
    if (!chosen) return;
    const { peer, missing } = chosen;
    const id = objectId(stream, seq);
    if (!this.wings.mail.post(peer, { kind: 'pull', id, missing })) return;
    stream.keepers.onAsked(now, peer);
    const likely = pullsFor(paths[peer]!.loss);
    this.wings.pulls.onAsked(now, wanted, peer, { rtt: rttOf(paths[peer]), likely });
    this.wings.options.observer?.(now, { topic: 'pulls', way: 'out', peer, id, tries: tries + 1 });
    this.wings.metrics.pulls++;
  }

  /** A relay's word on what still waits there of what we send. */
  handleOwed(now: Micros, from: number, frame: OwedFrame): void {
    this.wings.transfer.owed.onFrame(now, from, frame);
  }

  handleProgress(now: Micros, from: number, stream: Stream, frame: ProgressFrame): void {
    this.wings.transfer.onProgress(now, from, stream, frame);
    if (this.wings.options.paths[from]?.isNear(now))
      this.wings.pulls.onComing(now, { stream, seq: frame.id.seq });
  }

  handlePull(now: Micros, from: number, { id, missing }: PullFrame): void {
    const stream = this.wings.streams.find(id);
    const final = stream ? undefined : this.wings.streams.retired.find(id);
    // It is spoken of once our store says so, too.
    if (final?.recorded && id.seq < final.count) {
      const { origin, incarnation, count: base, chain } = final;
      this.answered(now, from, id, 'gone');
      this.wings.vectors.touchFor(from, final);
      this.wings.mail.post(from, { kind: 'gone', origin, incarnation, base, chain });
      return;
    }
    if (!stream?.holds(id.seq)) {
      this.answered(now, from, id, 'not-held');
      return countDrop(this.wings.metrics, 'stale');
    }
    if (id.seq < stream.base) {
      const { origin, incarnation, base } = stream;
      const chain = stream.ledger.chainAt(base)!;
      this.answered(now, from, id, 'gone');
      // It is believed of who has said so in a claim, too.
      this.wings.vectors.touchFor(from, stream);
      this.wings.mail.post(from, { kind: 'gone', origin, incarnation, base, chain });
      return;
    }
    if (stream.ledger.damaged.has(id.seq)) {
      this.answered(now, from, id, 'damaged');
      return countDrop(this.wings.metrics, 'unreadable');
    }
    // It is being sent as it is; on a busy host a peer may ask too early.
    const isOnItsWay = this.wings.objects.find(stream, id.seq)?.outgoing?.hasFor(now, from);
    this.answered(now, from, id, isOnItsWay ? 'on-its-way' : 'served');
    if (isOnItsWay) return;
    this.wings.serving.request(now, from, id, missing);
    this.readServed(now);
  }

  /** Reads what peers have asked for, as their turns come. */
  readServed(now: Micros): void {
    const { serving } = this.wings;
    for (let id = serving.nextRead(now); id; id = serving.nextRead(now)) {
      const object = this.wings.log.read(id);
      if (object) this.serve(now, id, object);
    }
  }

  serve(now: Micros, id: ObjectId, object: StoredObject | undefined): void {
    for (const peer of this.wings.serving.onObject(now, id, object)) this.wings.options.changed.mark(peer);
  }

  /**
   * A member has nothing of what we ask for any more. If nobody has, we go on without it, and say so.
   *
   * @returns the stream that goes on
   */
  handleGone(now: Micros, from: number, frame: GoneFrame): Stream | undefined {
    const stream = this.wings.streams.find(frame);
    const { paths, group, epochs } = this.wings.options;
    const { base, chain } = frame;
    // Who joins a group of one or two has nobody else to ask; nobody lies there.
    const isJoining = epochs?.change.isJoining === true;
    // Our own present stream is nobody's to end; and whoever says that objects are gone is not alone to say that there were any.
    if (
      !stream?.keepers.isAsked(from) ||
      stream === this.wings.own.stream ||
      !(isJoining || stream.claims.isNamedBeside(from, base))
    )
      return this.drop('stale');
    if (base <= stream.count || base > stream.claims.named()) return this.drop('stale');
    if ((stream.claims.of(from)?.base ?? 0) < base) {
      // Whatever it claims, it is not waited for.
      stream.keepers.onDenied(now, from);
      return this.drop('stale');
    }
    const { origin, incarnation, count: lost } = stream;
    const votes = stream.onGone(from, base, chain);
    const isKept = paths.some(
      (path, peer) =>
        path?.isReachable(now) &&
        !stream.following.isTwofold(peer) &&
        stream.keepers.isKeptBy(now, peer, lost),
    );
    if (isKept) return undefined;
    if (votes <= group.byzantine) {
      const isOpen = paths.some((path, peer) => path && stream.keepers.mayTell(peer, lost));
      if (isOpen) this.ask(now, { stream, seq: lost, tries: 0, last: undefined });
      return undefined;
    }
    if (stream.comparison.against({ count: base, chain }) > group.byzantine) return this.drop('stale');
    // What is held must be consumed before it can be left behind; but nobody can tell any more whether it is what all agreed on,
    // if their digests begin beyond it.
    if (stream.deliverable() > stream.delivered || this.wings.delivery.isConsuming(stream)) return undefined;
    if (stream.delivered < lost) this.startOver(now, stream, stream.delivered);
    // Who joins begins where the others have come to.
    if (!isJoining)
      this.wings.events.push({ type: 'lost', member: origin, incarnation, from: stream.delivered, to: base });
    // Its origin may be of the group no more, and never name it to us: the others wait for our word all the same.
    if (isJoining) this.wings.streams.signed(stream);
    stream.skipTo(base, chain);
    this.wings.transfer.forgetAll(stream, (seq) => seq < base);
    this.wings.delivery.forget(stream);
    this.wings.log.recordSoon(now, stream);
    if (stream.following.isMisled) this.startOver(now, stream, base);
    return stream;
  }

  /** What comes of a stream unasked comes from its origin, or by relays that most members can be. */
  private patienceFor(stream: Stream): Patience {
    const { paths, group, epochs } = this.wings.options;
    const { origin } = stream;
    // Few ask for either, and each takes a look at all paths.
    return {
      lostBelow: epochs?.change.sealedElsewhere(streamKey(stream)) ?? 0,
      get rtt() {
        return Math.max(typicalRtt(paths, group.faulty), rttOf(paths[origin]));
      },
      get relayed() {
        return RELAY_MARGIN * typicalRtt(paths, group.faulty, withMargin);
      },
    };
  }

  private typicalRtt(): Micros {
    return typicalRtt(this.wings.options.paths, this.wings.options.group.faulty);
  }

  private answered(now: Micros, peer: number, id: ObjectId, answer: PullAnswer): void {
    this.wings.options.observer?.(now, { topic: 'pulls', way: 'in', peer, id, answer });
  }

  private drop(reason: RepairDrop): undefined {
    countDrop(this.wings.metrics, reason);
  }
}

/** How long those that hold others may take to say from where on: some may be gone, or have forgotten. */
const SETTLING: Micros = 10 * SECOND;
/** Of a round trip: a symbol that was lost is sent again, by its origin, after half of one more (PROTOCOL 8.1). */
const RELAY_MARGIN = 1.25;
