/**
 * Where one peer is: the address in use, its configured locators, and addresses that are being validated (RFC 9000,
 * sections 8.2 and 9, with one rule more: an address that a datagram came from is not taken, even if it answers, once a
 * newer datagram has come from the address in use. So who copies some datagrams from elsewhere moves nothing, even if it
 * passes on challenges and answers; it would have to carry all of them, and then it is a router). Between the peer's
 * locators no datagram moves anything: the caller asks them what it wants to know, and decides.
 */

import { equalBytes } from '../../core/bytes.js';
import { type Micros, NEVER, NEVER_YET } from '../../core/time.js';
import { MAX_LOCATORS } from '../../wire/limits.js';
import { parseVia } from '../../wire/via.js';
import {
  AMPLIFICATION,
  CANDIDATE_REST,
  LEARNED_REST,
  LEARNED_TRIES,
  MAX_ASKED,
  MAX_CANDIDATES,
  PROBE_SENDS,
  RETRY_MIN,
} from '../limits.js';
import { CONTROL_SIZE } from '../wire.js';

/** An address that datagrams came from. */
export interface Candidate {
  address: string;
  /** What a CHALLENGE to it holds and its ANSWER must. */
  data: Uint8Array;
  /** The address in use has given a sign of life since: this one is not taken. */
  contested: boolean;
  received: number;
  sent: number;
  sends: number;
  /** When it was first challenged. */
  askedAt: Micros;
  /** When to challenge next or, after the last time, to forget it. */
  nextAt: Micros;
}

/** An authentic datagram. */
export interface Arrival {
  from: string;
  size: number;
  /** 'data' may start a migration; control is about paths and does not (RFC 9000, section 9.1). */
  kind: 'data' | 'answer' | 'challenge';
  /** Whether its packet number is the highest so far: if not, it starts nothing. */
  isNewest: boolean;
}

/** A CHALLENGE to an address that the operator or the peer has vouched for. */
interface Asked {
  address: string;
  data: Uint8Array;
  at: Micros;
}

/** An address that the peer has signed. */
interface Learned {
  address: string;
  tries: number;
  /** Not tried again before. */
  at: Micros;
}

/** What an ANSWER says: an address has been validated and is to be taken; or one that was asked is alive. */
export type Answered = { move: string } | { address: string; rtt: Micros };

export class Addresses {
  /** In use. Only ever one that is configured or has been validated; undefined while there is none. */
  current: string | undefined;
  /** Changes whenever the path does: what is measured of one path says nothing about another. */
  path = 0;
  /** Those that are configured, the best first, and then those by way of other members. */
  locators: readonly string[] = [];
  /** The newest ANSWER, and how long it took, µs. */
  answer: { address: string; rtt: Micros } | undefined;
  /** When `due` has something, or something is to be forgotten. */
  dueAt: Micros = NEVER;
  private candidates: Candidate[] = [];
  private asked: Asked[] = [];
  private learned: Learned[] = [];
  /** The one in use, or before a way by others was. */
  private direct: string | undefined;
  private listed: readonly string[] = [];
  private ways: readonly string[] = [];
  /** Until when those are not taken that the peer has signed, and those that nobody vouches for but who told of them. */
  private restsUntil = { signed: NEVER_YET, told: NEVER_YET };

  constructor(locators: readonly string[]) {
    this.setListed(locators);
    this.current = this.locators[0];
    this.direct = this.current;
  }

  /** Those that are configured. */
  setListed(locators: readonly string[]): void {
    this.listed = locators.slice(0, MAX_LOCATORS);
    this.locators = [...this.listed, ...this.ways];
  }

  /** Those by way of other members, who may say so: the best first. */
  setWays(ways: readonly string[]): void {
    this.ways = ways;
    this.locators = [...this.listed, ...ways];
  }

  /** Addresses that are being validated, or rest because they did not answer. */
  get validating(): number {
    return this.candidates.length;
  }

  /** Whether there is anything to try. */
  get isKnown(): boolean {
    return this.current !== undefined || this.locators.length > 0 || this.learned.length > 0;
  }

  /** Addresses that the peer has signed: tried when there is no session, each so often and then rarely, as they may be anybody's. */
  learn(addresses: readonly string[]): void {
    this.learned = addresses.slice(0, MAX_LOCATORS).map((address) => ({ address, tries: 0, at: -NEVER }));
  }

  /** The direct one in use last, and all that are known by no better word, are not taken before this, unless there is no session. */
  rest(until: Micros): void {
    if (until === NEVER_YET) this.restsUntil = { signed: until, told: until };
    else this.restsUntil[this.isSigned(this.direct!) ? 'signed' : 'told'] = until;
  }

  /** Whether the operator names it, or it leads by way of another member: of any other, who tells of it may be anybody. */
  isNamed(address: string): boolean {
    return this.locators.includes(address) || parseVia(address) !== undefined;
  }

  isResting(now: Micros, address: string): boolean {
    if (this.isNamed(address)) return false;
    return now < this.restsUntil[this.isSigned(address) ? 'signed' : 'told'];
  }

  /** The next address for a first message, the `attempt`-th from 0: in turn, the one in use first; undefined if none may be tried now. */
  next(now: Micros, attempt: number): string | undefined {
    const { current, locators } = this;
    const own = current === undefined ? locators : [current, ...locators.filter((each) => each !== current)];
    const signed = this.learned.filter(({ address, at }) => at <= now && !own.includes(address));
    const index = attempt % Math.max(1, own.length + signed.length);
    if (index < own.length) return own[index];
    return tried(now, signed[index - own.length]);
  }

  /** The next address that the peer has signed, to be asked although there is a session; undefined if none may be tried now. */
  nextLearned(now: Micros): string | undefined {
    const [first] = this.learned
      .filter(({ address, at }) => at <= now && !this.locators.includes(address))
      .sort((a, b) => a.tries - b.tries);
    return tried(now, first);
  }

  /** Whether only the caller moves to this address from the one in use: both are locators, or it leads by way of others and that one does not. */
  isForCaller(address: string): boolean {
    const { current, locators } = this;
    if (current === undefined) return false;
    if (parseVia(address) && !parseVia(current)) return true;
    return locators.includes(address) && locators.includes(current);
  }

  /**
   * Notes an authentic datagram. `data` makes random bytes for a challenge.
   *
   * @returns true if the peer now sends from another of its locators than the one in use
   */
  onHeard(now: Micros, { from, size, kind, isNewest }: Arrival, data: () => Uint8Array): boolean {
    if (from === this.current) {
      if (isNewest || kind === 'answer') for (const candidate of this.candidates) candidate.contested = true;
      return false;
    }
    const known = this.candidates.find(({ address }) => address === from);
    if (known) known.received += size;
    else if (isNewest && kind === 'data' && !this.isResting(now, from)) {
      if (this.isForCaller(from)) return true;
      this.add(now, from, data(), size);
    }
    this.rearm();
    return false;
  }

  /** Notes that a CHALLENGE with `data` goes to an address, whose answer `onAnswer` then tells. */
  ask(now: Micros, address: string, data: Uint8Array): void {
    if (this.asked.length >= MAX_ASKED) this.asked.shift();
    this.asked.push({ address, data, at: now });
  }

  /** The next candidate to challenge now, which counts as done; undefined if there is none. */
  takeDue(now: Micros): Candidate | undefined {
    let found: Candidate | undefined;
    for (const candidate of [...this.candidates]) {
      if (now < candidate.nextAt) continue;
      if (candidate.sends >= PROBE_SENDS) {
        this.remove(candidate);
        continue;
      }
      // It is a stranger's until it answers.
      if (candidate.sent + CONTROL_SIZE > AMPLIFICATION * candidate.received) {
        candidate.nextAt = now + RETRY_MIN;
        candidate.sends++;
        continue;
      }
      if (candidate.sent === 0) candidate.askedAt = now;
      candidate.sent += CONTROL_SIZE;
      candidate.nextAt =
        now + (candidate.sends + 1 < PROBE_SENDS ? RETRY_MIN * 2 ** candidate.sends : CANDIDATE_REST);
      candidate.sends++;
      found = candidate;
      break;
    }
    this.rearm();
    return found;
  }

  /**
   * What this ANSWER says, if anything. Where we asked it may come from anywhere (RFC 9000, 8.2.3): a host with several
   * addresses answers from whichever its routes choose.
   */
  onAnswer(now: Micros, from: string, data: Uint8Array): Answered | undefined {
    const index = this.asked.findIndex((asked) => equalBytes(asked.data, data));
    if (index >= 0) {
      const [{ address, at }] = this.asked.splice(index, 1);
      this.answer = { address, rtt: now - at };
      return { address, rtt: now - at };
    }
    const candidate = this.candidates.find(
      ({ sends, data: expected, address }) => sends > 0 && equalBytes(expected, data) && address === from,
    );
    if (!candidate || candidate.contested) return undefined;
    this.remove(candidate);
    this.rearm();
    this.answer = { address: candidate.address, rtt: now - candidate.askedAt };
    return { move: candidate.address };
  }

  /** Takes a validated address into use; true if it is another one than before. */
  moveTo(address: string): boolean {
    this.candidates = this.candidates.filter((candidate) => candidate.address !== address);
    this.rearm();
    if (address === this.current) return false;
    this.current = address;
    if (!parseVia(address)) this.direct = address;
    this.path++;
    return true;
  }

  /** The peer has restarted: what is being validated belongs to its former life. */
  forgetCandidates(): void {
    this.candidates = [];
    this.asked = [];
    this.rearm();
  }

  private isSigned(address: string): boolean {
    return this.learned.some((each) => each.address === address);
  }

  private add(now: Micros, address: string, data: Uint8Array, received: number): void {
    if (this.candidates.length >= MAX_CANDIDATES) this.candidates.shift();
    this.candidates.push({
      address,
      data,
      contested: false,
      received,
      sent: 0,
      sends: 0,
      askedAt: now,
      nextAt: now,
    });
  }

  private remove(candidate: Candidate): void {
    this.candidates = this.candidates.filter((other) => other !== candidate);
  }

  private rearm(): void {
    this.dueAt = NEVER;
    for (const { nextAt } of this.candidates) this.dueAt = Math.min(this.dueAt, nextAt);
  }
}

/** Notes that it is tried now. */
function tried(now: Micros, learned: Learned | undefined): string | undefined {
  if (learned && ++learned.tries >= LEARNED_TRIES) learned.at = now + LEARNED_REST;
  return learned?.address;
}
