/** A gateway without network and disk: the test delivers what it submits, and commits what it writes, when it wants to. */
import type { KeyValue, RangeResponse, TxnRequest, TxnResponse } from '../../src/gateway/api/messages.js';
import type { Failure } from '../../src/gateway/api/status.js';
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.js';
import type { Submission } from '../../src/gateway/proposals.js';
import type { Entry } from '../../src/gateway/state/entries.js';
import { type KeyState, writeRevision } from '../../src/gateway/state/records.js';
import type { Loaded, Records, Writes } from '../../src/gateway/state/state.js';
import type { MessageId } from '../../src/wire/symbol.js';

export const SECOND = 1_000_000;
export const NO_BYTES = new Uint8Array(0);

/** What outlives a process. */
export class Disk implements Records {
  readonly revisions = new Map<number, Uint8Array>();
  readonly keys = new Map<string, KeyState>();
  /** Of the next message that is delivered. */
  seq = 0;
  /** A journal. */
  entries: Entry[] = [];
  private rest: Loaded['rest'];

  get loaded(): Loaded {
    return { keys: [...this.keys], rest: this.rest && structuredClone(this.rest) };
  }

  write({ revisions, dropped, keys, rest, compact }: Writes): void {
    for (const revision of revisions) this.revisions.set(revision.number, writeRevision(revision));
    for (const number of dropped) this.revisions.delete(number);
    if (compact)
      for (const number of [...this.revisions.keys()])
        if (number < compact.to && !compact.keep.has(number)) this.revisions.delete(number);
    for (const [key, state] of keys) {
      if (state) this.keys.set(key, state);
      else this.keys.delete(key);
    }
    this.rest = rest;
  }

  next(from: number) {
    const number = [...this.revisions.keys()].filter((each) => each >= from).sort((a, b) => a - b)[0];
    return number === undefined ? undefined : { number, bytes: this.revisions.get(number)! };
  }

  read(number: number) {
    return this.revisions.get(number);
  }
}

export class Seat {
  readonly gateway: Gateway;
  readonly disk: Disk;
  now = 0;
  readonly submitted: Submission[] = [];
  readonly answers = new Map<number, object>();
  readonly failures = new Map<number, Failure>();
  private calls = 0;

  constructor(options: Partial<GatewayOptions> & { disk?: Disk; watched?: boolean } = {}) {
    this.disk = options.disk ?? new Disk();
    let random = 0;
    this.gateway = new Gateway(0, {
      self: 0,
      memberIds: [1n, 2n, 3n],
      clusterId: 7n,
      quorum: 2,
      loaded: this.disk.loaded,
      records: this.disk,
      entries: this.disk.entries,
      retention: undefined,
      unsettled: undefined,
      random: () => (++random).toString(16).padStart(32, '0').replace(/^0/, '1'),
      ...options,
    });
    if (options.watched !== false) this.gateway.onWatch(0);
  }

  /** The others come within reach. */
  connect(): this {
    this.gateway.handleReachable(this.now, 1, true);
    this.gateway.handleReachable(this.now, 2, true);
    return this;
  }

  call(): number {
    return ++this.calls;
  }

  put(key: string, value: string, lease = 0n): number {
    const call = this.call();
    this.gateway.kv.put(this.now, call, { key: bytes(key), value: bytes(value), lease });
    return call;
  }

  txn(request: Partial<TxnRequest>): number {
    const call = this.call();
    this.gateway.kv.txn(this.now, call, { compare: [], success: [], failure: [], ...request });
    return call;
  }

  /** As hydra-node sends a message. */
  send(key: string, value: string, mod: number): number {
    return this.txn({
      compare: [compareMod(key, mod)],
      success: [{ request_put: { key: bytes(key), value: bytes(value), lease: 0n } }],
      failure: [{ request_range: range(key) }],
    });
  }

  range(key: string, end = ''): Partial<RangeResponse> {
    const call = this.call();
    this.gateway.kv.range(call, { ...range(key, end), serializable: true });
    this.collect();
    return this.answers.get(call) as RangeResponse;
  }

  /** The value of a key as it stands. */
  value(key: string): string | undefined {
    const [kv] = this.range(key).kvs!;
    return kv && text(kv.value);
  }

  /** Delivers what has been submitted, in order, and commits it. */
  settle(): this {
    this.deliver();
    this.commit();
    return this;
  }

  deliver(): void {
    this.collect();
    for (const { bytes: message } of this.submitted.splice(0)) this.receive(0, message);
  }

  /** A message of a member is delivered. */
  receive(origin: number, message: Uint8Array, id?: Partial<MessageId>): void {
    const name = { origin, incarnation: 1, seq: this.disk.seq++, index: 0, ...id };
    this.gateway.handleMessage(this.now, { id: name, bytes: message, time: 1000 });
    this.collect();
  }

  /** Keeps what is applied in the journal. */
  keep(): void {
    this.disk.entries.push(...this.gateway.takeEntries());
    this.gateway.handleKept();
    this.collect();
  }

  commit(): void {
    for (let writes = this.gateway.pollWrites(); writes; writes = this.gateway.pollWrites()) {
      this.disk.write(writes);
      this.gateway.handleCommitted(writes);
    }
    this.collect();
  }

  wait(micros: number): this {
    this.now += micros;
    this.gateway.handleTimeout(this.now, 1000 + this.now / 1000);
    this.collect();
    return this;
  }

  answer<T = TxnResponse>(call: number): T | undefined {
    this.collect();
    return this.answers.get(call) as T | undefined;
  }

  failure(call: number): Failure | undefined {
    this.collect();
    return this.failures.get(call);
  }

  private collect(): void {
    const { gateway } = this;
    for (let next = gateway.pollSubmission(); next; next = gateway.pollSubmission())
      this.submitted.push(next);
    for (let next = gateway.pollAnswer(); next; next = gateway.pollAnswer())
      if ('response' in next) this.answers.set(next.call, next.response);
      else this.failures.set(next.call, next.failure);
  }
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function text(value: Uint8Array | undefined): string {
  return new TextDecoder().decode(value);
}

export function range(key: string, end = '') {
  const options = { limit: 0, revision: 0, serializable: false, keys_only: false, count_only: false };
  return { key: bytes(key), range_end: bytes(end), ...options };
}

export function compareMod(key: string, mod: number) {
  return {
    result: 0,
    target: 2,
    key: bytes(key),
    version: 0,
    create_revision: 0,
    mod_revision: mod,
    value: NO_BYTES,
    lease: 0n,
    range_end: NO_BYTES,
  };
}

export function watchFrom(start: number, key = 'msg', end = 'msh') {
  return {
    create_request: {
      key: bytes(key),
      range_end: bytes(end),
      start_revision: start,
      filters: [],
      watch_id: 0,
    },
  };
}

export function valuesOf(events: { kv: Partial<KeyValue> }[] | undefined): string[] {
  return (events ?? []).map(({ kv }) => text(kv.value));
}
