/**
 * The receiving half of acknowledgements: which packet numbers arrived, and when to say so. In: each authenticated packet
 * number, the sender's wishes. Out: an `Ack` and the time at which one is due. The rule (draft-ietf-quic-ack-frequency,
 * and no more than it needs): after `packets` packets or `delay` µs, at once when asked, later where there is no hurry; nothing per
 * gap, since a loss here is no request for a repeat. Each ack reaches far enough back that several may be lost.
 */
import { RecentNumbers } from '../core/bitset.js';
import { collectRanges } from '../core/ranges.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import type { AckWish } from '../wire/datagram.js';
import { ACK_SPAN, type Ack } from '../wire/frames/ack.js';

/** How often the sender wants to hear: made by `Recovery.ackPolicy`, sent when it changes much. */
export interface AckPolicy {
  packets: number;
  delay: Micros;
}

/**
 * What to ask for: to hear at least four times a round trip, but no sooner than a disk takes, and each eighth of a window; where
 * acknowledgements are lost, so much more often that all of a round trip are not: the window is full then, and nothing goes on.
 *
 * @param window packets that may be in flight
 * @param loss the share of acknowledgements that is lost on the way
 */
export function policyFor(window: number, rtt: Micros, loss: number): AckPolicy {
  const acks =
    loss < MIN_ACK_LOSS ? MIN_ACKS : Math.min(MAX_ACKS, Math.ceil(Math.log(ALL_LOST) / Math.log(loss)));
  const packets = Math.max(
    acks > MIN_ACKS ? 1 : 2,
    Math.min(MAX_ACK_PACKETS, Math.floor(window / (2 * acks))),
  );
  // With more packets on their way than are acknowledged together, nothing waits for the acknowledgement of the last few.
  const least = acks === MIN_ACKS && window >= 2 * packets ? STORE_DELAY : MILLISECOND / 4;
  return { packets, delay: Math.round(Math.max(least, Math.min(rtt / acks, MAX_ACK_DELAY))) };
}

export class AckTracker {
  /** Packets received, each number once. */
  received = 0;
  private readonly numbers = new RecentNumbers(ACK_WINDOW);
  private largestAt: Micros = 0;
  private policy: AckPolicy = DEFAULT_POLICY;
  private pending = 0;
  /** Of them those that count towards `packets`. */
  private hurried = 0;
  private dueAt: Micros = NEVER;
  /** Largest number at each of the latest acks, in a ring: what an ack reports again. */
  private readonly reported = new Array<number>(ACK_REPEATS).fill(-1);
  private acks = 0;

  /** Largest number received, -1 before the first. */
  get largest(): number {
    return this.numbers.highest;
  }

  /**
   * Notes a packet that has been authenticated.
   *
   * @returns false for a number that was noted before or is too old to tell: a replay, to be dropped
   */
  onReceived(now: Micros, number: number, wish: AckWish = 'soon'): boolean {
    const { numbers } = this;
    if (numbers.isBehind(number) || numbers.has(number)) return false;
    if (number > this.largest) this.largestAt = now;
    numbers.mark(number);
    this.received++;
    if (wish === 'none') return true;
    const { packets, delay } = this.policy;
    this.pending++;
    if (wish !== 'some-time') this.hurried++;
    if (wish === 'now' || this.hurried >= packets) this.dueAt = Math.min(this.dueAt, now);
    else
      this.dueAt = Math.min(this.dueAt, now + (wish === 'soon' ? delay : Math.max(delay, CONFIRM_ACK_DELAY)));
    return true;
  }

  /** Takes over what the sender asks for, within limits of our own. */
  setPolicy(policy: AckPolicy): void {
    this.policy = {
      packets: Math.max(1, Math.min(MAX_ACK_PACKETS, policy.packets)),
      delay: Math.max(0, Math.min(MAX_ACK_DELAY, policy.delay)),
    };
  }

  /** When an ack is due, NEVER if there is nothing to say. Changes with `onReceived` and `take`. */
  nextAck(): Micros {
    return this.dueAt;
  }

  /** Whether there is anything new to say: an ack may then ride along in a datagram that goes anyway. */
  get hasNews(): boolean {
    return this.pending > 0;
  }

  /** The ack to send now; undefined if nothing has ever arrived. */
  take(now: Micros): Ack | undefined {
    if (this.largest < 0) return undefined;
    this.pending = 0;
    this.hurried = 0;
    this.dueAt = NEVER;
    const slot = this.acks++ % ACK_REPEATS;
    const repeat = Math.min(this.reported[slot], this.largest - ACK_MIN_SPAN) + 1;
    this.reported[slot] = this.largest;
    const low = Math.max(0, this.largest - ACK_SPAN + 1, repeat);
    return {
      ranges: collectRanges(this.largest, low, (number) => this.numbers.has(number)),
      delay: Math.max(0, now - this.largestAt),
      received: this.received,
    };
  }
}

/** DESIGN.md section 5: the replay window. A power of two. */
const ACK_WINDOW = 8192;
/** Each number is reported in this many acks, and while it is among the latest so many: all of them may be lost but one. */
const ACK_REPEATS = 8;
const ACK_MIN_SPAN = 256;
/** An ack at the latest after this many packets, whatever the window. */
const MAX_ACK_PACKETS = 1024;
/** RFC 9000 section 18.2, max_ack_delay. */
export const MAX_ACK_DELAY: Micros = 25 * MILLISECOND;
/**
 * Confirms are repeated until they are known to be heard, whatever is acknowledged; and what the other side has to say next mostly comes
 * sooner than this, as does the answer to them, after 10 ms.
 */
export const CONFIRM_ACK_DELAY: Micros = 12 * MILLISECOND;
/** A small message is stored by then, and its acknowledgement goes with the confirm. */
const STORE_DELAY: Micros = 5 * MILLISECOND;
/** Until the peer says what it wants. */
export const DEFAULT_POLICY: AckPolicy = { packets: 2, delay: MAX_ACK_DELAY };
/** In a round trip. At 5 % four are lost once in 160,000 times, at half lost seventeen once in 131,000. */
const MIN_ACKS = 4;
const MAX_ACKS = 32;
const MIN_ACK_LOSS = 0.05;
const ALL_LOST = 1e-5;
