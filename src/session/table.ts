/**
 * All sessions of a member: tells from a datagram which session it belongs to, and keeps strangers out. Sans-IO.
 * In: datagrams with their source, texts to protect, time. Out: opened texts, protected datagrams, the session layer's
 * own datagrams (`pollTransmit`), deadlines and events. A datagram of somebody unknown leaves nothing but a count behind;
 * the cheapest check comes first: length, index or mac1, cookie, budget, and only then an agreement of keys.
 */

import { Budget } from '../core/budget.js';
import { compareBytes } from '../core/bytes.js';
import { Deadlines } from '../core/deadlines.js';
import type { Micros } from '../core/time.js';
import { defaultSuite, type Suite } from '../crypto/noise.js';
import { agreementKeyOf, type StaticKeys } from '../crypto/x25519.js';
import { HeadwaterError } from '../errors.js';
import { DIALECT, type Dialect } from '../wire/dialect.js';
import { MAX_DATAGRAM, MAX_LOCATORS } from '../wire/limits.js';
import { parseVia } from '../wire/via.js';
import type { SessionContext } from './context.js';
import type { SessionDropReason, SessionEvent } from './events.js';
import { HandshakeGuard } from './handshake/guard.js';
import { type Identity, openInitiation } from './handshake/messages.js';
import { Hints } from './hints.js';
import { DEFAULT_LIMITS, type Entropy, MAX_OUTBOX, RESPONSE_RATE, type SessionLimits } from './limits.js';
import { type Sealed, Session, type SessionTransport } from './session.js';
import { BAD_TAG, REPLAYED } from './transport.js';
import * as wire from './wire.js';

export interface SessionTableOptions {
  /** 32 bytes. */
  groupId: Uint8Array;
  /** Of this member: `keys.exchangeKeys()`. */
  keys: StaticKeys;
  /** Greater than at any earlier start with the same key; 48 bits. */
  incarnation: number;
  /** Of the application, told to every peer; 16 bits. Default 0. */
  version?: number;
  /** What of the protocol it speaks, as a build of another age would; default: all that this one does. */
  dialect?: Dialect | undefined;
  entropy: Entropy;
  /** By member index; undefined for ourselves. */
  peers: readonly (SessionPeer | undefined)[];
  suite?: Suite;
  limits?: Partial<SessionLimits>;
}

export interface SessionPeer {
  /** Ed25519. */
  publicKey: Uint8Array;
  /** Where it may be, the best first; none if it calls us. */
  locators: readonly string[];
}

/** The text of a genuine DATA datagram. */
export interface Received {
  peer: number;
  /** A view into the datagram given. */
  payload: Uint8Array;
  packetNumber: number;
  /** Where it came from. The path in use is `table.session(peer).addresses`; a new source is validated by itself. */
  from: string;
  /** Of the peer: numbers of another incarnation have nothing to do with these. */
  incarnation: number;
}

export interface SessionTransmit {
  to: string;
  bytes: Uint8Array;
}

export interface SessionMetrics {
  drops: Partial<Record<SessionDropReason, number>>;
  /** First messages that were worked on (an agreement of keys each). */
  handshakesRead: number;
  cookiesSent: number;
}

export class SessionTable {
  readonly metrics: SessionMetrics = { drops: {}, handshakesRead: 0, cookiesSent: 0 };
  private readonly self: Identity;
  private readonly entropy: Entropy;
  private readonly guard: HandshakeGuard;
  private readonly responses = new Budget(RESPONSE_RATE);
  private readonly strangerHints = new Hints();
  private readonly sessions: (Session | undefined)[] = [];
  private readonly deadlines: Deadlines;
  private readonly byStatic = new Map<string, Session>();
  private readonly byLocator = new Map<string, Session>();
  /** Receiver indices that are taken, and the keys of those that have any. */
  private readonly owners = new Map<number, Session>();
  private readonly transports = new Map<number, SessionTransport>();
  private readonly outbox: SessionTransmit[] = [];
  private readonly events: SessionEvent[] = [];
  private now: Micros = 0;

  /** A peer with an unusable key just never gets a session; to one without locators it has to come from there. */
  constructor(options: SessionTableOptions) {
    const { keys, entropy } = options;
    const suite = options.suite ?? defaultSuite();
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { groupId, incarnation, version = 0, dialect = DIALECT } = options;
    this.self = { suite, keys, groupId, incarnation, version, dialect };
    this.entropy = entropy;
    this.guard = new HandshakeGuard({ entropy, aead: suite.aead, ownStatic: keys.publicKey, limits });
    this.deadlines = new Deadlines(options.peers.length);
    const context: SessionContext = {
      self: this.self,
      limits,
      entropy,
      claimIndex: (peer) => this.claimIndex(peer),
      freeIndex: (index) => {
        this.owners.delete(index);
        this.transports.delete(index);
      },
      transmit: (to, bytes) => this.transmit(to, bytes),
      emit: (event) => this.events.push(event),
      schedule: (peer, at) => this.deadlines.set(peer, at),
    };
    options.peers.forEach((peer, index) => {
      this.sessions.push(peer && this.createSession(context, peer, index));
    });
  }

  /** The session with a member, to look at; undefined for ourselves and for members with an unusable key. */
  session(peer: number): Session | undefined {
    return this.sessions[peer];
  }

  /** Asks for a session with the peer; `protect` does so too. */
  connect(now: Micros, peer: number): void {
    this.sessions[peer]?.connect(this.clamp(now));
  }

  /** Asks an address of the peer for a sign of life, if there is a session: the event 'answered' tells. */
  challenge(now: Micros, peer: number, address: string): void {
    this.sessions[peer]?.challenge(this.clamp(now), address);
  }

  /** Turns to another of the peer's locators, one that has answered: the event 'migrated' follows. */
  moveTo(peer: number, address: string): void {
    this.sessions[peer]?.reach.moveTo(address);
  }

  /** Addresses that a peer has signed: tried while there is no session with it. */
  learn(peer: number, addresses: readonly string[]): void {
    this.sessions[peer]?.addresses.learn(addresses);
  }

  /** Replaces a peer's locators; the address in use stays as long as it answers. Throws INVALID_CONFIG for none. */
  setLocators(peer: number, locators: readonly string[]): void {
    if (locators.length === 0)
      throw new HeadwaterError('INVALID_CONFIG', `locators: expected at least one, got none`);
    const session = this.sessions[peer];
    if (!session) return;
    for (const [locator, owner] of this.byLocator) if (owner === session) this.byLocator.delete(locator);
    session.addresses.setListed(locators);
    for (const locator of locators.slice(0, MAX_LOCATORS)) this.byLocator.set(locator, session);
  }

  /** A peer may be at this address: see `Session.knock`. */
  knock(now: Micros, peer: number, address: string): void {
    this.sessions[peer]?.knock(this.clamp(now), address);
  }

  /** By way of whom a peer can be reached now, the best first: see `Session.setWays`. */
  setWays(now: Micros, peer: number, ways: readonly string[]): void {
    this.sessions[peer]?.setWays(this.clamp(now), ways);
  }

  /**
   * Protects `payload` for the peer. Undefined if there is no session yet: then one is being made, and 'established'
   * tells when to try again.
   *
   * @example
   * const sealed = table.protect(now, peer, payload);
   * if (sealed) send(sealed.to, sealed.bytes);
   */
  protect(now: Micros, peer: number, payload: Uint8Array): Sealed | undefined {
    const session = this.sessions[peer];
    if (!session) return undefined;
    // No buffer for a peer that cannot be sent to: that is what a queue of unsent data keeps asking.
    if (!session.isEstablished) {
      session.connect(this.clamp(now));
      return undefined;
    }
    const datagram = new Uint8Array(payload.length + wire.PROTECTED_OVERHEAD);
    datagram.set(payload, wire.PROTECTED_HEADER);
    return session.seal(this.clamp(now), datagram);
  }

  /**
   * As `protect`, without a copy: the payload already stands in `datagram` from PROTECTED_HEADER (9) on, with 16 bytes of
   * room behind it. It becomes the datagram to send. `number`, if given, is above all before it: numbers may be skipped.
   */
  protectInPlace(now: Micros, peer: number, datagram: Uint8Array, number?: number): Sealed | undefined {
    return this.sessions[peer]?.seal(this.clamp(now), datagram, number);
  }

  /**
   * Takes in one datagram, which is overwritten. Returns what a peer had to say in it, undefined where it was of the
   * session layer itself or is dropped (and counted). Never throws for what it holds.
   *
   * @param from `host:port`, written as the locators are
   */
  handleDatagram(now: Micros, from: string, datagram: Uint8Array): Received | undefined {
    const time = this.clamp(now);
    switch (datagram[0]) {
      case wire.DATA:
      case wire.CONTROL:
        return this.handleProtected(time, from, datagram);
      case wire.INITIATION:
        return this.count(this.handleInitiation(time, from, datagram));
      case wire.RESPONSE:
        return this.count(this.handleResponse(time, from, datagram));
      case wire.COOKIE:
        return this.count(this.handleCookie(time, datagram));
      default:
        return this.count(this.handleForeign(time, from, datagram));
    }
  }

  /** Runs what is due; a spurious call is harmless. */
  handleTimeout(now: Micros): void {
    const time = this.clamp(now);
    const { deadlines, sessions } = this;
    for (let peer = deadlines.firstDue(time); peer >= 0; peer = deadlines.firstDue(time, peer + 1))
      sessions[peer]!.handleTimeout(time);
  }

  /** The next datagram of the session layer itself. It is not paced: there are few, and they are small. */
  pollTransmit(): SessionTransmit | undefined {
    return this.outbox.shift();
  }

  /** When `handleTimeout` is due; may change after any other call. */
  nextTimeout(): Micros {
    return this.deadlines.earliest;
  }

  pollEvent(): SessionEvent | undefined {
    return this.events.shift();
  }

  /** What is held for peers and strangers: for tests and metrics. It never grows beyond a few entries per peer. */
  sizes(): { indices: number; transports: number; outbox: number; events: number } {
    return {
      indices: this.owners.size,
      transports: this.transports.size,
      outbox: this.outbox.length,
      events: this.events.length,
    };
  }

  private handleForeign(now: Micros, from: string, datagram: Uint8Array): SessionDropReason {
    const version = datagram.length > 0 ? datagram[0] >> 4 : wire.SESSION_VERSION;
    if (version === wire.SESSION_VERSION) return 'malformed';
    this.byLocator.get(from)?.run.noteForeign(now, { lowest: version, highest: version });
    return 'foreign-version';
  }

  private handleProtected(now: Micros, from: string, datagram: Uint8Array): Received | undefined {
    const { length } = datagram;
    if (length < wire.PROTECTED_OVERHEAD || length > MAX_DATAGRAM) return this.count('malformed');
    const transport = this.transports.get(wire.readU32(datagram, 1));
    if (!transport) {
      const sender = this.sessions[parseVia(from)?.member ?? -1] ?? this.byLocator.get(from);
      sender?.handleStranger(now, from, length);
      return this.count('unknown-index');
    }
    if (now >= transport.expiresAt) return this.count('unknown-index');
    const packetNumber = transport.open(datagram);
    if (packetNumber < 0)
      return this.count(
        packetNumber === BAD_TAG ? 'bad-tag' : packetNumber === REPLAYED ? 'replayed' : 'too-old',
      );
    const { owner } = transport;
    const reason = owner.handleOpened(now, { from, datagram, packetNumber, transport });
    if (datagram[0] !== wire.DATA) return this.count(reason);
    const { incarnation } = transport;
    return { peer: owner.peer, payload: transport.text, packetNumber, from, incarnation };
  }

  private handleInitiation(now: Micros, from: string, datagram: Uint8Array): SessionDropReason | undefined {
    const { length } = datagram;
    if (length < wire.INITIATION_SIZE || length > wire.MAX_INITIATION) return 'malformed';
    const verdict = this.guard.judge(now, from, datagram, this.byLocator.get(from)?.reserve);
    if (verdict === 'bad-mac') return 'bad-mac';
    if (verdict === 'over-budget') return 'handshake-budget';
    if (verdict === 'cookie') {
      // Half of the queue stays free for members.
      if (this.outbox.length >= MAX_OUTBOX / 2) return 'outbox-overflow';
      this.metrics.cookiesSent++;
      this.transmit(from, this.guard.cookieReply(now, from, datagram));
      return 'cookie-required';
    }
    this.metrics.handshakesRead++;
    let session: Session | undefined;
    let reason: SessionDropReason = 'handshake-mismatch';
    const opened = openInitiation(this.self, datagram, (remoteStatic) => {
      session = this.byStatic.get(keyOf(remoteStatic));
      if (!session) reason = 'unknown-key';
      return session?.sharedStatic;
    });
    if (opened && session) return session.handleInitiation(now, from, opened, datagram);
    const sender = this.byLocator.get(from);
    const mayHint = (sender?.hints ?? this.strangerHints).take(now, 'foreign-group');
    if (mayHint) this.events.push({ type: 'foreign-group', member: sender?.peer });
    return reason;
  }

  private handleResponse(now: Micros, from: string, datagram: Uint8Array): SessionDropReason | undefined {
    const { length } = datagram;
    if (length < wire.RESPONSE_SIZE || length > wire.INITIATION_SIZE) return 'malformed';
    const index = wire.readU32(datagram, 5);
    const session = this.owners.get(index);
    if (!session || session.pendingIndex !== index) return 'bad-response';
    if (!this.responses.take(now)) return 'handshake-budget';
    return session.handleResponse(now, from, datagram);
  }

  private handleCookie(now: Micros, datagram: Uint8Array): SessionDropReason | undefined {
    if (datagram.length !== wire.COOKIE_SIZE) return 'malformed';
    const index = wire.readU32(datagram, 1);
    const session = this.owners.get(index);
    return session && session.pendingIndex === index ? session.handleCookie(now, datagram) : 'bad-cookie';
  }

  private createSession(context: SessionContext, peer: SessionPeer, index: number): Session | undefined {
    const { suite, keys } = this.self;
    const remoteStatic = staticOf(peer.publicKey);
    const sharedStatic = remoteStatic && suite.agreement.agree(keys.secret, remoteStatic);
    if (!remoteStatic || !sharedStatic) return undefined;
    const hasPrecedence = compareBytes(keys.publicKey, remoteStatic) < 0;
    const { locators } = peer;
    const remote = { peer: index, static: remoteStatic, shared: sharedStatic };
    const session = new Session(context, remote, {
      hasPrecedence,
      locators,
      bind: (transport) => this.transports.set(transport.localIndex, transport),
    });
    this.byStatic.set(keyOf(remoteStatic), session);
    for (const locator of locators) this.byLocator.set(locator, session);
    return session;
  }

  /** Random, so that nobody can guess one: what names no index of ours is dropped at the cost of a look-up. */
  private claimIndex(peer: number): number {
    let index: number;
    do index = wire.readU32(this.entropy.bytes(4), 0);
    while (this.owners.has(index));
    this.owners.set(index, this.sessions[peer]!);
    return index;
  }

  private transmit(to: string, bytes: Uint8Array): void {
    if (this.outbox.length >= MAX_OUTBOX) {
      this.count('outbox-overflow');
      return;
    }
    this.outbox.push({ to, bytes });
  }

  private count(reason: SessionDropReason | undefined): undefined {
    if (reason) this.metrics.drops[reason] = (this.metrics.drops[reason] ?? 0) + 1;
    return undefined;
  }

  /** Time never runs backwards in here, whatever the caller's clock does. */
  private clamp(now: Micros): Micros {
    if (now > this.now) this.now = now;
    return this.now;
  }
}

/** Computed once for all tables of a process that share a group: its inversion takes longer than an agreement of keys. */
function staticOf(identity: Uint8Array): Uint8Array | undefined {
  if (!statics.has(identity)) statics.set(identity, agreementKeyOf(identity));
  return statics.get(identity);
}

const statics = new WeakMap<Uint8Array, Uint8Array | undefined>();

function keyOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
