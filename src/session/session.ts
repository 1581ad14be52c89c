/**
 * The session with one peer, sans-IO: handshakes on demand and on request, keys and their renewal, probes and paths.
 * Three sets of keys at most: `current` protects; `previous` still opens what is in flight; `next` is one that the peer
 * asked for and has not used yet (a replayed first message gets no further than that).
 */
import { type Micros, NEVER } from '../core/time.js';
import { equalSecrets } from '../crypto/mac.js';
import type { Established } from '../crypto/noise.js';
import { HeadwaterError } from '../errors.js';
import { Addresses } from './addresses.js';
import { Budget } from './budget.js';
import type { Remote, SessionContext } from './context.js';
import type { SessionDropReason } from './events.js';
import type { OpenedInitiation } from './handshake.js';
import * as limits from './limits.js';
import { Opening } from './opening.js';
import { Transport, textOf } from './transport.js';
import * as wire from './wire.js';

export type SessionTransport = Transport<Session>;

/** A protected datagram. */
export interface Sealed {
  to: string;
  bytes: Uint8Array;
  packetNumber: number;
  /** Which path it takes; see `Addresses.path`. */
  path: number;
}

export class Session {
  readonly peer: number;
  readonly addresses: Addresses;
  /** The agreement of both static keys. */
  readonly sharedStatic: Uint8Array;
  /** Of the peer, once it has proved one. */
  incarnation: number | undefined;
  /** For first messages and cookies at this member's own locators. */
  readonly reserve = new Budget(limits.MEMBER_HANDSHAKE_RATE, limits.MEMBER_HANDSHAKE_BURST);
  private readonly context: SessionContext;
  private readonly opening: Opening;
  /** Makes DATA and CONTROL for its index reach the transport. */
  private readonly bind: (transport: SessionTransport) => void;
  private readonly hasPrecedence: boolean;
  private readonly answerBudget = new Budget(limits.MEMBER_HANDSHAKE_RATE, limits.MEMBER_HANDSHAKE_BURST);
  private current: SessionTransport | undefined;
  private previous: SessionTransport | undefined;
  private next:
    | {
        transport: SessionTransport;
        /** Where our answer went. */
        answered: string[];
        mac1: Uint8Array;
        response: Uint8Array;
      }
    | undefined;
  private probe: { sends: number; nextAt: Micros } | undefined;
  /** Numbers of DATA go on from one set of keys to the next, so that acknowledgements need not know of keys. */
  nextNumber = 1;
  /** Whether there has been a session with the peer's present incarnation. */
  private met = false;
  /** The newest first message of the peer's incarnation. */
  private peerCounter = -1;
  private unansweredSince: Micros = NEVER;
  private heardAt: Micros = 0;
  private nextHint: Micros = 0;
  private nextElsewhere: Micros = 0;
  private sentAt: Micros = 0;
  private due: Micros = NEVER;

  /** @param hasPrecedence whether our first message stands where both sides send one */
  constructor(
    context: SessionContext,
    remote: Remote,
    options: {
      hasPrecedence: boolean;
      locators: readonly string[];
      bind: (transport: SessionTransport) => void;
    },
  ) {
    this.context = context;
    this.peer = remote.peer;
    this.sharedStatic = remote.shared;
    this.hasPrecedence = options.hasPrecedence;
    this.bind = options.bind;
    this.addresses = new Addresses(options.locators);
    this.opening = new Opening(context, remote, this.addresses);
  }

  /** When `handleTimeout` is due. */
  get deadline(): Micros {
    return this.due;
  }

  private set deadline(at: Micros) {
    this.due = at;
    this.context.schedule(this.peer, at);
  }

  /** The receiver index of the handshake that we started, if there is one. */
  get pendingIndex(): number | undefined {
    return this.opening.index;
  }

  get isEstablished(): boolean {
    return this.current !== undefined;
  }

  /** Whether `seal` would protect a datagram now. */
  isUsable(now: Micros): boolean {
    return this.current !== undefined && now < this.current.rejectAt;
  }

  /**
   * Protects a datagram in place, its text from PROTECTED_HEADER on with 16 bytes of room behind it. Undefined if there
   * is no session yet: then a handshake is under way, 'established' tells when it is done, and `datagram` is untouched.
   */
  seal(now: Micros, datagram: Uint8Array, number = this.nextNumber): Sealed | undefined {
    const { current } = this;
    if (!current || now >= current.rejectAt) {
      this.want(now);
      this.rearm();
      return undefined;
    }
    if (number < this.nextNumber)
      throw new HeadwaterError(
        'INVALID_ARGUMENT',
        `packet number: expected ${this.nextNumber} or more, got ${number}`,
      );
    const packetNumber = number;
    this.nextNumber = number + 1;
    current.sealData(datagram, packetNumber);
    this.sentAt = now;
    if (this.unansweredSince === NEVER) {
      this.unansweredSince = now;
      this.arm(now + limits.UNANSWERED_AFTER);
    }
    if (current.sent === this.context.limits.rekeyAfterPackets) this.arm(now);
    return { to: this.addresses.current, bytes: datagram, packetNumber, path: this.addresses.path };
  }

  /** Asks for a session: starts a handshake unless there is one, or keys in use. */
  connect(now: Micros): void {
    if (!this.current) this.want(now);
    this.rearm();
  }

  /** Asks an address of the peer for a sign of life: 'answered' tells. */
  challenge(now: Micros, address: string): void {
    if (!this.current) return;
    const data = this.challengeData();
    this.addresses.ask(now, address, data);
    this.sendControl(this.current, address, wire.FRAME_CHALLENGE, data);
  }

  /** From now on datagrams go to this locator, which must have answered ('migrated'). */
  moveTo(address: string): void {
    const { addresses, peer } = this;
    const previous = addresses.current;
    if (!addresses.moveTo(address)) return;
    this.probe = undefined;
    this.context.emit({ type: 'migrated', peer, address, previous, path: addresses.path });
  }

  /** Whether something that anyone could have sent from this member's locator may be told: not often. */
  mayHint(now: Micros): boolean {
    if (now < this.nextHint) return false;
    this.nextHint = now + limits.HINT_INTERVAL;
    return true;
  }

  /** Takes in a genuine first message; gives the reason where it is dropped all the same. */
  handleInitiation(
    now: Micros,
    from: string,
    opened: OpenedInitiation,
    datagram: Uint8Array,
  ): SessionDropReason | undefined {
    const { incarnation, counter, nextNumber } = opened.payload;
    const known = this.incarnation ?? -1;
    if (incarnation < known) return 'stale-handshake';
    const mac1 = datagram.subarray(wire.INITIATION_MAC1, wire.INITIATION_MAC2);
    if (incarnation === known && counter <= this.peerCounter) {
      const { next } = this;
      if (counter < this.peerCounter || !next || !equalSecrets(next.mac1, mac1)) return 'stale-handshake';
      // The same once more: our answer was lost. The keys are the same, so it is worth nothing to who replays it.
      if (!this.answerBudget.take(now)) return 'handshake-budget';
      next.answered = [...next.answered.filter((address) => address !== from).slice(-3), from];
      this.context.transmit(from, next.response);
      return undefined;
    }
    // Before anything that may turn it away: a restart is news whatever becomes of this handshake.
    this.noteIncarnation(incarnation);
    this.noteVersion(opened.payload.version);
    if (this.hasPrecedence && this.opening.isFresh(now)) {
      this.rearm();
      return 'simultaneous';
    }
    if (!this.answerBudget.take(now)) return 'handshake-budget';
    this.peerCounter = counter;
    const { context } = this;
    const index = context.claimIndex(this.peer);
    const made = opened.respond(context.entropy.bytes(32), index, {
      incarnation: context.self.incarnation,
      nextNumber: this.nextNumber,
      version: context.self.version,
    });
    if (!made) {
      context.freeIndex(index);
      return 'handshake-mismatch';
    }
    if (this.next) context.freeIndex(this.next.transport.localIndex);
    const transport = this.transport(now, made.established, index, opened.remoteIndex, false, {
      incarnation,
      nextNumber,
    });
    transport.expiresAt = now + limits.UNCONFIRMED_LIFETIME;
    this.next = { transport, answered: [from], mac1: mac1.slice(), response: made.datagram };
    if (!this.hasPrecedence) this.opening.cancel();
    this.opening.yieldTo(now);
    context.transmit(from, made.datagram);
    this.rearm();
    return undefined;
  }

  /** Takes in a RESPONSE to our pending handshake. */
  handleResponse(now: Micros, from: string, datagram: Uint8Array): SessionDropReason | undefined {
    const opened = this.opening.openResponse(from, datagram);
    if (!opened) return 'bad-response';
    const { incarnation } = opened.payload;
    if (incarnation < (this.incarnation ?? -1)) return 'stale-handshake';
    this.noteIncarnation(incarnation);
    this.noteVersion(opened.payload.version);
    const { index, remoteIndex, established } = opened;
    const transport = this.transport(now, established, index, remoteIndex, true, opened.payload);
    this.opening.release();
    this.establish(now, transport, opened.address);
    // The peer may not use these keys before we have: say something at once, until it answers.
    this.probe = { sends: 0, nextAt: now };
    this.sendProbe(now);
    this.rearm();
    return undefined;
  }

  /** Takes in a COOKIE for our pending handshake, which then goes out once more. */
  handleCookie(now: Micros, datagram: Uint8Array): SessionDropReason | undefined {
    if (!this.opening.handleCookie(now, datagram)) return 'bad-cookie';
    this.rearm();
    return undefined;
  }

  /**
   * Takes in a datagram that `transport`, one of this session's, has just opened.
   *
   * @returns a reason if it was CONTROL without sense
   */
  handleOpened(
    now: Micros,
    from: string,
    transport: SessionTransport,
    packetNumber: number,
    datagram: Uint8Array,
  ): SessionDropReason | undefined {
    const kind = datagram[0];
    this.heardAt = now;
    this.unansweredSince = NEVER;
    if (transport === this.current) this.probe = undefined;
    else this.handleOtherKeys(now, from, transport);
    const text = kind === wire.CONTROL ? textOf(datagram) : undefined;
    const what = !text ? 'data' : text[0] === wire.FRAME_ANSWER ? 'answer' : 'challenge';
    const newest = transport === this.current && packetNumber === transport.highest(kind);
    const { addresses } = this;
    const elsewhere = addresses.onHeard(now, from, datagram.length, what, newest, this.challengeData);
    if (elsewhere && now >= this.nextElsewhere) {
      this.nextElsewhere = now + limits.HINT_INTERVAL;
      this.context.emit({ type: 'elsewhere', peer: this.peer });
    }
    this.arm(addresses.deadline);
    return text && this.handleControl(now, from, transport, text);
  }

  /** A datagram came from one of this peer's locators for a session that we do not have: it may think we still do. */
  handleStranger(now: Micros, from: string, size: number): void {
    if (this.current || this.next) return;
    this.opening.react(now, from, size, this.nextNumber);
    this.rearm();
  }

  handleTimeout(now: Micros): void {
    this.expireKeys(now);
    this.runProbe(now);
    this.runOpening(now);
    if (this.current)
      for (let due = this.addresses.due(now); due; due = this.addresses.due(now))
        this.sendControl(this.current, due.address, wire.FRAME_CHALLENGE, due.data);
    else this.addresses.forgetCandidates();
    this.rearm();
  }

  private handleOtherKeys(now: Micros, from: string, transport: SessionTransport): void {
    if (transport === this.next?.transport) {
      const { answered } = this.next;
      // These keys took our answer to make, so who has them can receive where it went.
      const address = answered.includes(from) ? from : answered[answered.length - 1];
      this.next = undefined;
      transport.expiresAt = transport.rejectAt;
      this.establish(now, transport, address);
      this.rearm();
    } else {
      // Kept as long as the peer uses them: after a simultaneous open the two ends may each prefer another set.
      transport.expiresAt = Math.min(transport.rejectAt, now + this.context.limits.grace);
    }
  }

  private handleControl(
    now: Micros,
    from: string,
    transport: SessionTransport,
    text: Uint8Array,
  ): SessionDropReason | undefined {
    if (text.length !== 1 + wire.CHALLENGE_BYTES) return 'bad-control';
    const data = text.subarray(1);
    if (text[0] === wire.FRAME_CHALLENGE) {
      this.sendControl(transport, from, wire.FRAME_ANSWER, data);
      return undefined;
    }
    if (text[0] !== wire.FRAME_ANSWER) return 'bad-control';
    const answered = this.addresses.onAnswer(now, from, data);
    if (answered && 'move' in answered) this.moveTo(answered.move);
    else if (answered) this.context.emit({ type: 'answered', peer: this.peer, ...answered });
    return undefined;
  }

  private establish(now: Micros, transport: SessionTransport, address: string): void {
    const { context, current } = this;
    if (current) {
      if (this.previous) context.freeIndex(this.previous.localIndex);
      this.previous = current;
      current.expiresAt = Math.min(current.rejectAt, now + context.limits.grace);
    }
    this.current = transport;
    this.met = true;
    this.opening.finish();
    this.unansweredSince = NEVER;
    this.probe = undefined;
    this.heardAt = now;
    const { peer, addresses } = this;
    const { incarnation } = transport;
    if (current) {
      context.emit({ type: 'rekeyed', peer });
      // A handshake tries one locator after the other, so under loss it says little of which is the better one.
      if (!addresses.areLocators(address, addresses.current)) this.moveTo(address);
    } else {
      addresses.moveTo(address);
      context.emit({ type: 'established', peer, incarnation, address, path: addresses.path });
    }
  }

  /** What a genuine handshake says of the peer's life; a higher incarnation ends all that belongs to the one before. */
  private noteIncarnation(incarnation: number): void {
    const known = this.incarnation;
    if (known === incarnation) return;
    this.incarnation = incarnation;
    this.peerCounter = -1;
    if (known === undefined) return;
    this.dropKeys();
    this.addresses.forgetCandidates();
    // A life that we only know from its first messages (one may have been replayed) had nothing to lose.
    if (!this.met) return;
    this.met = false;
    this.addresses.path++;
    this.context.emit({ type: 'reset', peer: this.peer, incarnation });
  }

  private noteVersion(version: number): void {
    if (version !== this.context.self.version)
      this.context.emit({ type: 'other-version', peer: this.peer, version });
  }

  private dropKeys(): void {
    for (const transport of [this.current, this.previous, this.next?.transport])
      if (transport) this.context.freeIndex(transport.localIndex);
    this.current = undefined;
    this.previous = undefined;
    this.next = undefined;
    this.probe = undefined;
    this.unansweredSince = NEVER;
  }

  private expireKeys(now: Micros): void {
    const { context, current, previous, next } = this;
    if (previous && now >= previous.expiresAt) {
      context.freeIndex(previous.localIndex);
      this.previous = undefined;
    }
    if (next && now >= next.transport.expiresAt) {
      context.freeIndex(next.transport.localIndex);
      this.next = undefined;
    }
    if (current && now >= Math.min(current.rejectAt, this.idleAt())) {
      this.dropKeys();
      context.emit({ type: 'expired', peer: this.peer });
    }
  }

  private idleAt(): Micros {
    return Math.max(this.heardAt, this.sentAt) + this.context.limits.idleAfter;
  }

  private rekeyAt(transport: SessionTransport): Micros {
    if (transport.sent >= this.context.limits.rekeyAfterPackets) return transport.createdAt;
    if (transport.initiator) return transport.rekeyAt;
    return transport.createdAt + (transport.rekeyAt - transport.createdAt) * limits.RESPONDER_REKEY_FACTOR;
  }

  private want(now: Micros): void {
    this.opening.want(now);
    this.runOpening(now);
  }

  private runOpening(now: Micros): void {
    const { current, next, opening } = this;
    if (current && !opening.isWanted && !next && now >= this.rekeyAt(current)) opening.want(now);
    const goesOn = opening.run(now, this.nextNumber, next !== undefined);
    if (!goesOn && !current) this.context.emit({ type: 'unreachable', peer: this.peer });
  }

  private runProbe(now: Micros): void {
    if (!this.current) return;
    if (!this.probe && now >= this.unansweredSince + limits.UNANSWERED_AFTER)
      this.probe = { sends: 0, nextAt: now };
    if (!this.probe || now < this.probe.nextAt) return;
    if (this.probe.sends < limits.PROBE_SENDS) return this.sendProbe(now);
    // It does not answer under these keys: it may have lost them.
    this.probe = undefined;
    this.unansweredSince = NEVER;
    this.want(now);
  }

  private transport(
    now: Micros,
    established: Established,
    localIndex: number,
    remoteIndex: number,
    initiator: boolean,
    peer: { incarnation: number; nextNumber: number },
  ): SessionTransport {
    const { self, limits: own } = this.context;
    const transport = new Transport<Session>({
      owner: this,
      aead: self.suite.aead,
      established,
      localIndex,
      remoteIndex,
      initiator,
      incarnation: peer.incarnation,
      peerNext: peer.nextNumber,
      now,
      rekeyAt: now + own.rekeyAfter,
      rejectAt: now + own.rejectAfter,
    });
    this.bind(transport);
    return transport;
  }

  private sendProbe(now: Micros): void {
    const probe = this.probe!;
    this.sendControl(this.current!, this.addresses.current, wire.FRAME_CHALLENGE, this.challengeData());
    probe.nextAt = now + limits.RETRY_MIN * 2 ** probe.sends;
    probe.sends++;
  }

  private sendControl(transport: SessionTransport, to: string, frame: number, data: Uint8Array): void {
    const datagram = new Uint8Array(wire.CONTROL_SIZE);
    datagram[wire.PROTECTED_HEADER] = frame;
    datagram.set(data, wire.PROTECTED_HEADER + 1);
    transport.sealControl(datagram);
    this.context.transmit(to, datagram);
  }

  private readonly challengeData = (): Uint8Array => this.context.entropy.bytes(wire.CHALLENGE_BYTES);

  private arm(at: Micros): void {
    if (at < this.deadline) this.deadline = at;
  }

  private rearm(): void {
    const { current, opening, previous, next } = this;
    let at = Math.min(opening.deadline(), previous?.expiresAt ?? NEVER, next?.transport.expiresAt ?? NEVER);
    if (current) {
      at = Math.min(at, this.addresses.deadline, current.rejectAt, this.idleAt());
      if (opening.index === undefined && !opening.isWanted && !next) at = Math.min(at, this.rekeyAt(current));
      at = Math.min(at, this.probe ? this.probe.nextAt : this.unansweredSince + limits.UNANSWERED_AFTER);
    }
    this.deadline = at;
  }
}
