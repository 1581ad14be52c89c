/**
 * The watches of one stream. In: what the client asks for, and how far the state is durable. Out: one response at a time, when the
 * stream has room for it: what a slow client has not read waits on disk.
 *
 * A response is about one revision and its header says that one, where etcd's says the newest: hydra-node stores the number in the
 * header before it handles what came with it, and would after a crash begin behind what it has never seen.
 */
import {
  DELETE_EVENT,
  type Event,
  PUT_EVENT,
  type WatchCreateRequest,
  type WatchRequest,
  type WatchResponse,
} from './api/messages.js';
import { bytesOf, isWithin, type KeyRange, rangeOf } from './state/bytes.js';
import type { KeyEvent, Revision } from './state/records.js';
import type { State } from './state/state.js';

/** All but what is the same in every header. */
export type Answer = Partial<Omit<WatchResponse, 'header'>> & { revision: number };

interface Watch {
  id: number;
  range: KeyRange;
  /** The next revision to look at. */
  next: number;
  withPuts: boolean;
  withDeletions: boolean;
  /** It says where it begins, as the local node does: what it has not read is kept. */
  reader: Reader | undefined;
}

/** What was sent to a reader and may not have been read: one revision of each so many bytes, with the bytes sent until then. */
interface Reader {
  /** Oldest first. */
  sent: Sent[];
  total: number;
}

interface Sent {
  revision: number;
  total: number;
}

export class Watches {
  private readonly state: State;
  private readonly watches = new Map<number, Watch>();
  private readonly answers: Answer[] = [];
  private nextId = 0;
  /** The watch whose turn it is. */
  private turn = 0;

  constructor(state: State) {
    this.state = state;
  }

  /** Whether any of them watches these keys. */
  covers(key: string): boolean {
    return [...this.watches.values()].some(({ range }) => isWithin(key, range));
  }

  handle({ create_request, cancel_request, progress_request }: WatchRequest): void {
    if (create_request) this.create(create_request);
    else if (cancel_request) this.cancel(cancel_request.watch_id);
    else if (progress_request) this.answers.push({ revision: this.state.committed, watch_id: -1 });
  }

  /** The stream is over. */
  close(): void {
    for (const watch of this.watches.values()) this.end(watch);
  }

  /** The next response to send; undefined if there is nothing. */
  poll(): Answer | undefined {
    const ready = this.answers.shift();
    if (ready) return ready;
    const all = [...this.watches.values()];
    for (let i = 0; i < all.length; i++) {
      const watch = all[(this.turn + i) % all.length];
      const answer = this.advance(watch);
      if (!answer) continue;
      this.turn = (this.turn + i + 1) % all.length;
      return answer;
    }
    return undefined;
  }

  private create(request: WatchCreateRequest): void {
    const { start_revision: start, filters } = request;
    const id = request.watch_id > 0 ? request.watch_id : this.nextId++;
    const refusal = this.refusalOf(id, start);
    if (refusal !== undefined) {
      this.answers.push({
        revision: this.state.committed,
        watch_id: id,
        created: true,
        canceled: true,
        cancel_reason: refusal,
      });
      return;
    }
    if (start > this.state.revision + 1) this.state.raise(start - 1);
    const next = start > 0 ? start : this.state.committed + 1;
    const watch = {
      id,
      range: rangeOf(request),
      next,
      withPuts: !filters.includes(PUT_EVENT),
      withDeletions: !filters.includes(DELETE_EVENT),
      reader: start > 0 ? { sent: [], total: 0 } : undefined,
    };
    this.answers.push({ revision: next - 1, watch_id: id, created: true });
    if (next >= this.state.compacted) {
      this.watches.set(id, watch);
      if (watch.reader) this.state.onRead(watch.reader, next - 1);
      return;
    }
    this.answers.push({
      revision: this.state.committed,
      watch_id: id,
      canceled: true,
      compact_revision: this.state.compacted,
      cancel_reason: 'etcdserver: mvcc: required revision has been compacted',
    });
  }

  /** Why there is no such watch. */
  private refusalOf(id: number, start: number): string | undefined {
    if (this.watches.has(id)) return `watch ${id} is there already`;
    if (this.watches.size >= MAX_WATCHES) return `more than ${MAX_WATCHES} watches`;
    if (start > this.state.revision + MAX_AHEAD)
      return `expected a start_revision of at most ${MAX_AHEAD} beyond ${this.state.revision}, got ${start}`;
    return undefined;
  }

  private cancel(id: number): void {
    const watch = this.watches.get(id);
    if (!watch) return;
    this.end(watch);
    this.answers.push({ revision: this.state.committed, watch_id: id, canceled: true });
  }

  private advance(watch: Watch): Answer | undefined {
    for (let looked = 0; looked < MAX_LOOKS; looked++) {
      const revision = this.state.next(watch.next);
      if (!revision) {
        watch.next = Math.max(watch.next, this.state.committed + 1);
        return undefined;
      }
      watch.next = revision.number + 1;
      const events = revision.events.filter((event) => isWanted(watch, event));
      if (events.length === 0) continue;
      if (watch.reader) this.noteSent(watch.reader, revision);
      return {
        revision: revision.number,
        watch_id: watch.id,
        events: events.map((event) => eventOf(revision, event)),
      };
    }
    // The rest in another turn.
    return { revision: watch.next - 1, watch_id: watch.id };
  }

  /** What so many bytes ago was sent has been read: less than that fits into all buffers on the way. */
  private noteSent(reader: Reader, { number, events }: Revision): void {
    const { sent } = reader;
    for (const { key, value } of events) reader.total += EVENT_BYTES + key.length + value.length;
    if (sent.length > 0 && reader.total < sent.at(-1)!.total + NOTE_STEP) return;
    sent.push({ revision: number, total: reader.total });
    let read: number | undefined;
    while (sent[0].total <= reader.total - ON_THE_WAY) read = sent.shift()!.revision;
    if (read !== undefined) this.state.onRead(reader, read);
  }

  private end({ id, reader }: Watch): void {
    this.watches.delete(id);
    if (reader) this.state.dropReader(reader);
  }
}

function isWanted({ range, withPuts, withDeletions }: Watch, { key, type }: KeyEvent): boolean {
  return (type === 'put' ? withPuts : withDeletions) && isWithin(key, range);
}

function eventOf({ number }: Revision, { type, key, create, version, lease, value }: KeyEvent): Event {
  if (type === 'delete') return { type: DELETE_EVENT, kv: { key: bytesOf(key), mod_revision: number } };
  const kv = { key: bytesOf(key), create_revision: create, mod_revision: number, version, value, lease };
  return { type: PUT_EVENT, kv };
}

const MAX_WATCHES = 1000;
/** Who has read from another store is ahead of ours by what that has counted. A million such steps stay below 2^53. */
const MAX_AHEAD = 2 ** 33;
/** Revisions of other keys, before the event loop gets its turn. */
const MAX_LOOKS = 1000;
/** A client's window of 256 KiB, ours, and what the system holds for a connection on one machine. */
const ON_THE_WAY = 8 * 1024 * 1024;
/** Small messages are noted together: a list of each would be long, and is gone through with each. */
const NOTE_STEP = 64 * 1024;
const EVENT_BYTES = 32;
