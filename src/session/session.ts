/**
 * The session with one peer, sans-IO: handshakes on demand (`Opening`) and on request (`Answers`), keys and their renewal
 * (`Keys`), where the peer is and whether it answers (`Reach`), and which run of it counts (`PeerRun`). What a first message
 * says counts only once a datagram has come under its keys.
 */

import { Budget } from '../core/budget.js';
import { type Micros, NEVER } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import type { Agreed } from '../wire/dialect.js';
import type { Remote, SessionContext } from './context.js';
import type { SessionDropReason, SessionEvent } from './events.js';
import { Answers } from './handshake/answers.js';
import type { OpenedInitiation } from './handshake/messages.js';
import { Opening } from './handshake/opening.js';
import { PeerRun } from './handshake/run.js';
import { Hints } from './hints.js';
import { Keys } from './keys.js';
import * as limits from './limits.js';
import type { Addresses } from './reach/addresses.js';
import { type Heard, Reach } from './reach/reach.js';
import type { Transport } from './transport.js';
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

/** How long a handshake took. */
type Timed = Pick<Extract<SessionEvent, { type: 'established' }>, 'rtt' | 'isMost'>;

export class Session {
  readonly peer: number;
  /** The agreement of both static keys. */
  readonly sharedStatic: Uint8Array;
  /** For first messages and cookies at this member's own locators. */
  readonly reserve = new Budget(limits.MEMBER_HANDSHAKE_RATE, limits.MEMBER_HANDSHAKE_BURST);
  /** What may be told of this member now: each thing not often. */
  readonly hints = new Hints();
  /** Numbers of DATA go on from one set of keys to the next, so that acknowledgements need not know of keys. */
  nextNumber = 1;
  private readonly context: SessionContext;
  private readonly opening: Opening;
  private readonly answers: Answers<Session>;
  private readonly keys: Keys<Session>;
  readonly reach: Reach;
  /** What is known of its runs. */
  readonly run: PeerRun;
  private readonly hasPrecedence: boolean;
  private dueAt: Micros = NEVER;

  /** @param hasPrecedence whether our first message stands where both sides send one */
  constructor(
    context: SessionContext,
    remote: Remote,
    options: {
      hasPrecedence: boolean;
      locators: readonly string[];
      /** Makes DATA and CONTROL for its index reach the transport. */
      bind: (transport: SessionTransport) => void;
    },
  ) {
    this.context = context;
    this.peer = remote.peer;
    this.sharedStatic = remote.shared;
    this.hasPrecedence = options.hasPrecedence;
    const { hints, peer } = this;
    this.run = new PeerRun(context, peer, hints);
    this.reach = new Reach(context, peer, options.locators);
    this.opening = new Opening(context, remote, this.addresses);
    this.keys = new Keys<Session>(context, this, options.bind);
    this.answers = new Answers<Session>({ context, peer, keys: this.keys, hints });
  }

  /** What is spoken in it; undefined while there is none. */
  get agreed(): Agreed | undefined {
    return this.keys.current?.agreed;
  }

  get addresses(): Addresses {
    return this.reach.addresses;
  }

  /** The receiver index of the handshake that we started, if there is one. */
  get pendingIndex(): number | undefined {
    return this.opening.index;
  }

  get isEstablished(): boolean {
    return this.keys.current !== undefined;
  }

  /** Whether `seal` would protect a datagram now. */
  isUsable(now: Micros): boolean {
    return this.keys.usable(now) !== undefined;
  }

  /**
   * Protects a datagram in place, its text from PROTECTED_HEADER on with 16 bytes of room behind it. Undefined if there
   * is no session yet: then a handshake is under way, 'established' tells when it is done, and `datagram` is untouched.
   */
  seal(now: Micros, datagram: Uint8Array, number = this.nextNumber): Sealed | undefined {
    const current = this.keys.usable(now);
    if (!current) {
      this.want(now);
      this.rearm();
      return undefined;
    }
    if (number < this.nextNumber) throw badNumber(this.nextNumber, number);
    const packetNumber = number;
    this.nextNumber = number + 1;
    current.sealData(datagram, packetNumber);
    this.keys.sentAt = now;
    if (this.reach.probe.onSent(now)) this.arm(now + limits.UNANSWERED_AFTER);
    if (current.sent === this.context.limits.rekeyAfterPackets) this.arm(now);
    const { current: to, path } = this.reach.addresses;
    return { to: to!, bytes: datagram, packetNumber, path };
  }

  /** Asks for a session: starts a handshake unless there is one, or keys in use. */
  connect(now: Micros): void {
    if (!this.keys.current) this.want(now);
    this.rearm();
  }

  /** Asks an address of the peer for a sign of life: 'answered' tells. */
  challenge(now: Micros, address: string): void {
    const { current } = this.keys;
    if (current) this.reach.challenge(now, address, current);
  }

  /** The same where it may be, so that boxes let in what comes from there: without a session it is a first message. */
  knock(now: Micros, address: string): void {
    if (this.isEstablished) return this.challenge(now, address);
    this.opening.knock(now, address, this.nextNumber);
    this.rearm();
  }

  /** By way of whom it can be reached now, the best first. A handshake under way goes there at once. */
  setWays(now: Micros, ways: readonly string[]): void {
    this.reach.setWays(ways);
    if (ways.length > 0 && !this.isEstablished) this.opening.hurry(now);
    this.rearm();
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
    const { run, answers, keys } = this;
    const { dialect, incarnation } = opened.payload;
    if (!dialect) return 'malformed';
    const first = { from, opened, datagram, nextNumber: this.nextNumber };
    const known = answers.find(first);
    if (known) return answers.repeat(now, from, known);
    if (run.isReplay(opened.payload)) return 'stale-handshake';
    if (!opened.agreed)
      return answers.refuse(now, first, incarnation, run.noteForeign(now, dialect.versions));
    if (run.turnAway(now, { incarnation, from }, keys.heardAt))
      return answers.refuse(now, first, run.incarnation!, 'stale-handshake');
    if (this.hasPrecedence && this.opening.isFresh(now, from)) return 'simultaneous';
    const reason = answers.answer(now, first);
    if (!reason) this.rearm();
    return reason;
  }

  /** Takes in a RESPONSE to our pending handshake. */
  handleResponse(now: Micros, from: string, datagram: Uint8Array): SessionDropReason | undefined {
    const opened = this.opening.openResponse(from, datagram);
    if (!opened) return 'bad-response';
    const { index: localIndex, remoteIndex, established, agreed } = opened;
    const { incarnation, counting, dialect } = opened.payload;
    const { run } = this;
    if (!agreed) return run.noteForeign(now, dialect.versions);
    // Nobody can have replayed it: it answers what we have just made.
    if (run.isSuperseded(now, counting) || run.turnAway(now, { incarnation, from }, this.keys.heardAt))
      return 'stale-handshake';
    this.onProved(incarnation);
    run.noteVersion(now, opened.payload.version);
    const ends = { established, localIndex, remoteIndex, initiator: true, agreed };
    const transport = this.keys.make(now, { ...ends, incarnation, peerNext: opened.payload.nextNumber });
    this.opening.release();
    this.establish(now, transport, opened.address, { rtt: now - opened.sentAt, isMost: false });
    // The peer may not use these keys before we have: say something at once, until it answers.
    this.reach.probe.begin(now);
    this.runProbe(now);
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
   * Takes in a datagram that has just been opened, under keys of this session.
   *
   * @returns a reason if it was CONTROL without sense
   */
  handleOpened(now: Micros, heard: Heard<Session>): SessionDropReason | undefined {
    const { keys, reach } = this;
    keys.heardAt = now;
    reach.probe.onHeard();
    if (heard.transport === keys.current) reach.probe.end();
    else this.handleOtherKeys(now, heard.from, heard.transport);
    reach.onHeard(now, heard, heard.transport === keys.current);
    this.arm(reach.addresses.dueAt);
    return heard.datagram[0] === wire.CONTROL ? reach.handleControl(now, heard) : undefined;
  }

  /** A datagram came from one of this peer's locators for a session that we do not have: it may think we still do. */
  handleStranger(now: Micros, from: string, size: number): void {
    if (this.keys.current) return;
    this.opening.react(now, from, size, this.nextNumber);
    this.rearm();
  }

  handleTimeout(now: Micros): void {
    this.expireKeys(now);
    this.runProbe(now);
    this.runOpening(now);
    const { current } = this.keys;
    if (current) this.reach.validate(now, current);
    else this.addresses.forgetCandidates();
    this.rearm();
  }

  private handleOtherKeys(now: Micros, from: string, transport: SessionTransport): void {
    const confirmed = this.answers.takeConfirmed(transport);
    // Kept as long as the peer uses them: after a simultaneous open the two ends may each prefer another set.
    if (!confirmed) return this.keys.keep(now, transport);
    const { addresses, counter, version, sentAt, isRepeated } = confirmed;
    // These keys took our answer to make, so who has them can receive where it went.
    const listed = addresses.findLast((each) => this.addresses.locators.includes(each));
    const address = addresses.includes(from) ? from : (listed ?? from);
    this.onProved(transport.incarnation);
    this.run.noteVersion(now, version);
    this.run.onConfirmed(counter);
    this.answers.forgetBefore(confirmed);
    transport.expiresAt = transport.rejectAt;
    this.establish(now, transport, address, { rtt: now - sentAt, isMost: isRepeated });
    this.rearm();
  }

  private establish(now: Micros, transport: SessionTransport, address: string, timed: Timed): void {
    const { context, peer, addresses } = this;
    const isRenewal = this.isEstablished;
    this.keys.rotate(now, transport);
    this.answers.onEstablished();
    this.opening.finish();
    this.reach.probe.reset();
    const { incarnation } = transport;
    if (isRenewal) {
      context.emit({ type: 'rekeyed', peer });
      // A handshake tries one locator after the other, so under loss it says little of which is the better one.
      if (!addresses.isForCaller(address) && !addresses.isResting(now, address)) this.reach.moveTo(address);
    } else {
      addresses.moveTo(address);
      context.emit({ type: 'established', peer, incarnation, address, path: addresses.path, ...timed });
    }
  }

  /** What a handshake has proved of the peer's run; another one ends all that belongs to the one before. */
  private onProved(incarnation: number): void {
    if (!this.run.prove(incarnation)) return;
    // Only keys in use are dropped: what has been answered is not confirmed yet, and may be of a later run.
    this.dropKeys();
    this.answers.forgetRunsBefore(incarnation);
    this.addresses.forgetCandidates();
    this.addresses.path++;
    this.context.emit({ type: 'reset', peer: this.peer, incarnation });
  }

  private dropKeys(): void {
    this.keys.drop();
    this.reach.probe.reset();
  }

  private expireKeys(now: Micros): void {
    this.keys.expirePrevious(now);
    this.answers.expire(now);
    if (now < this.keys.endsAt()) return;
    this.dropKeys();
    this.context.emit({ type: 'expired', peer: this.peer });
  }

  private want(now: Micros): void {
    // Who has no address that we know of calls us.
    if (this.addresses.isKnown) this.opening.want(now);
    this.runOpening(now);
  }

  private runOpening(now: Micros): void {
    const { opening } = this;
    if (!opening.isWanted && now >= this.keys.rekeyAt(!this.answers.isEmpty)) opening.want(now);
    const goesOn = opening.handleTimeout(now, this.nextNumber);
    if (!goesOn && !this.isEstablished) this.context.emit({ type: 'unreachable', peer: this.peer });
  }

  private runProbe(now: Micros): void {
    const { current } = this.keys;
    // What does not answer under these keys may have lost them.
    if (current && !this.reach.runProbe(now, current)) this.want(now);
  }

  private arm(at: Micros, isLater = false): void {
    if (at >= this.dueAt && !isLater) return;
    this.dueAt = at;
    this.context.schedule(this.peer, at);
  }

  private rearm(): void {
    const { opening, keys, answers } = this;
    let at = Math.min(opening.nextTimeout(), keys.nextTimeout(), answers.nextTimeout());
    if (this.isEstablished) {
      at = Math.min(at, this.addresses.dueAt, this.reach.probe.nextTimeout());
      if (opening.index === undefined && !opening.isWanted) at = Math.min(at, keys.rekeyAt(!answers.isEmpty));
    }
    this.arm(at, true);
  }
}

function badNumber(least: number, got: number): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', `packet number: expected ${least} or more, got ${got}`);
}
