/**
 * The session with one peer, sans-IO: handshakes on demand and on request, keys and their renewal, probes and paths.
 * `current` keys protect; `previous` ones still open what is in flight; `answered` are those that the peer asked for and has
 * not used yet: a replayed or forged first message gets no further than that, and takes nothing from what is in use.
 */
import { type Micros, NEVER } from '../core/time.js';
import { equalSecrets } from '../crypto/mac.js';
import type { Established } from '../crypto/noise.js';
import { HeadwaterError } from '../errors.js';
import { Addresses } from './addresses.js';
import { Budget } from './budget.js';
import type { Remote, SessionContext } from './context.js';
import type { SessionDropReason } from './events.js';
import type { OpenedInitiation } from './handshake/messages.js';
import { Opening } from './handshake/opening.js';
import { Hints } from './hints.js';
import * as limits from './limits.js';
import { Transport, textOf } from './transport.js';
import * as wire from './wire.js';

export type SessionTransport = Transport<Session>;

/** A handshake that the peer asked for, answered, and not confirmed so far by a datagram under its keys. */
interface Answered {
  transport: SessionTransport;
  counter: number;
  version: number;
  /** Where our answer went, the latest last. */
  addresses: string[];
  mac1: Uint8Array;
  response: Uint8Array;
  /** When it may be answered again. */
  repeatAt: Micros;
}

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
  /** What may be told of this member now: each thing not often. */
  readonly hints = new Hints();
  /** For first messages that are answered: the newest of a run, and all others. */
  private readonly answerBudget = new Budget(limits.MEMBER_HANDSHAKE_RATE, limits.MEMBER_HANDSHAKE_BURST);
  private readonly otherBudget = new Budget(limits.MEMBER_HANDSHAKE_RATE, limits.MEMBER_HANDSHAKE_BURST);
  private current: SessionTransport | undefined;
  private previous: SessionTransport | undefined;
  /** The oldest first. */
  private answered: Answered[] = [];
  private probe: { sends: number; nextAt: Micros } | undefined;
  /** Numbers of DATA go on from one set of keys to the next, so that acknowledgements need not know of keys. */
  nextNumber = 1;
  /** Of the newest first message of this incarnation whose keys were used. */
  private peerCounter = -1;
  /** When a first message was last answered, and since when this goes on without any being confirmed. */
  private answeredAt: Micros = -NEVER;
  private unheardSince: Micros = -NEVER;
  private unansweredSince: Micros = NEVER;
  private heardAt: Micros = 0;
  private nextElsewhere: Micros = 0;
  private sentAt: Micros = 0;
  private dueAt: Micros = NEVER;

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

  /**
   * Takes in a genuine first message; gives the reason where it is dropped all the same. Anyone may have replayed it, and who
   * holds our own key can forge one: what it says counts only once a datagram under its keys has come.
   */
  handleInitiation(
    now: Micros,
    from: string,
    opened: OpenedInitiation,
    datagram: Uint8Array,
  ): SessionDropReason | undefined {
    const { incarnation, counter } = opened.payload;
    const mac1 = datagram.subarray(wire.INITIATION_MAC1, wire.INITIATION_MAC2);
    const known = this.answered.find((each) => equalSecrets(each.mac1, mac1));
    if (known) return this.repeatAnswer(now, from, known);
    if (incarnation === this.incarnation && counter <= this.peerCounter) return 'stale-handshake';
    if (this.isOutdated(now, incarnation)) return this.refuse(now, from, opened);
    if (this.hasPrecedence && this.opening.isFresh(now)) return 'simultaneous';
    // Of one run the newest goes first, so that replays of older ones cannot use up what it needs.
    const isNewest = !this.answered.some(
      (each) => each.transport.incarnation === incarnation && each.counter > counter,
    );
    if (!(isNewest ? this.answerBudget : this.otherBudget).take(now)) return 'handshake-budget';
    const { context } = this;
    const index = context.claimIndex(this.peer);
    const made = this.respond(opened, index, incarnation);
    if (!made) {
      context.freeIndex(index);
      return 'handshake-mismatch';
    }
    if (this.answered.length >= limits.MAX_ANSWERED) this.forgetAnswered((_, i) => i === 0);
    const transport = this.transport(now, made.established, index, opened.remoteIndex, false, opened.payload);
    transport.expiresAt = now + limits.UNCONFIRMED_LIFETIME;
    this.answered.push({
      transport,
      counter,
      version: opened.payload.version,
      addresses: [from],
      mac1: mac1.slice(),
      response: made.datagram,
      repeatAt: now + limits.ANSWER_INTERVAL,
    });
    this.noteUnheard(now);
    context.transmit(from, made.datagram);
    this.rearm();
    return undefined;
  }

  /** Takes in a RESPONSE to our pending handshake. */
  handleResponse(now: Micros, from: string, datagram: Uint8Array): SessionDropReason | undefined {
    const opened = this.opening.openResponse(from, datagram);
    if (!opened) return 'bad-response';
    const { incarnation, counting } = opened.payload;
    const { peer, context } = this;
    if (counting > context.self.incarnation) {
      if (this.hints.take(now, 'superseded')) context.emit({ type: 'superseded', member: peer, counting });
      return 'stale-handshake';
    }
    // Nobody can have replayed it: it answers what we have just made.
    if (this.isOutdated(now, incarnation)) {
      this.tellOlder(now, incarnation);
      return 'stale-handshake';
    }
    this.noteIncarnation(incarnation);
    this.noteVersion(now, opened.payload.version);
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
      this.nextElsewhere = now + limits.ELSEWHERE_INTERVAL;
      this.context.emit({ type: 'elsewhere', peer: this.peer });
    }
    this.arm(addresses.dueAt);
    return text && this.handleControl(now, from, transport, text);
  }

  /** A datagram came from one of this peer's locators for a session that we do not have: it may think we still do. */
  handleStranger(now: Micros, from: string, size: number): void {
    if (this.current) return;
    this.opening.react(now, from, size, this.nextNumber);
    this.rearm();
  }

  handleTimeout(now: Micros): void {
    this.expireKeys(now);
    this.runProbe(now);
    this.runOpening(now);
    if (this.current)
      for (let due = this.addresses.takeDue(now); due; due = this.addresses.takeDue(now))
        this.sendControl(this.current, due.address, wire.FRAME_CHALLENGE, due.data);
    else this.addresses.forgetCandidates();
    this.rearm();
  }

  private handleOtherKeys(now: Micros, from: string, transport: SessionTransport): void {
    const answered = this.answered.find((each) => each.transport === transport);
    if (answered) {
      const { addresses, counter, version } = answered;
      // These keys took our answer to make, so who has them can receive where it went.
      const address = addresses.includes(from) ? from : addresses[addresses.length - 1];
      this.answered = this.answered.filter((each) => each !== answered);
      this.noteIncarnation(transport.incarnation);
      this.noteVersion(now, version);
      this.peerCounter = Math.max(this.peerCounter, counter);
      // Whatever the peer asked for before is over for it, too.
      this.forgetAnswered(
        (each) => each.transport.incarnation === transport.incarnation && each.counter < counter,
      );
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
    this.answeredAt = -NEVER;
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

  /** What a handshake has proved of the peer's run; another one ends all that belongs to the one before. */
  private noteIncarnation(incarnation: number): void {
    const known = this.incarnation;
    if (known === incarnation) return;
    this.incarnation = incarnation;
    this.peerCounter = -1;
    if (known === undefined) return;
    this.dropKeys();
    this.forgetAnswered(({ transport }) => transport.incarnation < incarnation);
    this.addresses.forgetCandidates();
    this.addresses.path++;
    this.context.emit({ type: 'reset', peer: this.peer, incarnation });
  }

  /**
   * Whether a later run of the peer is here. Incarnations are times, and clocks go back: once that run has been silent for a
   * while, what is here now counts.
   */
  private isOutdated(now: Micros, incarnation: number): boolean {
    return (
      this.incarnation !== undefined &&
      incarnation < this.incarnation &&
      now < this.heardAt + limits.RUN_SILENCE
    );
  }

  /** Tells a run that is not the latest, so that its operator hears of it; nothing is kept. */
  private refuse(now: Micros, from: string, opened: OpenedInitiation): SessionDropReason {
    this.tellOlder(now, opened.payload.incarnation);
    if (!this.otherBudget.take(now)) return 'handshake-budget';
    const { context } = this;
    const index = context.claimIndex(this.peer);
    context.freeIndex(index);
    const made = this.respond(opened, index, this.incarnation!);
    if (made) context.transmit(from, made.datagram);
    return 'stale-handshake';
  }

  private tellOlder(now: Micros, incarnation: number): void {
    if (this.hints.take(now, 'older-run'))
      this.context.emit({ type: 'older-run', member: this.peer, incarnation, counting: this.incarnation! });
  }

  private respond(opened: OpenedInitiation, index: number, counting: number) {
    const { entropy, self } = this.context;
    const { incarnation, version } = self;
    return opened.respond(entropy.bytes(32), index, {
      incarnation,
      nextNumber: this.nextNumber,
      version,
      counting,
    });
  }

  /** The same first message once more: our answer was lost. The keys are the same, so it is worth nothing to who replays it. */
  private repeatAnswer(now: Micros, from: string, answered: Answered): SessionDropReason | undefined {
    if (now < answered.repeatAt) return 'handshake-budget';
    answered.repeatAt = now + limits.ANSWER_INTERVAL;
    answered.addresses = [...answered.addresses.filter((address) => address !== from).slice(-3), from];
    this.noteUnheard(now);
    this.context.transmit(from, answered.response);
    return undefined;
  }

  /** A first message was answered: if that goes on and none is confirmed, our answers do not arrive. */
  private noteUnheard(now: Micros): void {
    if (now - this.answeredAt > limits.UNHEARD_AFTER) this.unheardSince = now;
    this.answeredAt = now;
    if (now - this.unheardSince >= limits.UNHEARD_AFTER && this.hints.take(now, 'unheard'))
      this.context.emit({ type: 'unheard', member: this.peer });
  }

  private forgetAnswered(which: (answered: Answered, index: number) => boolean): void {
    this.answered = this.answered.filter((each, i) => {
      if (!which(each, i)) return true;
      this.context.freeIndex(each.transport.localIndex);
      return false;
    });
  }

  private noteVersion(now: Micros, version: number): void {
    if (version !== this.context.self.version && this.hints.take(now, 'other-version'))
      this.context.emit({ type: 'other-version', member: this.peer, version });
  }

  /** Those in use: what has been answered is not confirmed yet, and may be of any run. */
  private dropKeys(): void {
    for (const transport of [this.current, this.previous])
      if (transport) this.context.freeIndex(transport.localIndex);
    this.current = undefined;
    this.previous = undefined;
    this.probe = undefined;
    this.unansweredSince = NEVER;
  }

  private expireKeys(now: Micros): void {
    const { context, current, previous } = this;
    if (previous && now >= previous.expiresAt) {
      context.freeIndex(previous.localIndex);
      this.previous = undefined;
    }
    if (this.answered.some(({ transport }) => now >= transport.expiresAt))
      this.forgetAnswered(({ transport }) => now >= transport.expiresAt);
    if (current && now >= Math.min(current.rejectAt, this.idleAt())) {
      this.dropKeys();
      context.emit({ type: 'expired', peer: this.peer });
    }
  }

  private idleAt(): Micros {
    return Math.max(this.heardAt, this.sentAt) + this.context.limits.idleAfter;
  }

  private rekeyAt(transport: SessionTransport): Micros {
    // The peer's own renewal, if it is one, is as good as ours.
    const patience = this.answered.length > 0 ? limits.YIELD_TIME : 0;
    if (transport.sent >= this.context.limits.rekeyAfterPackets) return transport.createdAt + patience;
    if (transport.initiator) return transport.rekeyAt + patience;
    const age = transport.rekeyAt - transport.createdAt;
    return transport.createdAt + age * limits.RESPONDER_REKEY_FACTOR + patience;
  }

  private want(now: Micros): void {
    this.opening.want(now);
    this.runOpening(now);
  }

  private runOpening(now: Micros): void {
    const { current, opening } = this;
    if (current && !opening.isWanted && now >= this.rekeyAt(current)) opening.want(now);
    const goesOn = opening.handleTimeout(now, this.nextNumber);
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

  private schedule(at: Micros): void {
    this.dueAt = at;
    this.context.schedule(this.peer, at);
  }

  private arm(at: Micros): void {
    if (at < this.dueAt) this.schedule(at);
  }

  private rearm(): void {
    const { current, opening, previous, answered } = this;
    // In the order in which they were answered.
    const unconfirmed = answered[0]?.transport.expiresAt ?? NEVER;
    let at = Math.min(opening.nextTimeout(), previous?.expiresAt ?? NEVER, unconfirmed);
    if (current) {
      at = Math.min(at, this.addresses.dueAt, current.rejectAt, this.idleAt());
      if (opening.index === undefined && !opening.isWanted) at = Math.min(at, this.rekeyAt(current));
      at = Math.min(at, this.probe ? this.probe.nextAt : this.unansweredSince + limits.UNANSWERED_AFTER);
    }
    this.schedule(at);
  }
}
