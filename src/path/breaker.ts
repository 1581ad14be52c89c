/**
 * The circuit breaker of a path (RFC 8084; RFC 8085 section 3.1.10): what protects the network if congestion control fails
 * or lies beside the truth. In: what became of datagrams, probe timeouts, time. Out: whether it has tripped, and why.
 * Random loss of three quarters must still be lived with (half of the datagrams lost on both hosts), so only what no
 * working controller leaves standing trips it: nearly everything lost for seconds, at a rate that could harm anybody, or
 * no feedback at all. It resets itself: after silence at the first acknowledgement, after loss when time has passed.
 */
import { type Micros, SECOND } from '../core/time.js';
import { Trust } from './trust.js';

/** Why a path is held back to a trickle. */
export type BreakerCause =
  /** Of what was sent nearly nothing arrives: two datagrams a round trip may go. */
  | 'loss'
  /** Nothing is acknowledged: one probe a second may go. */
  | 'silence'
  /** The peer has acknowledged what it cannot have received: two datagrams a third of a second may go. */
  | 'lies';

export class Breaker {
  /** How often it has tripped. */
  trips = 0;
  private tripped: 'loss' | 'silence' | undefined;
  private readonly trust: Trust;
  /** Since when an answer is waited for. */
  private waitingSince: Micros = 0;
  private trippedAt: Micros = 0;
  private periodStart: Micros = 0;
  private acked = 0;
  private lost = 0;
  private badPeriods = 0;

  /** @param trust in the peer's acknowledgements: it outlives the path, or a liar would only have to move */
  constructor(trust: Trust = new Trust()) {
    this.trust = trust;
  }

  /** Why it is tripped; undefined while it is not. */
  get cause(): BreakerCause | undefined {
    return this.tripped !== 'silence' && this.trust.isLost ? 'lies' : this.tripped;
  }

  /** A datagram was sent that asks for an answer, while no other was on its way. */
  onFirstSent(now: Micros): void {
    this.waitingSince = now;
  }

  /** Datagrams newly acknowledged and newly found lost. Returns true if this trips it. */
  onFates(now: Micros, acked: number, lost: number): boolean {
    this.waitingSince = now;
    this.trust.onTime(now);
    if (this.tripped === 'silence') this.tripped = undefined;
    this.acked += acked;
    this.lost += lost;
    const elapsed = now - this.periodStart;
    if (elapsed >= 0 && elapsed < PERIOD) return false;
    const total = this.acked + this.lost;
    // A sender so slow harms nobody (RFC 8085 section 3.1.3).
    const isBad = total >= MIN_DATAGRAMS && this.lost >= EXCESS * total;
    this.badPeriods = isBad ? this.badPeriods + 1 : 0;
    this.acked = this.lost = 0;
    this.periodStart = now;
    if (this.tripped === 'loss') {
      if (!isBad && now - this.trippedAt >= HOLD) this.tripped = undefined;
      return false;
    }
    return this.badPeriods >= BAD_PERIODS && this.trip(now, 'loss');
  }

  /** A probe timeout, the `count`-th in a row. */
  onProbeTimeout(now: Micros, count: number): void {
    if (this.tripped === 'silence' || count < SILENT_TIMEOUTS || now - this.waitingSince < SILENCE) return;
    this.trip(now, 'silence');
  }

  private trip(now: Micros, cause: 'loss' | 'silence'): true {
    this.tripped = cause;
    this.trips++;
    this.trippedAt = now;
    this.badPeriods = 0;
    return true;
  }
}

/** Long against a round trip, so that congestion control has had its turn first (RFC 8084 section 4). */
const PERIOD: Micros = SECOND;
const BAD_PERIODS = 3;
/** Losing 75 % at random gives so much in one period of 100 datagrams once in a hundred, three times in a row in a million. */
const EXCESS = 0.85;
const MIN_DATAGRAMS = 100;
const HOLD: Micros = 10 * SECOND;
/** Longer than outages that a path should recover from at once. */
const SILENCE: Micros = 10 * SECOND;
/** A clock that leaps forward is not silence. */
const SILENT_TIMEOUTS = 6;
/** RFC 8085 section 3.1.3 allows a datagram per round trip or per 3 s. While tripped by silence. */
export const SILENT_PROBE_INTERVAL: Micros = SECOND;
