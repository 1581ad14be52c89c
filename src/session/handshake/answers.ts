/**
 * The handshakes that a peer asks us for: answered, and not confirmed so far by a datagram under their keys. A replayed or
 * forged first message gets no further than that, and takes nothing from what is in use. In: first messages that hold, time.
 * Out: answers, and keys to be tried.
 */

import { Budget } from '../../core/budget.js';
import { type Micros, NEVER } from '../../core/time.js';
import { equalSecrets } from '../../crypto/mac.js';
import type { SessionContext } from '../context.js';
import type { SessionDropReason } from '../events.js';
import type { Hints } from '../hints.js';
import type { Keys } from '../keys.js';
import {
  ANSWER_INTERVAL,
  MAX_ANSWERED,
  MAX_ANSWERED_ADDRESSES,
  MEMBER_HANDSHAKE_BURST,
  MEMBER_HANDSHAKE_RATE,
  UNCONFIRMED_LIFETIME,
  UNHEARD_AFTER,
} from '../limits.js';
import type { Transport } from '../transport.js';
import { mac1Of } from '../wire.js';
import type { OpenedInitiation } from './messages.js';

/** A first message that holds, as it came. */
export interface FirstMessage {
  from: string;
  datagram: Uint8Array;
  opened: OpenedInitiation;
  /** The packet number of our next DATA. */
  nextNumber: number;
}

export interface Answered<Owner> {
  transport: Transport<Owner>;
  counter: number;
  version: number;
  /** Where our answer went, the latest last. */
  addresses: string[];
  mac1: Uint8Array;
  /** Copies of it are sent: whom they go to opens them in place. */
  response: Uint8Array;
  /** The first time, and whether there was another one. */
  sentAt: Micros;
  isRepeated: boolean;
  /** By address, the latest last: when it may be answered there again. Who replays it from elsewhere takes no turn from its maker. */
  repeatAt: Map<string, Micros>;
}

export class Answers<Owner> {
  private readonly context: SessionContext;
  private readonly peer: number;
  private readonly keys: Keys<Owner>;
  private readonly hints: Hints;
  /** For first messages that are answered: the newest of a run, and all others. */
  private readonly newestBudget = new Budget(MEMBER_HANDSHAKE_RATE, MEMBER_HANDSHAKE_BURST);
  private readonly otherBudget = new Budget(MEMBER_HANDSHAKE_RATE, MEMBER_HANDSHAKE_BURST);
  /** The oldest first. */
  private answered: Answered<Owner>[] = [];
  /** When a first message was last answered, and since when this goes on without any being confirmed. */
  private answeredAt: Micros = -NEVER;
  private unheardSince: Micros = -NEVER;

  constructor(options: { context: SessionContext; peer: number; keys: Keys<Owner>; hints: Hints }) {
    this.context = options.context;
    this.peer = options.peer;
    this.keys = options.keys;
    this.hints = options.hints;
  }

  /** Whether none waits to be confirmed. */
  get isEmpty(): boolean {
    return this.answered.length === 0;
  }

  /** What was answered to the same first message before. */
  find({ datagram }: FirstMessage): Answered<Owner> | undefined {
    const mac1 = mac1Of(datagram);
    return this.answered.find((each) => equalSecrets(each.mac1, mac1));
  }

  /** Answers a first message; gives the reason where it is dropped all the same. */
  answer(now: Micros, first: FirstMessage): SessionDropReason | undefined {
    const { incarnation, counter, version, nextNumber: peerNext } = first.opened.payload;
    const { agreed } = first.opened;
    if (!agreed) return 'foreign-version';
    // Of one run the newest goes first, so that replays of older ones cannot use up what it needs.
    const isNewest = !this.answered.some(
      (each) => each.transport.incarnation === incarnation && each.counter > counter,
    );
    if (!(isNewest ? this.newestBudget : this.otherBudget).take(now)) return 'handshake-budget';
    const { context } = this;
    const localIndex = context.claimIndex(this.peer);
    const made = this.respond(first, localIndex, incarnation);
    if (!made) {
      context.freeIndex(localIndex);
      return 'handshake-mismatch';
    }
    if (this.answered.length >= MAX_ANSWERED) this.forget((_, i) => i === 0);
    const { established } = made;
    const { remoteIndex } = first.opened;
    const ends = { established, localIndex, remoteIndex, initiator: false, agreed };
    const transport = this.keys.make(now, { ...ends, incarnation, peerNext });
    transport.expiresAt = now + UNCONFIRMED_LIFETIME;
    this.answered.push({
      transport,
      counter,
      version,
      addresses: [first.from],
      mac1: mac1Of(first.datagram).slice(),
      response: made.datagram,
      sentAt: now,
      isRepeated: false,
      repeatAt: new Map([[first.from, now + ANSWER_INTERVAL]]),
    });
    this.noteUnheard(now);
    context.transmit(first.from, made.datagram.slice());
    return undefined;
  }

  /** The same first message once more: our answer was lost. The keys are the same, so it is worth nothing to who replays it. */
  repeat(now: Micros, from: string, answered: Answered<Owner>): SessionDropReason | undefined {
    const { repeatAt } = answered;
    if (now < (repeatAt.get(from) ?? now)) return 'handshake-budget';
    // Whom we forget is answered sooner: each answer costs a first message that is as large all the same.
    if (repeatAt.size >= MAX_ANSWERED_ADDRESSES && !repeatAt.has(from))
      repeatAt.delete([...repeatAt.keys()][0]);
    repeatAt.set(from, now + ANSWER_INTERVAL);
    answered.isRepeated = true;
    answered.addresses = [...answered.addresses.filter((address) => address !== from).slice(-3), from];
    this.noteUnheard(now);
    // Where one was lost the next may well be, too; both are hardly larger than what has come.
    for (let i = 0; i < REPEAT_COPIES; i++) this.context.transmit(from, answered.response.slice());
    return undefined;
  }

  /**
   * Tells a run that is not the latest, or with which we have no version in common, so that its operator hears of it; nothing
   * is kept. `reason` is given back.
   */
  refuse(now: Micros, first: FirstMessage, counting: number, reason: SessionDropReason): SessionDropReason {
    if (!this.otherBudget.take(now)) return 'handshake-budget';
    const { context } = this;
    const index = context.claimIndex(this.peer);
    context.freeIndex(index);
    const made = this.respond(first, index, counting);
    if (made) context.transmit(first.from, made.datagram);
    return reason;
  }

  /** A datagram has come under these keys: gives the handshake that they are of, which is over, if it was answered here. */
  takeConfirmed(transport: Transport<Owner>): Answered<Owner> | undefined {
    const confirmed = this.answered.find((each) => each.transport === transport);
    if (confirmed) this.answered = this.answered.filter((each) => each !== confirmed);
    return confirmed;
  }

  /** Whatever the peer asked for before is over for it, too. */
  forgetBefore({ transport, counter }: Answered<Owner>): void {
    this.forget((each) => each.transport.incarnation === transport.incarnation && each.counter < counter);
  }

  forgetRunsBefore(incarnation: number): void {
    this.forget(({ transport }) => transport.incarnation < incarnation);
  }

  expire(now: Micros): void {
    if (this.answered.some(({ transport }) => now >= transport.expiresAt))
      this.forget(({ transport }) => now >= transport.expiresAt);
  }

  /** There is a session: our answers arrive. */
  onEstablished(): void {
    this.answeredAt = -NEVER;
  }

  /** When `expire` has something to do. */
  nextTimeout(): Micros {
    // In the order in which they were answered.
    return this.answered[0]?.transport.expiresAt ?? NEVER;
  }

  /** @param counting the incarnation of the peer that counts here */
  private respond({ opened, nextNumber }: FirstMessage, index: number, counting: number) {
    const { entropy, self } = this.context;
    const { incarnation, version, dialect } = self;
    const chosen = opened.agreed?.version ?? 0;
    const said = { incarnation, nextNumber, version, counting, dialect, chosen };
    return opened.respond(entropy.bytes(32), index, said);
  }

  /** A first message was answered: if that goes on and none is confirmed, our answers do not arrive. */
  private noteUnheard(now: Micros): void {
    if (now - this.answeredAt > UNHEARD_AFTER) this.unheardSince = now;
    this.answeredAt = now;
    if (now - this.unheardSince >= UNHEARD_AFTER && this.hints.take(now, 'unheard'))
      this.context.emit({ type: 'unheard', member: this.peer });
  }

  private forget(which: (answered: Answered<Owner>, index: number) => boolean): void {
    this.answered = this.answered.filter((each, i) => {
      if (!which(each, i)) return true;
      this.context.freeIndex(each.transport.localIndex);
      return false;
    });
  }
}

const REPEAT_COPIES = 2;
