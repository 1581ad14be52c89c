/**
 * Whose keys a member of a cluster believes in: those it was given, or the first that answers at each member's address. In:
 * datagrams, who is within reach, time. Out: datagrams, keys as they are learned, what an operator should know.
 */

import { Budget } from '../../core/budget.js';
import { equalBytes } from '../../core/bytes.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../core/time.js';
import type { KeyPair } from '../../crypto/keys.js';
import type { Cluster } from './cluster.js';
import {
  type Ask,
  NONCE_SIZE,
  parseAsk,
  parseTell,
  type Tell,
  VERDICT,
  writeAsk,
  writeTell,
} from './introduction.js';

export interface TrustOptions {
  cluster: Cluster;
  keys: KeyPair;
  /** By member: those that are known. */
  known: readonly (Uint8Array | undefined)[];
  /** Whether the first key of a member is believed. */
  onFirstUse: boolean;
  random(length: number): Uint8Array;
}

export type TrustEvent =
  | { type: 'learned'; member: number; key: Uint8Array }
  /** It answers with another key than we know it by. */
  | { type: 'other-key'; member: number; key: Uint8Array }
  /** It knows us by another key, and so do so many members in all: more than may be wrong, or not. */
  | { type: 'rejected'; member: number; by: number; isCertain: boolean }
  /** At its address is a member of another cluster. */
  | { type: 'other-cluster'; member: number };

interface Question {
  nonce: Uint8Array;
  /** When it is asked next. */
  at: Micros;
  /** How often it was. */
  count: number;
}

export class Trust {
  private readonly options: TrustOptions;
  private readonly known: (Uint8Array | undefined)[];
  private readonly reachable = new Set<number>();
  private readonly questions = new Map<number, Question>();
  private readonly outbox: { to: string; bytes: Uint8Array }[] = [];
  private readonly events: TrustEvent[] = [];
  private readonly answers = new Budget(ANSWER_RATE);
  /** Members that have said last that they know us by another key. */
  private readonly rejecting = new Set<number>();

  constructor(now: Micros, options: TrustOptions) {
    this.options = options;
    this.known = [...options.known];
    const { cluster } = options;
    this.known[cluster.self] = options.keys.publicKey;
    for (const member of cluster.members.keys()) if (member !== cluster.self) this.begin(now, member);
  }

  /** By member; undefined: not yet. */
  get keys(): readonly (Uint8Array | undefined)[] {
    return this.known;
  }

  get isComplete(): boolean {
    return this.known.every((key) => key !== undefined);
  }

  /** Whoever is within reach has shown its key, and need not be asked. */
  handleReachable(now: Micros, member: number, isReachable: boolean): void {
    if (isReachable) this.reachable.add(member);
    else {
      this.reachable.delete(member);
      this.begin(now, member);
    }
  }

  /** @returns whether it was for us; if not, it is a session's */
  handleDatagram(now: Micros, from: string, bytes: Uint8Array): boolean {
    const ask = parseAsk(bytes);
    if (ask) this.handleAsk(now, from, ask);
    if (ask) return true;
    const tell = this.isExpected(bytes) ? parseTell(bytes) : undefined;
    if (tell) this.handleTell(tell);
    return tell !== undefined;
  }

  handleTimeout(now: Micros): void {
    for (const [member, question] of this.questions) {
      if (this.reachable.has(member) && this.known[member]) this.questions.delete(member);
      else if (question.at <= now) this.ask(now, member, question);
    }
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const { at } of this.questions.values()) next = Math.min(next, at);
    return next;
  }

  pollTransmit(): { to: string; bytes: Uint8Array } | undefined {
    return this.outbox.shift();
  }

  pollEvent(): TrustEvent | undefined {
    return this.events.shift();
  }

  private begin(now: Micros, member: number): void {
    if (!this.questions.has(member))
      this.questions.set(member, { nonce: this.options.random(NONCE_SIZE), at: now, count: 0 });
  }

  private ask(now: Micros, member: number, question: Question): void {
    const { cluster, keys } = this.options;
    question.count++;
    question.at = now + (question.count < EAGER ? EAGER_INTERVAL : INTERVAL);
    const ask = { nonce: question.nonce, cluster: cluster.id, index: cluster.self, key: keys.publicKey };
    this.outbox.push({ to: cluster.members[member].locator, bytes: writeAsk(ask) });
  }

  private handleAsk(now: Micros, from: string, ask: Ask): void {
    if (!this.answers.take(now)) return;
    const { cluster, keys } = this.options;
    const tell = { nonce: ask.nonce, cluster: cluster.id, index: cluster.self, key: keys.publicKey };
    this.outbox.push({ to: from, bytes: writeTell({ ...tell, verdict: this.judge(ask) }, keys) });
    // Whoever asks is there: it may be asked back now.
    const isNew = equalBytes(ask.cluster, cluster.id) && this.known[ask.index] === undefined;
    const question = this.questions.get(ask.index);
    if (isNew && question) question.at = Math.min(question.at, now + BACK_INTERVAL);
  }

  private judge({ cluster, index, key }: Ask): number {
    if (!equalBytes(cluster, this.options.cluster.id)) return VERDICT.otherCluster;
    const known = this.known[index];
    return known && !equalBytes(known, key) ? VERDICT.otherKey : VERDICT.fine;
  }

  /** Cheaper than a signature. */
  private isExpected(bytes: Uint8Array): boolean {
    const nonce = bytes.subarray(1, 1 + NONCE_SIZE);
    return this.memberAsked(nonce) !== undefined;
  }

  private memberAsked(nonce: Uint8Array): number | undefined {
    for (const [member, question] of this.questions)
      if (question.count > 0 && equalBytes(question.nonce, nonce)) return member;
    return undefined;
  }

  private handleTell(tell: Tell): void {
    const member = this.memberAsked(tell.nonce)!;
    const { cluster, onFirstUse } = this.options;
    if (!equalBytes(tell.cluster, cluster.id)) {
      this.events.push({ type: 'other-cluster', member });
      return;
    }
    if (tell.index !== member) return;
    const known = this.known[member];
    if (known && !equalBytes(known, tell.key)) {
      this.events.push({ type: 'other-key', member, key: tell.key });
      return;
    }
    if (!known && !onFirstUse) return;
    if (!known) {
      this.known[member] = tell.key;
      this.events.push({ type: 'learned', member, key: tell.key });
    }
    if (tell.verdict !== VERDICT.otherKey) {
      this.rejecting.delete(member);
      return;
    }
    this.rejecting.add(member);
    const by = this.rejecting.size;
    this.events.push({ type: 'rejected', member, by, isCertain: by > mayBeWrong(cluster.members.length) });
  }
}

/** How many of the others one does without: with more of them a cluster of this size has no quorum either. */
export function mayBeWrong(members: number): number {
  return Math.floor((members - 1) / 2);
}

/** A second: each takes a signature, some 50 us. */
const ANSWER_RATE = 200;
/** So often in a row, then less often, for as long as it takes. */
const EAGER = 20;
const EAGER_INTERVAL: Micros = 250 * MILLISECOND;
const INTERVAL: Micros = 2 * SECOND;
const BACK_INTERVAL: Micros = 20 * MILLISECOND;
