/**
 * By whom one member is reached. In: who offers to pass on to it, how far it is that way, how it is reached now. Out: the best, the first
 * of which is to be taken. An offer is a word; what counts more is what was measured the last time that it was taken.
 */
import { type Micros, NEVER_YET, SECOND } from '../core/time.js';

/** How far somebody is. */
export interface Distance {
  rtt: Micros;
  /** Of what goes there. */
  loss: number;
}

/** A way by a peer. */
export interface Offer extends Distance {
  hop: number;
  /** Sessions on the way. */
  hops: number;
}

interface Current extends Distance {
  via: number | undefined;
  heardAt: Micros;
}

/** What became of a way when it was taken. */
interface Tried {
  cost: number;
  at: Micros;
  /** Not taken before, unless there is no other; and how often in a row that was so. */
  restsUntil: Micros;
  failures: number;
}

export class Ways {
  private offers: readonly Offer[] = [];
  private taken: number[] = [];
  private readonly tried = new Map<number, Tried>();
  /** The one in use, and since when. */
  private via: number | undefined;
  private since: Micros = NEVER_YET;

  /** Sessions on the way by a peer; undefined if it offers none. */
  hopsBy(hop: number): number | undefined {
    return this.offers.find((offer) => offer.hop === hop)?.hops;
  }

  /** The best as it was last chosen, and what it costs; undefined if there is none. */
  best(now: Micros): { hop: number; cost: number } | undefined {
    const offer = this.offers.find(({ hop }) => hop === this.taken[0]);
    return offer && { hop: offer.hop, cost: this.costOf(now, offer) };
  }

  /**
   * @param current how the member is reached now, if there is a session
   * @returns by whom, the best first; undefined if that is as it was
   */
  choose(now: Micros, offers: readonly Offer[], current: Current | undefined): number[] | undefined {
    this.offers = offers;
    this.measure(now, current);
    const isResting = ({ hop }: Offer) => (this.tried.get(hop)?.restsUntil ?? NEVER_YET) > now;
    const rested = offers.filter((offer) => !isResting(offer));
    const order = (rested.length > 0 ? rested : offers)
      .map((offer) => ({ hop: offer.hop, cost: this.costOf(now, offer) }))
      .sort((a, b) => a.cost - b.cost || a.hop - b.hop)
      .slice(0, MAX_WAYS)
      .map(({ hop }) => hop);
    if (order.join() === this.taken.join()) return undefined;
    this.taken = order;
    return order;
  }

  private measure(now: Micros, current: Current | undefined): void {
    const via = current?.via;
    if (via !== this.via) this.since = now;
    this.via = via;
    if (!current || via === undefined) return;
    const tried = this.tried.get(via) ?? { cost: 0, at: now, restsUntil: NEVER_YET, failures: 0 };
    this.tried.set(via, tried);
    const isSilent = now - Math.max(current.heardAt, this.since) >= SILENT_AFTER + 2 * current.rtt;
    if (isSilent && tried.restsUntil <= now) {
      tried.restsUntil = now + Math.min(MAX_REST, REST * 2 ** tried.failures++);
      // It is judged anew if it has to be taken all the same.
      this.since = now;
    } else if (current.heardAt > this.since + REST) tried.failures = 0;
    tried.cost = costOf(current);
    tried.at = now;
  }

  private costOf(now: Micros, offer: Offer): number {
    const tried = this.tried.get(offer.hop);
    const isKnown = tried && now - tried.at < REMEMBERED;
    return Math.max(costOf(offer), isKnown ? tried.cost : 0) * (offer.hop === this.via ? STAYING : 1);
  }
}

/** What a datagram takes until it and its answer have come. */
export function costOf({ rtt, loss }: Distance): number {
  return (rtt + SESSION_COST) / Math.max(0.01, 1 - loss) ** 2;
}

/** Ways kept ready. */
const MAX_WAYS = 3;
/** What is in use is left for what is better by a quarter. */
const STAYING = 0.8;
/** On a way that takes no time. */
const SESSION_COST: Micros = 1000;
/** Nothing came of the member for so long since this way was taken: it rests. */
const SILENT_AFTER: Micros = 2 * SECOND;
const REST: Micros = 10 * SECOND;
const MAX_REST: Micros = 300 * SECOND;
const REMEMBERED: Micros = 60 * SECOND;
