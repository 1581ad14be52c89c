/** Leases as etcd's clients have them. In: calls. Out: answers; keys of leases that are over are taken away everywhere. */
import type { Micros } from '../core/time.js';
import type { LeaseMessage, LeaseResponse, LeaseTimeToLiveRequest } from './api/messages.js';
import { CODE, type Failure, NO_LEASE, NO_QUORUM } from './api/status.js';
import type { Context } from './context.js';
import { bytesOf } from './state/bytes.js';

export class Lessor {
  private readonly context: Context;

  constructor(context: Context) {
    this.context = context;
    // Nobody holds those of a former run any more.
    const { keyspace } = context.state;
    const own = [...keyspace.leases()].filter((lease) =>
      keyspace.withLease(lease).some((key) => keyspace.find(key)?.origin === context.identity.self),
    );
    if (own.length > 0) this.sayOver(own);
  }

  /** To hydra-node a lease that is granted means that the network is there. */
  grant(now: Micros, call: number, { TTL, ID }: LeaseMessage): void {
    const { calls, leases } = this.context;
    if (TTL > MAX_TTL || TTL < 1) {
      calls.fail(call, { code: CODE.OUT_OF_RANGE, message: 'etcdserver: lease TTL is out of range' });
      return;
    }
    calls.whenQuorum(now, call, () => {
      const id = ID === 0n ? this.context.newLease() : ID;
      if (leases.grant(now, id, TTL)) calls.answer(call, { header: this.context.header(), ID: id, TTL });
      else calls.fail(call, { code: CODE.FAILED_PRECONDITION, message: 'etcdserver: lease already exists' });
    });
  }

  /** An answer, or why the stream ends: with a failure, so that its client notices and asks for another lease. */
  keepAlive(now: Micros, id: bigint): LeaseResponse | Failure {
    if (!this.context.calls.hasQuorum) return NO_QUORUM;
    const ttl = this.context.leases.keepAlive(now, id);
    return ttl === undefined ? NO_LEASE : { header: this.context.header(), ID: id, TTL: ttl };
  }

  revoke(now: Micros, call: number, id: bigint): void {
    const { calls, leases, state } = this.context;
    calls.whenQuorum(now, call, () => {
      const isOwn = leases.drop(id);
      const hasKeys = state.keyspace.withLease(id).length > 0;
      if (!isOwn && !hasKeys) calls.fail(call, NO_LEASE);
      else if (hasKeys) this.sayOver([id]).calls.add(call);
      else calls.answer(call, { header: this.context.header() });
    });
  }

  timeToLive(now: Micros, call: number, { ID, keys }: LeaseTimeToLiveRequest): void {
    const { calls, leases, state } = this.context;
    const found = leases.find(now, ID);
    calls.answer(call, {
      header: this.context.header(),
      ID,
      // As etcd says of one that is not there.
      TTL: found?.left ?? -1,
      grantedTTL: found?.ttl ?? 0,
      keys: keys ? state.keyspace.withLease(ID).map(bytesOf) : [],
    });
  }

  /** Ours, and those of other members as far as keys have them. */
  list(call: number): void {
    const { calls, leases, state } = this.context;
    const all = new Set([...leases.ids(), ...state.keyspace.leases()]);
    calls.answer(call, { header: this.context.header(), leases: [...all].map((ID) => ({ ID })) });
  }

  /** A change of the group has taken away the keys of these. */
  onRevoked(origin: number, revoked: readonly bigint[]): void {
    const own = revoked.filter((lease) => this.context.leases.drop(lease));
    // Said again by us it also comes after whatever we had put with it.
    if (origin !== this.context.identity.self && own.length > 0) this.sayOver(own);
  }

  handleTimeout(now: Micros): void {
    const { leases, state } = this.context;
    const over = leases.takeExpired(now).filter((lease) => state.keyspace.withLease(lease).length > 0);
    if (over.length > 0) this.sayOver(over);
  }

  private sayOver(leases: bigint[]) {
    return this.context.propose(this.context.random(), [], leases);
  }
}

/** Seconds: etcd's own bound. */
const MAX_TTL = 9_000_000_000;
