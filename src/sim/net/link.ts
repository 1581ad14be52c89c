/**
 * One direction of a link, as a state machine: a line of some rate behind a tail-drop queue, then a path with loss, delay,
 * jitter, reordering, duplication and corruption. In: datagrams with the time they are sent at. Out: for each the zero,
 * one or two deliveries with the time they arrive at. Used by the simulator and, over real sockets, by the emulator.
 */
import { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros } from '../../core/time.js';
import { assertInteger, HeadwaterError } from '../../errors.js';
import { assertProbability, iid, type LossModel, type LossProcess, startLoss } from './loss.js';

/** What a link does to datagrams. Whatever is left out (or undefined) does nothing, or keeps its value in `update`. */
export interface LinkOptions {
  /** One-way propagation delay, µs. */
  delay?: Micros | undefined;
  /** Extra delay, uniform in 0..jitter µs. Never reorders: a datagram waits for the one before it, so on a dense stream most
   *  take nearly delay + jitter. */
  jitter?: Micros | undefined;
  /** Bits per second, as link rates are quoted (10e6 is 10 Mbit/s); 0 is unlimited. */
  rate?: number | undefined;
  /** Bytes (overhead included) that may wait behind the datagram on the line; with `rate` only. Default: 100 ms of the
   *  rate, at least 24,000. Infinity is allowed. */
  queue?: number | undefined;
  /** Bytes added to each datagram where the rate is concerned: 28 for IPv4 and UDP, 48 for IPv6 and UDP. Default 0. */
  overhead?: number | undefined;
  /** Bytes of the largest datagram that passes, `overhead` included; larger ones are dropped without a word. Default: any. */
  mtu?: number | undefined;
  /** Which datagrams are lost: `iid` or `gilbertElliott`. */
  loss?: LossModel | undefined;
  /** Probability that a datagram is held back for 1..reorderDelay µs more, and lets later ones pass. */
  reorder?: number | undefined;
  /** Longest time for which `reorder` holds a datagram, µs. Default 10 ms. */
  reorderDelay?: Micros | undefined;
  /** Probability that a datagram arrives twice; the second copy has jitter, reordering and corruption of its own. */
  duplicate?: number | undefined;
  /** Probability that one random bit of a datagram arrives flipped. */
  corrupt?: number | undefined;
  /** True drops everything that is sent; what is under way still arrives. */
  blocked?: boolean | undefined;
}

/** A datagram that arrives at `at`. Its bytes belong to the receiver: no two deliveries share them. */
export interface Delivery {
  /** µs. */
  at: Micros;
  /** As they arrive. */
  bytes: Uint8Array;
}

/** Why a link has dropped a datagram. */
export type DropReason = 'blocked' | 'mtu' | 'queue' | 'loss';

/** What a link has done so far, in datagrams where nothing else is said. */
export interface LinkCounters {
  /** Given to `send`. */
  sent: number;
  /** Of those, without overhead. */
  bytes: number;
  /** Deliveries made, second copies included. */
  delivered: number;
  /** Of those. */
  deliveredBytes: number;
  /** At random: by its `loss`. */
  lost: number;
  /** For want of room before the line. */
  queueDropped: number;
  /** Larger than the link's MTU. */
  tooLarge: number;
  /** While it was `blocked`. */
  blocked: number;
  /** That arrived twice. */
  duplicated: number;
  /** Deliveries held back; whether another one did pass depends on the traffic. */
  reordered: number;
  /** That arrived with a bit flipped. */
  corrupted: number;
  /** Longest wait for the line so far, µs. */
  maxQueueDelay: Micros;
}

/** Options for all links, or a choice by pair. */
export type LinkRule<Key> = LinkOptions | ((from: Key, to: Key) => LinkOptions);

/**
 * One direction of a link.
 *
 * @example
 * const link = new Link({ rate: 10e6, queue: 50_000, delay: 20_000, loss: iid(0.01) }, new Rng('a>b'));
 * for (const delivery of link.send(0, bytes)) console.log(delivery.at, delivery.bytes.length);
 */
export class Link {
  /** So far. */
  readonly counters: LinkCounters = emptyLinkCounters();
  /** Why the latest `send` delivered nothing; undefined if it did deliver. */
  dropped: DropReason | undefined = undefined;
  private readonly rng: Rng;
  private options: Settings = DEFAULTS;
  private loss: LossProcess = startLoss(DEFAULTS.loss);
  private queueLimit = 0;
  /** When the line has sent all it accepted. Kept unrounded, so that rounding does not change the rate in the long run. */
  private lineFree = 0;
  /** When the latest datagram that was not held back arrives. */
  private lastArrival: Micros = 0;
  /** Datagrams behind the one on the line, from `waitingHead` on: when each starts, and its size on the line. */
  private readonly waitingStarts: Micros[] = [];
  private readonly waitingSizes: number[] = [];
  private waitingHead = 0;
  private waitingBytes = 0;

  /** @throws HeadwaterError INVALID_ARGUMENT for an option out of range */
  constructor(options: LinkOptions, rng: Rng) {
    this.rng = rng;
    this.update(options);
  }

  /**
   * Changes the options given and keeps the others, for datagrams sent from now on; those accepted before keep their
   * times, so no change of rate or delay reorders. A new `loss` starts in a fresh state.
   *
   * @throws HeadwaterError INVALID_ARGUMENT, and nothing has changed
   * @example
   * const link = new Link({ delay: 20_000 }, new Rng('a'));
   * link.update({ loss: iid(0.3) });
   */
  update(change: LinkOptions): void {
    const options = merge(this.options, change);
    assertOptions(options);
    this.options = options;
    if (change.loss !== undefined) this.loss = startLoss(change.loss);
    this.queueLimit = options.queue ?? Math.max(QUEUE_MIN, Math.floor((options.rate / 8) * QUEUE_SECONDS));
  }

  /**
   * Sends one datagram at `now` (µs, never less than in the call before).
   *
   * @param bytes belong to the link from here on; they are handed to the receiver without a copy
   * @returns the deliveries, in no order; empty if the datagram was dropped (`dropped` then says why)
   */
  send(now: Micros, bytes: Uint8Array): readonly Delivery[] {
    const { counters } = this;
    counters.sent++;
    counters.bytes += bytes.length;
    this.dropped = undefined;
    if (this.options.blocked) {
      counters.blocked++;
      return this.drop('blocked');
    }
    if (bytes.length + this.options.overhead > this.options.mtu) {
      counters.tooLarge++;
      return this.drop('mtu');
    }
    const departure = this.transmit(now, bytes.length + this.options.overhead);
    if (departure === undefined) {
      counters.queueDropped++;
      return this.drop('queue');
    }
    // Drawn behind the queue: a lost datagram has used its share of the rate, as on a radio link behind a router.
    if (this.loss.lost(this.rng)) {
      counters.lost++;
      return this.drop('loss');
    }
    // Also behind the line: the second copy arises on the path and takes no rate.
    if (!this.rng.chance(this.options.duplicate)) return [this.deliver(departure, bytes)];
    counters.duplicated++;
    return [this.deliver(departure, bytes), this.deliver(departure, bytes.slice())];
  }

  private drop(reason: DropReason): readonly Delivery[] {
    this.dropped = reason;
    return NOTHING;
  }

  /** When a datagram of `size` bytes that comes to the line at `now` has left it; undefined if the queue is full. */
  private transmit(now: Micros, size: number): Micros | undefined {
    const { rate } = this.options;
    if (rate === 0) return now;
    this.dequeue(now);
    const start = Math.round(Math.max(now, this.lineFree));
    if (start > now) {
      if (this.waitingBytes + size > this.queueLimit) return undefined;
      this.waitingStarts.push(start);
      this.waitingSizes.push(size);
      this.waitingBytes += size;
      if (start - now > this.counters.maxQueueDelay) this.counters.maxQueueDelay = start - now;
    }
    this.lineFree = Math.max(now, this.lineFree) + (size * 8e6) / rate;
    return Math.round(this.lineFree);
  }

  /** Forgets the datagrams that have started by `now`. */
  private dequeue(now: Micros): void {
    const { waitingStarts, waitingSizes } = this;
    let head = this.waitingHead;
    while (head < waitingStarts.length && waitingStarts[head] <= now)
      this.waitingBytes -= waitingSizes[head++];
    if (head > COMPACT_AT && head * 2 > waitingStarts.length) {
      waitingStarts.splice(0, head);
      waitingSizes.splice(0, head);
      head = 0;
    }
    this.waitingHead = head;
  }

  private deliver(departure: Micros, original: Uint8Array): Delivery {
    const { counters, options, rng } = this;
    let at = departure + options.delay;
    if (options.jitter > 0) at += rng.integer(0, options.jitter);
    at = Math.max(at, this.lastArrival);
    if (rng.chance(options.reorder)) {
      counters.reordered++;
      at += rng.integer(1, options.reorderDelay);
    } else {
      this.lastArrival = at;
    }
    let bytes = original;
    if (bytes.length > 0 && rng.chance(options.corrupt)) {
      counters.corrupted++;
      // Into a copy: the sender may look at its own datagram once more, for example to log it.
      bytes = bytes.slice();
      const bit = rng.integer(0, bytes.length * 8 - 1);
      bytes[bit >> 3] ^= 1 << (bit & 7);
    }
    counters.delivered++;
    counters.deliveredBytes += bytes.length;
    return { at, bytes };
  }
}

/**
 * The links between any two of a set of places, made when first asked for. Each has an Rng of its own, from the seed and
 * the pair's names: traffic on one link, or the order in which links come up, does not change what another one does.
 */
export class LinkTable<Key extends string | number> {
  private readonly seed: string | number;
  private readonly links = new Map<Key, Map<Key, Link>>();
  private readonly rules: LinkRule<Key>[] = [];

  constructor(seed: string | number, rule: LinkRule<Key> = {}) {
    this.seed = seed;
    this.update(rule);
  }

  /** The link from `from` to `to`, always the same one. @throws HeadwaterError INVALID_ARGUMENT if its rule is invalid */
  link(from: Key, to: Key): Link {
    let row = this.links.get(from);
    if (row === undefined) {
      row = new Map();
      this.links.set(from, row);
    }
    let link = row.get(to);
    if (link === undefined) {
      link = new Link({}, new Rng(`${this.seed} link ${from}>${to}`));
      for (const rule of this.rules) link.update(optionsOf(rule, from, to));
      row.set(to, link);
    }
    return link;
  }

  /** Changes the options named by `rule` on all links, those that are made later included. */
  update(rule: LinkRule<Key>): void {
    // Checked at once even if there is no link yet, so that the error comes from the line that caused it.
    if (typeof rule !== 'function') new Link(rule, UNUSED_RNG);
    for (const [from, to, link] of this.entries()) link.update(optionsOf(rule, from, to));
    const last = this.rules.at(-1);
    // Plain options melt together, so that a schedule of thousands of changes stays one rule.
    if (typeof rule !== 'function' && last !== undefined && typeof last !== 'function')
      this.rules[this.rules.length - 1] = { ...last, ...withoutUndefined(rule) };
    else this.rules.push(rule);
  }

  /** All links made so far, as [from, to, link]. */
  *entries(): Generator<[from: Key, to: Key, link: Link]> {
    for (const [from, row] of this.links) for (const [to, link] of row) yield [from, to, link];
  }

  /** The sum over all links (of `maxQueueDelay`: the largest). */
  total(): LinkCounters {
    const total = emptyLinkCounters();
    for (const [, , { counters }] of this.entries()) {
      for (const name of Object.keys(total) as (keyof LinkCounters)[])
        total[name] =
          name === 'maxQueueDelay' ? Math.max(total[name], counters[name]) : total[name] + counters[name];
    }
    return total;
  }
}

/** Settings are options with nothing left open but the queue, whose default follows the rate. */
interface Settings {
  delay: Micros;
  jitter: Micros;
  rate: number;
  queue: number | undefined;
  overhead: number;
  mtu: number;
  loss: LossModel;
  reorder: number;
  reorderDelay: Micros;
  duplicate: number;
  corrupt: number;
  blocked: boolean;
}

function merge(base: Settings, change: LinkOptions): Settings {
  return {
    delay: change.delay ?? base.delay,
    jitter: change.jitter ?? base.jitter,
    rate: change.rate ?? base.rate,
    queue: change.queue ?? base.queue,
    overhead: change.overhead ?? base.overhead,
    mtu: change.mtu ?? base.mtu,
    loss: change.loss ?? base.loss,
    reorder: change.reorder ?? base.reorder,
    reorderDelay: change.reorderDelay ?? base.reorderDelay,
    duplicate: change.duplicate ?? base.duplicate,
    corrupt: change.corrupt ?? base.corrupt,
    blocked: change.blocked ?? base.blocked,
  };
}

function assertOptions(options: Settings): void {
  assertInteger('delay', options.delay, 0, MAX_DELAY);
  assertInteger('jitter', options.jitter, 0, MAX_DELAY);
  assertInteger('reorderDelay', options.reorderDelay, 1, MAX_DELAY);
  assertInteger('overhead', options.overhead, 0, 65_535);
  if (options.mtu !== Number.POSITIVE_INFINITY) assertInteger('mtu', options.mtu, 1, 65_535);
  if (!(options.rate >= 0) || options.rate === Number.POSITIVE_INFINITY)
    throw new HeadwaterError(
      'INVALID_ARGUMENT',
      `rate: expected bits per second from 0, got ${options.rate}`,
    );
  if (options.queue !== undefined && options.queue !== Number.POSITIVE_INFINITY)
    assertInteger('queue', options.queue, 0, Number.MAX_SAFE_INTEGER);
  assertProbability('reorder', options.reorder);
  assertProbability('duplicate', options.duplicate);
  assertProbability('corrupt', options.corrupt);
}

function optionsOf<Key>(rule: LinkRule<Key>, from: Key, to: Key): LinkOptions {
  return typeof rule === 'function' ? rule(from, to) : rule;
}

function withoutUndefined(options: LinkOptions): LinkOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function emptyLinkCounters(): LinkCounters {
  return {
    sent: 0,
    bytes: 0,
    delivered: 0,
    deliveredBytes: 0,
    lost: 0,
    queueDropped: 0,
    tooLarge: 0,
    blocked: 0,
    duplicated: 0,
    reordered: 0,
    corrupted: 0,
    maxQueueDelay: 0,
  };
}

const MAX_DELAY: Micros = 3_600_000 * MILLISECOND;
const QUEUE_SECONDS = 0.1;
/** Sixteen datagrams of an Ethernet frame's size: less would drop the smallest burst on a slow line. */
const QUEUE_MIN = 24_000;
const COMPACT_AT = 256;
const NOTHING: readonly Delivery[] = Object.freeze([]);
const DEFAULTS: Settings = {
  delay: 0,
  jitter: 0,
  rate: 0,
  queue: undefined,
  overhead: 0,
  mtu: Number.POSITIVE_INFINITY,
  loss: iid(0),
  reorder: 0,
  reorderDelay: 10 * MILLISECOND,
  duplicate: 0,
  corrupt: 0,
  blocked: false,
};
const UNUSED_RNG = new Rng(0);
