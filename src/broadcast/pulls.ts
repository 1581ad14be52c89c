/**
 * What we lack of objects that others hold, and when to ask for it. The origin and the relays send without being asked,
 * so asking begins after a while of silence, and at once where a stream is being caught up on.
 */
import type { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { Stream } from './stream.js';

interface Want {
  askAt: Micros;
  tries: number;
}

export class Pulls {
  private readonly rng: Rng;
  private readonly wants = new Map<Stream, Map<number, Want>>();
  /** Streams of which an object came because we had asked. */
  private readonly behind = new Set<Stream>();
  private due: Micros = NEVER;

  constructor(rng: Rng) {
    this.rng = rng;
  }

  /** Whether objects of this stream are on the list. */
  wantsOf(stream: Stream): boolean {
    return this.wants.has(stream);
  }

  /** Brings the list up to date: objects of `stream` below `existing` that are not held are wanted. */
  update(now: Micros, stream: Stream, existing: number, rtt: Micros): void {
    let wants = this.wants.get(stream);
    if (wants) for (const seq of wants.keys()) if (stream.holds(seq)) wants.delete(seq);
    const end = Math.min(existing, stream.count + WINDOW);
    for (let seq = stream.count; seq < end; seq++) {
      if (stream.holds(seq) || stream.records.get(seq)?.storing || wants?.has(seq)) continue;
      if (!wants) {
        wants = new Map();
        this.wants.set(stream, wants);
      }
      const askAt = this.behind.has(stream) ? now : now + FIRST_PATIENCE + 2 * rtt;
      wants.set(seq, { askAt, tries: 0 });
      this.due = Math.min(this.due, askAt);
    }
    if (wants?.size === 0) {
      this.wants.delete(stream);
      this.behind.delete(stream);
    }
  }

  /** An object that we had asked for came so: what else is missing of its stream need not wait. */
  onServed(now: Micros, stream: Stream, seq: number): void {
    if (!this.wants.get(stream)?.get(seq)?.tries || this.behind.has(stream)) return;
    this.behind.add(stream);
    for (const want of this.wants.get(stream)!.values()) if (want.tries === 0) want.askAt = now;
    this.due = now;
  }

  /** Objects to ask for now; each is asked for again, ever more rarely, unless it has come or moved by then. */
  take(now: Micros, rtt: Micros): { stream: Stream; seq: number; tries: number }[] {
    if (this.due > now) return [];
    const asked: { stream: Stream; seq: number; tries: number }[] = [];
    this.due = NEVER;
    for (const [stream, wants] of this.wants) {
      // Its origin sends one after the other: what has not begun while an earlier one is still coming in will come too.
      let coming = -NEVER;
      for (const [seq, want] of wants) {
        const record = stream.records.get(seq);
        if (record?.incoming) coming = Math.max(coming, record.usefulAt);
        const touched = record?.usefulAt ?? (this.behind.has(stream) ? -NEVER : coming);
        // Symbols of it are still coming in; those that bring nothing must not keep us from asking.
        want.askAt = Math.max(want.askAt, touched + SECOND_PATIENCE + rtt);
        if (want.askAt <= now) {
          asked.push({ stream, seq, tries: want.tries });
          const wait = (SECOND_PATIENCE + 2 * rtt) * BACKOFF ** Math.min(want.tries++, MAX_STEPS);
          want.askAt = now + Math.ceil(Math.min(MAX_WAIT, wait) * (1 + 0.25 * this.rng.float()));
        }
        this.due = Math.min(this.due, want.askAt);
      }
    }
    return asked;
  }

  forget(stream: Stream): void {
    this.wants.delete(stream);
    this.behind.delete(stream);
  }

  nextTimeout(): Micros {
    return this.due;
  }
}

/** Objects of a stream wanted at once. */
const WINDOW = 64;
const FIRST_PATIENCE: Micros = 100 * MILLISECOND;
const SECOND_PATIENCE: Micros = 50 * MILLISECOND;
const BACKOFF = 1.5;
const MAX_STEPS = 10;
const MAX_WAIT: Micros = 2 * SECOND;
