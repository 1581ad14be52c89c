/**
 * Leases that clients of this member hold. In: grants and signs of life, time. Out: those that have run out. They live in memory:
 * whoever holds one is a child or a parent of this process, and asks for another when it starts again.
 */
import { type Micros, NEVER, SECOND } from '../core/time.js';

interface Lease {
  /** Seconds. */
  ttl: number;
  until: Micros;
}

export class Leases {
  private readonly held = new Map<bigint, Lease>();
  private expectedAt: Micros = NEVER;

  /** @returns false if there is one of that number, or too many */
  grant(now: Micros, id: bigint, ttl: number): boolean {
    if (this.held.has(id) || this.held.size >= MAX_LEASES) return false;
    this.held.set(id, { ttl, until: now + ttl * SECOND });
    return true;
  }

  /** @returns the seconds that it has now; undefined if there is none */
  keepAlive(now: Micros, id: bigint): number | undefined {
    const lease = this.held.get(id);
    if (!lease) return undefined;
    lease.until = now + lease.ttl * SECOND;
    return lease.ttl;
  }

  /** Seconds that it has and was granted. */
  find(now: Micros, id: bigint): { left: number; ttl: number } | undefined {
    const lease = this.held.get(id);
    return lease && { left: Math.max(0, Math.ceil((lease.until - now) / SECOND)), ttl: lease.ttl };
  }

  has(id: bigint): boolean {
    return this.held.has(id);
  }

  drop(id: bigint): boolean {
    return this.held.delete(id);
  }

  ids(): bigint[] {
    return [...this.held.keys()];
  }

  /** Takes those out that have run out. What this process was late by is none of their holders' fault. */
  takeExpired(now: Micros): bigint[] {
    const late = now - this.expectedAt;
    if (late > STALL) for (const lease of this.held.values()) lease.until += late + STALL;
    const over = [...this.held].filter(([, { until }]) => until <= now).map(([id]) => id);
    for (const id of over) this.held.delete(id);
    return over;
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const { until } of this.held.values()) next = Math.min(next, until);
    this.expectedAt = next;
    return next;
  }
}

const MAX_LEASES = 10_000;
const STALL: Micros = SECOND / 2;
