/**
 * Symbols that refer to manifests. In: MANIFEST, LISTED and SERVED frames of peers. Out: symbols to be examined, each as soon as
 * what it refers to is there.
 */
import { countDrop } from '../core/drops.js';
import type { Micros } from '../core/time.js';
import type { ManifestFrame } from '../wire/frames/symbols/manifest.js';
import type { SymbolFrame } from '../wire/symbol.js';
import type { Metrics } from './metrics.js';
import type { SpreadDrop } from './spread/drops.js';
import { HeardManifests, type Reference } from './spread/manifests/heard.js';

export class References {
  /** By peer. */
  private readonly heard: readonly HeardManifests[];
  private readonly metrics: Metrics<SpreadDrop>;
  private readonly onSymbol: (now: Micros, hop: number, frame: SymbolFrame) => void;

  constructor(
    members: number,
    metrics: Metrics<SpreadDrop>,
    onSymbol: (now: Micros, hop: number, frame: SymbolFrame) => void,
  ) {
    this.heard = Array.from({ length: members }, () => new HeardManifests());
    this.metrics = metrics;
    this.onSymbol = onSymbol;
  }

  handleManifest(now: Micros, from: number, { number, manifest }: ManifestFrame): void {
    for (const reference of this.heard[from].onManifest(number, manifest)) this.handle(now, from, reference);
  }

  handle(now: Micros, from: number, reference: Reference): void {
    const heard = this.heard[from];
    const frame = heard.find(reference);
    if (frame === undefined)
      for (let dropped = heard.hold(now, reference); dropped > 0; dropped--)
        countDrop(this.metrics, 'no-manifest');
    else if (frame === 'malformed') countDrop(this.metrics, 'malformed');
    else this.onSymbol(now, from, frame);
  }

  /** A peer has begun anew. */
  onRestart(peer: number): void {
    this.heard[peer].clear();
  }
}
