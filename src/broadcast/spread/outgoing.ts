/**
 * An object that this member broadcasts: wave 0 of every block, then top-ups of fresh symbols for what members still
 * miss. In: what peers confirm and report. Out: for each peer the next SYMBOL body, made only when it can be sent.
 */

import { Encoder } from '../../codec/index.js';
import type { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../core/time.js';
import type { KeyPair } from '../../crypto/keys.js';
import type { Group } from '../../group/group.js';
import type { Path } from '../../path/path.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import { DESCRIPTOR_SIZE, MAX_BATCH, MAX_REPAIR_SYMBOLS } from '../../wire/limits.js';
import { type Descriptor, type Leaf, SERVED_OVERHEAD } from '../../wire/symbol.js';
import { signBatch } from '../proof/batch.js';
import { certifiedDescriptor, serveSymbols } from '../proof/certificate.js';
import { Deficits } from './deficits.js';
import { copiesFor, esiOf, symbolsPerPeer, symbolsToReach, WHOLE_UP_TO } from './plan.js';
import { Queues } from './queues.js';
import { rttOf, typicalRtt, withMargin } from './rtts.js';

/** The peers of this member by index; undefined at its own. */
export type Paths = readonly (Path | undefined)[];

interface Block {
  sourceSymbols: number;
  /** Symbols made so far: the next one has this number. */
  made: number;
  /** Symbols planned but not yet made. */
  planned: number;
  topUpAt: Micros;
  /** When the last symbol went that was waited for. */
  sentAt: Micros;
  /** Top-ups since a peer last reported to hold more of it. */
  backoff: number;
  /** Drawn for the wait that began then. */
  jitter: number;
  /** By peer: symbols of top-ups on its account. */
  readonly granted: Map<number, number>;
}

/** How a broadcast ended: the members that hold the object, and those that were out of reach. */
export interface Outcome {
  /** Members that hold it. */
  confirmed: number[];
  /** The others. */
  missing: number[];
}

/** `count` symbols of a block, to be dealt to `peers`. */
interface Wave {
  sbn: number;
  count: number;
  peers: number[];
  /** Nobody relays these, so they rest on the session instead of a signature. */
  isDirect: boolean;
  /** Wave 0, which grows once by what is lost on the way: that is better known when it ends than when it begins. */
  growsByLoss: boolean;
}

export class Outgoing {
  readonly descriptor: Descriptor;
  sentSymbols = 0;
  private readonly group: Group;
  private readonly keys: KeyPair;
  private readonly paths: Paths;
  private readonly rng: Rng;
  private readonly encoder: Encoder;
  private readonly certificate: Uint8Array;
  private readonly blocks: Block[];
  private readonly waves: Wave[];
  private readonly queues: Queues;
  /** The distance that most peers keep, as of the last look. */
  private typical: Micros;
  private dealer = 0;
  private readonly deficits: Deficits;

  constructor(
    now: Micros,
    group: Group,
    keys: KeyPair,
    paths: Paths,
    rng: Rng,
    certificate: Uint8Array,
    bytes: Uint8Array,
  ) {
    this.group = group;
    this.keys = keys;
    this.paths = paths;
    this.rng = rng;
    this.certificate = certificate;
    const descriptor = certifiedDescriptor(certificate);
    this.descriptor = descriptor;
    this.encoder = new Encoder(bytes, {
      symbolSize: descriptor.symbolSize,
      sourceBlocks: descriptor.sourceBlocks,
    });
    this.queues = new Queues(paths, descriptor.sourceBlocks);
    this.typical = this.typicalRtt();
    const peers = paths.flatMap((path, index) => (path ? [index] : []));
    this.waves = [];
    this.blocks = [];
    for (let sbn = 0; sbn < descriptor.sourceBlocks; sbn++) {
      const sourceSymbols = this.encoder.oti.blockSymbols(sbn);
      const each = symbolsPerPeer(sourceSymbols, group.members.length, group);
      const count = peers.length * each * (sourceSymbols <= WHOLE_UP_TO ? copiesFor(this.worstLoss()) : 1);
      this.blocks.push({
        sourceSymbols,
        made: 0,
        planned: count,
        topUpAt: NEVER,
        sentAt: now,
        backoff: 0,
        jitter: 1,
        granted: new Map(),
      });
      // Whole copies need no relays where next to nothing is lost, and with one peer there are none.
      const isDirect = peers.length === 1 || (sourceSymbols <= WHOLE_UP_TO && this.worstLoss() < LITTLE_LOSS);
      this.waves.push({ sbn, count, peers, isDirect, growsByLoss: sourceSymbols > WHOLE_UP_TO });
    }
    this.deficits = new Deficits(
      peers,
      this.blocks.map(({ sourceSymbols }) => sourceSymbols),
    );
  }

  /** Whether all that can be sent of it are copies of one symbol. */
  get isSingle(): boolean {
    return this.blocks.length === 1 && this.blocks[0].sourceSymbols === 1;
  }

  /** Source symbols of the whole object. */
  get sourceSymbols(): number {
    return this.blocks.reduce((sum, block) => sum + block.sourceSymbols, 0);
  }

  hasFor(now: Micros, peer: number): boolean {
    return this.queues.has(peer) || this.waves.some((wave) => this.isFirstHop(now, wave, peer));
  }

  /** Writes the next SYMBOL body for `peer` to `target`, and returns its length; 0 if there is none that fits. */
  next(now: Micros, peer: number, target: Uint8Array): number {
    if (!this.queues.has(peer)) {
      const wave = this.firstWave(now, peer);
      if (!wave) return 0;
      if (wave.isDirect && wave.peers.length === 1) return this.makeRun(now, wave, target);
      this.makeBatch(now, peer);
    }
    const symbol = this.queues.shift(now, peer, target.length);
    if (!symbol) return 0;
    this.sentSymbols++;
    if (symbol.isAwaited) {
      this.blocks[symbol.sbn].sentAt = now;
      this.scheduleTopUp(now, symbol.sbn);
    }
    target.set(symbol.body);
    return symbol.body.length;
  }

  /** `peer` holds the whole object: nothing more for it. */
  onConfirm(peer: number): void {
    this.deficits.onConfirm(peer);
  }

  /** `peer` has lost what it had reported. */
  onRestart(peer: number): void {
    this.deficits.onRestart(peer);
  }

  onProgress(now: Micros, peer: number, frame: ProgressFrame): void {
    for (const sbn of this.deficits.onProgress(now, peer, frame)) this.blocks[sbn].backoff = 0;
  }

  /** Plans top-ups for the blocks whose time has come. */
  handleTimeout(now: Micros): void {
    this.typical = this.typicalRtt();
    this.giveUpStuck(now);
    this.blocks.forEach((block, sbn) => {
      if (block.topUpAt > now) return;
      const lacking = this.deficits.lacking(sbn).filter((peer) => !this.isSpent(peer, block));
      const unfinished = lacking.filter((peer) => this.paths[peer]!.isResponsive(now));
      // Where symbols still come in, by relays with a queue, what is missing is not known yet.
      // Who has fallen silent sets nobody's pace, and gets what the others relay.
      const spoken = unfinished.filter((peer) => this.hasSpoken(peer, block));
      const asking = spoken.length > 0 ? spoken : unfinished;
      const quietAt = asking.map((peer) => this.quietAt(now, sbn, peer));
      const first = Math.min(...quietAt);
      if (asking.length > 0 && first > now) {
        block.topUpAt = first;
        return;
      }
      // Whose turn would come before these symbols have arrived is not left to another round.
      const needy = asking.filter((_, i) => quietAt[i] <= now + this.typical / 2);
      block.backoff++;
      block.topUpAt = NEVER;
      if (lacking.length === 0) return;
      if (needy.length === 0) {
        block.topUpAt = now + this.topUpDelay(block, this.typical);
        return;
      }
      const room = block.sourceSymbols + MAX_REPAIR_SYMBOLS - block.made;
      const demands = needy.map((peer) => this.demand(peer, sbn, asking.length));
      const count = Math.min(room, Math.max(...demands));
      if (count <= 0) return;
      needy.forEach((peer, i) => {
        block.granted.set(peer, (block.granted.get(peer) ?? 0) + Math.min(count, demands[i]));
      });
      block.planned += count;
      // First, so that early blocks are finished before late ones are begun.
      this.waves.unshift({
        sbn,
        count,
        peers: this.rng.shuffle(asking),
        isDirect: unfinished.length === 1,
        growsByLoss: false,
      });
    });
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const block of this.blocks) next = Math.min(next, block.topUpAt);
    return Math.min(next, this.queues.nextTimeout(this.patience));
  }

  dispose(): void {
    this.encoder.dispose();
    this.waves.length = 0;
    this.queues.clear();
    for (const block of this.blocks) block.topUpAt = NEVER;
  }

  /** Of the paths that can be used. */
  private worstLoss(): number {
    return Math.max(0, ...this.paths.map((path) => (path?.isOpen ? path.loss : 0)));
  }

  /** Of the paths that can be used; 0 if there are none. */
  private meanLoss(): number {
    const open = this.paths.flatMap((path) => (path?.isOpen ? [path.loss] : []));
    const sum = open.reduce((all, loss) => all + loss, 0);
    return Math.min(MAX_LOSS_PLANNED, sum / Math.max(1, open.length));
  }

  /**
   * A first hop that seems to be down would take its symbols with it, and one that is late would hold up the others: they
   * get none while others are there, which relay to them.
   */
  private isFirstHop(now: Micros, { peers, isDirect }: Wave, peer: number): boolean {
    if (!peers.includes(peer)) return false;
    const isResponsive = (other: number) => this.paths[other]!.isResponsive(now);
    const isPrompt = (other: number) => isResponsive(other) && (isDirect || !this.isLate(other));
    return isPrompt(peer) || (!peers.some(isPrompt) && (isResponsive(peer) || !peers.some(isResponsive)));
  }

  /** Much farther than most peers: more than what a report may be held back. */
  private isLate(peer: number): boolean {
    return rttOf(this.paths[peer], withMargin) > 2 * this.typical + REPORT_ALLOWANCE;
  }

  /** The wave whose turn it is for `peer`; those that are over are dropped. */
  private firstWave(now: Micros, peer: number): Wave | undefined {
    for (let i = 0; i < this.waves.length; ) {
      const wave = this.waves[i];
      if (this.isOver(wave)) this.endWave(now, wave);
      else if (this.isFirstHop(now, wave, peer)) return wave;
      else i++;
    }
    return undefined;
  }

  private isOver(wave: Wave): boolean {
    if (wave.count === 0 && wave.growsByLoss) {
      wave.growsByLoss = false;
      const block = this.blocks[wave.sbn];
      const hops = wave.peers.filter((peer) => !this.isLate(peer)).length || wave.peers.length;
      const wanted = symbolsToReach(block.sourceSymbols, hops, 1 - this.meanLoss());
      wave.count = Math.max(0, wanted - block.made);
      block.planned += wave.count;
    }
    return wave.count === 0 || this.deficits.lacking(wave.sbn).length === 0;
  }

  /** Whether of each block so much is planned as its waves come to. */
  check(): string | undefined {
    const counts = this.blocks.map(() => 0);
    for (const { sbn, count } of this.waves) counts[sbn] += count;
    const wrong = this.blocks.findIndex(({ planned }, sbn) => planned !== counts[sbn]);
    return wrong < 0 ? undefined : `${this.blocks[wrong].planned} symbols planned, ${counts[wrong]} in waves`;
  }

  private endWave(now: Micros, wave: Wave): void {
    this.waves.splice(this.waves.indexOf(wave), 1);
    this.blocks[wave.sbn].planned -= wave.count;
    this.scheduleTopUp(now, wave.sbn);
  }

  /** For one peer that relays nothing: made when they can be sent, as many as fit a datagram. */
  private makeRun(now: Micros, wave: Wave, target: Uint8Array): number {
    const { sbn } = wave;
    const block = this.blocks[sbn];
    const esi = esiOf(block.made, block.sourceSymbols);
    const most = wave.count;
    const { count, bytes } = serveSymbols(this.certificate, this.encoder, { sbn, esi, most }, target);
    if (count === 0) return 0;
    block.made += count;
    block.planned -= count;
    block.sentAt = now;
    wave.count -= count;
    this.sentSymbols += count;
    if (this.isOver(wave)) this.endWave(now, wave);
    return bytes;
  }

  /** Makes, signs and queues up to a batch of symbols, the first for `hungry`, which has none. */
  private makeBatch(now: Micros, hungry: number): void {
    const leaves: (Leaf & { isDirect: boolean })[] = [];
    const pending = this.queues.lengths();
    const over: Wave[] = [];
    for (const wave of this.waves) {
      if (leaves.length >= MAX_BATCH) break;
      const block = this.blocks[wave.sbn];
      if (this.isOver(wave)) {
        over.push(wave);
        continue;
      }
      if (!this.isFirstHop(now, wave, hungry)) continue;
      const peers = wave.peers.filter((peer) => this.isFirstHop(now, wave, peer));
      for (; wave.count > 0 && leaves.length < MAX_BATCH; wave.count--) {
        const firstHop = leaves.length === 0 ? hungry : this.deal(peers, pending);
        if (pending[firstHop] >= MAX_QUEUED) break;
        pending[firstHop]++;
        block.planned--;
        const esi = esiOf(block.made++, block.sourceSymbols);
        const symbol = this.encoder.symbol(wave.sbn, esi);
        leaves.push({ sbn: wave.sbn, esi, firstHop, symbol, isDirect: wave.isDirect });
      }
    }
    this.queueUp(now, leaves);
    for (const wave of over) this.endWave(now, wave);
  }

  private queueUp(now: Micros, leaves: readonly (Leaf & { isDirect: boolean })[]): void {
    const relayed = leaves.filter(({ isDirect }) => !isDirect);
    const descriptorBytes = this.certificate.subarray(0, DESCRIPTOR_SIZE);
    const signed =
      relayed.length > 0
        ? signBatch(this.group, descriptorBytes, relayed, this.keys.sign).values()
        : undefined;
    for (const leaf of leaves) {
      const { sbn, firstHop, isDirect } = leaf;
      const body = isDirect ? this.directBody(leaf) : signed!.next().value!;
      this.queues.push(now, firstHop, sbn, body);
    }
  }

  private directBody({ sbn, esi }: Leaf): Uint8Array {
    const body = new Uint8Array(SERVED_OVERHEAD + this.descriptor.symbolSize);
    serveSymbols(this.certificate, this.encoder, { sbn, esi, most: 1 }, body);
    return body;
  }

  /** The peer with the shortest queue, in turn among equals. */
  private deal(peers: readonly number[], pending: readonly number[]): number {
    this.dealer++;
    let best = peers[this.dealer % peers.length];
    for (let i = 1; i < peers.length && pending[best] > 0; i++) {
      const peer = peers[(this.dealer + i) % peers.length];
      if (pending[peer] < pending[best]) best = peer;
    }
    return best;
  }

  /** Symbols for a peer that is down, or whose path is shut, would keep their blocks from being topped up elsewhere. */
  private giveUpStuck(now: Micros): void {
    const isResponsive = (peer: number) => this.paths[peer]!.isResponsive(now);
    for (const wave of [...this.waves]) {
      if (wave.peers.some(isResponsive) || !this.deficits.lacking(wave.sbn).some(isResponsive)) continue;
      this.endWave(now, wave);
    }
    for (const sbn of this.queues.handleTimeout(now, this.patience)) this.scheduleTopUp(now, sbn);
  }

  /** Of top-ups with a queue that does not move: a symbol would have been there and back. */
  private get patience(): Micros {
    return this.typical + REPORT_ALLOWANCE;
  }

  /** Once all that was planned for a block is out, or stands still, the wait for confirms begins. */
  private scheduleTopUp(now: Micros, sbn: number): void {
    const block = this.blocks[sbn];
    if (block.planned > 0 || this.queues.awaits(sbn)) return;
    block.jitter = 1 + 0.25 * this.rng.float();
    block.topUpAt = Math.max(now, block.sentAt + this.topUpDelay(block, this.typical));
  }

  /**
   * A symbol, its relay and the report take three one-way delays: RTT + RTT/2. With no progress the wait for more
   * grows from RTT/2, doubling slowly, with jitter.
   */
  private topUpDelay(block: Block, rtt: Micros): Micros {
    const grown = (rtt / 2) * BACKOFF_BASE ** Math.min(block.backoff, MAX_BACKOFF_STEPS);
    return Math.ceil(Math.min(MAX_TOP_UP_DELAY, rtt + grown * block.jitter + REPORT_ALLOWANCE));
  }

  private typicalRtt(): Micros {
    return typicalRtt(this.paths, this.group.faulty, withMargin);
  }

  /** When nothing more of a block is to be expected at a peer of what has been sent: that one's distance counts, no other's. */
  private quietAt(now: Micros, sbn: number, peer: number): Micros {
    const block = this.blocks[sbn];
    const rtt = Math.max(this.typical, rttOf(this.paths[peer], withMargin));
    // What waits for its path is on its way to it as it is.
    if (this.queues.holds(peer, sbn)) return now + this.topUpDelay(block, rtt);
    const advanced = this.deficits.advancedAt(peer, sbn) + rtt + REPORT_ALLOWANCE;
    const patience = Math.min(advanced, block.sentAt + MAX_PATIENCE);
    return Math.ceil(Math.max(block.sentAt + this.topUpDelay(block, rtt), patience));
  }

  /** Whether a peer has had so much of a block that it has to ask for the rest: it may never be content. */
  private isSpent(peer: number, { sourceSymbols, granted }: Block): boolean {
    const allowed = TOP_UP_TIMES * sourceSymbols + TOP_UP_BESIDES;
    const arrival = 1 - Math.min(MAX_LOSS_PLANNED, this.paths[peer]!.loss);
    return (granted.get(peer) ?? 0) >= allowed / arrival;
  }

  /** Whether there has been a word from a peer since the last symbols of a block went. */
  private hasSpoken(peer: number, { sentAt }: Block): boolean {
    const { heardAt, rtt } = this.paths[peer]!;
    return heardAt >= sentAt + rtt.smoothed / 2;
  }

  /** How many fresh symbols should leave so that `peer` probably gets all it misses of a block. */
  private demand(peer: number, sbn: number, needy: number): number {
    const { sourceSymbols, made } = this.blocks[sbn];
    const path = this.paths[peer]!;
    // It may be down, so little has to do until it speaks.
    if (!this.hasSpoken(peer, this.blocks[sbn])) return copiesFor(path.loss);
    const reported = this.deficits.reported(peer, sbn);
    const loss = Math.min(MAX_LOSS_PLANNED, path.loss);
    // A lone peer that has not spoken of a block yet has what comes through; elsewhere much depends on the relays.
    const probable = this.deficits.peers.length === 1 ? sourceSymbols - made * (1 - loss) : sourceSymbols;
    const missing = Math.max(1, Math.min(Math.ceil(reported ?? probable), sourceSymbols));
    // With several in need most symbols come by a relay and meet loss twice.
    const arrival = needy > 1 ? (1 - loss) ** 2 : 1 - loss;
    const margin = missing > this.group.pessimism ? this.group.pessimism : 0;
    return Math.ceil(missing / arrival) + margin;
  }
}

/** Symbols made ahead of the pacer of one path, at most: a slow path must not hold what a faster one could carry. */
export const MAX_QUEUED = MAX_BATCH;
/** Below this share relays of whole copies would save less than they cost. */
const LITTLE_LOSS = 0.01;
/** How long top-ups of a block wait for symbols that are still on their way through relays. */
const MAX_PATIENCE: Micros = 10 * SECOND;
const BACKOFF_BASE = 1.5;
const MAX_BACKOFF_STEPS = 12;
const MAX_TOP_UP_DELAY: Micros = SECOND;
/** Peers report their deficits at intervals of this order. */
const REPORT_ALLOWANCE: Micros = 15 * MILLISECOND;
const MAX_LOSS_PLANNED = 0.75;
/** Of a block goes to one peer in top-ups, over 1 - p: so many times K, and so many symbols besides. */
export const TOP_UP_TIMES = 4;
export const TOP_UP_BESIDES = 16;
