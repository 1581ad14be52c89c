/**
 * Messages that end the process of who consumes them. In: what the last run was doing when it did not end in order, and each
 * message that is due. Out: whether it may be handed over, has to wait until that is noted in the store, or is set aside.
 *
 * Only after a crash, and only of what the store held by then, is anything noted: one commit for a range of messages, so that
 * a backlog comes in batches. A run that ends within a range makes the next one note a quarter of it at a time, until
 * a message is alone in its range. Only crashes in a row, at the same message, count.
 */
import type { Attempt, AttemptRange, Loaded, MessageRef } from '../../store/store.js';
import { type StreamId, streamKey } from '../../wire/symbol.js';
import type { Journal } from './journal.js';

/** How far a stream has been handed over. */
export interface Position extends StreamId {
  /** Objects below have been, whole. */
  readonly delivered: number;
  /** Messages of the object `delivered` that have been. */
  readonly index: number;
}

export class Attempts {
  private readonly log: Journal;
  private readonly last: Attempt | undefined;
  /** By stream: objects below it may have been handed over before the crash. */
  private readonly suspects = new Map<string, number>();
  /** What is being noted, and what is. */
  private asked: Attempt | undefined;
  private noted: Attempt | undefined;

  constructor({ crash, held }: Loaded, log: Journal) {
    this.log = log;
    this.last = crash?.attempt;
    if (!crash) return;
    for (const { origin, incarnation, seq } of held) {
      const key = streamKey({ origin, incarnation });
      this.suspects.set(key, Math.max(seq + 1, this.suspects.get(key) ?? 0));
    }
  }

  /**
   * What to do with a message that is due; asked again after `wait` once the store has answered.
   *
   * @param messages how many its object has
   * @param positions of all streams: what they hold next may be noted with it
   */
  judge(id: MessageRef, messages: number, positions: Iterable<Position>): 'deliver' | 'wait' | 'bury' {
    if (this.suspects.size === 0 || id.seq >= this.suspectsOf(id)) return 'deliver';
    const before = coversOf(this.last, id) ? this.last!.count : 0;
    if (before >= MAX_ATTEMPTS) return 'bury';
    // On a full disk nothing can be noted, and what is due is not to wait for that.
    if (coversOf(this.noted, id) || this.log.isFull) return 'deliver';
    if (!coversOf(this.asked, id)) {
      const some = before > 0 ? this.narrowed(id, messages, positions) : this.widest(id, positions);
      const ranges = some.length === 1 ? [withEnd(some[0], id, messages)] : some;
      const attempt = { ranges, count: 1 };
      if (isAlone(attempt)) attempt.count += before;
      this.asked = attempt;
      this.log.write({ type: 'attempt', attempt });
    }
    return 'wait';
  }

  /** The note is durable. */
  onNoted(attempt: Attempt): void {
    this.noted = attempt;
  }

  /**
   * A quarter of what the last run has ended in, from where each stream is now: of its objects; where it had one of each
   * stream, of the streams; where it had one, of its messages.
   */
  private narrowed(id: MessageRef, messages: number, positions: Iterable<Position>): AttemptRange[] {
    const { ranges } = this.last!;
    const own = ranges.findIndex((range) => covers(range, id));
    const objects = Math.max(...ranges.map(objectsOf));
    if (objects === 1 && ranges.length === 1) {
      const { index, endIndex } = withEnd(ranges[0], id, messages);
      const end = Math.min(endIndex, id.index + Math.ceil((endIndex - index) / PARTS));
      return [{ ...ranges[0], index: id.index, endSeq: id.seq, endIndex: end }];
    }
    const places = new Map([...positions].map((position) => [streamKey(position), position]));
    // Behind the last the first follow.
    const rest = [...ranges.slice(own), ...ranges.slice(0, own)].flatMap((range) => {
      const { delivered = 0, index = 0 } = places.get(streamKey(range)) ?? {};
      const from = isOf(range, id) ? id : { seq: delivered, index };
      const left = compare(range, from) < 0 ? { ...range, seq: from.seq, index: from.index } : range;
      return isEmpty(left) ? [] : [left];
    });
    if (objects === 1) return rest.slice(0, Math.ceil(ranges.length / PARTS));
    const part = Math.ceil(objects / PARTS);
    return rest.map((range) => clipped({ ...range, endSeq: range.seq + part, endIndex: 0 }, range));
  }

  /** From this message on as much as one note may cover, of all streams that may hold the one, but for what is narrowed. */
  private widest(id: MessageRef, positions: Iterable<Position>): AttemptRange[] {
    const ranges: AttemptRange[] = [];
    const add = ({ origin, incarnation, seq, index }: MessageRef) => {
      const end = Math.min(this.suspectsOf({ origin, incarnation }), seq + MAX_OBJECTS);
      if (seq >= end || ranges.length === MAX_RANGES) return;
      const range = { origin, incarnation, seq, index, endSeq: end, endIndex: 0 };
      const narrowed = this.last?.ranges.find((each) => isOf(each, range));
      if (narrowed && covers(narrowed, range)) return;
      // What comes before it may be wide, and ends there.
      const isBefore = narrowed && compare(range, narrowed) < 0;
      ranges.push(isBefore ? clipped(range, { endSeq: narrowed.seq, endIndex: narrowed.index }) : range);
    };
    add(id);
    for (const { origin, incarnation, delivered, index } of positions)
      if (!isOf(id, { origin, incarnation })) add({ origin, incarnation, seq: delivered, index });
    return ranges;
  }

  private suspectsOf(stream: StreamId): number {
    return this.suspects.get(streamKey(stream)) ?? 0;
  }
}

function coversOf(attempt: Attempt | undefined, id: MessageRef): boolean {
  return attempt?.ranges.some((range) => covers(range, id)) === true;
}

function covers(range: AttemptRange, id: MessageRef): boolean {
  const { endSeq, endIndex } = range;
  return isOf(range, id) && compare(range, id) <= 0 && compare(id, { seq: endSeq, index: endIndex }) < 0;
}

function isOf(a: StreamId, b: StreamId): boolean {
  return a.origin === b.origin && a.incarnation === b.incarnation;
}

/** Whether one message is all that it covers. */
function isAlone({ ranges }: Attempt): boolean {
  const [{ seq, index, endSeq, endIndex }] = ranges;
  return ranges.length === 1 && seq === endSeq && endIndex - index === 1;
}

type Place = Pick<MessageRef, 'seq' | 'index'>;
type End = Pick<AttemptRange, 'endSeq' | 'endIndex'>;

function compare(a: Place, b: Place): number {
  return a.seq - b.seq || a.index - b.index;
}

/** Objects that it has a part in. */
function objectsOf({ seq, endSeq, endIndex }: AttemptRange): number {
  return endSeq - seq + (endIndex > 0 ? 1 : 0);
}

function isEmpty({ seq, index, endSeq, endIndex }: AttemptRange): boolean {
  return compare({ seq, index }, { seq: endSeq, index: endIndex }) >= 0;
}

/** No further than to `end`. */
function clipped(range: AttemptRange, { endSeq, endIndex }: End): AttemptRange {
  const isBeyond =
    compare({ seq: range.endSeq, index: range.endIndex }, { seq: endSeq, index: endIndex }) > 0;
  return isBeyond ? { ...range, endSeq, endIndex } : range;
}

/** The same range; if it is all of the object of `id` from some message on, its end is said in messages, of which there are so many. */
function withEnd(range: AttemptRange, id: MessageRef, messages: number): AttemptRange {
  const isOne = range.seq === id.seq && range.endSeq === id.seq + 1 && range.endIndex === 0;
  return isOne ? { ...range, endSeq: id.seq, endIndex: messages } : range;
}

/** Crashes in a row at one message, each of them noted; the first of all comes before any note. Of those in wider ranges one counts. */
const MAX_ATTEMPTS = 3;
/** Of each stream in one note: some thousands of objects a second where a commit takes 10 ms. */
const MAX_OBJECTS = 64;
/** Streams in one note: it has 24 kB then. */
const MAX_RANGES = 1024;
/** A narrower range is this part of the one before: three starts from 64 objects to one, and four from 256 messages. */
const PARTS = 4;
