/**
 * The keys in use with one peer: `current` protects, the set before it still opens what is in flight. In: finished handshakes,
 * sends and signs of life, time. Out: when keys are to be renewed, and when they are over.
 */
import { type Micros, NEVER } from '../core/time.js';
import type { SessionContext } from './context.js';
import { RESPONDER_REKEY_FACTOR, YIELD_TIME } from './limits.js';
import { type Handshake, Transport } from './transport.js';

export class Keys<Owner> {
  current: Transport<Owner> | undefined;
  /** When the peer was last heard, under any keys, and last sent to. */
  heardAt: Micros = 0;
  sentAt: Micros = 0;
  private previous: Transport<Owner> | undefined;
  private readonly context: SessionContext;
  private readonly owner: Owner;
  private readonly bind: (transport: Transport<Owner>) => void;

  /** @param bind makes DATA and CONTROL for its index reach the transport */
  constructor(context: SessionContext, owner: Owner, bind: (transport: Transport<Owner>) => void) {
    this.context = context;
    this.owner = owner;
    this.bind = bind;
  }

  /** The keys that protect, if they may be used. */
  usable(now: Micros): Transport<Owner> | undefined {
    const { current } = this;
    return current && now < current.rejectAt ? current : undefined;
  }

  /** Keys that open from now on; they protect once they have been taken into use. */
  make(now: Micros, handshake: Handshake): Transport<Owner> {
    const { self, limits } = this.context;
    const transport = new Transport<Owner>({
      ...handshake,
      owner: this.owner,
      aead: self.suite.aead,
      now,
      rekeyAt: now + limits.rekeyAfter,
      rejectAt: now + limits.rejectAfter,
    });
    this.bind(transport);
    return transport;
  }

  /** Takes keys into use; those before open for a while. */
  rotate(now: Micros, transport: Transport<Owner>): void {
    const { current, previous } = this;
    if (current) {
      if (previous) this.context.freeIndex(previous.localIndex);
      this.previous = current;
      this.keep(now, current);
    }
    this.current = transport;
    this.heardAt = now;
  }

  /** Replaced keys open so much longer. */
  keep(now: Micros, transport: Transport<Owner>): void {
    transport.expiresAt = Math.min(transport.rejectAt, now + this.context.limits.grace);
  }

  drop(): void {
    for (const transport of [this.current, this.previous])
      if (transport) this.context.freeIndex(transport.localIndex);
    this.current = undefined;
    this.previous = undefined;
  }

  /** Forgets replaced keys whose time is over. */
  expirePrevious(now: Micros): void {
    const { previous } = this;
    if (!previous || now < previous.expiresAt) return;
    this.context.freeIndex(previous.localIndex);
    this.previous = undefined;
  }

  /** When the keys that protect are over, by age or disuse; NEVER without any. */
  endsAt(): Micros {
    const { current } = this;
    if (!current) return NEVER;
    return Math.min(current.rejectAt, Math.max(this.heardAt, this.sentAt) + this.context.limits.idleAfter);
  }

  /** When to renew the keys that protect; NEVER without any. `isYielding`: the peer's own renewal is under way, as good as ours. */
  rekeyAt(isYielding: boolean): Micros {
    const { current } = this;
    if (!current) return NEVER;
    const patience = isYielding ? YIELD_TIME : 0;
    if (current.sent >= this.context.limits.rekeyAfterPackets) return current.createdAt + patience;
    if (current.initiator) return current.rekeyAt + patience;
    const age = current.rekeyAt - current.createdAt;
    return current.createdAt + age * RESPONDER_REKEY_FACTOR + patience;
  }

  /** When `expirePrevious` has something to do, or the keys that protect are over. */
  nextTimeout(): Micros {
    return Math.min(this.previous?.expiresAt ?? NEVER, this.endsAt());
  }
}
