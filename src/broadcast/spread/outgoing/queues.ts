/**
 * Symbols of one object that were made for a peer and wait for its path. In: symbols, the paths, time. Out: the next one for a
 * peer, and whether all of a block that is waited for has gone: what a path that stands still has not taken holds up nobody.
 */
import { MILLISECOND, type Micros, NEVER } from '../../../core/time.js';
import type { Path } from '../../../path/path.js';
import type { MadeSymbol } from './symbols.js';

interface Queued {
  sbn: number;
  symbol: MadeSymbol;
  /** Whether top-ups of its block wait until it is out. */
  isAwaited: boolean;
}

interface Queue {
  /** The oldest first. */
  symbols: Queued[];
  /** When it last moved, or began. */
  movedAt: Micros;
  /** It has not moved for so long that nobody waits for it. */
  isStuck: boolean;
}

export class Queues {
  private readonly paths: readonly (Path | undefined)[];
  /** By peer. */
  private readonly queues: Queue[];
  /** By SBN: symbols that are waited for. */
  private readonly awaited: number[];

  constructor(paths: readonly (Path | undefined)[], blocks: number) {
    this.paths = paths;
    this.queues = paths.map(() => ({ symbols: [], movedAt: 0, isStuck: false }));
    this.awaited = new Array(blocks).fill(0);
  }

  /** By peer. */
  lengths(): number[] {
    return this.queues.map(({ symbols }) => symbols.length);
  }

  has(peer: number): boolean {
    return this.queues[peer].symbols.length > 0;
  }

  /** Whether symbols of this block wait for `peer`. */
  holds(peer: number, sbn: number): boolean {
    return this.queues[peer].symbols.some((symbol) => symbol.sbn === sbn);
  }

  /** Whether symbols of this block are about to go. */
  awaits(sbn: number): boolean {
    return this.awaited[sbn] > 0;
  }

  push(now: Micros, peer: number, sbn: number, symbol: MadeSymbol): void {
    const queue = this.queues[peer];
    if (queue.symbols.length === 0) queue.movedAt = now;
    const isAwaited = !queue.isStuck;
    if (isAwaited) this.awaited[sbn]++;
    queue.symbols.push({ sbn, symbol, isAwaited });
  }

  /** The next one for `peer`; undefined if there is none. */
  first(peer: number): MadeSymbol | undefined {
    return this.queues[peer].symbols[0]?.symbol;
  }

  /** The first one for `peer` has gone. Says of which block it was, and whether it was waited for. */
  shift(now: Micros, peer: number): Readonly<Queued> {
    const queue = this.queues[peer];
    queue.movedAt = now;
    queue.isStuck = false;
    const symbol = queue.symbols.shift()!;
    if (symbol.isAwaited) this.awaited[symbol.sbn]--;
    return symbol;
  }

  /**
   * Drops what waits for peers that are down, or whose paths have been shut for long.
   *
   * @param patience after so long a queue that does not move is not waited for
   * @returns blocks of which less is waited for than before
   */
  handleTimeout(now: Micros, patience: Micros): Set<number> {
    const released = new Set<number>();
    this.queues.forEach((queue, peer) => {
      const { symbols, movedAt } = queue;
      const path = this.paths[peer];
      if (!path || symbols.length === 0) return;
      const isOver = !path.isNear(now) || now - movedAt >= GIVEN_UP_AFTER + 2 * path.rtt.smoothed;
      if (!isOver && (queue.isStuck || movedAt + patience > now)) return;
      queue.isStuck = !isOver;
      for (const symbol of symbols) {
        if (!symbol.isAwaited) continue;
        symbol.isAwaited = false;
        this.awaited[symbol.sbn]--;
        released.add(symbol.sbn);
      }
      if (isOver) queue.symbols = [];
    });
    return released;
  }

  /** When a queue is not waited for any more, if it does not move. */
  nextTimeout(patience: Micros): Micros {
    let next = NEVER;
    for (const { symbols, movedAt, isStuck } of this.queues)
      if (symbols.length > 0 && !isStuck) next = Math.min(next, movedAt + patience);
    return next;
  }

  clear(): void {
    for (const queue of this.queues) queue.symbols = [];
    this.awaited.fill(0);
  }
}

const GIVEN_UP_AFTER: Micros = 300 * MILLISECOND;
