/**
 * The manifests that a group is told. In: those of symbols that go next, the names of those that somebody lacks. Out: which go into
 * the next datagram of them. Each is told several times if much is lost, two to a datagram where they fit.
 */
import type { Micros } from '../../core/time.js';
import { castManifests, fitManifests, nameOf } from '../../wire/cast.js';
import { ETHERNET_DATAGRAM, MAX_SHARE } from '../../wire/limits.js';
import type { Manifest } from '../../wire/manifest.js';

/** A manifest that is told, and how often still. */
interface Owed {
  readonly manifest: Manifest;
  readonly name: number;
  left: number;
  /** When it was told last, and how often it was asked for. */
  toldAt: Micros;
  asked: number;
}

export class CastManifests {
  /** By name, those of each object, and by itself. */
  private readonly told = new Map<number, Owed>();
  private readonly names = new Map<number, number[]>();
  private readonly known = new WeakMap<Manifest, Owed>();
  private owed: Owed[] = [];
  private sinceLast = 0;

  get hasOwed(): boolean {
    return this.owed.length > 0;
  }

  /** Its name, once it has been told. */
  nameOf(manifest: Manifest): number | undefined {
    return this.known.get(manifest)?.name;
  }

  /** A symbol has gone. */
  onSymbol(): void {
    this.sinceLast++;
  }

  /** @param copies how often it is to be told */
  add(now: Micros, manifest: Manifest, copies: number): void {
    const owed = { manifest, name: nameOf(manifest), left: copies, toldAt: now, asked: 0 };
    this.known.set(manifest, owed);
    this.told.set(owed.name, owed);
    const { seq } = manifest.descriptor;
    this.names.set(seq, [...(this.names.get(seq) ?? []), owed.name]);
    this.owed.unshift(owed);
  }

  /** The text of a datagram; undefined if none is due. @param isNeeded the next symbol refers to one of them; or undefined: there is none */
  next(now: Micros, isNeeded: boolean | undefined): Uint8Array | undefined {
    if (this.owed.length === 0 || (isNeeded === false && this.sinceLast < this.apart)) return undefined;
    const told: Owed[] = [];
    for (const each of this.owed)
      if (
        fitManifests(
          [...told, each].map(({ manifest }) => manifest),
          ETHERNET_DATAGRAM,
        )
      )
        told.push(each);
    for (const each of told) {
      each.left--;
      each.toldAt = now;
    }
    // Those told least are next.
    this.owed = [...this.owed.filter((each) => !told.includes(each)), ...told].filter(({ left }) => left > 0);
    this.sinceLast = 0;
    return castManifests(told.map(({ manifest }) => manifest));
  }

  /** Symbols wait for a manifest at a member a round trip away: what is told at first may be lost there. */
  onLacking(now: Micros, name: number, rtt: Micros): void {
    const owed = this.told.get(name);
    if (!owed || owed.left > 0 || owed.asked >= MAX_ASKED || now - owed.toldAt < rtt) return;
    owed.asked++;
    owed.left = 1;
    this.owed.push(owed);
  }

  /** An object is over. */
  forget(seq: number): void {
    for (const name of this.names.get(seq) ?? []) this.told.delete(name);
    this.names.delete(seq);
    this.owed = this.owed.filter(({ manifest }) => manifest.descriptor.seq !== seq);
  }

  /** Symbols between two datagrams where none is new: with the next new one another fits; but who has asked waits. */
  private get apart(): number {
    return this.owed.some(({ asked }) => asked > 0) ? MAX_SHARE / 2 : 2 * MAX_SHARE;
  }
}

/** So often is a manifest told to who asks for it, whoever they are: what asking costs all is bounded. */
const MAX_ASKED = 4;
