/**
 * The rules of `model/streams.m` once more, for simulated runs: what each member's store says after each commit, and what is
 * delivered, must be allowed by them. Knows what all members have ever stored, but not who has heard of it, so it allows what
 * would be allowed if everybody had heard everything. In: events of a simulation. Out: events that no rule allows.
 */
import type { SimDisk } from '../../src/sim/disk.js';
import type { SimEvent, SimMember } from '../../src/sim/member.js';
import type { StoreWrite, StreamState } from '../../src/store/store.js';
import { type ObjectId, type StreamId, streamKey } from '../../src/wire/symbol.js';

interface Local extends StreamId {
  held: Set<number>;
  delivered: number;
  base: number;
}

/** One store of a member. */
interface Shelf {
  streams: Map<string, Local>;
  /** By origin: up to which stream it has retired. */
  over: Map<number, number>;
}

interface Party {
  shelves: Map<SimDisk, Shelf>;
  /** In any store, by stream. */
  past: Map<string, { held: Set<number>; base: number }>;
  over: Map<number, number>;
  pending: readonly StoreWrite[];
  starts: number;
  /** The store of `pending`. */
  disk: SimDisk | undefined;
}

export class Twin {
  /** What no rule allows. */
  readonly refused: string[] = [];
  /** How often each rule was used. */
  readonly used: Record<string, number> = {};
  private readonly liars: ReadonlySet<number>;
  private readonly faulty: number;
  private readonly quorum: number;
  private readonly parties: Party[];

  constructor(members: number, byzantine: number, liars: ReadonlySet<number>) {
    this.liars = liars;
    this.faulty = byzantine;
    this.quorum = Math.floor((members + byzantine) / 2) + 1;
    this.parties = Array.from({ length: members }, () => ({
      shelves: new Map(),
      past: new Map(),
      over: new Map(),
      pending: [],
      starts: 0,
      disk: undefined,
    }));
  }

  observe({ index, disk, starts }: SimMember, event: SimEvent): void {
    if (this.liars.has(index)) return;
    const party = this.parties[index];
    if (party.starts !== starts) {
      // What was under way when it crashed may be there or not.
      if (party.disk) this.apply(index, party.disk, party.pending, false);
      Object.assign(party, { starts, pending: [] });
    }
    party.disk = disk;
    if (event.type === 'commit') party.pending = event.writes;
    else if (event.type === 'committed') {
      if (event.ok) this.apply(index, disk, party.pending, true);
      party.pending = [];
    } else if (event.type === 'deliver') this.deliver(index, disk, event.id);
  }

  private deliver(i: number, disk: SimDisk, id: ObjectId): void {
    const shelf = this.shelf(i, disk);
    this.must('deliver', i, id, (shelf.over.get(id.origin) ?? -1) < id.incarnation);
    const votes = this.count((j) => j === i || j === id.origin || this.everHeld(j, id, id.seq));
    this.must('deliver', i, id, votes >= this.quorum);
  }

  private apply(i: number, disk: SimDisk, writes: readonly StoreWrite[], isChecked: boolean): void {
    const shelf = this.shelf(i, disk);
    const ended = new Set(
      [...shelf.streams].filter(([, stream]) => this.isEnded(shelf, stream)).map(([key]) => key),
    );
    for (const write of writes) {
      if (write.type === 'object') {
        const { object } = write;
        const stream = this.local(shelf, object);
        if (
          isChecked &&
          ended.has(streamKey(object)) &&
          !stream.held.has(object.seq) &&
          object.seq >= stream.delivered
        )
          this.must(
            'take',
            i,
            object,
            this.others(i, (j) => this.everHeld(j, object, object.seq)) > this.faulty,
          );
        stream.held.add(object.seq);
        this.past(i, object).held.add(object.seq);
      } else if (write.type === 'stream') this.progress(i, shelf, write.state, isChecked);
      else if (write.type === 'drop') {
        const stream = this.local(shelf, write.stream);
        for (const seq of stream.held) if (seq >= write.from) stream.held.delete(seq);
      } else if (write.type === 'retire') {
        if (isChecked) this.retire(i, shelf, write.stream);
        const { origin, incarnation } = write.stream;
        for (const over of [shelf.over, this.parties[i].over])
          over.set(origin, Math.max(incarnation, over.get(origin) ?? -1));
        const past = this.past(i, write.stream);
        past.base = Math.max(past.base, write.stream.count);
        for (const [key, stream] of shelf.streams)
          if (stream.origin === origin && stream.incarnation <= incarnation) shelf.streams.delete(key);
      }
    }
  }

  private progress(i: number, shelf: Shelf, state: StreamState, isChecked: boolean): void {
    const stream = this.local(shelf, state);
    for (let seq = stream.base; isChecked && seq < state.base; seq++) {
      const has = (j: number) => this.everHeld(j, state, seq) || this.past(j, state).base > seq;
      // What it never had it skips, on the word of more than may lie; or it restarts what it had with another store.
      if (stream.held.has(seq))
        this.must('prune', i, { ...state, seq }, this.others(i, has) === this.parties.length - 1);
      else
        this.must(
          'skip',
          i,
          { ...state, seq },
          this.others(i, (j) => this.past(j, state).base > seq) > this.faulty,
        );
    }
    Object.assign(stream, { base: state.base, delivered: state.delivered });
    const past = this.past(i, state);
    past.base = Math.max(past.base, state.base);
  }

  private retire(i: number, shelf: Shelf, final: StreamId & { count: number }): void {
    const { origin, count } = final;
    const id = { ...final, seq: count };
    const stream = this.local(shelf, final);
    this.must('retire', i, id, i === origin || this.isEnded(shelf, stream));
    this.must(
      'retire',
      i,
      id,
      [...stream.held].every((seq) => seq < count),
    );
    for (const other of shelf.streams.values())
      if (other.origin === origin && other.incarnation < final.incarnation)
        this.must('retire', i, id, other.held.size === 0 && other.delivered === 0);
    const agrees = (j: number) => {
      if ((this.parties[j].over.get(origin) ?? -1) >= final.incarnation) return true;
      const { held, base } = this.past(j, final);
      for (let seq = 0; seq < count; seq++) if (!held.has(seq) && base <= seq) return false;
      return true;
    };
    this.must('retire', i, id, this.others(i, agrees) === this.parties.length - 1);
  }

  private must(
    rule: string,
    member: number,
    { origin, incarnation, seq }: ObjectId,
    isAllowed: boolean,
  ): void {
    this.used[rule] = (this.used[rule] ?? 0) + 1;
    if (!isAllowed) this.refused.push(`${rule}: member ${member}, object ${origin}/${incarnation}/${seq}`);
  }

  private isEnded(shelf: Shelf, { origin, incarnation }: StreamId): boolean {
    for (const other of shelf.streams.values())
      if (other.origin === origin && other.incarnation > incarnation) return true;
    return false;
  }

  /** Whatever suits: so does a liar's word. */
  private everHeld(j: number, id: StreamId, seq: number): boolean {
    return this.liars.has(j) || this.past(j, id).held.has(seq);
  }

  private others(i: number, holds: (j: number) => boolean): number {
    return this.count((j) => j !== i && (this.liars.has(j) || holds(j)));
  }

  private count(holds: (j: number) => boolean): number {
    return this.parties.filter((_, j) => holds(j)).length;
  }

  private past(i: number, id: StreamId) {
    const { past } = this.parties[i];
    const key = streamKey(id);
    const entry = past.get(key) ?? { held: new Set<number>(), base: 0 };
    past.set(key, entry);
    return entry;
  }

  private shelf(i: number, disk: SimDisk): Shelf {
    const { shelves } = this.parties[i];
    const shelf = shelves.get(disk) ?? { streams: new Map<string, Local>(), over: new Map<number, number>() };
    shelves.set(disk, shelf);
    return shelf;
  }

  private local(shelf: Shelf, { origin, incarnation }: StreamId): Local {
    const key = streamKey({ origin, incarnation });
    const stream = shelf.streams.get(key) ?? { origin, incarnation, held: new Set(), delivered: 0, base: 0 };
    shelf.streams.set(key, stream);
    return stream;
  }
}
