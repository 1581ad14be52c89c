/**
 * Where one peer is: the address in use, its configured locators, and addresses that are being validated (RFC 9000,
 * sections 8.2 and 9, with one rule more: an address that a datagram came from is not taken, even if it answers, once a
 * newer datagram has come from the address in use. So who copies some datagrams from elsewhere moves nothing, even if it
 * passes on challenges and answers; it would have to carry all of them, and then it is a router).
 */
import { equalBytes } from '../core/bytes.js';
import { type Micros, NEVER } from '../core/time.js';
import {
  AMPLIFICATION,
  CANDIDATE_REST,
  MAX_CANDIDATES,
  MAX_LOCATORS,
  PROBE_SENDS,
  RETRY_MIN,
} from './limits.js';
import { CONTROL_SIZE } from './wire.js';

/**
 * Why an address is being validated: datagrams came from it; or it is a locator of the peer and the address in use is
 * silent, or the caller asked for another one whatever the one in use does.
 */
export type Origin = 'heard' | 'silence' | 'asked';

export interface Candidate {
  address: string;
  /** What a CHALLENGE to it holds and its ANSWER must. */
  data: Uint8Array;
  origin: Origin;
  /** The address in use has given a sign of life since: this one is not taken. */
  contested: boolean;
  received: number;
  sent: number;
  sends: number;
  /** When to challenge next or, after the last time, to forget it. */
  nextAt: Micros;
}

export class Addresses {
  /** In use. Only ever one that is configured or has been validated. */
  current: string;
  /** Changes whenever the path does: what is measured of one path says nothing about another. */
  path = 0;
  locators: readonly string[];
  /** When `due` has something, or something is to be forgotten. */
  deadline: Micros = NEVER;
  private candidates: Candidate[] = [];

  constructor(locators: readonly string[]) {
    this.locators = locators.slice(0, MAX_LOCATORS);
    this.current = this.locators[0];
  }

  /** Addresses that are being validated, or rest because they did not answer. */
  get validating(): number {
    return this.candidates.length;
  }

  /** All that may be tried, the one in use first. */
  all(): string[] {
    return [this.current, ...this.locators.filter((locator) => locator !== this.current)];
  }

  /**
   * Notes an authentic datagram.
   *
   * @param newest whether its packet number is the highest so far: only then may it start a migration
   * @param answer whether it is an ANSWER: no reason to start one, but a sign of life of the address in use
   * @param data random bytes for a challenge
   */
  onHeard(
    now: Micros,
    from: string,
    size: number,
    newest: boolean,
    answer: boolean,
    data: () => Uint8Array,
  ): void {
    if (from === this.current) {
      if (newest || answer)
        for (const candidate of this.candidates) candidate.contested = candidate.origin !== 'asked';
      return;
    }
    const known = this.candidates.find(({ address }) => address === from);
    if (known) known.received += size;
    else if (newest && !answer) this.add(now, from, 'heard', data(), size);
    this.rearm();
  }

  /** Starts to validate every locator but the one in use. */
  tryLocators(now: Micros, origin: 'silence' | 'asked', data: () => Uint8Array): void {
    for (const address of this.locators) {
      if (address === this.current) continue;
      const known = this.candidates.find((candidate) => candidate.address === address);
      if (known && known.origin === 'asked') continue;
      if (known) this.remove(known);
      this.add(now, address, origin, data(), known?.received ?? 0);
    }
    this.rearm();
  }

  /** The next candidate to challenge now, which counts as done; undefined if there is none. */
  due(now: Micros): Candidate | undefined {
    let found: Candidate | undefined;
    for (const candidate of [...this.candidates]) {
      if (now < candidate.nextAt) continue;
      if (candidate.sends >= PROBE_SENDS) {
        this.remove(candidate);
        continue;
      }
      const { origin, sent, received } = candidate;
      // A locator is the operator's word, as for a first message; any other address is a stranger's until it answers.
      if (origin === 'heard' && sent + CONTROL_SIZE > AMPLIFICATION * received) {
        candidate.nextAt = now + RETRY_MIN;
        candidate.sends++;
        continue;
      }
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
   * The address to move to, if this ANSWER validates one. For a locator it may come from anywhere (RFC 9000, 8.2.3): a
   * host with several addresses answers from whichever its routes choose.
   */
  onAnswer(from: string, data: Uint8Array): string | undefined {
    const candidate = this.candidates.find(
      (other) =>
        other.sends > 0 &&
        equalBytes(other.data, data) &&
        (other.origin !== 'heard' || other.address === from),
    );
    if (!candidate || candidate.contested) return undefined;
    this.remove(candidate);
    this.rearm();
    return candidate.address;
  }

  /** Takes a validated address into use; true if it is another one than before. */
  moveTo(address: string): boolean {
    this.candidates = this.candidates.filter(
      (candidate) => candidate.address !== address && candidate.origin === 'heard',
    );
    this.rearm();
    if (address === this.current) return false;
    this.current = address;
    this.path++;
    return true;
  }

  /** The peer has restarted: what is being validated belongs to its former life. */
  forgetCandidates(): void {
    this.candidates = [];
    this.rearm();
  }

  private add(now: Micros, address: string, origin: Origin, data: Uint8Array, received: number): void {
    if (this.candidates.length >= MAX_CANDIDATES + MAX_LOCATORS) {
      const oldest = this.candidates.find((candidate) => candidate.origin === 'heard');
      if (!oldest) return;
      this.remove(oldest);
    }
    this.candidates.push({
      address,
      data,
      origin,
      contested: false,
      received,
      sent: 0,
      sends: 0,
      nextAt: now,
    });
  }

  private remove(candidate: Candidate): void {
    this.candidates = this.candidates.filter((other) => other !== candidate);
  }

  private rearm(): void {
    this.deadline = NEVER;
    for (const { nextAt } of this.candidates) this.deadline = Math.min(this.deadline, nextAt);
  }
}
