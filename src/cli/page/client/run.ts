/** A run as far as it was told: what each member holds of each object, how each path is, what has happened. In: ticks. Out: what is drawn. */
import type { Happening, ObjectSight, Sight, StreamSight, Tick } from '../../../node/status/sight.js';
import { type Edge, Series } from './series.js';

/** What a member has of an object. */
export const Holding = { unknown: 0, part: 1, whole: 2, delivered: 3, source: 4 } as const;

/** An object, with what each member holds of it, by its place in the group. */
export interface RunObject {
  readonly name: string;
  readonly from: number;
  readonly bytes: number;
  readonly symbols: number;
  /** When it was first seen. */
  readonly since: number;
  /** Symbols held, of the source sent. */
  readonly held: Float64Array;
  /** One of `Holding`. */
  readonly state: Uint8Array;
  /** Members whose part is to be drawn again. */
  isDirty: boolean;
}

export interface RunEvent extends Happening {
  at: number;
}

export class Run {
  readonly members: readonly string[];
  readonly objects = new Map<string, RunObject>();
  /** By sender, by receiver. */
  readonly edges: (Edge | undefined)[][];
  /** By member: what it last saw. */
  readonly sights: (Sight | undefined)[];
  readonly events: RunEvent[] = [];
  /** By member that sees them: its paths over time. */
  readonly series: Series[];
  /** Milliseconds from when an object was first seen until a member held it. */
  readonly times: number[] = [];
  at = 0;
  firstAt = 0;
  /** Objects that have come or gone. */
  revision = 0;
  private readonly places: Map<string, number>;
  /** By member: how far it had delivered each stream. */
  private readonly delivered: Map<string, number>[];

  constructor(members: readonly string[]) {
    this.members = members;
    this.places = new Map(members.map((name, i) => [name, i]));
    this.edges = members.map(() => members.map(() => undefined));
    this.delivered = members.map(() => new Map());
    this.sights = members.map(() => undefined);
    this.series = members.map(() => new Series(members.length));
  }

  /** Members that tell what they see. */
  get viewers(): number[] {
    return this.members.flatMap((_, i) => (this.sights[i] ? [i] : []));
  }

  apply({ at, sights, events }: Tick): void {
    this.at = at;
    this.firstAt ||= at;
    for (const sight of sights) {
      const viewer = this.places.get(sight.name);
      if (viewer !== undefined) this.see(at, viewer, sight);
    }
    for (const event of events) this.events.push({ ...event, at });
    if (this.events.length > MAX_EVENTS) this.events.splice(0, this.events.length - MAX_EVENTS);
  }

  private see(at: number, viewer: number, sight: Sight): void {
    this.sights[viewer] = sight;
    for (const peer of sight.peers) {
      const to = this.places.get(peer.name);
      if (to === undefined) continue;
      const before = this.edges[viewer][to];
      this.edges[viewer][to] = {
        reachable: peer.reachable,
        rttMs: peer.rttMs,
        rate: rateOf(before, at, peer.deliveredBytes),
        loss: peer.recentLossShare,
        floor: peer.lossFloorShare,
        window: peer.windowBytes,
        inbound: peer.inboundLossShare,
        state: peer.state,
        delivered: peer.deliveredBytes,
        at,
      };
    }
    this.series[viewer].add(at, this.edges[viewer]);
    for (const object of sight.objects) this.hold(at, viewer, object);
    for (const stream of sight.streams) this.deliver(at, viewer, stream);
    for (const name of sight.over) this.finish(at, viewer, name, sight);
  }

  private hold(at: number, viewer: number, sight: ObjectSight): void {
    const object = this.objects.get(sight.name) ?? this.begin(at, sight);
    if (!object) return;
    const { from } = object;
    if (viewer === from) this.set(at, object, viewer, sight.heldSymbols, Holding.source);
    else {
      const whole = sight.delivered ? Holding.delivered : Holding.whole;
      const held = sight.complete ? object.symbols : sight.heldSymbols;
      this.set(at, object, viewer, held, sight.complete ? whole : Holding.part);
      if (object.state[from] === Holding.unknown) this.set(at, object, from, object.symbols, Holding.source);
    }
    if (!sight.lackedBy) return;
    for (let member = 0; member < this.members.length; member++) {
      if (member === viewer || member === from || this.sights[member]) continue;
      const lacks = sight.lackedBy[this.members[member]] ?? 0;
      this.set(at, object, member, object.symbols - lacks, lacks > 0 ? Holding.part : Holding.whole);
    }
  }

  /** What a stream has delivered since may no longer be on its way, and so not be told one by one. */
  private deliver(at: number, viewer: number, { from, incarnation, delivered }: StreamSight): void {
    const key = `${from} ${incarnation}`;
    const before = this.delivered[viewer].get(key) ?? 0;
    this.delivered[viewer].set(key, delivered);
    for (let seq = Math.max(before - SECOND_LOOK, delivered - MAX_OBJECTS, 0); seq < delivered; seq++) {
      const object = this.objects.get(`${key}/${seq}`);
      const isKnown = object?.state[viewer] === Holding.part || object?.state[viewer] === Holding.whole;
      if (object && isKnown) this.set(at, object, viewer, object.symbols, Holding.delivered);
    }
  }

  private begin(at: number, sight: ObjectSight): RunObject | undefined {
    const from = this.places.get(sight.from);
    if (from === undefined) return undefined;
    const { name, lengthBytes: bytes, neededSymbols: symbols } = sight;
    const { length } = this.members;
    const object: RunObject = {
      name,
      from,
      bytes,
      symbols: Math.max(1, symbols),
      since: at,
      held: new Float64Array(length),
      state: new Uint8Array(length),
      isDirty: true,
    };
    this.objects.set(name, object);
    this.revision++;
    for (const old of this.objects.keys()) {
      if (this.objects.size <= MAX_OBJECTS) break;
      this.objects.delete(old);
    }
    return object;
  }

  /** An origin is done with an object once all hold it that are within reach. */
  private finish(at: number, viewer: number, name: string, sight: Sight): void {
    const object = this.objects.get(name);
    if (object?.from !== viewer) return;
    for (const { name: peer, reachable } of sight.peers) {
      const member = this.places.get(peer);
      if (member !== undefined && reachable && !this.sights[member] && object.state[member] < Holding.whole)
        this.set(at, object, member, object.symbols, Holding.whole);
    }
  }

  private set(at: number, object: RunObject, member: number, held: number, state: number): void {
    const before = object.state[member];
    // What was held is not told to be less by who looks from afar.
    if (before >= Holding.whole && before !== Holding.source && state < before) return;
    if (before === state && object.held[member] === held) return;
    object.held[member] = held;
    object.state[member] = state;
    object.isDirty = true;
    const isNewWhole = before < Holding.whole && (state === Holding.whole || state === Holding.delivered);
    if (!isNewWhole || at <= object.since) return;
    this.times.push(at - object.since);
    if (this.times.length > MAX_TIMES) this.times.shift();
  }
}

/** Of totals: smoothed over about half a second, so that an edge does not flicker with each report. */
function rateOf(before: Edge | undefined, at: number, delivered: number): number {
  if (!before || delivered < before.delivered) return 0;
  const seconds = (at - before.at) / 1000;
  if (seconds <= 0) return before.rate;
  const now = (delivered - before.delivered) / seconds;
  const share = 1 - Math.exp(-seconds / 0.5);
  return before.rate + share * (now - before.rate);
}

export const MAX_OBJECTS = 1000;
/** Objects that were told of after they had been delivered. */
const SECOND_LOOK = 20;
const MAX_EVENTS = 300;
const MAX_TIMES = 5000;
