/**
 * The sender's end of a rendezvous, sans-IO: lets in who proves that it knows the code, counts who does not, and hands each its
 * introduction once it is told to begin. In: datagrams, time. Out: datagrams, events. It only answers.
 */
import { Allowance, networkOf } from '../core/budget.js';
import { toHex, Writer } from '../core/bytes.js';
import { type Micros, NEVER, SECOND } from '../core/time.js';
import { equalSecrets, hmac, shortMac } from '../crypto/mac.js';
import { HeadwaterError } from '../errors.js';
import { beginExchange, Channel, type Exchange, inputsOf } from './channel.js';
import { decodeJoin, decodeRequest, encodeState, type Join, type State } from './contents.js';
import { decodeMessage, encodeMessage, type Message, type Refusal } from './messages.js';

/** Who has proven that it knows the code. */
export interface Guest {
  readonly join: Join;
  /** Where it was heard last: `host:port`. */
  address: string;
}

export type HostEvent =
  | { type: 'joined'; guest: Guest }
  /** It has not been heard for a while, or said that it goes, before it was introduced. */
  | { type: 'left'; guest: Guest; said: boolean }
  /** `count` wrong codes by now; from `MAX_WRONG` on nobody new is let in. */
  | { type: 'wrong'; address: string; count: number };

export interface HostOptions {
  /** As `Code.text`. */
  code: string;
  number: number;
  /** Secret random bytes. */
  random: (length: number) => Uint8Array;
}

interface Run {
  address: string;
  exchange: Exchange;
  theirs: Uint8Array;
  cookie: Uint8Array;
  until: Micros;
}

interface Entry {
  guest: Guest;
  channel: Channel;
  /** Answers a proof that comes again. */
  welcome: Uint8Array;
  heardAt: Micros;
  pieces: readonly Uint8Array[] | undefined;
}

export class Host {
  /** Wrong codes that have come. */
  wrong = 0;
  /** Datagrams that were no message, and those that were turned away. */
  readonly drops = { malformed: 0, busy: 0, closed: 0, forged: 0 };
  private readonly options: HostOptions;
  private readonly secret: Uint8Array;
  private readonly allowance = new Allowance(EACH_ADDRESS, ALL_ADDRESSES);
  /** By id: exchanges of which the proof is still to come. */
  private readonly runs = new Map<string, Run>();
  /** By id. */
  private readonly entries = new Map<string, Entry>();
  /** By id of those who were not let in: what they were told, for who has not heard it. */
  private readonly verdicts = new Map<string, { address: string; bytes: Uint8Array }>();
  private readonly events: HostEvent[] = [];
  private readonly out: { to: string; bytes: Uint8Array }[] = [];
  private expected = 0;
  private room = MAX_GUESTS;
  private isOver = false;

  constructor(options: HostOptions) {
    this.options = options;
    this.secret = options.random(32);
  }

  /** How many may come in beside who waits, and what those who wait are told of it (0: any number). */
  setRoom(room: number, expected: number): void {
    this.room = Math.min(room, MAX_GUESTS);
    this.expected = expected;
  }

  /** Who waits to be introduced, in the order of their coming. */
  waiting(): Guest[] {
    return [...this.entries.values()].flatMap(({ guest, pieces }) => (pieces ? [] : [guest]));
  }

  /** From now on a guest is told who its group are. */
  introduce(guest: Guest, pieces: readonly Uint8Array[]): void {
    for (const [id, entry] of this.entries)
      if (entry.guest === guest) {
        entry.pieces = pieces;
        this.tell(id, entry, this.stateOf(entry, 0));
      }
  }

  /** Tells all who wait that there is nothing to come. */
  end(): void {
    this.isOver = true;
    for (const [id, entry] of this.entries) if (!entry.pieces) this.tell(id, entry, { type: 'ended' });
  }

  /** @param from `host:port` */
  handleDatagram(now: Micros, from: string, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (!message) {
      this.drops.malformed++;
      return;
    }
    if (message.type === 'hello') this.onHello(now, from, message);
    else if (message.type === 'share') this.onShare(now, from, message);
    else if (message.type === 'proof') this.onProof(now, from, message);
    else if (message.type === 'poll') this.onPoll(now, from, message);
    else this.drops.malformed++;
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const { until } of this.runs.values()) next = Math.min(next, until);
    for (const { heardAt } of this.entries.values()) next = Math.min(next, heardAt + SILENCE);
    return next;
  }

  handleTimeout(now: Micros): void {
    for (const [id, { until }] of this.runs) if (until <= now) this.runs.delete(id);
    for (const [id, entry] of this.entries) if (entry.heardAt + SILENCE <= now) this.forget(id, entry, false);
  }

  pollTransmit(): { to: string; bytes: Uint8Array } | undefined {
    return this.out.shift();
  }

  pollEvent(): HostEvent | undefined {
    return this.events.shift();
  }

  /** State that strangers can make, against its bounds. */
  sizes(): { runs: number; entries: number; addresses: number; verdicts: number } {
    const { runs, entries, allowance, verdicts } = this;
    return { runs: runs.size, entries: entries.size, addresses: allowance.size, verdicts: verdicts.size };
  }

  private get isClosed(): boolean {
    return this.wrong >= MAX_WRONG;
  }

  private onHello(now: Micros, from: string, { id, number }: Message & { type: 'hello' }): void {
    if (number !== this.options.number) this.refuse(from, id, 'other');
    else if (this.isClosed || this.isOver) {
      this.drops.closed++;
      this.refuse(from, id, 'closed');
    } else
      this.send(from, { type: 'cookie', id, cookie: this.cookie(Math.floor(now / COOKIE_LIFE), from, id) });
  }

  private onShare(now: Micros, from: string, { id, cookie, share }: Message & { type: 'share' }): void {
    const name = toHex(id);
    const known = this.runs.get(name);
    if (known) {
      // Asked again; anything else under the same id is somebody else's.
      if (known.address === from && equalSecrets(known.theirs, share) && equalSecrets(known.cookie, cookie))
        this.send(from, { type: 'answer', id, share: known.exchange.share });
      return;
    }
    if (this.entries.has(name) || !this.isOurs(now, from, id, cookie)) {
      this.drops.forged++;
      return;
    }
    if (this.isClosed || this.isOver) return this.refuse(from, id, 'closed');
    if (!this.mayRun(from) || !this.allowance.take(now, from)) {
      this.drops.busy++;
      return this.refuse(from, id, 'busy');
    }
    const { code, random } = this.options;
    const exchange = beginExchange(inputsOf(code, id, cookie), random(32), 'host');
    // Who means it proves it at once: of many the oldest is the least likely to.
    if (this.runs.size >= MAX_RUNS) this.runs.delete(this.runs.keys().next().value!);
    this.runs.set(name, { address: from, exchange, theirs: share, cookie, until: now + RUN_LIFE });
    this.send(from, { type: 'answer', id, share: exchange.share });
  }

  /** One guess: right or wrong, the exchange is over. */
  private onProof(now: Micros, from: string, { id, tag, sealed }: Message & { type: 'proof' }): void {
    const name = toHex(id);
    const known = this.entries.get(name);
    if (known) {
      if (known.guest.address === from) this.out.push({ to: from, bytes: known.welcome });
      return;
    }
    const verdict = this.verdicts.get(name);
    if (verdict?.address === from) {
      this.out.push({ to: from, bytes: verdict.bytes });
      return;
    }
    const run = this.runs.get(name);
    if (!run || run.address !== from) {
      this.drops.forged++;
      return;
    }
    this.runs.delete(name);
    if (this.isClosed || this.isOver) return this.refuse(from, id, 'closed');
    const keys = run.exchange.finish(run.theirs);
    if (!keys || !equalSecrets(tag, keys.initiatorTag)) {
      this.wrong++;
      this.events.push({ type: 'wrong', address: from, count: this.wrong });
      return this.turnAway(name, from, encodeMessage({ type: 'refusal', id, reason: 'wrong' }));
    }
    const channel = new Channel(keys, id, 'host');
    const join = opened(channel.open(0, sealed), decodeJoin);
    if (!join) {
      this.drops.malformed++;
      return;
    }
    const entry: Entry = {
      ...{ guest: { join, address: from }, channel, heardAt: now, pieces: undefined },
      welcome: new Uint8Array(0),
    };
    const isIn = this.waiting().length < this.room && this.makeRoom() && !this.isKeyTaken(join.publicKey);
    const state: State = isIn ? this.stateOf(entry, 0, 1) : { type: 'full', expected: this.expected };
    const { sealed: answer } = channel.seal(encodeState(state));
    const welcome = encodeMessage({ type: 'welcome', id, tag: keys.responderTag, sealed: answer });
    if (!isIn) return this.turnAway(name, from, welcome);
    this.out.push({ to: from, bytes: welcome });
    this.entries.set(name, { ...entry, welcome });
    this.events.push({ type: 'joined', guest: entry.guest });
  }

  private onPoll(now: Micros, from: string, { id, counter, sealed }: Message & { type: 'poll' }): void {
    const name = toHex(id);
    const entry = this.entries.get(name);
    const request = entry && opened(entry.channel.open(counter, sealed), decodeRequest);
    if (!request) {
      this.drops.forged++;
      return;
    }
    entry.heardAt = now;
    // Its address may have changed.
    entry.guest.address = from;
    if (request.type === 'leave') return this.forget(name, entry, true);
    this.tell(name, entry, this.stateOf(entry, request.index));
  }

  private stateOf({ pieces }: Entry, index: number, others = 0): State {
    if (pieces) {
      const bytes = pieces[Math.min(index, pieces.length - 1)];
      return { type: 'piece', index: Math.min(index, pieces.length - 1), count: pieces.length, bytes };
    }
    if (this.isOver) return { type: 'ended' };
    return { type: 'waiting', here: this.waiting().length + others, expected: this.expected };
  }

  private tell(name: string, { channel, guest }: Entry, state: State): void {
    this.send(guest.address, { type: 'state', id: bytesOf(name), ...channel.seal(encodeState(state)) });
  }

  private forget(id: string, { guest, pieces }: Entry, said: boolean): void {
    this.entries.delete(id);
    if (!pieces) this.events.push({ type: 'left', guest, said });
  }

  /** Those who have been introduced are kept for who asks again; they may go. */
  private makeRoom(): boolean {
    if (this.entries.size < MAX_ENTRIES) return true;
    for (const [id, { pieces }] of this.entries)
      if (pieces) {
        this.entries.delete(id);
        return true;
      }
    return false;
  }

  private isKeyTaken(key: Uint8Array): boolean {
    return [...this.entries.values()].some(({ guest }) => equalSecrets(guest.join.publicKey, key));
  }

  private mayRun(from: string): boolean {
    const network = networkOf(from);
    let own = 0;
    for (const { address } of this.runs.values()) if (networkOf(address) === network) own++;
    return own < MAX_RUNS_AN_ADDRESS;
  }

  private isOurs(now: Micros, from: string, id: Uint8Array, cookie: Uint8Array): boolean {
    const time = Math.floor(now / COOKIE_LIFE);
    return [time, time - 1].some((each) => equalSecrets(cookie, this.cookie(each, from, id)));
  }

  /** Shows that who has it hears at its address; we need not remember to have given it. */
  private cookie(time: number, from: string, id: Uint8Array): Uint8Array {
    const address = new TextEncoder().encode(from);
    const input = new Writer(6 + id.length + address.length).u48(time).put(id).put(address).finish();
    return shortMac(hmac(this.secret, COOKIE_DOMAIN), input).slice();
  }

  private turnAway(name: string, address: string, bytes: Uint8Array): void {
    this.verdicts.set(name, { address, bytes });
    if (this.verdicts.size > MAX_VERDICTS) this.verdicts.delete(this.verdicts.keys().next().value!);
    this.out.push({ to: address, bytes });
  }

  private refuse(to: string, id: Uint8Array, reason: Refusal): void {
    this.send(to, { type: 'refusal', id, reason });
  }

  private send(to: string, message: Message): void {
    this.out.push({ to, bytes: encodeMessage(message) });
  }
}

/** What was sealed, if it is genuine and well formed. */
function opened<T>(plain: Uint8Array | undefined, decode: (bytes: Uint8Array) => T): T | undefined {
  if (!plain) return undefined;
  try {
    return decode(plain);
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** Wrong codes after which nobody new is let in: ten guesses at 2^20 find a code once in 100,000 times. */
export const MAX_WRONG = 10;
/** Exchanges that wait for their proof, in all and of one address (of IPv6: its first 64 bits). */
export const MAX_RUNS = 128;
export const MAX_RUNS_AN_ADDRESS = 32;
/** Members of a group but the sender; and those with who was introduced lately. */
export const MAX_GUESTS = 511;
const MAX_ENTRIES = 1024;
const MAX_VERDICTS = 64;
/** A machine may run some tens of receivers. */
const EACH_ADDRESS = { burst: 32, rate: 4 };
/** An exchange takes 0.2 ms: at this rate 0.7 % of a core. */
const ALL_ADDRESSES = { burst: 128, rate: 32 };
const RUN_LIFE: Micros = 30 * SECOND;
/** A guest asks twice a second. */
const SILENCE: Micros = 10 * SECOND;
const COOKIE_LIFE: Micros = 30 * SECOND;
const COOKIE_DOMAIN = new TextEncoder().encode('headwater code 1 cookie');
