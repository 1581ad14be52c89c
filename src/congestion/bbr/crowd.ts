/**
 * Who fills the queue? Every few seconds in which it was not seen empty, a flow steps back to half of its share (ProbeRTT).
 * Flows of our kind fall into step: each counts from the moment the queue was last seen empty, which all see at the same
 * time, and joins when the queue suddenly gets shorter. So if the queue runs empty it was ours, and everybody learns the
 * true round-trip time; if it stays, it belongs to flows that do not step back, and we compete with them. In: RTTs, time.
 * Out: when to test, and whether to compete afterwards.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import type { BbrPath } from './path.js';

export class BbrCrowd {
  /** The bandwidth at the latest test that found the queue empty: what was ours before others filled it. */
  held = 0;
  /** The test that runs has found no queue of others. */
  drained = false;
  private readonly path: BbrPath;
  /** The larger of the smallest RTTs of two rounds. */
  private standing: Micros = 0;
  private roundMin: Micros = 0;
  /** The last test that was due, or found the queue empty. */
  private testedAt: Micros = 0;
  private triedAt: Micros = 0;
  private end: Micros | undefined;
  private min: Micros = Number.POSITIVE_INFINITY;
  private competing = false;
  /** The test was not due: others seemed to step back, and if they did not, it says nothing. */
  private alarm = false;
  /** Tests in a row that speak against what we do. */
  private against = 0;

  constructor(path: BbrPath) {
    this.path = path;
  }

  onRound(minRtt: Micros, maxRtt: Micros): void {
    const least = Math.min(minRtt, maxRtt);
    this.standing = Math.max(this.roundMin, least);
    this.roundMin = least;
  }

  /** Sending goes on after a pause: one as long as a test has let our queue run empty like a test. */
  onRestart(now: Micros, pausedAt: Micros): void {
    if (now - pausedAt > TIME + this.path.minRtt) this.testedAt = this.triedAt = now;
  }

  /** Whether a test should begin now. */
  isDue(now: Micros, rtt: Micros | undefined, competing: boolean): boolean {
    // Who competes makes the queue run empty now and then by a cut of its own; that is no reason to skip a test.
    const since = competing ? this.testedAt : Math.max(this.path.drainedAt, this.testedAt);
    return now - since > INTERVAL || this.othersTest(now, rtt);
  }

  begin(now: Micros, competing: boolean): void {
    this.drained = false;
    this.competing = competing;
    this.alarm = now - Math.max(this.path.drainedAt, this.testedAt) <= INTERVAL;
    this.end = undefined;
  }

  /**
   * To be called with each ack of a test; `stepped`: what is in flight has come down to the window.
   *
   * @returns undefined while the test goes on, then whether to compete
   */
  poll(now: Micros, rtt: Micros | undefined, stepped: boolean, mtu: number): boolean | undefined {
    const { path } = this;
    if (this.end === undefined) {
      if (!stepped) return undefined;
      this.end = now + Math.max(Math.min(TIME, 20 * path.minRtt), path.minRtt);
      this.min = Number.POSITIVE_INFINITY;
      return undefined;
    }
    this.min = Math.min(this.min, rtt ?? Number.POSITIVE_INFINITY);
    const crowdedRtt = this.crowdedRtt(mtu);
    const drained = this.min <= crowdedRtt;
    this.drained = drained;
    // Others of our kind may have stepped back after us: wait for their queue to run out before it is called a crowd.
    if (now < this.end + (drained ? 0 : TIME + 2 * path.minRtt)) return undefined;
    if (path.drainedAt > this.testedAt && !this.competing) this.against = 0;
    this.triedAt = now;
    // A false alarm leaves us in step with the others.
    if (drained || !this.alarm) this.testedAt = now;
    if (drained) this.held = path.bandwidth();
    path.onTest(now, this.min, crowdedRtt, this.competing);
    return this.verdict(drained || path.isLossy());
  }

  private verdict(alone: boolean): boolean {
    const { competing } = this;
    if (alone || !this.alarm) this.against = alone === competing ? this.against + 1 : 0;
    const change = this.against >= (competing ? LEAVE : ENTER);
    if (change) this.against = 0;
    return change ? !competing : competing;
  }

  /** The queue gets shorter at once: flows of our kind step back. Only if all do so together does it run empty. */
  private othersTest(now: Micros, rtt: Micros | undefined): boolean {
    const { minRtt, drainedAt } = this.path;
    const queue = this.standing - minRtt;
    return (
      rtt !== undefined &&
      rtt - minRtt < DIP * queue &&
      queue > Math.max(minRtt / 8, QUEUE_MIN) &&
      now - Math.max(drainedAt, this.triedAt) > INTERVAL / 2
    );
  }

  /** Above this a queue stands that is not of flows which have all just stepped back to half of their share. */
  private crowdedRtt(mtu: number): Micros {
    const { path } = this;
    const queue = 0.25 * Math.min(path.minRtt, path.maxRtt() - path.minRtt);
    return (
      path.minRtt + Math.max(queue, QUEUE_MIN) + (PACKETS * mtu * SECOND) / Math.max(path.bandwidth(), 1)
    );
  }
}

/** BBR draft -06 section 2.13 (BBR.ProbeRTTInterval, BBR.ProbeRTTDuration). */
const INTERVAL: Micros = 5 * SECOND;
const TIME: Micros = 200 * MILLISECOND;
/** A queue shorter than this is within what timers, acks and bursts make. */
const QUEUE_MIN: Micros = 4 * MILLISECOND;
/** A flow that has stepped back still has a few datagrams in the queue, however many flows there are. */
const PACKETS = 3;
/** The queue falls to this share of what stood. */
const DIP = 0.7;
/** A loss-based flow is seen by one test; right after it has cut its window a test may miss it. */
const ENTER = 1;
const LEAVE = 2;
