/** What the services of a gateway share: its state, calls that wait, changes under way, and who is within reach. */
import { HeadwaterError } from '../errors.js';
import type { ResponseHeader } from './api/messages.js';
import type { Calls } from './calls.js';
import { Leases } from './leases.js';
import { type Proposal, Proposals } from './proposals.js';
import { type Put, writeChange } from './state/change.js';
import type { KeyState } from './state/records.js';
import type { State } from './state/state.js';

/** Who a member is to clients. */
export interface Identity {
  /** Its index, and the numbers that etcd's clients are told, by index. */
  self: number;
  memberIds: readonly bigint[];
  clusterId: bigint;
  quorum: number;
}

export class Context {
  readonly identity: Identity;
  readonly state: State;
  readonly calls: Calls;
  readonly leases = new Leases();
  readonly proposals = new Proposals();
  /** Other members within reach. */
  readonly reachable = new Set<number>();
  /** 32 hex digits, never the same twice. */
  readonly random: () => string;

  constructor(identity: Identity, state: State, calls: Calls, random: () => string) {
    this.identity = identity;
    this.state = state;
    this.calls = calls;
    this.random = random;
  }

  header(revision = this.state.revision): ResponseHeader {
    const { clusterId, memberIds, self } = this.identity;
    return { cluster_id: clusterId, member_id: memberIds[self], revision, raft_term: TERM };
  }

  /** A key with a lease is there as long as whoever holds the lease is: its member is within reach, and has not let go of it. */
  isVisible({ lease, origin }: KeyState): boolean {
    if (lease === 0n) return true;
    return origin === this.identity.self ? this.leases.has(lease) : this.reachable.has(origin);
  }

  /** Sends a change through the group. */
  propose(tag: string, puts: Put[], revoked: bigint[] = []): Proposal {
    const change = { tag, stamp: this.state.keyspace.nextStamp, puts, revoked };
    return this.proposals.add(
      tag,
      writeChange(change),
      puts.map(({ key }) => key),
    );
  }

  /** A new number for a lease: positive as etcd's are. */
  newLease(): bigint {
    const id = BigInt(`0x${this.random().slice(0, 16)}`) >> 1n;
    if (id === 0n) throw new HeadwaterError('INVALID_ARGUMENT', 'random: expected a number, got 0');
    return id;
  }
}

/** There are no elections: it never changes. */
const TERM = 1n;
