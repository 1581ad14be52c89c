/** Frames that go to a peer once, with its next control datagrams. In: PULL and GONE. Out: as many as fit, in order. */

import { countDrop } from '../../core/drops.js';
import type { Marks } from '../../core/marks.js';
import type { GoneFrame } from '../../wire/frames/gone.js';
import type { PullFrame } from '../../wire/frames/pull.js';
import { frameSize } from '../../wire/frames.js';
import type { Metrics } from '../metrics.js';
import type { SpreadDrop } from './drops.js';

export class Mail {
  private readonly waiting: (PullFrame | GoneFrame)[][];
  private readonly metrics: Metrics<SpreadDrop>;
  private readonly changed: Marks;

  /** @param changed is told of each peer for which there is something */
  constructor(members: number, metrics: Metrics<SpreadDrop>, changed: Marks) {
    this.waiting = Array.from({ length: members }, () => []);
    this.metrics = metrics;
    this.changed = changed;
  }

  has(peer: number): boolean {
    return this.waiting[peer].length > 0;
  }

  /** False if too much waits: whoever still wants it will ask again. */
  post(peer: number, frame: PullFrame | GoneFrame): boolean {
    if (this.waiting[peer].length >= MAX_MAIL) {
      countDrop(this.metrics, 'mail-overflow');
      return false;
    }
    this.waiting[peer].push(frame);
    this.changed.mark(peer);
    return true;
  }

  /** Bytes that wait, counted up to `enough` and the frame that reaches it. */
  size(peer: number, enough: number): number {
    let size = 0;
    for (const frame of this.waiting[peer]) if (size < enough) size += frameSize(frame);
    return size;
  }

  /** The first frames that fit in `room` bytes. */
  take(peer: number, room: number): (PullFrame | GoneFrame)[] {
    const queue = this.waiting[peer];
    let count = 0;
    for (let left = room; count < queue.length && frameSize(queue[count]) <= left; count++)
      left -= frameSize(queue[count]);
    return queue.splice(0, count);
  }

  clear(peer: number): void {
    this.waiting[peer].length = 0;
  }
}

/** Frames that wait for one peer: what is wanted of four streams. */
export const MAX_MAIL = 1024;
