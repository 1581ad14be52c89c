/**
 * Symbols that wait to be relayed, by peer. In: symbols of which we are the first hop. Out: for each peer the next one that
 * it may still need. Origins take turns, so that one that sends much does not hold up what others send.
 */
import type { Micros } from '../../../core/time.js';
import type { SymbolWriter } from '../../../wire/datagram.js';
import type { SignedSymbol } from '../../../wire/manifest.js';
import type { ObjectUnderWay } from '../objects.js';

interface Relay {
  /** When it came. */
  at: Micros;
  object: ObjectUnderWay;
  sbn: number;
  symbol: SignedSymbol;
}

/** What waits for one peer, by origin; the origin whose turn it is comes first. */
interface Queue {
  byOrigin: Map<number, Relay[]>;
  /** By origin of which something waits: how many have left the queue since something has. */
  passed: Map<number, number>;
  size: number;
}

/** What waits for a peer of one origin. */
export interface Backlog {
  peer: number;
  symbols: number;
  oldest: Readonly<Relay>;
  /** How many have left the queue, since it was last empty. */
  passed: number;
}

export class Relays {
  private readonly queues: readonly Queue[];

  constructor(members: number) {
    this.queues = Array.from({ length: members }, () => ({
      byOrigin: new Map(),
      passed: new Map(),
      size: 0,
    }));
  }

  /** Whether one had to go for it: the oldest of the origin that has most. */
  push(peer: number, relay: Relay): boolean {
    const queue = this.queues[peer];
    const { origin } = relay.object.stream;
    const mine = queue.byOrigin.get(origin);
    if (mine) mine.push(relay);
    else queue.byOrigin.set(origin, [relay]);
    if (++queue.size <= MAX_RELAYS) return false;
    let largest = origin;
    for (const [other, { length }] of queue.byOrigin)
      if (length > queue.byOrigin.get(largest)!.length) largest = other;
    this.shift(queue, largest);
    this.skipHeld(queue, largest, peer);
    return true;
  }

  /** Whether there is one that the peer may still need: what it says that it holds is dropped by `onHeard`. */
  has(peer: number): boolean {
    return this.queues[peer].size > 0;
  }

  /** The peer has said what it holds: the next one of each origin is one of whose block it may still lack something. */
  onHeard(peer: number): void {
    const queue = this.queues[peer];
    for (const origin of queue.byOrigin.keys()) this.skipHeld(queue, origin, peer);
  }

  /** What waits of this origin, for each peer for which something does. */
  *of(origin: number): Generator<Backlog> {
    for (const [peer, { byOrigin, passed }] of this.queues.entries()) {
      const waiting = byOrigin.get(origin);
      if (waiting)
        yield { peer, symbols: waiting.length, oldest: waiting[0], passed: passed.get(origin) ?? 0 };
    }
  }

  /** Adds the next one for `peer` to a datagram; false if there is none that fits. */
  next(peer: number, writer: SymbolWriter): boolean {
    const queue = this.queues[peer];
    const [first] = queue.byOrigin;
    if (!first) return false;
    const [origin, [relay]] = first;
    if (!writer.signed(relay.symbol)) return false;
    this.shift(queue, origin);
    this.skipHeld(queue, origin, peer);
    const rest = queue.byOrigin.get(origin);
    if (rest) {
      queue.byOrigin.delete(origin);
      queue.byOrigin.set(origin, rest);
    }
    return true;
  }

  /** Nothing of this object is relayed any more. */
  forget(object: ObjectUnderWay): void {
    const { origin } = object.stream;
    for (const [peer, queue] of this.queues.entries()) {
      const mine = queue.byOrigin.get(origin);
      if (!mine?.some((relay) => relay.object === object)) continue;
      const rest = mine.filter((relay) => relay.object !== object);
      queue.size -= mine.length - rest.length;
      if (rest.length > 0) queue.byOrigin.set(origin, rest);
      else this.end(queue, origin);
      this.skipHeld(queue, origin, peer);
    }
  }

  /** Whether what waits is counted as it is, and the next one of each origin is of use. */
  check(): string | undefined {
    for (const [peer, { byOrigin, size }] of this.queues.entries()) {
      let sum = 0;
      for (const [{ object, sbn }, ...rest] of byOrigin.values()) {
        sum += 1 + rest.length;
        if (isHeldBy(object, peer, sbn)) return `${peer} is to be relayed what it holds`;
      }
      if (sum !== size) return `${size} symbols counted of ${sum} to be relayed to a peer`;
    }
    return undefined;
  }

  private skipHeld(queue: Queue, origin: number, peer: number): void {
    const relays = queue.byOrigin.get(origin);
    while (relays && relays.length > 0 && isHeldBy(relays[0].object, peer, relays[0].sbn))
      this.shift(queue, origin);
  }

  private shift(queue: Queue, origin: number): void {
    const relays = queue.byOrigin.get(origin)!;
    relays.shift();
    queue.size--;
    if (relays.length === 0) this.end(queue, origin);
    else queue.passed.set(origin, (queue.passed.get(origin) ?? 0) + 1);
  }

  private end(queue: Queue, origin: number): void {
    queue.byOrigin.delete(origin);
    queue.passed.delete(origin);
  }
}

/** Whether `peer` says that it holds the object, or this block of it. */
export function isHeldBy({ stream, seq, incoming }: ObjectUnderWay, peer: number, sbn: number): boolean {
  return stream.claims.isHeldBy(peer, seq) || incoming?.peerHasBlock(peer, sbn) === true;
}

/** Symbols waiting to be relayed to one peer, of all origins: about five megabytes, which the queues of all peers share. */
export const MAX_RELAYS = 4096;
