/**
 * What relays say that they still owe: the other end is `../owing.ts`. In: their frames, what is dealt to them, time. Out: how
 * much more a relay should be dealt, and whether symbols of a block are still on their way to a peer. A relay's word holds back
 * nothing but symbols for itself to relay, and top-ups for a bounded time in all.
 */

import type { Marks } from '../../../core/marks.js';
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../../../core/time.js';
import type { OwedFrame } from '../../../wire/frames/owed.js';
import type { ObjectId } from '../../../wire/symbol.js';
import { type Paths, rttOf, withMargin } from '../rtts.js';

/** A block, in the order in which objects were begun to be sent. */
export interface Position {
  /** Of the object. */
  number: number;
  sbn: number;
}

/** What one relay has last said. */
interface Word {
  at: Micros;
  /** By peer: the oldest of what waits for it. */
  oldest: ReadonlyMap<number, Position>;
}

interface Relay {
  /** Undefined if nothing waits there, as far as we know. */
  word: Word | undefined;
  /** Symbols that it was sent to relay. */
  sent: number;
  /** How many it may have been sent before it has said that more have gone. */
  limit: number;
  /** Bytes a second that its path has carried, at most: while little is dealt to it it carries less than it could. */
  rate: number;
  /** What had been sent at these times, the oldest first. */
  readonly marks: { at: Micros; sent: number }[];
  /** Its word holds back no top-ups until then, for so long the next time. */
  doubtedUntil: Micros;
  doubt: Micros;
  /** For how long its word has held top-ups back while nothing moved, as of when. */
  idle: Micros;
  idleAt: Micros;
}

export interface OwedOptions {
  self: number;
  paths: Paths;
  /** k. */
  faulty: number;
  changed: Marks;
  /** Of an object of ours; undefined if it is over: then all behind it may wait, too. */
  numberOf(id: ObjectId): number | undefined;
}

export class Owed {
  private readonly options: OwedOptions;
  private readonly relays: readonly Relay[];
  private expiresAt: Micros = NEVER;

  constructor(options: OwedOptions) {
    this.options = options;
    this.relays = options.paths.map(() => ({
      word: undefined,
      sent: 0,
      limit: Number.POSITIVE_INFINITY,
      rate: 0,
      marks: [],
      doubtedUntil: NEVER_YET,
      doubt: DOUBT,
      idle: 0,
      idleAt: NEVER_YET,
    }));
  }

  onFrame(now: Micros, from: number, { debts }: OwedFrame): void {
    const { self, paths, faulty, changed, numberOf } = this.options;
    const relay = this.relays[from];
    changed.markAll();
    if (debts.length === 0) return this.clear(relay);
    this.expiresAt = Math.min(this.expiresAt, now + WORD_LIFE);
    const oldest = new Map(
      debts.map(({ member, incarnation, seq, sbn }) => [
        member,
        { number: numberOf({ origin: self, incarnation, seq }) ?? -1, sbn },
      ]),
    );
    if (!relay.word) relay.idleAt = now;
    relay.word = { at: now, oldest };
    const rtt = rttOf(paths[from], withMargin);
    // Who is slow itself, of whom there may be k that show it nowhere else, holds up nobody else.
    const prompt = debts.filter(({ member }) => !this.isSlower(member, from));
    const [typical] = prompt.toSorted((a, b) => b.symbols - a.symbols).slice(faulty);
    if (!typical) relay.limit = Number.POSITIVE_INFINITY;
    else {
      const { symbols, delay } = typical;
      const enough = (symbols * (rtt + ALLOWANCE)) / (Math.max(1, delay) * MILLISECOND);
      relay.limit = this.sentBy(relay, now - rtt) + Math.max(LEAST, Math.ceil(enough)) - symbols;
    }
  }

  /** A symbol goes to this peer that it is to relay. */
  onSent(now: Micros, peer: number): void {
    const relay = this.relays[peer];
    const { marks } = relay;
    if (marks.length === 0 || now - marks[marks.length - 1].at >= MARK_INTERVAL) {
      marks.push({ at: now, sent: relay.sent });
      const { deliveryRate } = this.options.paths[peer]!.recovery;
      relay.rate = Math.max(deliveryRate, RATE_KEPT * relay.rate);
      if (marks.length > MAX_MARKS) marks.shift();
    }
    relay.sent++;
  }

  /** Whether it has more to relay than it soon can. */
  isFull(peer: number): boolean {
    const { sent, limit } = this.relays[peer];
    return sent >= limit;
  }

  /**
   * Whether one of these relays says that symbols of this block, or of what goes before it, wait for `peer`. Who has held it back
   * for so long is not believed for a while: at once or by and by, its word taken back in between.
   *
   * @param held `movedAt`: when something of it last went, or the peer had more of it; `until`: it is held back no longer
   */
  holdsBack(
    now: Micros,
    peer: number,
    held: { position: Position; relays: Iterable<number>; movedAt: Micros; until: Micros },
  ): boolean {
    let holds = false;
    for (const each of held.relays) {
      if (!this.owes(now, each, peer, held.position)) continue;
      const relay = this.relays[each];
      // What is on its way there, and a report of it, has not been waited for in vain.
      const expectedAt = held.movedAt + rttOf(this.options.paths[each], withMargin) + ALLOWANCE;
      relay.idle += Math.max(0, now - Math.max(expectedAt, relay.idleAt));
      relay.idleAt = now;
      if (relay.idle < MAX_IDLE && now < held.until) holds = true;
      else this.doubt(now, relay);
    }
    return holds;
  }

  nextTimeout(): Micros {
    return this.expiresAt;
  }

  /** What was said long ago counts no longer. */
  handleTimeout(now: Micros): void {
    if (this.expiresAt > now) return;
    this.expiresAt = NEVER;
    for (const relay of this.relays) {
      if (!relay.word) continue;
      const expiresAt = relay.word.at + WORD_LIFE;
      if (expiresAt <= now) this.clear(relay);
      else this.expiresAt = Math.min(this.expiresAt, expiresAt);
    }
    this.options.changed.markAll();
  }

  private owes(now: Micros, of: number, peer: number, { number, sbn }: Position): boolean {
    const { word, doubtedUntil } = this.relays[of];
    const oldest = word?.oldest.get(peer);
    if (!oldest || doubtedUntil > now) return false;
    return oldest.number < number || (oldest.number === number && oldest.sbn <= sbn);
  }

  /** Whether a peer takes much less of us than another one does: what waits for it there says nothing of the relay. */
  private isSlower(peer: number, than: number): boolean {
    return SLOWER * (this.relays[peer]?.rate ?? 0) < this.relays[than].rate;
  }

  private doubt(now: Micros, relay: Relay): void {
    relay.idle = 0;
    relay.doubtedUntil = now + relay.doubt;
    relay.doubt = Math.min(MAX_DOUBT, 2 * relay.doubt);
  }

  private clear(relay: Relay): void {
    relay.word = undefined;
    relay.limit = Number.POSITIVE_INFINITY;
  }

  /** How many symbols had been sent by `time`, or a little later. */
  private sentBy({ marks, sent }: Relay, time: Micros): number {
    const later = marks.find(({ at }) => at >= time);
    return later ? later.sent : sent;
  }
}

/** Queues of relays may take so long beside a round trip: their words come each 20 ms, and one may be lost. */
const ALLOWANCE: Micros = 50 * MILLISECOND;
/** Symbols for each peer that any relay may hold: in startup a path soon takes several times what it just took. */
const LEAST = 128;
/** Twelve words. */
const WORD_LIFE: Micros = 250 * MILLISECOND;
/** Times: paths to equal members do not differ by that much. */
const SLOWER = 4;
/** At each mark: half after seven seconds. */
const RATE_KEPT = 0.999;
const MARK_INTERVAL: Micros = 10 * MILLISECOND;
const MAX_MARKS = 128;
/** A relay's word holds back top-ups for so long in all while nothing moves. */
export const MAX_IDLE: Micros = SECOND;
const DOUBT: Micros = 10 * SECOND;
const MAX_DOUBT: Micros = 600 * SECOND;
