/**
 * What a member and its machine do over time. In: how late the loop comes, how long commits take, and once a second the counters as
 * they stand. Out: rates and extremes of the last seconds.
 */
import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { StreamOverview } from '../../broadcast/delivery/overview.js';
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import { streamKey } from '../../wire/symbol.js';
import { Histogram } from './prometheus.js';

/** Counters as they stand. */
export interface Counters {
  sentBytes: number;
  receivedBytes: number;
  deliveredMessages: number;
  drops: Record<string, number>;
}

interface Sample extends Counters {
  at: Micros;
  /** Of the second before it. */
  lag: Micros;
  busy: number;
  commits: number;
  commitTime: Micros;
}

export class Health {
  /** Seconds that commits took. */
  readonly commitSeconds = new Histogram(COMMIT_BOUNDS);
  /** Seconds from when a message of ours was durable until it was delivered here. */
  readonly deliverySeconds = new Histogram(DELIVERY_BOUNDS);
  /** Seconds from an object's first symbol until it was rebuilt. */
  readonly rebuildSeconds = new Histogram(DELIVERY_BOUNDS);
  commits = 0;
  /** Of the last commit. */
  lastCommit: { at: number; took: Micros } | undefined;
  private readonly samples: Sample[] = [];
  private lag: Micros = 0;
  private commitTime: Micros = 0;
  private commitsSampled = 0;
  /** By object of ours that was stored in this run and is not delivered. */
  private readonly durableAt = new Map<number, Micros>();
  private usage: EventLoopUtilization = performance.eventLoopUtilization();
  /** By stream that holds more than it has delivered: since when it stands still. */
  private still = new Map<string, { delivered: number; since: Micros }>();

  constructor(now: Micros, counters: Counters) {
    this.take(now, counters);
  }

  /** The loop comes so much later than it wanted to. */
  onLate(late: Micros): void {
    this.lag = Math.max(this.lag, late);
  }

  /** A commit is durable, after so long. `wall`: when, milliseconds of the clock. */
  onCommit(wall: number, took: Micros): void {
    this.commits++;
    this.commitTime += took;
    this.lastCommit = { at: wall, took };
    this.commitSeconds.observe(took / SECOND);
  }

  /** An object of ours is in the store. */
  onDurable(now: Micros, seq: number): void {
    this.durableAt.set(seq, now);
  }

  /** A message of ours is handed to the consumer. */
  onDelivered(now: Micros, seq: number, index: number): void {
    const since = this.durableAt.get(seq);
    if (since === undefined) return;
    if (index === 0) this.deliverySeconds.observe((now - since) / SECOND);
    // Those of an object come in order, and objects too.
    for (const each of this.durableAt.keys()) if (each < seq) this.durableAt.delete(each);
  }

  onRebuilt(times: readonly Micros[]): void {
    for (const time of times) this.rebuildSeconds.observe(time / SECOND);
  }

  /** Once a second. */
  take(now: Micros, counters: Counters): void {
    const usage = performance.eventLoopUtilization();
    const { lag, commitTime } = this;
    const commits = this.commits - this.commitsSampled;
    const busy = performance.eventLoopUtilization(usage, this.usage).utilization;
    this.samples.push({ at: now, ...counters, lag, busy, commits, commitTime });
    if (this.samples.length > WINDOW + 1) this.samples.shift();
    this.usage = usage;
    this.commitsSampled = this.commits;
    this.commitTime = 0;
    this.lag = 0;
  }

  /** Once a second. */
  watch(now: Micros, streams: readonly StreamOverview[]): void {
    const still = new Map<string, { delivered: number; since: Micros }>();
    for (const stream of streams) {
      const { delivered, count } = stream;
      if (delivered >= count) continue;
      const key = streamKey(stream);
      const before = this.still.get(key);
      still.set(key, before?.delivered === delivered ? before : { delivered, since: now });
    }
    this.still = still;
  }

  /** How long a stream has delivered nothing of what it holds; 0 if there is nothing. */
  waiting(now: Micros, stream: StreamOverview): Micros {
    const still = this.still.get(streamKey(stream));
    return still && still.delivered === stream.delivered ? Math.max(0, now - still.since) : 0;
  }

  /** Of the last seconds: rates per second, extremes, and the mean time of a commit. */
  recent() {
    const first = this.samples[0];
    const last = this.samples[this.samples.length - 1];
    const seconds = (last.at - first.at) / SECOND;
    const rate = (a: number, b: number) => (seconds > 0 ? Math.round((10 * (b - a)) / seconds) / 10 : 0);
    const later = this.samples.slice(1);
    const commits = later.reduce((sum, each) => sum + each.commits, 0);
    const drops = Object.entries(last.drops)
      .map(([reason, count]) => [reason, rate(first.drops[reason] ?? 0, count)] as const)
      .filter(([, each]) => each > 0);
    return {
      windowMs: Math.round((last.at - first.at) / MILLISECOND),
      sentBytesPerSecond: rate(first.sentBytes, last.sentBytes),
      receivedBytesPerSecond: rate(first.receivedBytes, last.receivedBytes),
      deliveredMessagesPerSecond: rate(first.deliveredMessages, last.deliveredMessages),
      dropsPerSecond: Object.fromEntries(drops),
      lagMs: Math.max(this.lag, ...later.map(({ lag }) => lag), 0) / MILLISECOND,
      /** Seconds of these in which the loop came late by more than so much. */
      lateSeconds: later.filter(({ lag }) => lag > LATE).length,
      busyShare: later.reduce((sum, { busy }) => sum + busy, 0) / Math.max(1, later.length),
      commitMs:
        commits > 0 ? later.reduce((sum, each) => sum + each.commitTime, 0) / commits / MILLISECOND : 0,
    };
  }
}

/** Samples of a second each that rates are made of. */
const WINDOW = 5;
/** An acknowledgement that is late by so much is taken for a loss on a path of a LAN. */
const LATE: Micros = 100 * MILLISECOND;
/** Seconds: from a round trip in a rack to what a lossy path over half the world takes. */
const DELIVERY_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Seconds: from what a disk with a cache takes to what none should. */
const COMMIT_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
