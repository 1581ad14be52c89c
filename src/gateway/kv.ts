/** Keys as etcd's clients read and put them. In: calls, changes as they are applied. Out: answers. */
import type { Micros } from '../core/time.js';
import type {
  PutRequest,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
  TxnRequest,
} from './api/messages.js';
import { CODE, type Failure, NO_LEASE, NO_QUORUM, unavailable } from './api/status.js';
import type { Context } from './context.js';
import { Former } from './former.js';
import { type Proposal, tagOf } from './proposals.js';
import {
  faultOfPut,
  faultOfRange,
  faultOfTxn,
  guardedPut,
  holds,
  keysOf,
  putOf,
  putsOf,
  versionPut,
} from './requests.js';
import { bytesOf, rangeOf } from './state/bytes.js';
import type { Put } from './state/change.js';
import type { Versions } from './versions.js';

export class Kv {
  readonly former = new Former();
  private readonly context: Context;
  private readonly versions: Versions;
  /** Transactions that have been sent, by call: what they are answered with is looked up once they are applied. */
  private readonly sent = new Map<number, Branch>();
  /** Those that wait for a change of the same keys. */
  private readonly blocked = new Map<number, TxnRequest>();

  constructor(context: Context, versions: Versions) {
    this.context = context;
    this.versions = versions;
  }

  /** Keys as they stand here: no other member is asked. Without a quorum only whoever says that this will do is told. */
  range(call: number, request: RangeRequest): void {
    const fault =
      faultOfRange(request) ?? (request.serializable || this.context.calls.hasQuorum ? undefined : NO_QUORUM);
    if (fault) this.context.calls.fail(call, fault);
    else this.context.calls.answer(call, this.lookUp(request));
  }

  put(now: Micros, call: number, request: PutRequest): void {
    const { calls } = this.context;
    const put = putOf(request);
    const fault = faultOfPut(request);
    if (fault) return calls.fail(call, fault);
    calls.whenQuorum(now, call, () => {
      const unfit = this.faultOfPuts([put]);
      if (unfit) return calls.fail(call, unfit);
      const former = this.former.take(put);
      if (former !== undefined) calls.answer(call, { header: this.context.header(former) });
      else this.send([put]).calls.add(call);
    });
  }

  txn(now: Micros, call: number, request: TxnRequest): void {
    const { calls } = this.context;
    const fault = faultOfTxn(request);
    if (fault) return calls.fail(call, fault);
    const version = versionPut(request);
    if (version) return this.versions.ask(now, call, version);
    calls.whenQuorum(now, call, () => this.attempt(call, request));
  }

  compact(call: number, revision: number): void {
    const { calls, state } = this.context;
    if (revision <= state.compacted)
      calls.fail(call, {
        code: CODE.OUT_OF_RANGE,
        message: 'etcdserver: mvcc: required revision has been compacted',
      });
    else if (revision > state.committed)
      calls.fail(call, {
        code: CODE.OUT_OF_RANGE,
        message: 'etcdserver: mvcc: required revision is a future revision',
      });
    else {
      state.compact(revision);
      calls.answer(call, { header: this.context.header() });
    }
  }

  forget(call: number): void {
    this.sent.delete(call);
    this.blocked.delete(call);
  }

  /** A change has been applied: what waited for its keys may go on. */
  onApplied(): void {
    for (const [call, request] of [...this.blocked]) {
      this.blocked.delete(call);
      this.attempt(call, request);
    }
  }

  /** A change of ours is durable here, under this revision. */
  onSettled({ calls: waiting }: Proposal, revision: number): void {
    const header = this.context.header(revision);
    for (const call of [...waiting]) {
      const sent = this.sent.get(call);
      if (sent) this.answer(call, sent, revision);
      else this.context.calls.answer(call, { header });
    }
  }

  private attempt(call: number, request: TxnRequest): void {
    const { state, proposals } = this.context;
    const guarded = guardedPut(request);
    const same = guarded && proposals.find(tagOf(guarded.put, guarded.mod));
    if (same) return this.wait(call, { ops: request.success, succeeded: true }, same);
    if (keysOf(request).some((key) => proposals.isUnderWay(key))) {
      this.blocked.set(call, request);
      return;
    }
    const isExcused = guarded !== undefined && this.former.excuses(guarded.put.key, guarded.mod);
    const former = guarded && this.former.take(guarded.put);
    if (former !== undefined) return this.answer(call, { ops: request.success, succeeded: true }, former);
    const succeeded = isExcused || holds(request.compare, state);
    const branch = { ops: succeeded ? request.success : request.failure, succeeded };
    const puts = putsOf(branch.ops);
    const fault = this.faultOfPuts(puts);
    if (fault) this.context.calls.fail(call, fault);
    else if (puts.length === 0) this.answer(call, branch, state.revision);
    else this.wait(call, branch, this.send(puts));
  }

  private wait(call: number, branch: Branch, proposal: Proposal): void {
    this.sent.set(call, branch);
    proposal.calls.add(call);
  }

  /** One put of a key at its revision has the same tag however often it is asked for. */
  private send(puts: Put[]): Proposal {
    const [put] = puts;
    if (puts.length > 1) return this.context.propose(this.context.random(), puts);
    const tag = tagOf(put, this.context.state.keyspace.find(put.key)?.mod ?? 0);
    return this.context.proposals.find(tag) ?? this.context.propose(tag, puts);
  }

  private faultOfPuts(puts: readonly Put[]): Failure | undefined {
    if (this.context.proposals.size >= MAX_UNDER_WAY) return unavailable('too many requests');
    const isHeld = ({ lease }: Put) => lease === 0n || this.context.leases.has(lease);
    return puts.every(isHeld) ? undefined : NO_LEASE;
  }

  private answer(call: number, { ops, succeeded }: Branch, revision: number): void {
    const header = this.context.header(revision);
    const responses = ops.map(({ request_range }): ResponseOp => {
      if (!request_range) return { response_put: { header } };
      return { response_range: this.lookUp(request_range) };
    });
    this.context.calls.answer(call, { header, succeeded, responses });
  }

  private lookUp({ key, range_end, limit, keys_only, count_only }: RangeRequest): RangeResponse {
    const { state } = this.context;
    const found = state.range(rangeOf({ key, range_end })).filter(([, each]) => this.context.isVisible(each));
    const taken = count_only ? [] : limit > 0 ? found.slice(0, limit) : found;
    const kvs = taken.map(([name, each]) => ({
      key: bytesOf(name),
      create_revision: each.create,
      mod_revision: each.mod,
      version: each.version,
      lease: each.lease,
      ...(keys_only ? {} : { value: state.value(name, each) }),
    }));
    return {
      header: this.context.header(),
      kvs,
      more: taken.length < found.length && !count_only,
      count: found.length,
    };
  }
}

/** What of a transaction is carried out. */
interface Branch {
  ops: readonly RequestOp[];
  succeeded: boolean;
}

/** Changes of our clients that are not applied. */
const MAX_UNDER_WAY = 1024;
