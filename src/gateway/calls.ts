/**
 * Calls that are not answered yet: those that wait for a quorum, and for how long. In: calls, who is within reach, time. Out:
 * answers and failures.
 */
import { type Micros, NEVER, SECOND } from '../core/time.js';
import { type Failure, NO_QUORUM, TIMED_OUT } from './api/status.js';

export type CallAnswer = { call: number; response: object } | { call: number; failure: Failure };

export class Calls {
  /** Whether a quorum is within reach. */
  hasQuorum = false;
  private readonly answers: CallAnswer[] = [];
  /** Calls that have begun, by when they are given up. */
  private readonly deadlines = new Map<number, Micros>();
  /** Those that wait for a quorum before they begin. */
  private readonly held = new Map<number, () => void>();
  private readonly graceUntil: Micros;
  private readonly onForgotten: (call: number) => void;

  /** @param onForgotten is told of calls that wait no more */
  constructor(now: Micros, onForgotten: (call: number) => void) {
    this.graceUntil = now + GRACE;
    this.onForgotten = onForgotten;
  }

  answer(call: number, response: object): void {
    this.forget(call);
    this.answers.push({ call, response });
  }

  fail(call: number, failure: Failure): void {
    this.forget(call);
    this.answers.push({ call, failure });
  }

  poll(): CallAnswer | undefined {
    return this.answers.shift();
  }

  /** Runs `begin` if a quorum is within reach. Just started it is waited for, and later refused at once, so that the caller knows. */
  whenQuorum(now: Micros, call: number, begin: () => void): void {
    if (this.hasQuorum) {
      this.deadlines.set(call, now + PATIENCE);
      begin();
    } else if (now < this.graceUntil) {
      this.deadlines.set(call, this.graceUntil);
      this.held.set(call, begin);
    } else this.fail(call, NO_QUORUM);
  }

  /** Waits for a quorum for ever. */
  untilQuorum(call: number, begin: () => void): void {
    if (this.hasQuorum) begin();
    else this.held.set(call, begin);
  }

  /** The client has gone, or is answered. */
  forget(call: number): void {
    this.deadlines.delete(call);
    this.held.delete(call);
    this.onForgotten(call);
  }

  /** Those that wait are told: not all clients have a deadline of their own. */
  onQuorum(now: Micros, hasQuorum: boolean): void {
    if (hasQuorum === this.hasQuorum) return;
    this.hasQuorum = hasQuorum;
    if (!hasQuorum) {
      for (const call of [...this.deadlines.keys()]) this.fail(call, NO_QUORUM);
      return;
    }
    const held = [...this.held];
    this.held.clear();
    for (const [call, begin] of held) {
      if (this.deadlines.has(call)) this.deadlines.set(call, now + PATIENCE);
      begin();
    }
  }

  handleTimeout(now: Micros): void {
    for (const [call, at] of [...this.deadlines])
      if (at <= now) this.fail(call, this.held.has(call) ? NO_QUORUM : TIMED_OUT);
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const at of this.deadlines.values()) next = Math.min(next, at);
    return next;
  }
}

/** What etcd waits for a commit: 5 s and two elections. */
const PATIENCE: Micros = 7 * SECOND;
/** Of members that start together the last is there within this; a client that is refused waits for a second. */
const GRACE: Micros = 3 * SECOND;
