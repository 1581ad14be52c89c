/**
 * Streams that are over. In: how streams ended here, and what members say OVER of. Out: how the newest one of each origin
 * ended, and whether a stream is over elsewhere.
 */
import type { Final } from '../../store/store.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import type { StreamId } from '../../wire/symbol.js';

/** A stream that is over here: what is still said of it, to members that may not know yet. */
export class FinalStream implements Final {
  readonly origin: number;
  readonly incarnation: number;
  readonly count: number;
  readonly chain: Uint8Array;

  constructor({ origin, incarnation, count, chain }: Final) {
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
  /** Members that may lie. */
  private readonly liars: number;
  /** By origin: how the newest one that is over ended. Earlier ones are over, too. */
  private readonly finals: (FinalStream | undefined)[];
  /** By origin, then by member: up to which one the member has retired, as it says in its present run. */
  private readonly overs: (Map<number, number> | undefined)[];
  private readonly replaced: FinalStream[] = [];

  constructor({ members, byzantine }: { members: number; byzantine: number }, finals: readonly Final[]) {
    this.liars = byzantine;
    this.finals = Array.from({ length: members });
    this.overs = Array.from({ length: members });
    for (const final of finals)
      if (final.origin < members) this.finals[final.origin] = new FinalStream(final);
  }

  /** The newest of each origin. */
  *[Symbol.iterator](): Generator<FinalStream> {
    for (const final of this.finals) if (final) yield final;
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

  /** How it ended, if it is the newest of its origin that is over. */
  find({ origin, incarnation }: StreamId): FinalStream | undefined {
    const final = this.finals[origin];
    return final?.incarnation === incarnation ? final : undefined;
  }

  /** It is over here. */
  add(final: Final): void {
    const before = this.finals[final.origin];
    if (before) this.replaced.push(before);
    this.finals[final.origin] = new FinalStream(final);
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
  }

  /** `member` begins a new run: what it said before counts no more. */
  onFresh(member: number): void {
    for (const overs of this.overs) overs?.delete(member);
  }

  /** Members that have retired this stream. */
  membersPast({ origin, incarnation }: StreamId): number[] {
    const overs = [...(this.overs[origin] ?? [])];
    return overs.flatMap(([member, over]) => (incarnation <= over ? [member] : []));
  }

  /** Whether more members than may lie have retired this stream. */
  isPast(id: StreamId): boolean {
    return this.membersPast(id).length > this.liars;
  }
}
