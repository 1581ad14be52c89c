/**
 * Judges a run: whether it was a uniform reliable broadcast (Cachin, Guerraoui, Rodrigues, modules 3.3 and 3.6) in FIFO and,
 * if so promised, causal order. In: what each member submitted, delivered, had on its disk, and when it stopped and started.
 * Out: the first violation. Pure, and ignorant of how the protocol works: it only knows names and bytes of messages.
 *
 *   validity         what a member submitted and did not lose is in its store and delivered in the end
 *   no duplication   nothing is delivered twice, except what was consumed after the cursor was last safe, after a crash
 *   no creation      what is delivered from a correct member, it had submitted, and in its store first
 *   agreement        what one correct member delivers, even one that stops later, all do, with the same bytes;
 *                    so when it does, a quorum has it on disk (of liars nobody knows: they count as having it)
 */

import { equalBytes } from '../core/bytes.js';
import type { Loaded } from '../store/store.js';
import type { MessageId } from '../wire/symbol.js';
import { type ObjectId, objectKey, type StreamId, streamKey } from '../wire/symbol.js';
import { type History, MemberRecord } from './record.js';

export interface CheckerOptions {
  /** By member: whether it does what it should. Only what these do is judged. */
  correct: readonly boolean[];
  /** By member: whether it is there in the end. */
  lasting: readonly boolean[];
  /**
   * By member: whether its disk gets damaged. What all had confirmed may be pruned everywhere: if it then turns out to be
   * unreadable at a member that has not consumed it, that member has lost it, and must say so.
   */
  damaged: readonly boolean[];
  order: 'fifo' | 'causal';
  quorum: number;
}

export class Checker {
  /** What went wrong first. */
  violation: string | undefined;
  private readonly options: CheckerOptions;
  private readonly members: MemberRecord[];
  /** By name: the message, as first delivered or stored. */
  private readonly known = new Map<string, { bytes: Uint8Array; place: number }>();
  /** Names of what everybody must deliver. */
  private readonly expected = new Set<string>();
  /** Names of what any correct member has delivered. */
  private readonly anywhere = new Set<string>();
  /** Members that have said that they lost something. */
  private readonly excused = new Set<number>();

  constructor(options: CheckerOptions) {
    this.options = options;
    this.members = options.correct.map(() => new MemberRecord());
  }

  submitted(member: number, ticket: number, bytes: Uint8Array): void {
    this.members[member].submitted(ticket, bytes);
  }

  durable(member: number, id: ObjectId, tickets: readonly number[]): void {
    if (!this.options.correct[member]) return;
    const state = this.members[member];
    for (const [index, ticket] of tickets.entries()) {
      const name = nameOf({ ...id, index });
      const place = state.submissions.findLastIndex((each) => each.ticket === ticket);
      const submission = state.submissions[place];
      if (submission?.state !== 'pending')
        return this.fail(member, `says that ${name} is durable, which it has not submitted`);
      submission.state = 'durable';
      submission.id = { ...id, index };
      state.pending--;
      this.known.set(name, { bytes: submission.bytes, place });
      if (this.options.lasting[member]) this.expected.add(name);
    }
  }

  delivered(member: number, id: MessageId, bytes: Uint8Array): void {
    if (!this.options.correct[member]) return;
    const state = this.members[member];
    const name = nameOf(id);
    const history = state.historyOf(id);
    if (state.consuming) return this.fail(member, `delivers ${name} while it consumes another message`);
    const last = history.ids.at(-1);
    if (last && compare(last, id) >= 0)
      return this.fail(member, `delivers ${name} after ${nameOf(last)}: duplication, or out of order`);
    if (
      !this.excused.has(member) &&
      (last ? !follows(last, id) : id.seq !== 0 && this.options.correct[id.origin]) &&
      !this.isForgiven(member, last, id)
    )
      return this.fail(member, `delivers ${name} after ${last ? nameOf(last) : 'nothing'}: a gap`);
    const known = this.known.get(name) ?? this.recognize(id, bytes);
    if (!known)
      return this.fail(member, `delivers ${name}, which member ${id.origin} has not stored: creation`);
    if (!equalBytes(known.bytes, bytes))
      return this.fail(member, `delivers other bytes as ${name} than elsewhere: no agreement`);
    const object = objectKey(id);
    const holders = this.members.filter(
      (each, index) => !this.options.correct[index] || each.hasStored(object),
    ).length;
    if (holders < this.options.quorum)
      return this.fail(member, `delivers ${name}, which ${holders} disks hold: not uniform`);
    if (this.options.correct[id.origin]) this.checkPlace(member, history, known.place, name);
    this.expected.add(name);
    this.anywhere.add(name);
    history.ids.push(id);
    history.places.push(known.place);
    state.store.delivered.add(name);
    state.consuming = history;
  }

  consumed(member: number): void {
    this.members[member].consumed();
  }

  /** The member hands its disk a commit with these objects. */
  commitBegun(member: number, objects: readonly ObjectId[]): void {
    this.members[member].commitBegun(objects);
  }

  /** @returns whether it put an object there that had not been there before */
  commitEnded(member: number, ok: boolean): boolean {
    return this.members[member].commitEnded(ok);
  }

  crashed(member: number): void {
    this.members[member].crashed();
  }

  /** A copy is made of the member's store: its `store`-th. */
  copiedStore(member: number, store: number): void {
    this.members[member].copied(store);
  }

  /**
   * The member, which is down, will start with its `store`-th store: an empty one if it had none of that number. What it had
   * broadcast from the one before and nobody has delivered need not come any more.
   */
  changedStore(member: number, store: number): void {
    this.members[member].changedStore(store);
    this.begunAnew(member);
  }

  /** What the member has broadcast so far and nobody has delivered may not come, or under another name. */
  begunAnew(member: number): void {
    const state = this.members[member];
    if (!this.options.correct[member]) return;
    for (const [name, { place }] of this.known) {
      if (this.anywhere.has(name) || originOf(name) !== member) continue;
      this.expected.delete(name);
      state.submissions[place].state = 'doubt';
    }
  }

  /** The member starts again, from what its disk holds. */
  restarted(member: number, { streams, retired, held }: Pick<Loaded, 'streams' | 'retired' | 'held'>): void {
    if (!this.options.correct[member]) return;
    const { store } = this.members[member];
    // What was under way when it stopped may have got there.
    for (const object of held) store.stored.add(objectKey(object));
    const cursors = new Map(streams.map((stream) => [streamKey(stream), stream]));
    for (const [stream, history] of store.histories) {
      const { delivered, index } = cursors.get(stream) ?? { delivered: 0, index: 0 };
      const count = history.ids.filter(
        ({ origin, incarnation, seq, index: i }) =>
          seq < delivered ||
          (seq === delivered && i < index) ||
          // A stream that is over has no cursor: nothing of it comes any more.
          retired.some((over) => over.origin === origin && over.incarnation >= incarnation),
      ).length;
      if (count < history.safe || count > history.consumed)
        this.fail(
          member,
          `starts again after ${count} messages of ${stream}, of which ${history.consumed} were consumed and ` +
            `${history.safe} safely so: ${count < history.safe ? 'duplication' : 'loss'}`,
        );
      for (const id of history.ids.slice(count)) store.delivered.delete(nameOf(id));
      history.ids.length = count;
      history.places.length = count;
      history.consumed = count;
      history.safe = count;
    }
  }

  /** The member says that it lacks objects of this stream that nobody keeps any more: which it had itself, in another store. */
  lost(member: number, { origin, incarnation, from, to }: StreamId & { from: number; to: number }): void {
    if (this.options.damaged[member]) {
      this.excused.add(member);
      return;
    }
    const objects = Array.from({ length: to - from }, (_, i) =>
      objectKey({ origin, incarnation, seq: from + i }),
    );
    // Without the digest behind them it cannot be told whether those before are what all agreed on.
    const known = objects.findLastIndex((object) => this.members[member].hadElsewhere(object));
    const beyond = objects.slice(known + 1);
    if (beyond.length > 0 && this.options.correct[origin])
      return this.fail(member, `says that objects ${from} to ${to} of member ${origin} are gone`);
    const { lost, takenBack } = this.members[member].store;
    for (const object of objects.slice(0, known + 1)) lost.add(object);
    // Who lies may take back what it said itself; if a correct member has delivered it, this one lacks it still.
    for (const object of beyond) takenBack.add(object);
  }

  accused(by: number, member: number, what: string): void {
    const { correct } = this.options;
    if (correct[by] && correct[member])
      this.fail(by, `reports ${what} of member ${member}, which is correct`);
  }

  /** The member says that others hold something else than it does: without a liar nobody may. */
  disagreed(by: number): void {
    if (this.options.correct.every(Boolean)) this.fail(by, 'says that others hold other objects');
  }

  /** Any other thing that must not happen; liars harm themselves as they like. */
  fail(member: number, what: string): void {
    if (this.options.correct[member] === false) return;
    this.violation ??= `member ${member} ${what}`;
  }

  /** Whether all correct members have delivered and stored all that they must. */
  get isComplete(): boolean {
    return this.members.every((_, member) => !this.isOwed(member));
  }

  /** Whether this member has to deliver or store anything yet. */
  isOwed(member: number): boolean {
    const { correct, lasting } = this.options;
    if (!correct[member] || !lasting[member] || this.excused.has(member)) return false;
    const state = this.members[member];
    return state.pending > 0 || state.consuming !== undefined || this.lacks(member).next().done !== true;
  }

  /** Says what is missing. */
  missing(): string {
    const { correct, lasting } = this.options;
    const lines: string[] = [];
    this.members.forEach((state, member) => {
      if (!correct[member] || !lasting[member] || this.excused.has(member)) return;
      const lacks = [...this.lacks(member)];
      if (lacks.length > 0)
        lines.push(
          `member ${member} has not delivered ${lacks.slice(0, 3).join(', ')}${lacks.length > 3 ? ` and ${lacks.length - 3} more` : ''}`,
        );
      if (state.pending > 0) lines.push(`member ${member} has not stored ${state.pending} messages`);
      if (state.consuming) lines.push(`member ${member} has not consumed its last message`);
    });
    return lines.join('; ');
  }

  /** Messages that everybody must deliver. */
  get messages(): number {
    return this.expected.size;
  }

  /** Names of what this member has to deliver yet. */
  private *lacks(member: number): Generator<string> {
    const record = this.members[member];
    const { delivered } = record.store;
    if (delivered.size === this.expected.size) return;
    for (const name of this.expected)
      if (!delivered.has(name) && !record.hadElsewhere(objectOf(name))) yield name;
  }

  /** Whether a member may leave out what is between these two messages. */
  private isForgiven(
    member: number,
    last: MessageId | undefined,
    { origin, incarnation, seq, index }: MessageId,
  ): boolean {
    if (index !== 0) return false;
    const record = this.members[member];
    for (let each = last ? last.seq + 1 : 0; each < seq; each++) {
      const object = objectKey({ origin, incarnation, seq: each });
      if (!record.hadElsewhere(object) && !record.store.takenBack.has(object)) return false;
    }
    return last?.seq !== seq;
  }

  private checkPlace(member: number, history: History, place: number, name: string): void {
    const { submissions } = this.members[originOf(name)];
    const submission = submissions[place];
    submission.name ??= name;
    if (submission.name !== name)
      this.fail(member, `delivers as ${name} what was delivered as ${submission.name}: duplication`);
    const last = history.places.at(-1) ?? -1;
    if (place <= last) this.fail(member, `delivers ${name} against the order in which it was submitted`);
    if (this.excused.has(member)) return;
    for (const before of submissions.slice(last + 1, place)) {
      // Between two streams of one origin there is no order.
      if (before.state !== 'durable' || streamKey(before.id!) !== streamKey(submission.id!)) continue;
      if (!this.members[member].hadElsewhere(objectKey(before.id!)))
        this.fail(member, `delivers ${name} but not one before it`);
    }
    if (this.options.order === 'fifo') return;
    const { histories } = this.members[member].store;
    for (const [stream, id] of submission.before) {
      const latest = histories.get(stream)?.ids.at(-1);
      if ((!latest || compare(latest, id) < 0) && !this.members[member].hadElsewhere(objectKey(id)))
        this.fail(member, `delivers ${name} before ${nameOf(id)}, on which it may depend`);
    }
  }

  /** A message whose origin stopped between storing it and saying so; or one of a liar, who may say what it likes. */
  private recognize(id: MessageId, bytes: Uint8Array): { bytes: Uint8Array; place: number } | undefined {
    let known: { bytes: Uint8Array; place: number } | undefined;
    if (!this.options.correct[id.origin]) known = { bytes, place: 0 };
    else {
      const { submissions } = this.members[id.origin];
      const place = submissions.findIndex(
        (submission) => submission.state === 'doubt' && equalBytes(submission.bytes, bytes),
      );
      if (place >= 0) {
        submissions[place].state = 'durable';
        submissions[place].id = id;
        known = { bytes, place };
      }
    }
    if (known) this.known.set(nameOf(id), known);
    return known;
  }
}

function compare(a: MessageId, b: MessageId): number {
  return a.seq - b.seq || a.index - b.index;
}

/** Whether there can be nothing between them. */
function follows(a: MessageId, b: MessageId): boolean {
  return a.seq === b.seq ? b.index === a.index + 1 : b.seq > a.seq && b.index === 0;
}

function nameOf(id: MessageId): string {
  return `${objectKey(id)}.${id.index}`;
}

function originOf(name: string): number {
  return Number(name.slice(0, name.indexOf('/')));
}

/** The object that a message is in, by name. */
function objectOf(name: string): string {
  return name.slice(0, name.lastIndexOf('.'));
}
