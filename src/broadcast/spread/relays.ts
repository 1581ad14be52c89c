/**
 * Symbols that wait to be relayed, by peer. In: symbols of which we are the first hop. Out: for each peer the next one that
 * it may still need. Origins take turns, so that one that sends much does not hold up what others send.
 */
import type { ObjectUnderWay } from './objects.js';

interface Relay {
  object: ObjectUnderWay;
  sbn: number;
  body: Uint8Array;
}

/** What waits for one peer, by origin; the origin whose turn it is comes first. */
interface Queue {
  byOrigin: Map<number, Relay[]>;
  size: number;
}

export class Relays {
  private readonly queues: readonly Queue[];

  constructor(members: number) {
    this.queues = Array.from({ length: members }, () => ({ byOrigin: new Map(), size: 0 }));
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
    return true;
  }

  has(peer: number): boolean {
    return this.first(peer) !== undefined;
  }

  /** Writes the next body for `peer` to `target`, and returns its length; 0 if there is none that fits. */
  next(peer: number, target: Uint8Array): number {
    const relay = this.first(peer);
    if (!relay || relay.body.length > target.length) return 0;
    const queue = this.queues[peer];
    const { origin } = relay.object.stream;
    this.shift(queue, origin);
    const rest = queue.byOrigin.get(origin);
    if (rest) {
      queue.byOrigin.delete(origin);
      queue.byOrigin.set(origin, rest);
    }
    target.set(relay.body);
    return relay.body.length;
  }

  /** Nothing of this object is relayed any more. */
  forget(object: ObjectUnderWay): void {
    const { origin } = object.stream;
    for (const queue of this.queues) {
      const mine = queue.byOrigin.get(origin);
      if (!mine?.some((relay) => relay.object === object)) continue;
      const rest = mine.filter((relay) => relay.object !== object);
      queue.size -= mine.length - rest.length;
      if (rest.length > 0) queue.byOrigin.set(origin, rest);
      else queue.byOrigin.delete(origin);
    }
  }

  /** Whether what waits is counted as it is. */
  check(): string | undefined {
    for (const { byOrigin, size } of this.queues) {
      let sum = 0;
      for (const relays of byOrigin.values()) sum += relays.length;
      if (sum !== size) return `${size} symbols counted of ${sum} to be relayed to a peer`;
    }
    return undefined;
  }

  /** The next one of whose block the peer may still lack something; the others go. */
  private first(peer: number): Relay | undefined {
    const queue = this.queues[peer];
    for (const [origin, relays] of queue.byOrigin)
      while (relays.length > 0) {
        const [relay] = relays;
        if (!isHeldBy(relay.object, peer, relay.sbn)) return relay;
        this.shift(queue, origin);
      }
    return undefined;
  }

  private shift(queue: Queue, origin: number): void {
    const relays = queue.byOrigin.get(origin)!;
    relays.shift();
    queue.size--;
    if (relays.length === 0) queue.byOrigin.delete(origin);
  }
}

/** Whether `peer` says that it holds the object, or this block of it. */
export function isHeldBy({ stream, seq, incoming }: ObjectUnderWay, peer: number, sbn: number): boolean {
  return stream.isHeldBy(peer, seq) || incoming?.peerHasBlock(peer, sbn) === true;
}

/** Symbols waiting to be relayed to one peer, of all origins: about five megabytes, which the queues of all peers share. */
export const MAX_RELAYS = 4096;
