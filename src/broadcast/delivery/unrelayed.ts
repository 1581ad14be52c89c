/**
 * Large objects that their origin has given us past the relays. It may have left somebody out: what we say once we have delivered
 * one would wait there for as long as it takes to fetch it. So it is delivered once all who fetch it hold it, or a while later.
 * In: such objects, who is there, and who has some of them. Out: whether the next object of a stream waits.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import { type ObjectId, type StreamId, streamKey } from '../../wire/symbol.js';
import type { Stream } from '../agreement/stream.js';

/** The other members, as we hear them. */
export interface Others {
  /** Whether this one is responsive. */
  isThere(now: Micros, member: number): boolean;
  /** The round trip that most of them keep. */
  readonly rtt: Micros;
}

interface Wait {
  since: Micros;
  /** Members that have reported to have some of it. */
  readonly fetching: Set<number>;
}

export class Unrelayed {
  private readonly members: number;
  private readonly others: Others;
  /** By stream and number. */
  private readonly waits = new Map<string, Map<number, Wait>>();
  /** By member that has let one wait in vain: until when none waits for it. */
  private readonly restUntil = new Map<number, Micros>();

  constructor(members: number, others: Others) {
    this.members = members;
    this.others = others;
  }

  /** An object has come so, of which these have reported to have some. */
  add(now: Micros, id: ObjectId, reporters: Iterable<number>): void {
    const key = streamKey(id);
    const wait = { since: now, fetching: new Set(reporters) };
    const waits = this.waits.get(key);
    if (waits) waits.set(id.seq, wait);
    else this.waits.set(key, new Map([[id.seq, wait]]));
  }

  /** A member reports to have some of an object. */
  onProgress(member: number, id: ObjectId): void {
    if (this.waits.size > 0) this.find(id, id.seq)?.fetching.add(member);
  }

  /** Whether the next object of this stream is not to be delivered yet. */
  holdsBack(now: Micros, stream: Stream): boolean {
    if (this.waits.size === 0) return false;
    const { delivered: seq } = stream;
    const wait = this.find(stream, seq);
    if (!wait) return false;
    const lacking = this.lacking(now, stream, wait);
    if (lacking.length > 0 && now < wait.since + PATIENCE) return true;
    for (const member of lacking) this.restUntil.set(member, now + REST);
    this.forget(stream, seq);
    return false;
  }

  /** It is not there any more, or this object of it is delivered. */
  forget(stream: Stream, seq?: number): void {
    const key = streamKey(stream);
    if (seq !== undefined) this.waits.get(key)?.delete(seq);
    if (seq === undefined || this.waits.get(key)?.size === 0) this.waits.delete(key);
  }

  private find(id: StreamId, seq: number): Wait | undefined {
    return this.waits.get(streamKey(id))?.get(seq);
  }

  /** Who fetches it, or may be about to, and is waited for. */
  private lacking(now: Micros, { origin, claims, delivered }: Stream, { since, fetching }: Wait): number[] {
    const isEarly = now < since + BEGINNING + ROUND_TRIPS * this.others.rtt;
    const lacking: number[] = [];
    for (let member = 0; member < this.members; member++)
      if (
        member !== origin &&
        (isEarly || fetching.has(member)) &&
        this.others.isThere(now, member) &&
        now >= (this.restUntil.get(member) ?? now) &&
        !claims.isHeldBy(member, delivered)
      )
        lacking.push(member);
    return lacking;
  }
}

/** Until who fetches it says so: it hears of it, asks a round trip later (PROTOCOL 8.3), gets some and reports that. */
const ROUND_TRIPS = 4;
const BEGINNING: Micros = 100 * MILLISECOND;
/** What a member that serves is given, too. */
const PATIENCE: Micros = 3 * SECOND;
/** Who never holds it may be slow, or lie. */
const REST: Micros = 60 * SECOND;
