/**
 * What the peers of an origin still lack of one object, as they say themselves. In: their confirms and PROGRESS frames. Out:
 * who lacks a block, how many symbols, and since when it has said nothing new.
 */
import { bitAt } from '../../core/bitset.js';
import { type Micros, NEVER_YET } from '../../core/time.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';

/** What a peer last said of itself. */
interface Report {
  complete: Uint8Array;
  /** By SBN: symbols missing of blocks begun. */
  missing: Map<number, number>;
}

export class Deficits {
  readonly peers: readonly number[];
  /** By SBN: K. */
  private readonly sourceSymbols: readonly number[];
  private readonly confirmed = new Set<number>();
  private readonly reports = new Map<number, Report>();
  /** By SBN, by peer: when it last reported to hold more of the block. */
  private readonly advanced: readonly Map<number, Micros>[];

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

  /** When `peer` last reported to hold more of a block; NEVER_YET if it has not. */
  advancedAt(peer: number, sbn: number): Micros {
    return this.advanced[sbn].get(peer) ?? NEVER_YET;
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
      complete: frame.complete,
      missing: new Map(frame.missing.map(({ sbn, symbols }) => [sbn, symbols])),
    };
    this.reports.set(peer, report);
    const blocks = [...this.sourceSymbols.keys()];
    const advanced = blocks.filter((sbn) => this.missing(report, sbn) < this.missing(before, sbn));
    for (const sbn of advanced) this.advanced[sbn].set(peer, now);
    return advanced;
  }

  private missing(report: Report | undefined, sbn: number): number {
    if (report && bitAt(report.complete, sbn)) return 0;
    return report?.missing.get(sbn) ?? this.sourceSymbols[sbn];
  }
}
