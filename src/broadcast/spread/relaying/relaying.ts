/**
 * What we pass on as a relay, and what of it we still owe. In: symbols of which we are the first hop. Out: for each peer the next
 * one; for their origins how much waits.
 */
import { countDrop } from '../../../core/drops.js';
import type { Marks } from '../../../core/marks.js';
import type { Micros } from '../../../core/time.js';
import type { SymbolWriter } from '../../../wire/datagram.js';
import { MAX_SYMBOL_BODY } from '../../../wire/limits.js';
import type { SignedSymbol } from '../../../wire/manifest.js';
import type { SymbolFrame } from '../../../wire/symbol.js';
import type { Metrics } from '../../metrics.js';
import { listedAlone } from '../../proof/batch.js';
import type { SpreadDrop } from '../drops.js';
import type { ObjectUnderWay } from '../objects.js';
import type { Paths } from '../rtts.js';
import { Owing } from './owing.js';
import { isHeldBy, Relays } from './relays.js';

export interface RelayingOptions {
  paths: Paths;
  /** Is told of each peer for which there is something to send that was not there before. */
  changed: Marks;
  /** Whether what is moved are transfers; default: messages. */
  files?: boolean | undefined;
  /** Whether a peer is told what we owe it. Default: none is. */
  hearsOwed?: ((peer: number) => boolean) | undefined;
}

export class Relaying {
  readonly relays: Relays;
  readonly owing: Owing;
  private readonly options: RelayingOptions;
  private readonly metrics: Metrics<SpreadDrop>;

  constructor(options: RelayingOptions, metrics: Metrics<SpreadDrop>) {
    const { paths, changed, files = false, hearsOwed: hears = () => false } = options;
    this.options = options;
    this.metrics = metrics;
    this.relays = new Relays(paths.length);
    this.owing = new Owing({ relays: this.relays, paths, files, hears, changed });
  }

  /** Whether there is a symbol of another origin to be relayed to `peer`. */
  has(peer: number): boolean {
    return this.relays.has(peer);
  }

  /** Adds it to a datagram; false if there is none that fits. */
  next(peer: number, writer: SymbolWriter): boolean {
    if (!this.relays.next(peer, writer)) return false;
    this.metrics.relayedSymbols++;
    return true;
  }

  /** Queues a symbol, of which we are the first hop, for all who may need it. `body` as it came, if it was a SYMBOL. */
  relay(now: Micros, record: ObjectUnderWay, hop: number, frame: SymbolFrame, body?: Uint8Array): void {
    const { origin } = frame.descriptor;
    record.incoming!.markRelayed(frame.leaf);
    const { sbn } = frame.leaf;
    const symbol = relayable(frame, body);
    this.options.paths.forEach((path, peer) => {
      if (!path || path.isForwarded || peer === origin || peer === hop || isHeldBy(record, peer, sbn)) return;
      if (record.stream.isWantedBy?.(peer) === false) return;
      const isFull = this.relays.push(peer, { at: now, object: record, sbn, symbol });
      if (isFull) countDrop(this.metrics, 'relay-overflow');
      this.options.changed.mark(peer);
    });
    this.owing.onQueued(now, origin);
  }
}

/** As it came, in memory of its own: it may wait for long, and the datagram's is not ours. */
function relayable(frame: SymbolFrame, body?: Uint8Array): SignedSymbol {
  const { manifest, index, leaf } = frame;
  if (manifest) return { manifest, place: index - manifest.position, symbol: leaf.symbol.slice() };
  if (body!.length <= MAX_SYMBOL_BODY) return body!.slice();
  // One that has come whole may not fit other paths so.
  const alone = listedAlone(frame);
  return { ...alone, symbol: alone.symbol.slice() };
}
