/**
 * Which run of the peer counts, as far as handshakes have proved it, and what operators are to know of others. Incarnations are
 * times, so the highest counts; clocks go back, so only until it has been silent for a while.
 */
import type { Micros } from '../../core/time.js';
import type { VersionRange } from '../../wire/dialect.js';
import type { SessionContext } from '../context.js';
import type { SessionDropReason } from '../events.js';
import type { Hints } from '../hints.js';
import { RUN_SILENCE } from '../limits.js';

export class PeerRun {
  /** Of the peer, once it has proved one. */
  incarnation: number | undefined;
  /** Of the newest first message of this incarnation whose keys were used. */
  private counter = -1;
  private readonly context: SessionContext;
  private readonly peer: number;
  private readonly hints: Hints;

  constructor(context: SessionContext, peer: number, hints: Hints) {
    this.context = context;
    this.peer = peer;
    this.hints = hints;
  }

  /** Whether a first message is no newer than one whose keys were used. */
  isReplay({ incarnation, counter }: { incarnation: number; counter: number }): boolean {
    return incarnation === this.incarnation && counter <= this.counter;
  }

  /** Turns away a run while a later one is here, and tells of it; false if it may go on. `heardAt`: when that was last heard. */
  turnAway(
    now: Micros,
    { incarnation, from }: { incarnation: number; from: string },
    heardAt: Micros,
  ): boolean {
    const { incarnation: counting, peer } = this;
    if (counting === undefined || incarnation >= counting || now >= heardAt + RUN_SILENCE) return false;
    if (this.hints.take(now, 'older-run'))
      this.context.emit({ type: 'older-run', member: peer, incarnation, counting, address: from });
    return true;
  }

  /** A handshake has proved this run; says whether it ends another one. */
  prove(incarnation: number): boolean {
    const known = this.incarnation;
    if (known === incarnation) return false;
    this.incarnation = incarnation;
    this.counter = -1;
    return known !== undefined;
  }

  /** The keys of this run's first message with that counter are used. */
  onConfirmed(counter: number): void {
    this.counter = Math.max(this.counter, counter);
  }

  /** Whether a later run with our own key counts for the peer, which is told. */
  isSuperseded(now: Micros, counting: number): boolean {
    const { context, peer } = this;
    if (counting <= context.self.incarnation) return false;
    if (this.hints.take(now, 'superseded')) context.emit({ type: 'superseded', member: peer, counting });
    return true;
  }

  /** The peer speaks other versions of the protocol than we do: told; gives the reason under which what it said is dropped. */
  noteForeign(now: Micros, theirs: VersionRange): SessionDropReason {
    const { context, peer } = this;
    const ours = context.self.dialect.versions;
    if (this.hints.take(now, 'foreign-version'))
      context.emit({ type: 'foreign-version', member: peer, theirs, ours });
    return 'foreign-version';
  }

  noteVersion(now: Micros, version: number): void {
    if (version !== this.context.self.version && this.hints.take(now, 'other-version'))
      this.context.emit({ type: 'other-version', member: this.peer, version });
  }
}
