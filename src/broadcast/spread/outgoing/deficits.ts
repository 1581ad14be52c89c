/**
 * What the peers of an origin still lack of one object, as they say themselves. In: their confirms and PROGRESS frames. Out:
 * who lacks a block, how many symbols, and since when it has said nothing new.
 */
import { bitAt } from '../../../core/bitset.js';
import { type Micros, NEVER, NEVER_YET } from '../../../core/time.js';
import type { ProgressFrame } from '../../../wire/frames/progress.js';

/** What a peer last said of itself. */
interface Report {
  complete: Uint8Array;
  /** By SBN: symbols missing of blocks begun. */
  missing: Map<number, number>;
}

/** When a peer last reported to hold more of a block, and how long it took, for each symbol, since it had done so before. */
interface Advance {
  at: Micros;
  each: Micros;
}

export class Deficits {
  readonly peers: readonly number[];
  /** By SBN: K. */
  private readonly sourceSymbols: readonly number[];
  private readonly confirmed = new Set<number>();
  private readonly reports = new Map<number, Report>();
  /** By SBN, by peer. */
  private readonly advanced: readonly Map<number, Advance>[];

  constructor(peers: readonly number[], sourceSymbols: readonly number[]) {
    this.peers = peers;
    this.sourceSymbols = sourceSymbols;
    this.advanced = sourceSymbols.map(() => new Map());
  }

  /** The peers that have neither confirmed the object nor reported this block complete. */
  lacking(sbn: number): number[] {
    return this.peers.filter((peer) => {
      if (this.confirmed.has(peer)) return false;
      const report = this.reports.get(peer);
      return !report || !bitAt(report.complete, sbn);
    });
  }

  /** Symbols that `peer` says it lacks of a block; undefined if it has not spoken of it. */
  reported(peer: number, sbn: number): number | undefined {
    return this.reports.get(peer)?.missing.get(sbn);
  }

  /** The last time that `peer` reported to hold more of a block. */
  advance(peer: number, sbn: number): Readonly<Advance> {
    return this.advanced[sbn].get(peer) ?? { at: NEVER_YET, each: NEVER };
  }

  /** Symbols that `peer` lacks of the whole object, as far as it has said. */
  missingOf(peer: number): number {
    if (this.confirmed.has(peer)) return 0;
    const report = this.reports.get(peer);
    return this.sourceSymbols.reduce((sum, _, sbn) => sum + this.missing(report, sbn), 0);
  }

  onConfirm(peer: number): void {
    this.confirmed.add(peer);
    this.reports.delete(peer);
  }

  /** `peer` has lost what it had reported. */
  onRestart(peer: number): void {
    this.reports.delete(peer);
  }

  /** The blocks of which `peer` now holds more than it had said before. */
  onProgress(now: Micros, peer: number, frame: ProgressFrame): number[] {
    if (frame.sourceBlocks !== this.sourceSymbols.length || this.confirmed.has(peer)) return [];
    const before = this.reports.get(peer);
    const report: Report = {
      // Kept, and the datagram's memory is not ours.
      complete: frame.complete.slice(),
      missing: new Map(frame.missing.map(({ sbn, symbols }) => [sbn, symbols])),
    };
    this.reports.set(peer, report);
    const blocks = [...this.sourceSymbols.keys()];
    return blocks.filter((sbn) => {
      const more = this.missing(before, sbn) - this.missing(report, sbn);
      if (more <= 0) return false;
      this.advanced[sbn].set(peer, { at: now, each: (now - this.advance(peer, sbn).at) / more });
      return true;
    });
  }

  private missing(report: Report | undefined, sbn: number): number {
    if (report && bitAt(report.complete, sbn)) return 0;
    return report?.missing.get(sbn) ?? this.sourceSymbols[sbn];
  }
}
