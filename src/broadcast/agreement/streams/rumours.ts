/**
 * Streams that are there on the word of others than their origin, and words about streams for which there was no place. In: what
 * members name. Out: whether a stream may begin by it, and what was said of one that begins.
 */
import { SparseMap, SparseSet } from '../../../core/sparse.js';
import type { VectorEntry } from '../../../wire/frames/vector.js';
import { type StreamId, streamKey } from '../../../wire/symbol.js';
import type { Bounds } from '../standing.js';
import type { Stream } from '../stream.js';

/** What a member has said of a stream: its claim, and a digest of fewer objects if there was one. */
export interface Word {
  claim: VectorEntry;
  lower: readonly VectorEntry[];
}

export class Rumours {
  private readonly byzantine: number;
  /** By member: streams that are there on its word. */
  private readonly places: SparseSet<Stream>[];
  /** By member and stream: what it has said of one that is not here. The latest is the last. */
  private readonly words: SparseMap<string, Word>[];
  /** By stream that is not here: the members that have said something of it. */
  private readonly speakers = new Map<string, Set<number>>();

  constructor({ members, byzantine }: Bounds) {
    this.byzantine = byzantine;
    this.places = Array.from({ length: members }, () => new SparseSet<Stream>());
    this.words = Array.from({ length: members }, () => new SparseMap<string, Word>());
  }

  /**
   * Whether a stream may begin that `member` says this of: it has a place left; or more members than may lie say so, whatever
   * places they have: others may have delivered it. If not, its word is remembered.
   */
  hear(member: number, claim: VectorEntry, lower: readonly VectorEntry[]): boolean {
    if (this.hasPlace(member)) return true;
    const said = this.words[member];
    const key = streamKey(claim);
    said.delete(key);
    // The last of fewer objects has what it is READY for.
    said.set(key, { claim: kept(claim), lower: lower.slice(-1).map(kept) });
    const speakers = this.speakers.get(key);
    if (speakers) speakers.add(member);
    else this.speakers.set(key, new Set([member]));
    if (said.size > MAX_WORDS) this.forgetWord(member, said.keys().next().value!);
    // Where nobody lies a place is free soon.
    return this.byzantine > 0 && this.speakers.get(key)!.size > this.byzantine;
  }

  /** A stream has begun on the word of `member`. */
  add(member: number, stream: Stream): void {
    if (this.hasPlace(member)) this.places[member].add(stream);
  }

  /** The stream is attested, or is not there any more. */
  settle(stream: Stream): void {
    for (const places of this.places) places.delete(stream);
  }

  /** What was said of a stream that begins, and by whom. It is no more. */
  takeWords(id: StreamId): [member: number, word: Word][] {
    const key = streamKey(id);
    const taken = [...(this.speakers.get(key) ?? [])].map((member): [number, Word] => [
      member,
      this.words[member].get(key)!,
    ]);
    for (const [member] of taken) this.forgetWord(member, key);
    return taken;
  }

  /** For each member that has a place left, what it has said first of a stream that is not here. */
  takeWaiting(): [member: number, word: Word][] {
    const taken: [number, Word][] = [];
    this.words.forEach((said, member) => {
      const left = MAX_RUMOURS - this.places[member].size;
      if (said.size === 0 || left === 0) return;
      for (const [key, word] of [...said].slice(0, left)) {
        this.forgetWord(member, key);
        taken.push([member, word]);
      }
    });
    return taken;
  }

  /**
   * `member` begins a new run: what it said counts no more. Rumours that another has heard of are on that one's word from now on.
   *
   * @returns the others, which are to be taken away
   */
  onFresh(member: number): Stream[] {
    for (const key of [...this.words[member].keys()]) this.forgetWord(member, key);
    const gone: Stream[] = [];
    for (const stream of this.places[member]) {
      const other = stream.claims.claimant(member);
      this.places[member].delete(stream);
      if (other === undefined) gone.push(stream);
      else this.places[other].add(stream);
    }
    return gone;
  }

  private hasPlace(member: number): boolean {
    return this.places[member].size < MAX_RUMOURS;
  }

  private forgetWord(member: number, key: string): void {
    this.words[member].delete(key);
    const speakers = this.speakers.get(key)!;
    speakers.delete(member);
    if (speakers.size === 0) this.speakers.delete(key);
  }
}

/** Without the datagram that it came in. */
function kept(entry: VectorEntry): VectorEntry {
  return { ...entry, chain: entry.chain.slice(), ahead: entry.ahead.slice() };
}

/** Rumours on the word of one member at once. */
export const MAX_RUMOURS = 16;
/**
 * Streams without a place that one member has named. One that does not lie may hold 256 streams of each origin that does, taken
 * on its word, where we have no room since we hold 256 others: so much is remembered for sixteen such origins.
 */
export const MAX_WORDS = 4096;
