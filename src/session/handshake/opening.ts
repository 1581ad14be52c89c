/**
 * The handshakes that we start with one peer: when, how often, to which of its locators, with which cookie. One first
 * message at a time, repeated byte for byte (but for mac2) until it is answered or too old.
 */
import { type Micros, NEVER } from '../../core/time.js';
import type { Initiator } from '../../crypto/noise.js';
import { parseVia } from '../../wire/via.js';
import type { Remote, SessionContext } from '../context.js';
import {
  AMPLIFICATION,
  COOKIE_PERIOD,
  FIRST_RETRY,
  GIVE_UP_AFTER,
  HANDSHAKE_LIFETIME,
  PRECEDENCE_TIME,
  REACTION_INTERVAL,
  RETRY_FACTOR,
  RETRY_MAX,
} from '../limits.js';
import type { Addresses } from '../reach/addresses.js';
import { INITIATION_SIZE } from '../wire.js';
import { macKeyOf, readCookie, writeMacs } from './guard.js';
import { openResponse, writeInitiation } from './messages.js';

/** A handshake under way. */
export interface Pending {
  readonly index: number;
  readonly datagram: Uint8Array;
  readonly initiator: Initiator;
  readonly startedAt: Micros;
  /** False: sent only when a stranger's datagram asks for it. */
  retries: boolean;
  sentAt: Micros;
  nextAt: Micros;
  /** Where it has been sent, the latest last. */
  tried: string[];
  gotCookie: boolean;
}

/** What a RESPONSE that holds gave. */
export type Opened = NonNullable<ReturnType<typeof openResponse>> & {
  index: number;
  address: string;
  /** When the first message last went: its answer may be to an earlier one. */
  sentAt: Micros;
};

export class Opening {
  private readonly context: SessionContext;
  private readonly remote: Remote;
  private readonly addresses: Addresses;
  private pending: Pending | undefined;
  private counter = 0;
  private cookie: { value: Uint8Array; until: Micros } | undefined;
  private wantedSince: Micros = NEVER;
  /** First messages sent since then. */
  private attempts = 0;
  private reaction = { at: -NEVER, received: 0, sent: 0 };

  constructor(context: SessionContext, remote: Remote, addresses: Addresses) {
    this.context = context;
    this.remote = remote;
    this.addresses = addresses;
  }

  /** The receiver index of the handshake under way, if there is one. */
  get index(): number | undefined {
    return this.pending?.index;
  }

  /** Whether it goes on until it succeeds or gives up. */
  get isWanted(): boolean {
    return this.wantedSince !== NEVER;
  }

  /**
   * Whether an answer may still be under way, so that the peer's own first message can be ignored. Not so if that comes from an address of a
   * socket where ours has not gone: boxes between may let only the peer's in.
   */
  isFresh(now: Micros, from: string): boolean {
    const { pending } = this;
    if (!pending || now - pending.startedAt >= PRECEDENCE_TIME) return false;
    return parseVia(from) !== undefined || pending.tried.includes(from);
  }

  want(now: Micros): void {
    if (this.wantedSince !== NEVER) return;
    this.wantedSince = now;
    this.attempts = 0;
  }

  /** There are more addresses than before: they are tried soon. */
  hurry(now: Micros): void {
    const { pending } = this;
    if (!pending || !this.isWanted) return;
    this.attempts = 0;
    pending.nextAt = Math.min(pending.nextAt, now);
  }

  /**
   * Sends what is due. Call it after `want` and whenever `nextTimeout` has passed.
   *
   * @param nextNumber the packet number of our next DATA
   * @returns false if it has just given up
   */
  handleTimeout(now: Micros, nextNumber: number): boolean {
    if (now >= this.wantedSince + GIVE_UP_AFTER) {
      this.wantedSince = NEVER;
      this.cancel();
      return false;
    }
    if (this.pending && now >= this.pending.startedAt + HANDSHAKE_LIFETIME) this.cancel();
    if (!this.isWanted) return true;
    const pending = this.pending ?? this.start(now, nextNumber);
    if (!pending) return true;
    if (!pending.retries) pending.nextAt = now;
    pending.retries = true;
    if (now < pending.nextAt) return true;
    const to = this.addresses.next(now, this.attempts);
    pending.gotCookie = false;
    if (to !== undefined) this.transmit(now, pending, to);
    const wait = Math.min(RETRY_MAX, FIRST_RETRY * RETRY_FACTOR ** this.attempts++);
    // Jitter, so that a group that starts together does not stay in step.
    pending.nextAt = now + Math.round(wait * (0.8 + (0.4 * this.context.entropy.bytes(1)[0]) / 255));
    return true;
  }

  /**
   * A datagram for a session that we do not have came from one of the peer's locators: tells the peer, with one first
   * message for each time it asks, and no retries. Who forges the address gets us to send no more than that.
   */
  react(now: Micros, from: string, size: number, nextNumber: number): void {
    const { reaction } = this;
    reaction.received += size;
    if (this.pending?.retries || now - reaction.at < REACTION_INTERVAL) return;
    if (reaction.sent + INITIATION_SIZE > AMPLIFICATION * reaction.received) return;
    const pending = this.pending ?? this.start(now, nextNumber);
    if (!pending) return;
    reaction.at = now;
    reaction.sent += INITIATION_SIZE;
    pending.gotCookie = false;
    this.transmit(now, pending, from);
  }

  /** Sends the first message to an address where the peer may be. It is not repeated. */
  knock(now: Micros, address: string, nextNumber: number): void {
    const pending = this.pending ?? this.start(now, nextNumber);
    if (!pending) return;
    pending.gotCookie = false;
    this.transmit(now, pending, address);
  }

  /** What a RESPONSE says, if it holds; the handshake then is over once `release` has been called. */
  openResponse(from: string, datagram: Uint8Array): Opened | undefined {
    const { pending } = this;
    const opened = pending && openResponse(this.context.self, pending.initiator, datagram);
    if (!opened) return undefined;
    // Only an address that we sent to has proved anything by answering.
    const { index, tried, sentAt } = pending;
    const address = tried.includes(from) ? from : tried[tried.length - 1];
    return { ...opened, index, address, sentAt };
  }

  /** Takes in a COOKIE, and sends the first message once more; false if the cookie does not hold. */
  handleCookie(now: Micros, datagram: Uint8Array): boolean {
    const { pending } = this;
    // One for each time that it was sent, so that cookies cannot make us send without end.
    if (!pending || pending.gotCookie) return false;
    const value = readCookie(this.context.self.suite.aead, this.remote.static, pending.datagram, datagram);
    if (!value) return false;
    this.cookie = { value, until: now + COOKIE_PERIOD };
    pending.gotCookie = true;
    this.transmit(now, pending, pending.tried[pending.tried.length - 1]);
    return true;
  }

  /** There is a session: nothing is wanted any more. */
  finish(): void {
    this.cancel();
    this.wantedSince = NEVER;
    this.reaction = { at: -NEVER, received: 0, sent: 0 };
  }

  /** Ends the handshake under way; its index lives on with the keys. */
  release(): void {
    this.pending = undefined;
  }

  cancel(): void {
    if (this.pending) this.context.freeIndex(this.pending.index);
    this.pending = undefined;
  }

  /** When `handleTimeout` is due. */
  nextTimeout(): Micros {
    const { pending } = this;
    let at = this.wantedSince + GIVE_UP_AFTER;
    if (pending) at = Math.min(at, pending.nextAt, pending.startedAt + HANDSHAKE_LIFETIME);
    else if (this.isWanted) at = 0;
    return at;
  }

  private start(now: Micros, nextNumber: number): Pending | undefined {
    const { context, remote } = this;
    const index = context.claimIndex(remote.peer);
    const made = writeInitiation(context.self, remote, index, context.entropy.bytes(32), {
      incarnation: context.self.incarnation,
      counter: this.counter++,
      nextNumber,
      version: context.self.version,
      dialect: context.self.dialect,
    });
    if (!made) {
      // A key of small order: the table takes no such peer.
      context.freeIndex(index);
      this.wantedSince = NEVER;
      return undefined;
    }
    this.pending = {
      index,
      datagram: made.datagram,
      initiator: made.initiator,
      startedAt: now,
      retries: false,
      sentAt: now,
      nextAt: NEVER,
      tried: [],
      gotCookie: false,
    };
    return this.pending;
  }

  private transmit(now: Micros, pending: Pending, to: string): void {
    const cookie = this.cookie && now < this.cookie.until ? this.cookie.value : undefined;
    writeMacs(pending.datagram, macKeyOf(this.remote.static), cookie);
    pending.tried = [...pending.tried.filter((address) => address !== to), to];
    pending.sentAt = now;
    this.context.transmit(to, pending.datagram.slice());
  }
}
