/**
 * Streams that are over. In: how streams ended here, and what members say OVER of. Out: how the newest one of each origin
 * ended, and whether a stream is over everywhere, or will be.
 */
import type { Final } from '../../../store/store.js';
import type { VectorEntry } from '../../../wire/frames/vector.js';
import type { StreamId } from '../../../wire/symbol.js';
import { nthLargest } from '../readiness.js';

/** Of a group: its members, and how many of them may lie, and may fail. */
interface Limits {
  members: number;
  byzantine: number;
  faulty: number;
}

/** A stream that is over here: what is still said of it, to members that may not know yet. */
export class FinalStream implements Final {
  readonly origin: number;
  readonly incarnation: number;
  readonly count: number;
  readonly chain: Uint8Array;
  /** Our store says so, too. */
  recorded: boolean;

  constructor({ origin, incarnation, count, chain }: Final, recorded: boolean) {
    this.recorded = recorded;
    this.origin = origin;
    this.incarnation = incarnation;
    this.count = count;
    this.chain = chain;
  }

  tell(): VectorEntry[] {
    const { origin, incarnation, count, chain } = this;
    const said = { origin, incarnation, base: count, count, chain, ahead: new Uint8Array(0) };
    return [{ ...said, ready: 0, ended: true, first: false, over: true }];
  }
}

export class Retired {
  /** So many members that say OVER show that all will: more than may lie of them stay, whoever fails. */
  private readonly enough: number;
  /** By origin: how the newest one that is over ended. Earlier ones are over, too. */
  private readonly finals: (FinalStream | undefined)[];
  /** By origin, then by member: up to which one the member has retired, as it says in its present run. */
  private readonly overs: (Map<number, number> | undefined)[];
  /** By origin: up to which one `isEverywhere`, or -1; undefined where that is to be counted again. */
  private readonly everywhere: (number | undefined)[];
  private readonly replaced: FinalStream[] = [];

  constructor({ members, byzantine, faulty }: Limits, finals: readonly Final[]) {
    this.enough = faulty + byzantine + 1;
    this.finals = Array.from({ length: members });
    this.overs = Array.from({ length: members });
    this.everywhere = Array.from({ length: members });
    for (const final of finals)
      if (final.origin < members) this.finals[final.origin] = new FinalStream(final, true);
  }

  /** The newest of each origin, as far as our store has them: only then they are spoken of. */
  *[Symbol.iterator](): Generator<FinalStream> {
    for (const final of this.finals) if (final?.recorded) yield final;
  }

  /** Whether this stream is over here. */
  has({ origin, incarnation }: StreamId): boolean {
    const final = this.finals[origin];
    return final !== undefined && incarnation <= final.incarnation;
  }

  /** Whether any of this origin is over here. */
  hasOf(origin: number): boolean {
    return this.finals[origin] !== undefined;
  }

  /** Whether one of this origin is over here, and our store does not say so yet. */
  isRecording(origin: number): boolean {
    return this.finals[origin]?.recorded === false;
  }

  /** How it ended, if it is the newest of its origin that is over. */
  find({ origin, incarnation }: StreamId): FinalStream | undefined {
    const final = this.finals[origin];
    return final?.incarnation === incarnation ? final : undefined;
  }

  /** It is over here. */
  add(final: Final): void {
    const before = this.finals[final.origin];
    if (before) this.replaced.push(before);
    this.finals[final.origin] = new FinalStream(final, false);
    this.everywhere[final.origin] = undefined;
  }

  /** Our store says so, too. */
  onRecorded(final: FinalStream): void {
    final.recorded = true;
    this.everywhere[final.origin] = undefined;
  }

  /** Those that are the newest no more: nothing is said of them. */
  takeReplaced(): FinalStream[] {
    return this.replaced.splice(0);
  }

  /** `member` has retired this stream, and all earlier ones of its origin. */
  onOver(member: number, { origin, incarnation }: StreamId): void {
    this.overs[origin] ??= new Map();
    const overs = this.overs[origin];
    overs.set(member, Math.max(incarnation, overs.get(member) ?? incarnation));
    this.everywhere[origin] = undefined;
  }

  /** `member` begins a new run: what it said before counts no more. */
  onFresh(member: number): void {
    this.overs.forEach((overs, origin) => {
      if (overs?.delete(member)) this.everywhere[origin] = undefined;
    });
  }

  /** Members that have retired this stream. */
  membersPast({ origin, incarnation }: StreamId): number[] {
    const overs = [...(this.overs[origin] ?? [])];
    return overs.flatMap(([member, over]) => (incarnation <= over ? [member] : []));
  }

  /** Whether so many members, ourselves included, have retired this stream that in the end all will. */
  isEverywhere({ origin, incarnation }: StreamId): boolean {
    this.everywhere[origin] ??= this.countEverywhere(origin);
    return incarnation <= this.everywhere[origin];
  }

  private countEverywhere(origin: number): number {
    const all = [...(this.overs[origin]?.values() ?? [])];
    const final = this.finals[origin];
    if (final?.recorded) all.push(final.incarnation);
    return all.length < this.enough ? -1 : nthLargest(all, this.enough);
  }
}
