/**
 * Which packets are lost (RFC 9002 section 6.1): those that a later one was acknowledged after, by number or by time; and
 * whether so many in a row mean persistent congestion (section 7.6). In: what was acknowledged, time. Out: losses, and when
 * to look for more.
 */
import type { LossEvent } from '../congestion/controller.js';
import { type Micros, NEVER } from '../core/time.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import { MAX_ACK_DELAY } from './ack.js';
import type { PathObserver } from './observer.js';
import type { Rtt } from './rtt.js';
import { Fate, FLAG_QUIET, type SentTable } from './sent.js';

/** Packets found lost at one time. */
export interface FoundLosses extends LossEvent {
  /** Those sent while the controller was quiet. */
  quiet: number;
  /** When the first of these was sent; Infinity if there is none. */
  quietSince: Micros;
  /** Those larger than what every path carries. */
  large: number;
  /** The longest run of them, none between them acknowledged: from the first sent to the last, and how many. */
  runTime: Micros;
  runPackets: number;
}

export class LossDetector {
  /** When a packet that was overtaken is lost by time; NEVER if none was. */
  dueAt: Micros = NEVER;
  private readonly sent: SentTable;
  private readonly rtt: Rtt;
  private readonly observer: PathObserver | undefined;
  private largestAcked = -1;
  private packetThreshold = PACKET_THRESHOLD;

  constructor(sent: SentTable, rtt: Rtt, observer: PathObserver | undefined) {
    this.sent = sent;
    this.rtt = rtt;
    this.observer = observer;
  }

  /** Takes the largest number of an acknowledgement; says whether it is larger than all before. */
  onAcked(largest: number): boolean {
    if (largest <= this.largestAcked) return false;
    this.largestAcked = largest;
    return true;
  }

  /** A packet that counted as lost was acknowledged with a number as far above it. */
  onReordered(distance: number): void {
    this.packetThreshold = Math.min(MAX_PACKET_THRESHOLD, Math.max(this.packetThreshold, distance + 1));
  }

  /** Marks what is lost now; undefined if nothing is. `inFlight`: bytes before. */
  detect(now: Micros, inFlight: number): FoundLosses | undefined {
    const { sent, largestAcked, packetThreshold } = this;
    const lossDelay = this.rtt.lossDelay();
    let found: FoundLosses | undefined;
    let previous = -2;
    let runStart = NEVER;
    let runPackets = 0;
    this.dueAt = NEVER;
    for (let number = sent.head; number <= largestAcked; number++) {
      const index = sent.index(number);
      const fate = sent.fate[index];
      if (fate !== Fate.InFlight) {
        if (fate === Fate.Acked) runStart = NEVER;
        continue;
      }
      const sentAt = sent.sentAt[index];
      const deadline = sentAt + lossDelay;
      if (number > largestAcked - packetThreshold && deadline > now) {
        this.dueAt = Math.min(this.dueAt, Math.ceil(deadline));
        continue;
      }
      found ??= nothingFound(inFlight);
      this.lose(now, number, deadline > now ? 'packets' : 'time', found);
      if (previous !== number - 1) found.ranges++;
      previous = number;
      // Losses before the first sample of the round trip say nothing about persistence.
      if (sentAt <= this.rtt.firstAt) continue;
      if (runStart === NEVER) {
        runStart = sentAt;
        runPackets = 0;
      }
      runPackets++;
      if (sentAt - runStart < found.runTime) continue;
      found.runTime = sentAt - runStart;
      found.runPackets = runPackets;
    }
    sent.advance();
    return found;
  }

  /**
   * Section 7.6.2: two ack-eliciting packets so far apart, and all between them, were lost; and by the loss that the path had
   * until now, `share`, that must be more than chance.
   */
  isPersistent(found: FoundLosses, share: number): boolean {
    return (
      found.runTime > PERSISTENT_THRESHOLD * this.rtt.probeTimeout(MAX_ACK_DELAY) &&
      share ** found.runPackets < PERSISTENT_CHANCE
    );
  }

  private lose(now: Micros, number: number, trigger: 'packets' | 'time', found: FoundLosses): void {
    const { sent } = this;
    const index = sent.index(number);
    const bytes = sent.size[index];
    sent.resolve(index, Fate.Lost);
    this.observer?.(now, { type: 'lost', number, bytes, trigger });
    found.bytes += bytes;
    found.packets++;
    if (bytes > DATAGRAM_SIZE) found.large++;
    found.sentAt = sent.sentAt[index];
    if ((sent.flags[index] & FLAG_QUIET) === 0) return;
    found.quiet++;
    found.quietSince = Math.min(found.quietSince, found.sentAt);
  }
}

/** Datagrams larger than what every path carries that were lost since one arrived, and smaller ones that arrived meanwhile. */
export class LargeDatagrams {
  private lost = 0;
  private smaller = 0;

  onLost(count: number): void {
    this.lost += count;
  }

  onAcked({ large, packets }: { large: number; packets: number }): void {
    if (large > 0) this.lost = 0;
    this.smaller = this.lost > 0 ? this.smaller + packets : 0;
  }

  forget(): void {
    this.lost = 0;
  }

  /** Whether small ones arrive and large ones do not, more often than the loss of the path explains. */
  areLost(loss: number): boolean {
    if (this.lost < FEWEST_LARGE || this.smaller < SUSPECT_SMALL) return false;
    return this.lost >= SUSPECT_LARGE || loss ** this.lost < LARGE_CHANCE;
  }
}

function nothingFound(priorInFlight: number): FoundLosses {
  return {
    bytes: 0,
    packets: 0,
    quiet: 0,
    quietSince: Number.POSITIVE_INFINITY,
    large: 0,
    ranges: 0,
    sentAt: 0,
    priorInFlight,
    runTime: 0,
    runPackets: 0,
  };
}

/** RFC 9002 section 6.1.1. */
const PACKET_THRESHOLD = 3;
/** Reordering seen raises the packet threshold up to this; beyond, the time threshold decides (RFC 9002 section 6.1.2). */
const MAX_PACKET_THRESHOLD = 256;
/** RFC 9002 section 7.6.1, kPersistentCongestionThreshold. */
const PERSISTENT_THRESHOLD = 3;
const PERSISTENT_CHANCE = 1e-3;
/**
 * So many large ones in a row are one in a thousand at half lost, and enough whatever is lost; fewer are where the path loses less.
 * Something smaller gets through meanwhile, so that it is no outage. A false alarm costs a round trip or two with smaller datagrams.
 */
const SUSPECT_LARGE = 10;
const LARGE_CHANCE = 1e-3;
/** RFC 8899 section 5.1.2, MAX_PROBES: of what serves now and then each one is a PULL that is asked for again, ever later. */
const FEWEST_LARGE = 3;
const SUSPECT_SMALL = 4;
