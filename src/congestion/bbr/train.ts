/**
 * What the arrivals of packets that were sent in a row tell of a long path, before doubling would (packet trains: Jain and Routhier 1986;
 * Dovrolis, Ramanathan and Moore 2004). In: acks in startup. Out: how many bytes may be under way, and how fast. Such a row arrives
 * at the rate of the narrowest line, however short a part of a round trip it takes. So each ack releases up to `GROWTH` times
 * what it acknowledges, and never more than the row has shown the line to carry: a thousandfold window takes two or three round trips,
 * not ten.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import type { RateSample } from '../controller.js';
import type { BbrPath } from './path.js';
import type { BbrRounds } from './rounds.js';

export class BbrTrain {
  /** Bytes that may be under way; 0 while nothing is known. */
  window = 0;
  private readonly path: BbrPath;
  private readonly rounds: BbrRounds;
  private isOver = false;
  /** Bytes per second that the line has shown; 0 while nothing is known. */
  private rate = 0;
  /** The first ack of the row: when it came, and when the newest that it acknowledges was sent. */
  private startAt: Micros = 0;
  private startSentAt: Micros = 0;
  /** When the newest of those acknowledged was sent. */
  private sentAt: Micros = 0;
  /** Acknowledged since the first ack. */
  private bytes = 0;
  private packets = 0;

  constructor(path: BbrPath, rounds: BbrRounds) {
    this.path = path;
    this.rounds = rounds;
  }

  /** Bytes per second at which they go. While nothing is known what the initial window allows goes in a row, to be measured by. */
  get pace(): number {
    return !this.isOver && this.rate === 0 && this.isLong ? Number.POSITIVE_INFINITY : this.rate;
  }

  onAck(now: Micros, sample: RateSample): void {
    if (this.isOver || !this.isLong) return;
    // Without what the peer waited before it acknowledged.
    const at = sample.rtt === undefined ? now : sample.sentAt + sample.rtt;
    const gap = sample.sentAt - this.sentAt;
    this.sentAt = Math.max(this.sentAt, sample.sentAt);
    const apart = this.rate > 0 ? (APART * sample.acked * SECOND) / this.rate : 0;
    if (gap > Math.max(this.path.minRtt / GAP, apart)) {
      this.startAt = at;
      this.startSentAt = sample.sentAt;
      this.bytes = this.packets = 0;
      return;
    }
    this.bytes += sample.acked;
    this.packets += sample.ackedPackets;
    // There it is full, and the time of what waits says nothing of more.
    if (sample.rtt !== undefined && sample.rtt > QUEUE * this.path.minRtt) return this.end();
    if (this.packets >= PACKETS) this.measure(at - this.startAt, sample.sentAt - this.startSentAt);
  }

  /** It is doubled from here on. */
  end(): void {
    this.isOver = true;
    this.window = 0;
    this.rate = 0;
  }

  private get isLong(): boolean {
    return this.path.minRtt >= LONG && Number.isFinite(this.path.minRtt);
  }

  /** @param arrived the time in which it was acknowledged, and `sent` that in which it was sent */
  private measure(arrived: Micros, sent: Micros): void {
    const share = 1 - Math.min(0.6, this.rounds.lastLoss);
    const rate = (this.bytes * SECOND) / Math.max(arrived, sent, 1) / share;
    const released = (GROWTH * this.bytes) / share;
    // What came as slowly as it was sent says nothing of the line.
    const known = arrived > DISPERSED * sent ? 0 : this.rate;
    this.rate = Math.max(known, Math.min(rate, (SPREAD * released * SECOND) / this.path.minRtt));
    this.window = Math.max(this.window, Math.min((rate * this.path.minRtt) / SECOND, released));
  }
}

/** On shorter paths doubling takes no second. */
const LONG: Micros = 150 * MILLISECOND;
const GROWTH = 32;
/** What is released takes at least this part of a round trip: so nothing is sent faster that an ack or two have overrated. */
const SPREAD = 32;
/** Fewer say nothing. */
const PACKETS = 6;
/** What was sent later than this part of a round trip, and than this many times what a packet takes, is another row. */
const GAP = 256;
const APART = 4;
const DISPERSED = 1.25;
const QUEUE = 1.25;
