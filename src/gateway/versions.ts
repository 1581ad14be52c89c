/**
 * Which version of its messages each member's node speaks. Each puts its own when it starts, and is told of another one. Etcd keeps
 * the version of whoever was first, for ever; here the one that each has put last counts, so that after an upgrade of all nodes
 * the report ends.
 */
import type { Micros } from '../core/time.js';
import { NEVER, SECOND } from '../core/time.js';
import type { Context } from './context.js';
import { tagOf } from './proposals.js';
import { bytesOf } from './state/bytes.js';
import type { Put } from './state/change.js';
import { VERSION_KEY } from './state/state.js';

interface Question {
  call: number;
  version: string;
  /** Not before there was a quorum. */
  askedAt: Micros | undefined;
}

export class Versions {
  private readonly context: Context;
  private readonly questions = new Map<number, Question>();

  constructor(context: Context) {
    this.context = context;
  }

  /** Waits for a quorum for ever: nobody asks twice. */
  ask(now: Micros, call: number, put: Put): void {
    const version = Buffer.from(put.value).toString('hex');
    const { self } = this.context.identity;
    this.questions.set(call, { call, version, askedAt: undefined });
    this.context.calls.untilQuorum(call, () => {
      const { state, proposals } = this.context;
      if (state.versions.get(self) === version) return this.handleTimeout(now);
      const tag = tagOf(put, state.revision);
      if (!proposals.find(tag)) this.context.propose(tag, [put]);
    });
  }

  forget(call: number): void {
    this.questions.delete(call);
  }

  /** Looks whether there is an answer: after each change, and when it is time. */
  handleTimeout(now: Micros): void {
    for (const question of [...this.questions.values()]) this.look(now, question);
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const { askedAt } of this.questions.values())
      if (askedAt !== undefined) next = Math.min(next, askedAt + PATIENCE);
    return next;
  }

  private look(now: Micros, question: Question): void {
    const { calls, state, identity, reachable } = this.context;
    const { versions } = state;
    if (!calls.hasQuorum || versions.get(identity.self) !== question.version) return;
    question.askedAt ??= now;
    const others = [...versions].filter(([member]) => member !== identity.self);
    const other = others.find(([, version]) => version !== question.version);
    const isComplete = [...reachable].every((member) => versions.has(member));
    if (!other && !isComplete && now < question.askedAt + PATIENCE) return;
    this.questions.delete(question.call);
    this.answer(question.call, other?.[1] ?? (others.length > 0 ? question.version : undefined));
  }

  private answer(call: number, theirs: string | undefined): void {
    const header = this.context.header();
    if (theirs === undefined) {
      this.context.calls.answer(call, {
        header,
        succeeded: false,
        responses: [{ response_put: { header } }],
      });
      return;
    }
    const kv = {
      key: bytesOf(VERSION_KEY),
      value: Buffer.from(theirs, 'hex'),
      mod_revision: header.revision,
    };
    const found = { header, kvs: [{ ...kv, create_revision: header.revision, version: 1 }], count: 1 };
    this.context.calls.answer(call, { header, succeeded: true, responses: [{ response_range: found }] });
  }
}

/** Until the version of a member that is within reach has come, if its node has put one at all. */
const PATIENCE: Micros = 10 * SECOND;
