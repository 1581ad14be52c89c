/**
 * The manifests that one peer is told, so that symbols need only refer to them. In: manifests that are referred to, the datagrams
 * they went in and what became of these. Out: their numbers on this path, and which are to be told again: those of which no
 * datagram has arrived, and copies where much is lost, since symbols wait for them.
 */
import type { Path } from '../../../path/path.js';
import { Fate } from '../../../path/sent.js';
import type { SymbolWriter, Told } from '../../../wire/datagram.js';
import type { Manifest } from '../../../wire/manifest.js';
import { manifestCopiesFor } from '../plan.js';

interface Entry {
  number: number;
  manifest: Manifest;
  /** Datagrams it went in whose fate is not known, by packet number. */
  packets: number[];
  /** How often it is to be told beyond what has been. */
  owed: number;
  /** The datagram it went in last, as `ToldManifests` counts them. */
  at: number;
}

export class ToldManifests implements Told {
  private readonly path: Path;
  /** Those that the peer knows or will, the oldest first. */
  private readonly entries = new Map<Manifest, Entry>();
  /** Those of which no datagram is known to have arrived. */
  private readonly pending = new Set<Entry>();
  /** Of these, those that are to be told again. */
  private readonly owed = new Set<Entry>();
  /** Told in the datagram that is being written. */
  private readonly written: Entry[] = [];
  private datagrams = 0;
  private next = 0;

  constructor(path: Path) {
    this.path = path;
  }

  /** Whether there is one to be told again. */
  get hasOwed(): boolean {
    return this.owed.size > 0;
  }

  numberOf(manifest: Manifest): number | undefined {
    const entry = this.entries.get(manifest);
    if (!entry) return undefined;
    // What refers to it has no room to wait for all of a long round trip.
    if (this.datagrams - entry.at >= AGAIN && entry.owed === 0 && this.pending.has(entry)) this.owe(entry);
    return entry.number;
  }

  tell(manifest: Manifest): number {
    const number = this.next;
    this.next = (this.next + 1) & 0xffff;
    const copies = manifestCopiesFor(this.path.loss) - 1;
    const entry = { number, manifest, packets: [], owed: copies, at: this.datagrams };
    this.entries.set(manifest, entry);
    if (this.entries.size > MAX_TOLD) this.forget(this.entries.values().next().value!);
    this.pending.add(entry);
    if (copies > 0) this.owed.add(entry);
    this.written.push(entry);
    return number;
  }

  /**
   * Adds what is to be told again to a datagram.
   *
   * @param all also copies of what has just been told, which would be lost with it
   */
  writeOwed(writer: SymbolWriter, all: boolean): void {
    for (const entry of this.owed) {
      const isApart = this.datagrams - entry.at >= APART;
      if ((!isApart && !all) || this.written.includes(entry)) continue;
      if (!writer.manifest(entry.number, entry.manifest)) return;
      entry.owed--;
      entry.at = this.datagrams;
      if (entry.owed <= 0) this.owed.delete(entry);
      this.written.push(entry);
    }
  }

  /** The datagram that was being written goes as this packet. */
  onSent(packet: number): void {
    this.datagrams++;
    if (this.written.length === 0) return;
    for (const entry of this.written) entry.packets.push(packet);
    this.written.length = 0;
  }

  /** Something may have become known of datagrams: of each that the path has forgotten, that it is lost. */
  onFates(): void {
    const { recovery } = this.path;
    for (const entry of this.pending) {
      let isUnknown = false;
      let hasArrived = false;
      for (const packet of entry.packets) {
        const fate = recovery.fateOf(packet);
        if (fate === Fate.Acked) hasArrived = true;
        else if (fate === Fate.InFlight) isUnknown = true;
      }
      if (hasArrived) {
        this.pending.delete(entry);
        this.owed.delete(entry);
      } else if (!isUnknown && entry.owed === 0) this.owe(entry);
    }
  }

  /** Nothing has been acknowledged for long: what is sent now had best be what symbols wait for. */
  onProbe(): void {
    const [oldest] = this.pending;
    if (oldest && oldest.owed === 0) this.owe(oldest);
  }

  /** The peer has lost what it knew. */
  clear(): void {
    this.entries.clear();
    this.pending.clear();
    this.owed.clear();
    this.written.length = 0;
  }

  private owe(entry: Entry): void {
    entry.owed = 1;
    this.owed.add(entry);
  }

  private forget(entry: Entry): void {
    this.entries.delete(entry.manifest);
    this.pending.delete(entry);
    this.owed.delete(entry);
  }
}

/** Of one peer: as many as it remembers. */
export const MAX_TOLD = 512;
/** Datagrams from one copy to the next. */
const APART = 2;
/** The same where none is known to have arrived, and symbols refer to it: a sixth of those that are kept. */
const AGAIN = 64;
