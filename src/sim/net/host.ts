/**
 * A host as its process sees it: it sleeps when others run, takes time for each datagram, and what comes meanwhile waits in the
 * socket. In: when datagrams come, when the process has something to do. Out: when it gets to it, what the socket had no room for.
 */
import type { Micros } from '../../core/time.js';

/** The process does not run from `at` for `length`. */
export interface Stall {
  at: Micros;
  length: Micros;
}

export interface HostOptions {
  /** In order of time. */
  stalls?: readonly Stall[] | undefined;
  /** Of the processor, for each datagram that is sent or read. Default 0. */
  work?: Micros | undefined;
  /** Bytes that may wait in the socket. Default: no limit. */
  buffer?: number | undefined;
}

export class Host {
  /** Datagrams that the socket had no room for. */
  dropped = 0;
  /** What is to be done takes until then. */
  busyUntil: Micros = 0;
  private readonly stalls: readonly Stall[];
  private readonly workTime: Micros;
  private readonly buffer: number;
  private readonly waiting: { readAt: Micros; size: number }[] = [];
  private waitingBytes = 0;

  constructor({ stalls = [], work = 0, buffer = Number.POSITIVE_INFINITY }: HostOptions) {
    this.stalls = stalls;
    this.workTime = work;
    this.buffer = buffer;
  }

  /** A datagram has come: when it has been read; undefined if it was dropped. To be called in order of time. */
  receive(now: Micros, size: number): Micros | undefined {
    while (this.waiting.length > 0 && this.waiting[0].readAt <= now)
      this.waitingBytes -= this.waiting.shift()!.size;
    if (this.waitingBytes + size > this.buffer) {
      this.dropped++;
      return undefined;
    }
    const readAt = this.work(now);
    this.waiting.push({ readAt, size });
    this.waitingBytes += size;
    return readAt;
  }

  /** When the work for one datagram is done that cannot begin before `now`. */
  work(now: Micros): Micros {
    if (this.workTime === 0) return this.awake(now);
    this.busyUntil = this.awake(this.awake(Math.max(now, this.busyUntil)) + this.workTime);
    return this.busyUntil;
  }

  /** When the process runs that is to run at `at`: then, or after the stall that this falls into. */
  awake(at: Micros): Micros {
    const { stalls } = this;
    let low = 0;
    for (let high = stalls.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (stalls[middle].at + stalls[middle].length <= at) low = middle + 1;
      else high = middle;
    }
    return low < stalls.length && at >= stalls[low].at ? stalls[low].at + stalls[low].length : at;
  }
}
