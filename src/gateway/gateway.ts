/**
 * What etcd's clients see of a member, as a state machine: keys, watches and leases over what the group delivers. In: calls,
 * messages of the group in their order, commits, who is within reach, time. Out: answers, messages to submit, what to write.
 *
 * A put is answered once the group has delivered it here, that is when a quorum holds it, and it is durable under its revision.
 * Each member numbers revisions for itself: where etcd has one order, that of its leader, here the order is causal.
 */
import { type Micros, SECOND } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import type { MessageId } from '../wire/symbol.js';
import type { Failure } from './api/status.js';
import { type CallAnswer, Calls } from './calls.js';
import { Context, type Identity } from './context.js';
import { Kv } from './kv.js';
import { Lessor } from './lessor.js';
import type { Proposal, Submission } from './proposals.js';
import { firstKept, type Retention } from './retention.js';
import { type Change, parseChange } from './state/change.js';
import {
  type AppliedMessage,
  type Entry,
  parseMessageEntry,
  parseRaiseEntry,
  RAISE_ENTRY,
} from './state/entries.js';
import { type Loaded, type Records, State, type Writes } from './state/state.js';
import { Versions } from './versions.js';
import { Watches } from './watches.js';

export interface GatewayOptions extends Identity {
  /** The state as it was when it was closed. */
  loaded: Loaded;
  records: Records;
  /** What a crash has left that is not in the records, in its order. */
  entries: readonly Entry[];
  retention: Retention;
  /** The last message of ours that was sent in a former run and is not delivered, if there is one. */
  unsettled: MessageId | undefined;
  /** 32 hex digits, never the same twice. */
  random(): string;
}

export class Gateway {
  readonly kv: Kv;
  readonly lessor: Lessor;
  private readonly context: Context;
  private readonly versions: Versions;
  private readonly retention: Retention;
  private unsettled: MessageId | undefined;
  /** Until somebody watches: they may know a later revision than we do, as of another store, and wait for what is above that. */
  private isHeld = true;
  private firstCallAt: Micros | undefined;
  private readonly held: AppliedMessage[] = [];
  /** Applied, and answered once they are durable. */
  private readonly applied: { proposal: Proposal; revision: number }[] = [];
  private trimmedAt: number;
  /** Messages that were no changes. */
  malformed = 0;

  constructor(now: Micros, options: GatewayOptions) {
    const { loaded, records, entries, random, retention, unsettled } = options;
    const state = new State(loaded, records);
    for (const entry of entries) redo(state, entry);
    state.takeEntries();
    const calls = new Calls(now, (call) => {
      this.context.proposals.forget(call);
      this.versions.forget(call);
      this.kv.forget(call);
    });
    this.context = new Context(options, state, calls, random);
    this.versions = new Versions(this.context);
    this.kv = new Kv(this.context, this.versions);
    this.lessor = new Lessor(this.context);
    this.retention = retention;
    this.unsettled = unsettled;
    this.trimmedAt = state.revision;
    this.updateQuorum(now);
  }

  get state(): State {
    return this.context.state;
  }

  get hasQuorum(): boolean {
    return this.context.calls.hasQuorum;
  }

  /** Of the calls and messages that are not through. */
  get proposals(): number {
    return this.context.proposals.size;
  }

  header(revision?: number) {
    return this.context.header(revision);
  }

  /** Whether the next message had better wait: what is applied is not durable, or nobody is there yet to number it for. */
  get isBusy(): boolean {
    return this.held.length > 0 || this.state.backlog >= MAX_BACKLOG;
  }

  /** Whether messages wait for somebody who watches, or for a while after the first call. */
  get isWaiting(): boolean {
    return this.isHeld;
  }

  handleReachable(now: Micros, member: number, isReachable: boolean): void {
    if (isReachable) this.context.reachable.add(member);
    else this.context.reachable.delete(member);
    this.updateQuorum(now);
  }

  /** Its messages come in order, each at least once. */
  handleMessage(now: Micros, message: AppliedMessage): void {
    if (this.isHeld) this.held.push(message);
    else this.apply(now, message);
  }

  /** A message of ours is in the group's hands, under this name. */
  handleSubmitted(tag: string, id: MessageId): void {
    // It was delivered in a former run, and has changed nothing: there is nothing more to come.
    if (this.state.isKnown(id)) this.settle(tag);
  }

  /** Messages of ours that were under way will not come: their store is lost. */
  handleLost(): void {
    this.unsettled = undefined;
  }

  /** The client does not wait for it any more. */
  handleGone(call: number): void {
    this.context.calls.forget(call);
  }

  answer(call: number, response: object): void {
    this.context.calls.answer(call, response);
  }

  fail(call: number, failure: Failure): void {
    this.context.calls.fail(call, failure);
  }

  /** A client asks for something. */
  onCall(now: Micros): void {
    this.firstCallAt ??= now;
  }

  /** A new stream of watches. To be closed with `close`. */
  watch(): Watches {
    return new Watches(this.state);
  }

  /** A watch has been made: whatever it waits for has its number from now on. */
  onWatch(now: Micros): void {
    this.open(now);
  }

  /** What is to be kept over a crash, and not necessarily over the end of the power. */
  takeEntries(): Entry[] {
    return this.state.takeEntries();
  }

  /** What was taken is kept. */
  handleKept(): void {
    this.state.handleKept();
    this.answerSafe();
  }

  handleCommitted(writes: Writes): void {
    this.state.handleCommitted(writes);
    this.answerSafe();
  }

  /** @param time of this machine's clock, in ms since 1970 */
  handleTimeout(now: Micros, time: number): void {
    if (this.firstCallAt !== undefined && now >= this.firstCallAt + FRESH) this.open(now);
    this.context.calls.handleTimeout(now);
    this.lessor.handleTimeout(now);
    this.versions.handleTimeout(now);
    this.trim(time);
  }

  nextTimeout(): Micros {
    const { calls, leases } = this.context;
    const fresh = this.isHeld && this.firstCallAt !== undefined ? this.firstCallAt + FRESH : Infinity;
    return Math.min(fresh, calls.nextTimeout(), leases.nextTimeout(), this.versions.nextTimeout());
  }

  pollAnswer(): CallAnswer | undefined {
    return this.context.calls.poll();
  }

  pollSubmission(): Submission | undefined {
    return this.context.proposals.poll();
  }

  pollWrites(): Writes | undefined {
    return this.state.pollWrites();
  }

  private answerSafe(): void {
    while (this.applied.length > 0 && this.applied[0].revision <= this.state.committed) {
      const { proposal, revision } = this.applied.shift()!;
      this.kv.onSettled(proposal, revision);
    }
  }

  private open(now: Micros): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    for (const message of this.held.splice(0)) this.apply(now, message);
  }

  private apply(now: Micros, message: AppliedMessage): void {
    const { state } = this;
    const { id } = message;
    if (state.isKnown(id)) return;
    const change = read(message.bytes);
    if (!change) {
      this.malformed++;
      state.pass(id);
      return;
    }
    const isOwn = id.origin === this.context.identity.self;
    const isFormer = isOwn && !this.context.proposals.find(change.tag) && this.unsettled !== undefined;
    const before = new Map(change.puts.map(({ key }) => [key, state.keyspace.find(key)?.mod ?? 0]));
    const applied = state.apply(message, change);
    for (const put of change.puts) {
      if (isFormer && applied) this.kv.former.onApplied(put, applied.number, before.get(put.key)!);
    }
    this.lessor.onRevoked(id.origin, change.revoked);
    if (isOwn) {
      const isAwaited = this.settle(change.tag);
      // Whoever had asked for it has given up, and asks again.
      if (!isAwaited && !isFormer && applied)
        for (const put of change.puts) this.kv.former.onApplied(put, applied.number);
      if (this.unsettled && !isBefore(id, this.unsettled)) this.unsettled = undefined;
    }
    this.kv.onApplied();
    this.versions.handleTimeout(now);
  }

  /** @returns whether somebody waits for it */
  private settle(tag: string): boolean {
    const proposal = this.context.proposals.take(tag);
    if (!proposal || proposal.calls.size === 0) return false;
    this.applied.push({ proposal, revision: this.state.revision });
    return true;
  }

  private updateQuorum(now: Micros): void {
    const { calls, reachable, identity } = this.context;
    calls.onQuorum(now, reachable.size + 1 >= identity.quorum);
    this.versions?.handleTimeout(now);
  }

  /** Now and then, since it looks at all keys. */
  private trim(time: number): void {
    const { state } = this;
    if (state.revision - this.trimmedAt < TRIM_STEP) return;
    this.trimmedAt = state.revision;
    state.compact(firstKept(state, this.retention, time));
  }
}

/** Does again what a crash has left undone. */
function redo(state: State, entry: Entry): void {
  if (entry.kind === RAISE_ENTRY) {
    state.raise(parseRaiseEntry(entry));
    return;
  }
  const message = parseMessageEntry(entry);
  const change = read(message.bytes);
  if (change && !state.isKnown(message.id)) state.apply(message, change);
}

function read(bytes: Uint8Array): Change | undefined {
  try {
    return parseChange(bytes);
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}

function isBefore(a: MessageId, b: MessageId): boolean {
  if (a.incarnation !== b.incarnation) return a.incarnation < b.incarnation;
  return a.seq < b.seq || (a.seq === b.seq && a.index < b.index);
}

/** Revisions that are applied and not durable: more wait in the group's store. */
const MAX_BACKLOG = 1024;
/** After a client's first call, if none watches: one that does watch comes with the others. */
const FRESH: Micros = 3 * SECOND;
const TRIM_STEP = 64;
