/** Which moment is shown. In: ticks as they come, and what its user wants: pause, another moment, another speed. Out: a run at that moment. */
import type { Tick } from '../../../node/status/sight.js';
import { Run, type RunEvent } from './run.js';

export class Player {
  run: Run;
  isPaused = false;
  speed = 1;
  private readonly members: readonly string[];
  private readonly earlier: readonly RunEvent[];
  private ticks: Tick[] = [];
  /** Ticks that the run has had. */
  private applied = 0;
  /** Whether the newest is shown as it comes. */
  private follows: boolean;
  private clock = 0;

  /** @param earlier what had happened before the first tick */
  constructor(members: readonly string[], isLive: boolean, earlier: readonly RunEvent[]) {
    this.members = members;
    this.earlier = earlier;
    this.follows = isLive;
    this.run = this.empty();
  }

  get start(): number {
    return this.ticks[0]?.at ?? 0;
  }

  get end(): number {
    return this.ticks[this.ticks.length - 1]?.at ?? 0;
  }

  get now(): number {
    return this.follows ? this.end : this.clock;
  }

  get isFollowing(): boolean {
    return this.follows;
  }

  get isEmpty(): boolean {
    return this.ticks.length === 0;
  }

  add(tick: Tick): void {
    if (this.ticks.length === 0) this.clock = tick.at;
    this.ticks.push(tick);
    // The run is made of what is kept: what goes is no longer to be gone back to.
    if (this.ticks.length > MAX_TICKS) {
      this.ticks.splice(0, MAX_TICKS / 4);
      this.applied = Math.max(0, this.applied - MAX_TICKS / 4);
    }
    if (this.follows && !this.isPaused) this.advance(tick.at);
  }

  /** Time has gone by. */
  pass(seconds: number): void {
    if (this.isPaused || this.follows || this.isEmpty) return;
    this.clock = Math.min(this.end, this.clock + seconds * 1000 * this.speed);
    this.advance(this.clock);
  }

  toggle(): void {
    if (this.isPaused && !this.follows && this.clock >= this.end) this.seek(this.start);
    this.isPaused = !this.isPaused;
    if (this.isPaused && this.follows) {
      this.clock = this.end;
      this.follows = false;
    }
  }

  /** Shows the newest, and what comes. */
  follow(): void {
    this.follows = true;
    this.isPaused = false;
    this.advance(this.end);
  }

  seek(at: number): void {
    this.follows = false;
    this.clock = at;
    if (at < this.run.at) {
      this.run = this.empty();
      this.applied = 0;
    }
    this.advance(at);
  }

  private advance(at: number): void {
    while (this.applied < this.ticks.length && this.ticks[this.applied].at <= at)
      this.run.apply(this.ticks[this.applied++]);
  }

  private empty(): Run {
    const run = new Run(this.members);
    run.events.push(...this.earlier);
    return run;
  }
}

/** Twenty minutes of a live page. */
const MAX_TICKS = 6000;
