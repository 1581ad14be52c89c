/**
 * A slice on its way to a group. In: what its members say that they lack. Out: its symbols, each once, signed; where some members
 * lack more of a block, as many more as the neediest of them lacks: they serve all.
 */

import { Deficits } from '../../broadcast/spread/outgoing/deficits.js';
import type { Dealt, SymbolMaker } from '../../broadcast/spread/outgoing/symbols.js';
import { copiesFor, esiOf } from '../../broadcast/spread/plan.js';
import { MAX_LOSS_PLANNED } from '../../broadcast/spread/rtts.js';
import { MILLISECOND, type Micros, NEVER, NEVER_YET } from '../../core/time.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import { MAX_BATCH, MAX_INLINE_BATCH, MAX_SHARE } from '../../wire/limits.js';
import type { SignedSymbol } from '../../wire/manifest.js';

interface Block {
  readonly sbn: number;
  /** K. */
  readonly sourceSymbols: number;
  /** Symbols made, and how many more are wanted. */
  made: number;
  wanted: number;
  /** The first K are out: more go for what is lost, as it then is. */
  isGrown: boolean;
  /** Made and not yet sent. */
  queued: number;
  /** When the last one went. */
  sentAt: Micros;
  /** When what its members still lack is known. */
  dueAt: Micros;
  tries: number;
}

/** How a member is reached. */
export interface Reach {
  /** The share that is lost. */
  loss: number;
  /** A round trip: what it said earlier says nothing of what went now. */
  rtt: Micros;
  /** The same with a margin, and what it waits before it reports. */
  answer: Micros;
}

export interface WaveOptions {
  maker: SymbolMaker;
  self: number;
  /** Undefined if a member does not hear the group any more. */
  reachOf(member: number): Reach | undefined;
}

export class Wave {
  readonly members: ReadonlySet<number>;
  private readonly options: WaveOptions;
  private readonly blocks: Block[];
  private readonly deficits: Deficits;
  /** By member: when it last reported. */
  private readonly reportedAt = new Map<number, Micros>();
  private readonly queue: { sbn: number; symbol: SignedSymbol }[] = [];

  constructor(members: ReadonlySet<number>, options: WaveOptions) {
    const { maker } = options;
    const { descriptor, encoder } = maker;
    this.members = members;
    this.options = options;
    this.blocks = Array.from({ length: descriptor.sourceBlocks }, (_, sbn) => {
      const sourceSymbols = encoder.oti.blockSymbols(sbn);
      const counts = { wanted: sourceSymbols, made: 0, queued: 0, tries: 0, isGrown: false };
      return { sbn, sourceSymbols, ...counts, sentAt: NEVER_YET, dueAt: NEVER };
    });
    this.deficits = new Deficits(
      [...members],
      this.blocks.map(({ sourceSymbols }) => sourceSymbols),
    );
  }

  get symbolSize(): number {
    return this.options.maker.descriptor.symbolSize;
  }

  get hasSymbol(): boolean {
    return this.queue.length > 0 || this.blocks.some(({ wanted }) => wanted > 0);
  }

  /** The next symbol, to be looked at; `shift` takes it. */
  first(): SignedSymbol | undefined {
    if (this.queue.length === 0) this.makeBatch();
    return this.queue[0]?.symbol;
  }

  shift(now: Micros): void {
    const { sbn } = this.queue.shift()!;
    const block = this.blocks[sbn];
    block.queued--;
    block.sentAt = now;
    if (block.queued + block.wanted === 0 && !block.isGrown) {
      block.isGrown = true;
      block.wanted = this.firstWave(block.sourceSymbols) - block.made;
    }
    if (block.queued === 0 && block.wanted === 0) block.dueAt = now + this.patience(block);
  }

  onConfirm(member: number): void {
    this.deficits.onConfirm(member);
  }

  onRestart(member: number): void {
    this.deficits.onRestart(member);
  }

  onProgress(now: Micros, member: number, frame: ProgressFrame): void {
    if (!this.members.has(member)) return;
    this.reportedAt.set(member, now);
    this.deficits.onProgress(now, member, frame);
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const { dueAt } of this.blocks) next = Math.min(next, dueAt);
    return next;
  }

  handleTimeout(now: Micros): void {
    for (const block of this.blocks) if (block.dueAt <= now) this.topUp(now, block);
  }

  dispose(): void {
    this.queue.length = 0;
    this.options.maker.dispose();
    for (const block of this.blocks) {
      block.dueAt = NEVER;
      block.wanted = 0;
    }
  }

  /** As many as the member that loses most probably needs, and half a standard deviation more: it is not alone. */
  private firstWave(sourceSymbols: number): number {
    const loss = this.worstLoss();
    if (sourceSymbols === 1) return copiesFor(loss);
    return Math.ceil((sourceSymbols + Math.sqrt(sourceSymbols * loss) / 2) / (1 - loss));
  }

  private worstLoss(): number {
    let worst = 0;
    for (const member of this.members) worst = Math.max(worst, this.options.reachOf(member)?.loss ?? 0);
    return Math.min(MAX_LOSS_PLANNED, worst);
  }

  private topUp(now: Micros, block: Block): void {
    const { reachOf } = this.options;
    block.dueAt = NEVER;
    const lacking = this.deficits.lacking(block.sbn).filter((member) => reachOf(member));
    if (lacking.length === 0) return;
    const hasSaid = (member: number) =>
      (this.reportedAt.get(member) ?? NEVER_YET) >= block.sentAt + reachOf(member)!.rtt;
    const said = lacking.filter(hasSaid);
    if (said.length < lacking.length && now < block.sentAt + 2 * this.patience(block)) {
      block.dueAt = now + LOOK_AGAIN;
      return;
    }
    let wanted = 0;
    for (const member of said) {
      const { loss } = reachOf(member)!;
      const missing = this.deficits.reported(member, block.sbn) ?? block.sourceSymbols;
      wanted = Math.max(
        wanted,
        Math.ceil(Math.min(missing, block.sourceSymbols) / (1 - Math.min(MAX_LOSS_PLANNED, loss))),
      );
    }
    block.tries = wanted > 0 ? 0 : block.tries + 1;
    // Its reports may be what is lost: a symbol asks for another one.
    block.wanted = wanted > 0 ? wanted : Math.min(block.tries, 2);
    if (block.wanted === 0) block.dueAt = now + this.patience(block);
  }

  private patience({ tries }: Block): Micros {
    let longest = 0;
    for (const member of this.members) longest = Math.max(longest, this.options.reachOf(member)?.answer ?? 0);
    return Math.min(MAX_PATIENCE, longest * BACKOFF ** Math.min(tries, MAX_TRIES) + ALLOWANCE);
  }

  /** Signs what is wanted next, as much as one signature covers. */
  private makeBatch(): void {
    const { maker, self } = this.options;
    let places = maker.isInline ? MAX_INLINE_BATCH : MAX_BATCH;
    const dealt: Dealt[] = [];
    for (const block of this.blocks) {
      while (block.wanted > 0 && places > 0) {
        // A share takes as many places as the next power of two has.
        const count = maker.isInline
          ? 1
          : Math.min(block.wanted, MAX_SHARE, 2 ** Math.floor(Math.log2(places)));
        const esi = esiOf(block.made, block.sourceSymbols);
        // Nobody relays them: their first hop is their origin.
        dealt.push({ sbn: block.sbn, esi, count, firstHop: self, isDirect: false });
        block.made += count;
        block.wanted -= count;
        block.queued += count;
        places -= 2 ** Math.ceil(Math.log2(count));
      }
    }
    if (dealt.length === 0) return;
    maker.make(dealt).forEach((symbols, i) => {
      for (const symbol of symbols) this.queue.push({ sbn: dealt[i].sbn, symbol: symbol as SignedSymbol });
    });
  }
}

/** A report takes so long besides (PROTOCOL 8.2). */
const ALLOWANCE: Micros = 15 * MILLISECOND;
const LOOK_AGAIN: Micros = 5 * MILLISECOND;
const BACKOFF = 1.5;
const MAX_TRIES = 8;
const MAX_PATIENCE: Micros = 2000 * MILLISECOND;
