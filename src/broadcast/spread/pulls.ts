/**
 * What we lack of objects that others hold, and when to ask for it. The origin and the relays send without being asked,
 * so asking begins after a while of silence, and at once where a stream is being caught up on. Members serve in the order
 * in which they are asked: what one was asked for before something that has come from it, and has not come, is lost.
 */
import type { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../../core/time.js';
import { streamKey } from '../../wire/symbol.js';
import type { Objects } from './objects.js';
import type { StreamView } from './view.js';

interface Want {
  askAt: Micros;
  tries: number;
  /** Tries in a row that brought nothing. */
  waits: number;
  /** So many of these loss alone would explain. */
  likely: number;
  /** Tries that ended while symbols still came in, too slowly. */
  trickles: number;
  askedAt: Micros;
  /** Drawn for the wait after the last try. */
  jitter: number;
  isLost: boolean;
  /** The member that it was asked of, while that counts, and the place among all that was asked. */
  peer: number | undefined;
  place: number;
  /** Until when symbols that come in, of it or of what that member was asked for before, keep others from being asked. */
  until: Micros;
  /** Others are known to hold it, whatever its origin says. */
  isConfirmed: boolean;
  /** Symbols of it had come before it was first asked for. */
  hadBegun: boolean;
  /** Since when nobody near keeps it. */
  deferredAt: Micros;
}

/** How long members take to send what nobody has asked for. */
export interface Patience {
  /** A round trip to its origin, or to most members if that is longer. */
  rtt: Micros;
  /** A round trip to most members, with its variation: so long relays take at most, whatever the origin does. */
  relayed: Micros;
  /** Objects below this were sent when there was another session: nobody sends them unasked any more. Default: none. */
  lostBelow?: number;
}

/** An object of a stream. */
interface Wanted<S> {
  stream: S;
  seq: number;
}

/** An object to ask for now, and the member that it was last asked of without coming. */
export interface Asked<S> extends Wanted<S> {
  tries: number;
  last: number | undefined;
}

/** What one member was asked for and has not served, the oldest first; and when something last came of it. */
interface Server {
  waiting: Set<Want>;
  servedAt: Micros;
  servedPlace: number;
}

export class Pulls<S extends StreamView = StreamView> {
  private readonly rng: Rng;
  private readonly objects: Objects<S>;
  private readonly wants = new Map<S, Map<number, Want>>();
  /** Streams of which an object came because we had asked, with the bytes of such an object, smoothed. */
  private readonly behind = new Map<S, number>();
  private readonly servers = new Map<number, Server>();
  private places = 0;
  private due: Micros = NEVER;

  constructor(rng: Rng, objects: Objects<S>) {
    this.rng = rng;
    this.objects = objects;
  }

  /** Whether objects of this stream are on the list. */
  wantsOf(stream: S): boolean {
    return this.wants.has(stream);
  }

  /** Brings the list up to date: objects of `stream` below `existing` that are not held, or damaged, are wanted. */
  update(now: Micros, stream: S, existing: number, patience: Patience): void {
    let wants = this.wants.get(stream);
    for (const [seq, want] of wants ?? [])
      if (!stream.lacks(seq)) {
        wants!.delete(seq);
        this.settle(want);
      }
    const { lostBelow = 0 } = patience;
    const objects = this.objects.of(stream);
    const want = (seq: number, when: () => Micros) => {
      if (!stream.lacks(seq) || objects.get(seq)?.storing || wants?.has(seq)) return;
      const askAt = when();
      if (!wants) {
        wants = new Map();
        this.wants.set(stream, wants);
      }
      wants.set(seq, {
        askAt,
        tries: 0,
        waits: 0,
        likely: 1,
        trickles: 0,
        askedAt: NEVER_YET,
        jitter: 1,
        isLost: false,
        peer: undefined,
        place: 0,
        until: NEVER,
        isConfirmed: false,
        hadBegun: false,
        deferredAt: NEVER,
      });
      this.due = Math.min(this.due, askAt);
    };
    // Nobody sends again what we have said that we hold.
    for (const seq of stream.ledger.damaged) want(seq, () => now);
    let unasked: Micros | undefined;
    const askAt = () => {
      unasked ??= this.behind.has(stream) ? now : now + FIRST_PATIENCE + 2 * patience.rtt;
      return unasked;
    };
    const end = Math.min(existing, stream.count + this.window(stream));
    for (let seq = stream.count; seq < end; seq++) {
      if (seq < lostBelow) this.hurry(now, wants?.get(seq));
      want(seq, seq < lostBelow ? () => now : askAt);
    }
    if (wants?.size === 0) {
      this.wants.delete(stream);
      this.behind.delete(stream);
    } else if (wants) this.confirm(now, stream, wants, patience);
  }

  private hurry(now: Micros, want: Want | undefined): void {
    if (!want || want.tries > 0) return;
    want.askAt = Math.min(want.askAt, now);
    this.due = Math.min(this.due, now);
  }

  /** Where others are known to hold an object, relays would have brought it: what does not come then is held back, or lost. */
  private confirm(now: Micros, stream: S, wants: Map<number, Want>, patience: Patience): void {
    let confirmed: number | undefined;
    for (const [seq, want] of wants) {
      if (want.tries > 0 || want.isConfirmed) continue;
      confirmed ??= stream.claims.confirmed();
      if (seq >= confirmed) continue;
      want.isConfirmed = true;
      want.until = now + patience.relayed;
      want.askAt = Math.min(want.askAt, want.until);
      this.due = Math.min(this.due, want.askAt);
    }
  }

  /**
   * Member `peer` was asked for it, at a distance of `rtt`. So many tries there may bring nothing by loss alone: only as many
   * again show that it takes longer.
   */
  onAsked(
    now: Micros,
    { stream, seq }: Wanted<S>,
    peer: number,
    { rtt, likely = 1 }: { rtt: Micros; likely?: number },
  ): void {
    const want = this.wants.get(stream)?.get(seq);
    if (!want) return;
    want.likely = likely;
    want.askedAt = now;
    want.askAt = now + waitOf(want, rtt);
    want.until =
      now + Math.ceil(SERVING_PATIENCE * 2 ** Math.min(want.trickles, MAX_DOUBLINGS) * want.jitter);
    this.due = Math.min(this.due, want.askAt);
    this.settle(want);
    want.peer = peer;
    want.place = ++this.places;
    this.server(peer).waiting.add(want);
  }

  /**
   * None of those that are near keeps it yet: what was taken to be asked for is so a little later.
   *
   * @returns false once it has been so for long, and others are to be asked
   */
  defer(now: Micros, { stream, seq }: Wanted<S>): boolean {
    const want = this.wants.get(stream)?.get(seq);
    if (!want) return false;
    want.deferredAt = Math.min(want.deferredAt, now);
    if (now - want.deferredAt >= DEFERRED) return false;
    want.tries--;
    want.askAt = now + FIRST_PATIENCE;
    this.due = Math.min(this.due, want.askAt);
    return true;
  }

  /** A member that is near gets more of it: so shall we. */
  onComing(now: Micros, { stream, seq }: Wanted<S>): void {
    const want = this.wants.get(stream)?.get(seq);
    if (want && want.deferredAt < now) want.deferredAt = now;
  }

  /** An object of `length` bytes that we had asked for came so, from `peer`: what else is missing of its stream need not wait. */
  onServed(now: Micros, { stream, seq }: Wanted<S>, peer: number, length: number): void {
    const want = this.wants.get(stream)?.get(seq);
    if (!want?.tries) return;
    const usual = this.behind.get(stream);
    if (usual !== undefined) this.behind.set(stream, usual + (length - usual) / 8);
    // What had begun to come by itself does not show that we are behind.
    else if (!want.hadBegun) {
      this.behind.set(stream, length);
      for (const other of this.wants.get(stream)!.values()) if (other.tries === 0) other.askAt = now;
    }
    if (want.peer === peer) {
      const server = this.server(peer);
      server.servedAt = now;
      server.servedPlace = want.place;
      for (const other of server.waiting) {
        if (other.place > want.place - REORDERING) break;
        this.settle(other);
        other.isLost = true;
        other.askAt = now;
      }
      this.settle(want);
    }
    this.due = now;
  }

  /**
   * Objects to ask for now; each is asked for again, ever more rarely, unless it has come or moved by then.
   *
   * @param rttOf how long a symbol takes of which this member is the origin, or that it serves
   */
  take(now: Micros, rttOf: (member: number) => Micros): Asked<S>[] {
    if (this.due > now) return [];
    const asked: Asked<S>[] = [];
    this.due = NEVER;
    for (const [stream, wants] of this.wants) {
      // Its origin sends one after the other: what has not begun while an earlier one is still coming in will come too.
      let coming = NEVER_YET;
      const rtt = rttOf(stream.origin);
      const objects = this.objects.of(stream);
      for (const [seq, want] of wants) {
        const object = objects.get(seq);
        if (object?.incoming) coming = Math.max(coming, object.usefulAt);
        const touched = object?.usefulAt ?? (this.behind.has(stream) ? NEVER_YET : coming);
        // Symbols of it are still coming in; those that bring nothing must not keep us from asking, nor those that trickle.
        const served = Math.max(touched + SECOND_PATIENCE + rtt, this.turnOf(want, rttOf));
        const usefulAt = object?.usefulAt ?? NEVER_YET;
        const hasBegun = usefulAt > NEVER_YET;
        const until = want.tries > 0 || hasBegun ? want.until : NEVER;
        want.askAt = Math.max(want.askAt, Math.min(served, until));
        // It is whole, and on its way to the disk.
        if (object?.storing) want.askAt = Math.max(want.askAt, now + SECOND_PATIENCE);
        if (want.askAt <= now) {
          // What is known to be lost says nothing against asking soon, nor does what has stopped half-way.
          if (usefulAt > want.askedAt) want.waits = 0;
          else if (want.tries > 0 && !want.isLost) want.waits++;
          if (want.tries > 0 && served > now) want.trickles++;
          want.isLost = false;
          if (want.tries === 0) want.hadBegun = hasBegun;
          asked.push({ stream, seq, tries: want.tries++, last: want.peer });
          want.jitter = 1 + 0.25 * this.rng.float();
          want.askAt = now + waitOf(want, rtt);
        }
        this.due = Math.min(this.due, want.askAt);
      }
    }
    return asked;
  }

  forget(stream: S): void {
    for (const want of this.wants.get(stream)?.values() ?? []) this.settle(want);
    this.wants.delete(stream);
    this.behind.delete(stream);
  }

  /** Whether only of these streams something is wanted, and all that members were asked for is. */
  check(streams: Iterable<S>): string | undefined {
    const all = new Set(streams);
    const wanted = new Set<Want>();
    for (const [stream, wants] of this.wants) {
      if (!all.has(stream)) return `objects wanted of ${streamKey(stream)}, which is over`;
      for (const want of wants.values()) wanted.add(want);
    }
    for (const [peer, { waiting }] of this.servers)
      for (const want of waiting)
        if (!wanted.has(want) || want.peer !== peer) return `${peer} was asked for what is not wanted`;
    return undefined;
  }

  nextTimeout(): Micros {
    return this.due;
  }

  /** How many objects of a stream are wanted at once: more of small ones, or a few that are lost would hold up all. */
  private window(stream: S): number {
    const usual = this.behind.get(stream);
    if (usual === undefined) return WINDOW;
    return Math.max(WINDOW, Math.min(SMALL_WINDOW, Math.floor(WINDOW_BYTES / Math.max(1, usual))));
  }

  /** Until when whoever was asked for it may be busy with what it was asked for before. */
  private turnOf(want: Want, rttOf: (member: number) => Micros): Micros {
    const { peer, place } = want;
    const server = peer === undefined ? undefined : this.servers.get(peer);
    if (peer === undefined || !server || server.servedPlace >= place) return NEVER_YET;
    return server.servedAt + SECOND_PATIENCE + rttOf(peer);
  }

  /** The member that it was asked of counts no longer. */
  private settle(want: Want): void {
    if (want.peer !== undefined) this.servers.get(want.peer)?.waiting.delete(want);
    want.peer = undefined;
  }

  private server(peer: number): Server {
    let server = this.servers.get(peer);
    if (!server) {
      server = { waiting: new Set(), servedAt: NEVER_YET, servedPlace: 0 };
      this.servers.set(peer, server);
    }
    return server;
  }
}

/** How long an answer is waited for: ever longer, but where it was known to be lost. */
function waitOf({ waits, likely, jitter }: Want, rtt: Micros): Micros {
  const steps = Math.min(Math.floor(waits / likely), MAX_STEPS);
  const wait = (SECOND_PATIENCE + 2 * rtt) * BACKOFF ** steps;
  return Math.ceil(Math.min(MAX_WAIT, wait) * jitter);
}

/** Objects of a stream wanted at once; of small ones up to so many, as our vector can name, that come to so many bytes. */
const WINDOW = 64;
const SMALL_WINDOW = 256;
const WINDOW_BYTES = 512 * 1024;
/** Datagrams overtake each other; RFC 9002's packet threshold. */
const REORDERING = 3;
const FIRST_PATIENCE: Micros = 100 * MILLISECOND;
const SECOND_PATIENCE: Micros = 50 * MILLISECOND;
/** So long may an object take to come nearer: beyond, it is fetched through members that forward it, who have no use of it. */
const DEFERRED: Micros = 30 * SECOND;
const BACKOFF = 1.5;
const MAX_STEPS = 10;
const MAX_WAIT: Micros = 2 * SECOND;
/** So long may a member take to serve an object before another is asked as well; each time twice as long. */
const SERVING_PATIENCE: Micros = SECOND;
const MAX_DOUBLINGS = 6;
