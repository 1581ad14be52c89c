/**
 * A line that several flows share: a rate, one first-in-first-out queue with tail drop (or CoDel, or a policer without a
 * queue), and statistics of the wait in it. In: the size of each packet and when it comes, in order of time. Out: when it
 * has left, or that it was dropped. Loss and delay of a path are the flow's own and come behind it (`FlowNetwork`).
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';

export interface BottleneckOptions {
  /** Bits per second. */
  rate: number;
  /** Bytes that may wait behind the packet on the line. */
  buffer: number;
  /** 'codel' drops by sojourn time (RFC 8289); 'policer' lets `buffer` bytes of credit pass and delays nothing. */
  kind?: 'tail-drop' | 'codel' | 'policer';
}

export class Bottleneck {
  dropped = 0;
  passedBytes = 0;
  /** Packets by their wait, in steps of `WAIT_STEP`; `resetWaits` empties it. */
  private waits = new Float64Array(WAIT_BINS);
  private rate: number;
  private readonly buffer: number;
  private readonly kind: 'tail-drop' | 'codel' | 'policer';
  private lineFree = 0;
  private credit: number;
  private creditAt: Micros = 0;
  /** CoDel: when the wait went above target, the time of the next drop, drops in this spell. */
  private aboveSince: Micros | undefined;
  private nextDrop: Micros | undefined;
  private drops = 0;

  constructor(options: BottleneckOptions) {
    this.rate = options.rate;
    this.buffer = options.buffer;
    this.kind = options.kind ?? 'tail-drop';
    this.credit = options.buffer;
  }

  /** Changes the rate now: what waits goes on at the new one. */
  setRate(now: Micros, rate: number): void {
    const backlog = Math.max(0, this.lineFree - now);
    this.lineFree = now + (backlog * this.rate) / rate;
    this.rate = rate;
  }

  /** @returns when the packet has left the line, unrounded; undefined if it was dropped */
  send(now: Micros, size: number): number | undefined {
    if (this.kind === 'policer') return this.police(now, size);
    const wait = Math.max(0, this.lineFree - now);
    const line = (size * 8 * SECOND) / this.rate;
    if ((wait * this.rate) / (8 * SECOND) + size > this.buffer + size && wait > 0) return this.drop();
    if (this.kind === 'codel' && this.codel(now, wait)) return this.drop();
    this.waits[Math.min(WAIT_BINS - 1, Math.floor(wait / WAIT_STEP))]++;
    this.lineFree = now + wait + line;
    this.passedBytes += size;
    return this.lineFree;
  }

  /** The wait that `share` of the packets did not exceed since `resetWaits`. */
  waitQuantile(share: number): Micros {
    const total = this.waits.reduce((sum, count) => sum + count, 0);
    let seen = 0;
    for (let bin = 0; bin < WAIT_BINS; bin++) {
      seen += this.waits[bin];
      if (seen >= share * total) return bin * WAIT_STEP;
    }
    return 0;
  }

  resetWaits(): void {
    this.waits.fill(0);
  }

  /** The wait that a packet would have now. */
  wait(now: Micros): Micros {
    return Math.max(0, this.lineFree - now);
  }

  private drop(): undefined {
    this.dropped++;
    return undefined;
  }

  private police(now: Micros, size: number): number | undefined {
    this.credit = Math.min(this.buffer, this.credit + ((now - this.creditAt) * this.rate) / (8 * SECOND));
    this.creditAt = now;
    if (this.credit < size) return this.drop();
    this.credit -= size;
    this.passedBytes += size;
    return now;
  }

  /** RFC 8289 with the verdict moved to the tail: in a first-in-first-out queue the wait is known on arrival. */
  private codel(now: Micros, wait: Micros): boolean {
    if (wait < CODEL_TARGET) {
      this.aboveSince = undefined;
      this.nextDrop = undefined;
      return false;
    }
    this.aboveSince ??= now;
    if (this.nextDrop === undefined) {
      if (now - this.aboveSince < CODEL_INTERVAL) return false;
      this.drops = this.drops > 2 ? this.drops - 2 : 1;
      this.nextDrop = now + CODEL_INTERVAL / Math.sqrt(this.drops);
      return true;
    }
    if (now < this.nextDrop) return false;
    this.drops++;
    this.nextDrop += CODEL_INTERVAL / Math.sqrt(this.drops);
    return true;
  }
}

const WAIT_STEP: Micros = 50;
const WAIT_BINS = 200_000;
/** RFC 8289 section 4.4. */
const CODEL_TARGET: Micros = 5 * MILLISECOND;
const CODEL_INTERVAL: Micros = 100 * MILLISECOND;
