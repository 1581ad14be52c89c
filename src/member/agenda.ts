/**
 * When each peer needs something of us, and which of them have symbols that may go. In: marks of peers for which something
 * has changed, time. Out: the earliest deadline and the peers that are due; the egress is told who waits. Only marked peers
 * are looked at, so that a datagram costs a member of a large group what it costs one of a small group.
 */
import type { Egress } from '../congestion/egress.js';
import { Deadlines } from '../core/deadlines.js';
import type { Marks } from '../core/marks.js';
import { type Micros, NEVER } from '../core/time.js';
import type { Peer } from './peer.js';

interface AgendaOptions {
  /** By member; undefined at our own place. */
  peers: readonly (Peer | undefined)[];
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
    const { length } = options.peers;
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

  /** The first peer after `last` for which a datagram without symbols is due, to be looked at again. */
  controlDue(now: Micros, last?: Peer): Peer | undefined {
    return this.firstDue(this.control, now, last);
  }

  /** The first peer after `last` whose path or fail-over wants to be woken, to be looked at again. */
  timeoutDue(now: Micros, last?: Peer): Peer | undefined {
    return this.firstDue(this.timers, now, last);
  }

  /** Tells the egress of all who have symbols that may go now. */
  findSymbols(now: Micros): void {
    this.refresh(now);
    const { paced } = this;
    const { peers } = this.options;
    for (let index = paced.firstDue(now); index >= 0; index = paced.firstDue(now, index + 1))
      this.lookForSymbols(now, peers[index]!);
  }

  /** Whether there is a symbol for this peer that its path lets go now; if pacing holds it back, until when. */
  lookForSymbols(now: Micros, { index, path, outbound }: Peer): void {
    const { egress } = this.options;
    const mode = path.askToSend(now);
    const has = path.isOpen && outbound.hasSymbol(now);
    if (!has && mode === 'any') path.recovery.onAppLimited(now);
    egress.want(index, has && mode === 'any');
    this.paced.set(index, has && mode === 'pacing' ? path.recovery.nextSend(now) : NEVER);
  }

  /** A peer that is due before we would look at it, as nobody has marked it; undefined if there is none. For the simulator. */
  check(): string | undefined {
    const { peers, changed } = this.options;
    for (const peer of peers) {
      if (!peer || changed.has(peer.index)) continue;
      const [control, timers] = [peer.nextControl(), peer.nextTimeout()];
      const [toldControl, toldTimers] = [this.control.get(peer.index), this.timers.get(peer.index)];
      if (control < toldControl) return `control to ${peer.index} is due at ${control}, not ${toldControl}`;
      if (timers < toldTimers) return `timers of ${peer.index} are due at ${timers}, not ${toldTimers}`;
    }
    return undefined;
  }

  private firstDue(deadlines: Deadlines, now: Micros, last: Peer | undefined): Peer | undefined {
    this.refresh(now);
    const index = deadlines.firstDue(now, last ? last.index + 1 : 0);
    if (index < 0) return undefined;
    const peer = this.options.peers[index]!;
    peer.notify();
    return peer;
  }

  private refresh(now: Micros): void {
    const { changed, peers } = this.options;
    for (let index = changed.take(); index >= 0; index = changed.take()) {
      const peer = peers[index];
      if (!peer) continue;
      this.control.set(index, peer.nextControl());
      this.timers.set(index, peer.nextTimeout());
      this.lookForSymbols(now, peer);
    }
  }
}
