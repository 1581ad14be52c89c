/**
 * Boxes that translate addresses (NAT), as homes and carriers have them. In: a datagram that one node sends to an address. Out: which node it
 * leads to, whom it seems to come from there, and whether the boxes on its way in let it through at the time when it comes.
 */
import { type Micros, SECOND } from '../../core/time.js';

/** What is let in at a port of the box: anything, what comes from a host that was sent to from there, or from an address that was. */
export type NatFilter = 'open' | 'host' | 'address';

/** What a box does (RFC 4787). */
export interface NatOptions {
  /** Of its outer side, without a port: an IPv4 address. */
  host: string;
  /** Whether each address that is sent to sees another port. Default false. */
  isSymmetric?: boolean;
  /** Default 'address'. */
  filter?: NatFilter;
  /** Whether those behind it reach each other at its outer address. Default false. */
  hairpins?: boolean;
  /** How long a port and what may come there stay without anything going out, µs. Default 30 s. */
  timeout?: Micros;
}

/** Where a datagram goes. */
export interface Passage {
  /** Whom it seems to come from. */
  from: string;
  /** The node that it is for, in the end. */
  to: string;
  /** Whether it gets there, asked when it arrives. */
  isLetIn?: (now: Micros) => boolean;
}

/** A port of a box. */
interface Mapping {
  /** The address behind it. */
  inner: string;
  outer: string;
  sentAt: Micros;
  /** By address that was sent to from here: when, last. */
  sentTo: Map<string, Micros>;
}

/**
 * A box that translates addresses, for `ClusterOptions.nats`. Ports count up from 40000 and are never given twice.
 *
 * @example
 * const box = new NatBox({ host: '203.0.113.1' });
 * const outer = box.leave(0, '10.0.0.1:7000', '198.51.100.1:7000'); // '203.0.113.1:40000'
 * box.lets(0, outer, '198.51.100.1:7000'); // true
 */
export class NatBox {
  /** Of its outer side. */
  readonly host: string;
  private readonly options: NatOptions;
  /** By inner address and, where the box is symmetric, whom that sends to. */
  private readonly byInner = new Map<string, Mapping>();
  private readonly byOuter = new Map<string, Mapping>();
  private nextPort = FIRST_PORT;

  /** It has no ports yet. */
  constructor(options: NatOptions) {
    this.options = options;
    this.host = options.host;
  }

  /** Whether those behind it reach each other at its outer address. */
  get hairpins(): boolean {
    return this.options.hairpins === true;
  }

  /** Whom a datagram from an inner address seems to come from, outside. */
  leave(now: Micros, inner: string, to: string): string {
    const key = this.options.isSymmetric ? `${inner} ${to}` : inner;
    let mapping = this.byInner.get(key);
    if (!mapping || this.isOver(now, mapping.sentAt)) {
      mapping = { inner, outer: `${this.host}:${this.nextPort++}`, sentAt: now, sentTo: new Map() };
      this.byInner.set(key, mapping);
      this.byOuter.set(mapping.outer, mapping);
    }
    mapping.sentAt = now;
    mapping.sentTo.set(to, now);
    return mapping.outer;
  }

  /** The inner address that a port belongs, or has belonged to. */
  behind(outer: string): string | undefined {
    return this.byOuter.get(outer)?.inner;
  }

  /** Whether a datagram from outside is let in. */
  lets(now: Micros, outer: string, from: string): boolean {
    const mapping = this.byOuter.get(outer);
    if (!mapping || this.isOver(now, mapping.sentAt)) return false;
    const { filter = 'address' } = this.options;
    if (filter === 'open') return true;
    for (const [to, at] of mapping.sentTo) {
      const isSame = filter === 'host' ? hostOf(to) === hostOf(from) : to === from;
      if (isSame && !this.isOver(now, at)) return true;
    }
    return false;
  }

  /** The box has lost what it knew, as after a power failure. */
  reset(): void {
    this.byInner.clear();
    this.byOuter.clear();
  }

  private isOver(now: Micros, since: Micros): boolean {
    return now - since > (this.options.timeout ?? TIMEOUT);
  }
}

/**
 * Which node is behind which boxes, the nearest one first. Nodes behind the same boxes are in one network; those behind none are in that
 * of all.
 *
 * @example
 * const home = new NatBox({ host: '203.0.113.1', filter: 'host' });
 * const nats = new Nats(new Map([['10.0.0.1:7000', [home]]]));
 * nats.pass(0, '10.0.0.1:7000', '10.0.0.0:7000'); // { from: '203.0.113.1:40000', to: '10.0.0.0:7000' }
 */
export class Nats {
  private readonly places: ReadonlyMap<string, readonly NatBox[]>;
  private readonly boxes: ReadonlyMap<string, { box: NatBox; outside: readonly NatBox[] }>;

  /** @param places by address of a node */
  constructor(places: ReadonlyMap<string, readonly NatBox[]>) {
    this.places = places;
    const boxes = new Map<string, { box: NatBox; outside: readonly NatBox[] }>();
    for (const chain of places.values())
      chain.forEach((box, i) => void boxes.set(box.host, { box, outside: chain.slice(i + 1) }));
    this.boxes = boxes;
  }

  /** Where a datagram goes; undefined if nobody is there, seen from where it has been sent. */
  pass(now: Micros, from: string, to: string): Passage | undefined {
    let at = this.chainOf(from);
    let seen = from;
    for (;;) {
      const target = this.boxes.get(hostOf(to));
      if (isSame(this.chainOf(to), at) && !target) return { from: seen, to };
      if (target && isSame(target.outside, at)) return this.enter(seen, to, target.box);
      const [box, ...outside] = at;
      if (!box) return undefined;
      seen = box.leave(now, seen, to);
      if (target?.box === box) return box.hairpins ? this.enter(seen, to, box) : undefined;
      at = outside;
    }
  }

  /** From outside into a box, and into those behind it. */
  private enter(from: string, outer: string, box: NatBox): Passage | undefined {
    const inner = box.behind(outer);
    if (inner === undefined) return undefined;
    const target = this.boxes.get(hostOf(inner));
    const within = target ? this.enter(from, inner, target.box) : { from, to: inner };
    if (!within) return undefined;
    const isLetIn = (now: Micros) => box.lets(now, outer, from) && within.isLetIn?.(now) !== false;
    return { ...within, isLetIn };
  }

  private chainOf(address: string): readonly NatBox[] {
    return this.places.get(address) ?? [];
  }
}

function isSame(a: readonly NatBox[], b: readonly NatBox[]): boolean {
  return a.length === b.length && a.every((box, i) => box === b[i]);
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}

/** RFC 4787 asks for 2 minutes; half of those in use keep less, and 30 s is the least that is common. */
const TIMEOUT: Micros = 30 * SECOND;
const FIRST_PORT = 40_000;

/**
 * How a member may be connected: by no box, one of a kind, or one behind that of a carrier.
 *
 * @example
 * const pairs = NAT_KINDS.flatMap((a) => NAT_KINDS.map((b) => [natsOf(a, 1), natsOf(b, 2)]));
 */
export const NAT_KINDS = [
  'none',
  'full cone',
  'restricted',
  'port-restricted',
  'symmetric',
  'carrier-grade',
] as const;
/** One of `NAT_KINDS`. */
export type NatKind = (typeof NAT_KINDS)[number];

/**
 * The boxes that such a member is behind, the nearest first; `place` tells their hosts from those of others, 0 to 255. `options` change
 * the nearest one.
 *
 * @example
 * createCluster({ seed: 'a', members: 2, unlisted: [1], nats: new Map([[1, natsOf('symmetric', 1)]]) });
 */
export function natsOf(kind: NatKind, place: number, options: Partial<NatOptions> = {}): NatBox[] {
  const host = `203.0.113.${place}`;
  const box = (more: Partial<NatOptions>) => new NatBox({ host, ...more, ...options });
  switch (kind) {
    case 'none':
      return [];
    case 'full cone':
      return [box({ filter: 'open' })];
    case 'restricted':
      return [box({ filter: 'host' })];
    case 'port-restricted':
      return [box({})];
    case 'symmetric':
      return [box({ isSymmetric: true })];
    case 'carrier-grade':
      // RFC 6598: what is between the two has addresses of its own; RFC 6888: a carrier's filters as endpoints do not.
      return [box({ host: `100.64.0.${place}` }), new NatBox({ host, filter: 'host', hairpins: true })];
  }
}
