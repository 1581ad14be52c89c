/**
 * An object that this member broadcasts: wave 0 of every block, then top-ups of fresh symbols for what members still
 * miss. In: what peers confirm and report. Out: for each peer the next symbol, made only when it can be sent.
 */

import type { Rng } from '../../../core/rng.js';
import { MILLISECOND, type Micros, NEVER } from '../../../core/time.js';
import type { KeyPair } from '../../../crypto/keys.js';
import type { Group } from '../../../group/group.js';
import type { StoredObject } from '../../../store/store.js';
import type { SymbolWriter } from '../../../wire/datagram.js';
import type { ProgressFrame } from '../../../wire/frames/progress.js';
import type { Descriptor } from '../../../wire/symbol.js';
import { esiOf } from '../plan.js';
import type { Paths } from '../rtts.js';
import { Dealer } from './dealer.js';
import { Deficits } from './deficits.js';
import { blockOf, firstWaves, type Wave } from './first-waves.js';
import type { Owed } from './owed.js';
import { Queues } from './queues.js';
import { LossSince, type Shortfall } from './shortfall.js';
import { type Dealt, SymbolMaker } from './symbols.js';
import { type Block, type TopUp, TopUps } from './top-ups.js';

/** How a broadcast ended: the members that hold the object, and those that were out of reach. */
export interface Outcome {
  /** Members that hold it. */
  confirmed: number[];
  /** The others. */
  missing: number[];
}

/** What all objects that a member sends have in common. */
export interface OutgoingOptions {
  group: Group;
  keys: KeyPair;
  paths: Paths;
  rng: Rng;
  /** What the objects before have shown of the relays. */
  shortfall: Shortfall;
  /** So many peers get all of it themselves where there is no link that relays would save. */
  direct: number;
  /** Standard deviations to spare in first waves: see `FirstHops`. */
  spare?: number | undefined;
  /** Of so many relays a first wave expects nothing. */
  absent: number;
  /** What relays still owe. */
  owed: Owed;
  /** Its place among all that are sent. */
  number: number;
}

export class Outgoing {
  readonly descriptor: Descriptor;
  sentSymbols = 0;
  readonly number: number;
  private readonly paths: Paths;
  private readonly rng: Rng;
  private readonly maker: SymbolMaker;
  private readonly blocks: Block[];
  private readonly waves: Wave[];
  private readonly queues: Queues;
  private readonly dealer: Dealer;
  private readonly deficits: Deficits;
  private readonly topUps: TopUps;

  constructor(now: Micros, options: OutgoingOptions, object: Pick<StoredObject, 'certificate' | 'bytes'>) {
    const { group, keys, paths, rng, shortfall, direct, spare, absent, owed, number } = options;
    this.number = number;
    this.paths = paths;
    this.rng = rng;
    this.maker = new SymbolMaker(group, keys, object);
    const { descriptor, encoder } = this.maker;
    this.descriptor = descriptor;
    this.dealer = new Dealer(paths, descriptor.symbolSize, this.maker.isInline);
    this.queues = new Queues(paths, descriptor.sourceBlocks);
    const peers = paths.flatMap((path, index) => (path ? [index] : []));
    this.waves = [];
    this.blocks = [];
    for (let sbn = 0; sbn < descriptor.sourceBlocks; sbn++) {
      const known = { sbn, sourceSymbols: encoder.oti.blockSymbols(sbn) };
      const waves = firstWaves({ group, paths, direct, absent }, known);
      this.waves.push(...waves);
      this.blocks.push(blockOf(now, known, waves));
    }
    this.deficits = new Deficits(
      peers,
      this.blocks.map(({ sourceSymbols }) => sourceSymbols),
    );
    // Of large objects what relays have not sent yet looks as if they sent nothing.
    const seen = descriptor.sourceBlocks === 1 ? { shortfall, loss: new LossSince(paths) } : undefined;
    this.topUps = new TopUps({ group, paths, spare, owed, number }, this.deficits, this.queues, seen);
  }

  /** Whether all that can be sent of it are copies of one symbol. */
  get isSingle(): boolean {
    return this.blocks.length === 1 && this.blocks[0].sourceSymbols === 1;
  }

  /** Source symbols of the whole object. */
  get sourceSymbols(): number {
    return this.blocks.reduce((sum, block) => sum + block.sourceSymbols, 0);
  }

  /** Source symbols that `peer` lacks by its last report. */
  missingAt(peer: number): number {
    return this.deficits.missingOf(peer);
  }

  hasFor(now: Micros, peer: number): boolean {
    return this.queues.has(peer) || this.waves.some((wave) => this.isFirstHop(now, wave, peer));
  }

  /** Adds the next symbols for `peer` to a datagram; false if there are none that fit. */
  next(now: Micros, peer: number, writer: SymbolWriter): boolean {
    if (!this.queues.has(peer)) {
      const wave = this.firstWave(now, peer);
      if (!wave) return false;
      if (wave.isDirect && wave.peers.length === 1) return this.makeRun(now, wave, writer);
      this.makeBatch(now, peer);
    }
    const first = this.queues.first(peer);
    if (!first || !this.maker.write(first, writer)) return false;
    const symbol = this.queues.shift(now, peer);
    this.sentSymbols++;
    if (!('sbn' in first)) this.topUps.owed.onSent(now, peer);
    if (symbol.isAwaited) {
      this.blocks[symbol.sbn].sentAt = now;
      this.scheduleTopUp(now, symbol.sbn);
    }
    return true;
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

  /** Plans top-ups for the blocks whose time has come; `onTopUp` is told of each, with the peers that lack symbols. */
  handleTimeout(now: Micros, onTopUp?: (sbn: number, symbols: number, peers: number[]) => void): void {
    this.topUps.look();
    this.giveUpStuck(now);
    this.blocks.forEach((block, sbn) => {
      if (block.topUpAt > now) return;
      const lacking = this.deficits.lacking(sbn).filter((peer) => !this.topUps.isSpent(peer, block));
      const unfinished = lacking.filter((peer) => this.paths[peer]!.isNear(now));
      const asking = this.topUps.asking(now, block, unfinished);
      if (asking.length === 0 && unfinished.length > 0) {
        block.topUpAt = now + LOOK_AGAIN;
        return;
      }
      const quietAt = asking.map((peer) => this.topUps.quietAt(now, block, peer));
      const first = Math.min(...quietAt);
      if (asking.length > 0 && first > now) {
        block.topUpAt = first;
        return;
      }
      // Whose turn would come before these symbols have arrived is not left to another round.
      const needy = asking.filter((_, i) => quietAt[i] <= now + this.topUps.typical / 2);
      block.backoff++;
      block.topUpAt = NEVER;
      if (lacking.length === 0) return;
      if (needy.length === 0) {
        block.topUpAt = now + this.topUps.delay(block);
        return;
      }
      if (block.granted.size === 0) for (const peer of needy) this.topUps.learn(now, block, peer);
      const topUps = this.topUps.plan(block, { needy, asking, unfinished: unfinished.length });
      for (const topUp of topUps) this.add(sbn, topUp);
      const count = topUps.reduce((sum, topUp) => sum + topUp.count, 0);
      if (count > 0) onTopUp?.(sbn, count, needy);
    });
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const block of this.blocks) next = Math.min(next, block.topUpAt);
    return Math.min(next, this.queues.nextTimeout(this.topUps.patience));
  }

  dispose(): void {
    this.maker.dispose();
    this.waves.length = 0;
    this.queues.clear();
    for (const block of this.blocks) block.topUpAt = NEVER;
  }

  /**
   * A first hop that seems to be down would take its symbols with it, and one that is late would hold up the others: they
   * get none while others are there, which relay to them.
   */
  private isFirstHop(now: Micros, { peers, isDirect }: Wave, peer: number): boolean {
    if (!peers.includes(peer)) return false;
    const isNear = (other: number) => this.paths[other]!.isNear(now);
    const isPrompt = (other: number) => isNear(other) && (isDirect || !this.topUps.isLate(other));
    if (!isDirect && peers.length > 1 && isPrompt(peer) && this.topUps.owed.isFull(peer)) return false;
    return isPrompt(peer) || (!peers.some(isPrompt) && (isNear(peer) || !peers.some(isNear)));
  }

  /** The wave whose turn it is for `peer`; those that are over are dropped. */
  private firstWave(now: Micros, peer: number): Wave | undefined {
    for (let i = 0; i < this.waves.length; ) {
      const wave = this.waves[i];
      this.grow(now, wave);
      if (this.isOver(wave)) this.endWave(now, wave);
      else if (this.isFirstHop(now, wave, peer)) return wave;
      else i++;
    }
    return undefined;
  }

  /** A first wave that is out is made longer, once, by what is lost on the way. */
  private grow(now: Micros, wave: Wave): void {
    if (wave.count > 0 || !wave.growsByLoss) return;
    wave.growsByLoss = false;
    const block = this.blocks[wave.sbn];
    wave.count = Math.max(0, this.topUps.symbolsToReach(now, block, wave.peers) - block.made);
    block.planned += wave.count;
  }

  private isOver(wave: Wave): boolean {
    return wave.count === 0 || this.deficits.lacking(wave.sbn).length === 0;
  }

  /** Whether of each block so much is planned as its waves come to. */
  check(): string | undefined {
    const counts = this.blocks.map(() => 0);
    for (const { sbn, count } of this.waves) counts[sbn] += count;
    const wrong = this.blocks.findIndex(({ planned }, sbn) => planned !== counts[sbn]);
    return wrong < 0 ? undefined : `${this.blocks[wrong].planned} symbols planned, ${counts[wrong]} in waves`;
  }

  /** First, so that early blocks are finished before late ones are begun. */
  private add(sbn: number, { count, demands, isDirect }: TopUp): void {
    const block = this.blocks[sbn];
    for (const [peer, demand] of demands)
      block.granted.set(peer, (block.granted.get(peer) ?? 0) + Math.min(count, demand));
    block.planned += count;
    const peers = this.rng.shuffle([...demands.keys()]);
    this.waves.unshift({ sbn, count, peers, isDirect, growsByLoss: false });
  }

  private endWave(now: Micros, wave: Wave): void {
    this.waves.splice(this.waves.indexOf(wave), 1);
    this.blocks[wave.sbn].planned -= wave.count;
    this.scheduleTopUp(now, wave.sbn);
  }

  /** For one peer that relays nothing: made when they can be sent, as many as fit a datagram. */
  private makeRun(now: Micros, wave: Wave, writer: SymbolWriter): boolean {
    const { sbn } = wave;
    const block = this.blocks[sbn];
    const esi = wave.esi ?? esiOf(block.made, block.sourceSymbols);
    const most = wave.count;
    const count = this.maker.run({ sbn, esi, most }, writer);
    if (count === 0) return false;
    if (wave.esi === undefined) block.made += count;
    else wave.esi += count;
    block.planned -= count;
    block.sentAt = now;
    wave.count -= count;
    this.sentSymbols += count;
    this.grow(now, wave);
    if (this.isOver(wave)) this.endWave(now, wave);
    return true;
  }

  /** Makes, signs and queues up to a batch of symbols, the first for `hungry`, which has none. */
  private makeBatch(now: Micros, hungry: number): void {
    const dealt: Dealt[] = [];
    const pending = this.queues.lengths();
    const over: Wave[] = [];
    let { places } = this.dealer;
    for (const wave of this.waves) {
      if (places === 0) break;
      this.grow(now, wave);
      if (this.isOver(wave)) {
        over.push(wave);
        continue;
      }
      if (!this.isFirstHop(now, wave, hungry)) continue;
      const peers = wave.peers.filter((peer) => this.isFirstHop(now, wave, peer));
      const table = { hungry, peers, pending, places };
      const { hops, left } = this.dealer.deal(wave.count, table);
      for (const { peer, count } of hops) dealt.push(this.take(wave, peer, count));
      places = left;
    }
    this.maker.make(dealt).forEach((symbols, i) => {
      const { firstHop, sbn } = dealt[i];
      for (const symbol of symbols) this.queues.push(now, firstHop, sbn, symbol);
    });
    for (const wave of over) this.endWave(now, wave);
  }

  private take(wave: Wave, firstHop: number, count: number): Dealt {
    const { sbn, isDirect } = wave;
    const block = this.blocks[sbn];
    const esi = esiOf(block.made, block.sourceSymbols);
    block.made += count;
    block.planned -= count;
    wave.count -= count;
    if (!isDirect) block.relays.add(firstHop);
    return { sbn, esi, count, firstHop, isDirect };
  }

  /** Symbols for a peer that is down, or whose path is shut, would keep their blocks from being topped up elsewhere. */
  private giveUpStuck(now: Micros): void {
    const isNear = (peer: number) => this.paths[peer]!.isNear(now);
    for (const wave of [...this.waves]) {
      if (wave.peers.some(isNear) || !this.deficits.lacking(wave.sbn).some(isNear)) continue;
      this.endWave(now, wave);
    }
    for (const sbn of this.queues.handleTimeout(now, this.topUps.patience)) this.scheduleTopUp(now, sbn);
  }

  /** Once all that was planned for a block is out, or stands still, the wait for confirms begins. */
  private scheduleTopUp(now: Micros, sbn: number): void {
    const block = this.blocks[sbn];
    if (block.planned > 0 || this.queues.awaits(sbn)) return;
    block.jitter = 1 + 0.25 * this.rng.float();
    block.topUpAt = Math.max(now, block.sentAt + this.topUps.delay(block));
  }
}

/** While relays owe something, which they tell as often. */
const LOOK_AGAIN: Micros = 20 * MILLISECOND;
