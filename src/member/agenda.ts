/**
 * When each peer needs something of us, and which of them have symbols that may go. In: marks of peers for which something
 * has changed, time. Out: the earliest deadline and the peers that are due; the egress is told who waits. Only marked peers
 * are looked at, so that a datagram costs a member of a large group what it costs one of a small group.
 */
import type { Broadcast } from '../broadcast/broadcast.js';
import type { Egress } from '../congestion/egress.js';
import { Deadlines } from '../core/deadlines.js';
import type { Marks } from '../core/marks.js';
import { type Micros, NEVER } from '../core/time.js';
import type { Path } from '../path/path.js';
import type { FailOver } from './failover.js';

interface AgendaOptions {
  /** By peer; undefined at our own place, as in `failOvers`. */
  paths: readonly (Path | undefined)[];
  failOvers: readonly (FailOver | undefined)[];
  broadcaster: Broadcast;
  egress: Egress;
  /** Peers whose deadlines, or what there is to send to them, may be others than they were; all of them at first. */
  changed: Marks;
}

export class Agenda {
  private readonly options: AgendaOptions;
  /** By peer: when a datagram without symbols is due, and when its path or fail-over wants to be woken. */
  private readonly control: Deadlines;
  private readonly timers: Deadlines;
  /** By peer with symbols that only pacing holds back: until when. */
  private readonly paced: Deadlines;

  constructor(options: AgendaOptions) {
    const { length } = options.paths;
    this.options = options;
    this.control = new Deadlines(length);
    this.timers = new Deadlines(length);
    this.paced = new Deadlines(length);
    options.changed.markAll();
  }

  /** When any peer is due; NEVER if none is. */
  nextTimeout(now: Micros): Micros {
    this.refresh(now);
    const next = Math.min(this.control.earliest, this.timers.earliest, this.paced.earliest);
    return Math.min(next, this.options.egress.nextSend(now));
  }

  /** The first peer, from `from` on, for which a datagram without symbols is due, to be looked at again; -1 if there is none. */
  controlDue(now: Micros, from = 0): number {
    return this.firstDue(this.control, now, from);
  }

  /** The first peer, from `from` on, whose path or fail-over wants to be woken, to be looked at again; -1 if there is none. */
  timeoutDue(now: Micros, from = 0): number {
    return this.firstDue(this.timers, now, from);
  }

  /** Tells the egress of all who have symbols that may go now. */
  findSymbols(now: Micros): void {
    this.refresh(now);
    const { paced } = this;
    for (let peer = paced.firstDue(now); peer >= 0; peer = paced.firstDue(now, peer + 1))
      this.lookForSymbols(now, peer);
  }

  /** Whether there is a symbol for this peer that its path lets go now; if pacing holds it back, until when. */
  lookForSymbols(now: Micros, peer: number): void {
    const { paths, broadcaster, egress } = this.options;
    const path = paths[peer]!;
    const mode = path.canSend(now);
    const has = path.isOpen && broadcaster.hasSymbol(now, peer);
    if (!has && mode === 'any') path.recovery.onAppLimited(now);
    egress.want(peer, has && mode === 'any');
    this.paced.set(peer, has && mode === 'pacing' ? path.recovery.nextSend(now) : NEVER);
  }

  /** A peer that is due before we would look at it, as nobody has marked it; undefined if there is none. For the simulator. */
  check(): string | undefined {
    for (let peer = 0; peer < this.options.paths.length; peer++) {
      if (!this.options.paths[peer] || this.options.changed.has(peer)) continue;
      const { control, timers } = this.deadlinesOf(peer);
      if (control < this.control.get(peer))
        return `control to ${peer} is due at ${control}, not ${this.control.get(peer)}`;
      if (timers < this.timers.get(peer))
        return `timers of ${peer} are due at ${timers}, not ${this.timers.get(peer)}`;
    }
    return undefined;
  }

  private deadlinesOf(peer: number): { control: Micros; timers: Micros } {
    const { paths, failOvers, broadcaster } = this.options;
    const path = paths[peer]!;
    const probe = path.isOpen ? path.mtu.nextProbe() : NEVER;
    return {
      control: Math.min(broadcaster.nextControl(peer), path.nextFrames(), probe),
      timers: Math.min(path.nextTimeout(), failOvers[peer]!.nextTimeout()),
    };
  }

  private firstDue(deadlines: Deadlines, now: Micros, from: number): number {
    this.refresh(now);
    const peer = deadlines.firstDue(now, from);
    if (peer >= 0) this.options.changed.mark(peer);
    return peer;
  }

  private refresh(now: Micros): void {
    const { changed, paths } = this.options;
    for (let peer = changed.take(); peer >= 0; peer = changed.take()) {
      if (!paths[peer]) continue;
      const { control, timers } = this.deadlinesOf(peer);
      this.control.set(peer, control);
      this.timers.set(peer, timers);
      this.lookForSymbols(now, peer);
    }
  }
}
