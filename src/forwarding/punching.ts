/**
 * Direct ways between members behind boxes that translate addresses (PROTOCOL 4.9): each lets in only what comes from where it has sent to,
 * so both send at once, where a member that reaches both sees them. In: who is reached how, PUNCHes, time. Out: PUNCHes, and addresses to
 * be tried now.
 *
 *   a                      r                       b        r reaches both
 *   | PUNCH for b -------> | PUNCH, a is at A ---> |   b answers, and waits for as long as its answer takes
 *   | <- PUNCH, b is at B  | <-- PUNCH for a       |
 *   | INITIATION to B ---------------------------> |
 *   | <--------------------------- INITIATION to A |
 */
import { Allowance, Budgets } from '../core/budget.js';
import { countDrop, type Drops } from '../core/drops.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import { isLoopback, numericAddress } from '../wire/address.js';
import { MAX_PUNCH_ADDRESSES, type PunchFrame } from '../wire/frames/forwarding/punch.js';
import { parseVia } from '../wire/via.js';

/** Why a PUNCH comes to nothing. */
export type PunchDrop =
  /** It names who is no member or does not say so itself, or nobody whom we reach, or was forwarded and is for another one. */
  | 'punch-refused'
  /** One peer tells of more than is passed on or tried. */
  | 'punch-budget';

export interface PunchingOptions {
  self: number;
  members: number;
  /** Whether the group gives no address of a member: nobody calls it. */
  isUnlisted: (member: number) => boolean;
  /** Whether it knows of all this. */
  speaks: (peer: number) => boolean;
  /** Whether there is a session with a member at an address of a socket. */
  isNear: (member: number) => boolean;
  /** The same, and that it is heard and hears us. */
  isDirect: (now: Micros, member: number) => boolean;
  /** Peers that say that they reach a member by themselves. */
  helpers: (now: Micros, member: number) => number[];
  /** The address in use with a peer, and how long it takes there and back. */
  addressOf: (peer: number) => string | undefined;
  rttOf: (peer: number) => Micros;
  /** Where we may be, the likeliest first. */
  own: () => readonly string[];
  /** Sends one small datagram to an address at which a member may be. */
  knock: (now: Micros, member: number, address: string) => void;
  /** There is something to say to a peer. */
  notify: (peer: number) => void;
  counters: { drops: Drops<PunchDrop> };
}

/** A member that is looked for. */
interface Ask {
  at: Micros;
  tries: number;
  /** Who is asked first: the peer that has just come. */
  hop: number | undefined;
}

/** Addresses of a member that are tried. */
interface Round {
  addresses: readonly string[];
  at: Micros;
  sent: number;
}

export class Punching {
  private readonly options: PunchingOptions;
  private readonly outgoing = new Map<number, PunchFrame[]>();
  /** By member. */
  private readonly asks = new Map<number, Ask>();
  private readonly rounds = new Map<number, Round>();
  /** By peer: PUNCHes that are passed on for it, and that are believed of it. */
  private readonly passing: Budgets;
  private readonly telling: Budgets;
  /** Datagrams to addresses that nobody has answered at. */
  private readonly knocks: Allowance;
  private dueAt: Micros = NEVER;

  constructor(options: PunchingOptions) {
    this.options = options;
    this.passing = new Budgets(PASS_RATE, 4 * options.members + SPARE);
    this.telling = new Budgets(TELL_RATE, 2 * options.members + SPARE);
    const all = { burst: KNOCKS * (options.members + SPARE), rate: ALL_KNOCK_RATE };
    this.knocks = new Allowance({ burst: KNOCK_BURST, rate: KNOCK_RATE }, all);
  }

  /** There is a session with a peer that is reached directly: it may reach those that nobody calls. */
  onNear(now: Micros, peer: number): void {
    const { members, self, isUnlisted, isDirect, speaks } = this.options;
    if (!speaks(peer)) return;
    for (let member = 0; member < members; member++) {
      if (member === self || member === peer || !isUnlisted(member) || isDirect(now, member)) continue;
      const ask = this.asks.get(member);
      if (ask && ask.tries >= EARLY.length) continue;
      this.ask(member, { at: Math.max(now, ask ? ask.at : now), tries: ask?.tries ?? 0, hop: peer });
    }
  }

  /** Members that are not reached directly, for a while: by way of whoever reaches them. */
  onLacking(now: Micros, lacking: readonly number[]): void {
    for (const member of lacking) {
      if (this.asks.has(member)) continue;
      if (this.findHop(now, member) === undefined) continue;
      // Its own locators mostly come back by themselves.
      const at = this.options.isUnlisted(member) ? now : now + PAUSE;
      this.ask(member, { at, tries: 0, hop: undefined });
    }
  }

  /** Takes in what a peer says. */
  handle(now: Micros, peer: number, frame: PunchFrame, isForwarded: boolean): void {
    const { self, members, counters } = this.options;
    const { from, to } = frame;
    if (from === self || from >= members || to >= members || (to !== self && from !== peer))
      return countDrop(counters, 'punch-refused');
    if (to === self) this.try(now, peer, frame);
    else if (isForwarded) countDrop(counters, 'punch-refused');
    else this.passOn(now, peer, frame);
  }

  /** When there is something to say to a peer. */
  nextControl(peer: number): Micros {
    return this.outgoing.has(peer) ? -NEVER : NEVER;
  }

  /** What a peer is told now, in at most so many frames. */
  take(peer: number, most: number): PunchFrame[] {
    const waiting = this.outgoing.get(peer);
    if (!waiting) return [];
    const taken = waiting.splice(0, most);
    if (waiting.length === 0) this.outgoing.delete(peer);
    return taken;
  }

  nextTimeout(): Micros {
    return this.dueAt;
  }

  handleTimeout(now: Micros): void {
    if (now < this.dueAt) return;
    for (const [member, ask] of this.asks) if (ask.at <= now) this.runAsk(now, member, ask);
    for (const [member, round] of this.rounds) if (round.at <= now) this.runRound(now, member, round);
    this.rearm();
  }

  private ask(member: number, ask: Ask): void {
    this.asks.set(member, ask);
    this.rearm();
  }

  private runAsk(now: Micros, member: number, ask: Ask): void {
    const { self, isDirect } = this.options;
    if (isDirect(now, member)) return void this.asks.delete(member);
    const early = EARLY[ask.tries];
    const newcomer =
      early !== undefined && ask.hop !== undefined && this.isHelper(ask.hop) ? ask.hop : undefined;
    const by = this.findHop(now, member, ask.tries) ?? newcomer;
    // Where nobody says that it reaches the member, it is not there: it asks when it comes.
    if (by === undefined && early === undefined) return void this.asks.delete(member);
    // While it is tried, what it has said is the latest.
    if (by !== undefined && !this.rounds.has(member))
      this.say(by, {
        kind: 'punch',
        from: self,
        to: member,
        isAnswer: false,
        wait: 0,
        addresses: this.ownFor(by),
      });
    ask.at = now + (early ?? Math.min(MAX_PAUSE, PAUSE * 2 ** (ask.tries - EARLY.length)));
    ask.tries++;
  }

  /** Who reaches a member, or the member itself if it is reached by way of several: they take turns. */
  private findHop(now: Micros, member: number, turn = 0): number | undefined {
    const { helpers, speaks, addressOf } = this.options;
    const hops = helpers(now, member).filter((hop) => this.isHelper(hop));
    if (hops.length === 0 && parseVia(addressOf(member)) && speaks(member)) return member;
    return hops[turn % hops.length];
  }

  private isHelper(peer: number): boolean {
    return this.options.speaks(peer) && this.options.isNear(peer);
  }

  /** A member is to be tried where a peer says that it is. */
  private try(now: Micros, peer: number, { from, isAnswer, wait, addresses }: PunchFrame): void {
    const { self, rttOf, addressOf, counters } = this.options;
    const toldAt = addressOf(peer) ?? '';
    // What is there on this machine alone says nothing elsewhere: who tells it must be here, too.
    const usable = addresses.filter((address) => isLoopback(toldAt) || !isLoopback(address));
    const known = this.rounds.get(from);
    if (known && isAnswer && known.sent > 0 && usable.every((each) => known.addresses.includes(each))) return;
    if (!this.telling.of(peer).take(now)) return countDrop(counters, 'punch-budget');
    const own = this.ownFor(peer);
    if (!isAnswer)
      this.say(peer, { kind: 'punch', from: self, to: from, isAnswer: true, wait: 0, addresses: own });
    const pause = isAnswer ? 0 : Math.min(MAX_WAIT, rttOf(peer) / 2 + wait * MILLISECOND);
    this.rounds.set(from, { addresses: usable, at: now + Math.round(pause), sent: 0 });
    this.rearm();
  }

  private runRound(now: Micros, member: number, round: Round): void {
    const { isDirect, knock, counters } = this.options;
    // One that has begun anew is not where it was, and does not know our keys.
    if (round.sent > 0 && isDirect(now, member)) return void this.rounds.delete(member);
    for (const address of round.addresses)
      if (this.knocks.take(now, address)) knock(now, member, address);
      else countDrop(counters, 'punch-budget');
    if (round.sent >= ROUNDS.length) return void this.rounds.delete(member);
    round.at = now + ROUNDS[round.sent++];
  }

  private passOn(now: Micros, peer: number, frame: PunchFrame): void {
    const { addressOf, rttOf, counters } = this.options;
    const { to, addresses } = frame;
    if (!this.isHelper(to) || to === peer) return countDrop(counters, 'punch-refused');
    if (!this.passing.of(peer).take(now)) return countDrop(counters, 'punch-budget');
    const seen = numericAddress(addressOf(peer) ?? '');
    const all = seen === undefined ? addresses : [seen, ...addresses.filter((each) => each !== seen)];
    const wait = frame.isAnswer ? 0 : Math.min(0xffff, Math.round(rttOf(peer) / 2 / MILLISECOND));
    this.say(to, { ...frame, wait, addresses: all.slice(0, MAX_PUNCH_ADDRESSES) });
  }

  private say(peer: number, frame: PunchFrame): void {
    const waiting = this.outgoing.get(peer) ?? [];
    // What a peer does not take is asked again.
    if (waiting.length >= MAX_WAITING) waiting.shift();
    waiting.push(frame);
    this.outgoing.set(peer, waiting);
    this.options.notify(peer);
  }

  /** Where we say that we are; who passes it on sees one address more. */
  private ownFor(peer: number): readonly string[] {
    const room = parseVia(this.options.addressOf(peer)) ? MAX_PUNCH_ADDRESSES : MAX_PUNCH_ADDRESSES - 1;
    return this.options.own().slice(0, room);
  }

  private rearm(): void {
    this.dueAt = NEVER;
    for (const { at } of this.asks.values()) this.dueAt = Math.min(this.dueAt, at);
    for (const { at } of this.rounds.values()) this.dueAt = Math.min(this.dueAt, at);
  }
}

/** A peer that has just come is asked thrice, as datagrams may be lost, and whom we look for may come at the same time. */
const EARLY: readonly Micros[] = [100 * MILLISECOND, 300 * MILLISECOND, 900 * MILLISECOND];
/** Then ever less often: what fails thrice mostly goes on to (DCUtR: 97.6 % of what succeeds does so at once). */
const PAUSE: Micros = 2 * SECOND;
const MAX_PAUSE: Micros = 60 * SECOND;
/** After a datagram to each address, the next ones: a round trip may be long, and datagrams are lost. */
const ROUNDS: readonly Micros[] = [100 * MILLISECOND, 200 * MILLISECOND, 400 * MILLISECOND];
/** Nobody is kept waiting longer, whatever it is told. */
const MAX_WAIT: Micros = SECOND;
/** PUNCHes for one peer that have not gone yet. */
export const MAX_WAITING = 64;
/** A second, of one peer; at once two for each member, as both sides ask, and some. */
export const TELL_RATE = 1;
/** A second, for one peer; at once three questions and an answer for each member. */
export const PASS_RATE = 4;
const SPARE = 8;
/** Datagrams to one host (IPv6: /64) that has not answered: three members behind one box at once, then one each 250 ms. */
export const KNOCK_BURST = 48;
export const KNOCK_RATE = 4;
/** To all: as many as two PUNCHes for each member ask for at once, then what four peers may ask for. */
const KNOCKS = 2 * MAX_PUNCH_ADDRESSES * (ROUNDS.length + 1);
const ALL_KNOCK_RATE = 4 * TELL_RATE * MAX_PUNCH_ADDRESSES * (ROUNDS.length + 1);
