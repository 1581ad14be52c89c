/** All that a member knows of one object, its own or another's, from the first word of it to the last. */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { ObjectId } from '../wire/symbol.js';
import type { ObjectStatus } from './broadcast.js';
import { Confirms } from './confirms.js';
import type { Group } from './group.js';
import type { Incoming } from './incoming.js';
import type { Outgoing } from './outgoing.js';

export class ObjectRecord {
  readonly id: ObjectId;
  readonly confirms: Confirms;
  incoming: Incoming | undefined;
  outgoing: Outgoing | undefined;
  /** The object, from the moment it is held to its delivery. */
  bytes: Uint8Array | undefined;
  delivered = false;
  /** Of our own: the caller has been told how it ended. */
  outcomeKnown = false;
  reported = false;
  /** When something last happened that may happen again. */
  touchedAt: Micros;
  progressAt: Micros = NEVER;
  private idleReports = 0;
  private heldAtReport = 0;
  private blocksAtReport = 0;
  private ownHash: Uint8Array | undefined;

  constructor(id: ObjectId, self: number, group: Group, now: Micros) {
    this.id = id;
    this.confirms = new Confirms(id, self, group.members.length);
    this.touchedAt = now;
  }

  /** The hash that the origin signed; undefined while only others have spoken of the object. */
  get hash(): Uint8Array | undefined {
    this.ownHash ??= this.outgoing?.descriptor.hash ?? this.incoming?.descriptor.hash;
    return this.ownHash;
  }

  /** Whether there is more to it than stragglers. */
  get isUnderWay(): boolean {
    return !this.delivered || (this.outgoing !== undefined && !this.outcomeKnown);
  }

  /** When it is forgotten if nothing happens to it. */
  endsAt(): Micros {
    if (this.outgoing && !this.outcomeKnown) return NEVER;
    return this.touchedAt + (this.confirms.settled && this.delivered ? LINGER : RETENTION);
  }

  /** A symbol has come: report soon, though not for each one. */
  scheduleProgress(now: Micros): void {
    this.progressAt = Math.min(this.progressAt, now + PROGRESS_INTERVAL);
  }

  /** Sets the time of the next report: soon while symbols come, then ever more rarely, in case a report was lost. */
  onProgressReported(now: Micros): void {
    const held = this.incoming?.heldSymbols ?? 0;
    this.idleReports = held > this.heldAtReport ? 0 : this.idleReports + 1;
    this.heldAtReport = held;
    this.progressAt =
      now + Math.min(MAX_PROGRESS_INTERVAL, PROGRESS_INTERVAL * 2 ** Math.min(10, 1 + this.idleReports));
  }

  /** Whether blocks were completed since this was last asked. */
  takeBlockChange(): boolean {
    const blocks = this.incoming?.completeBlocks() ?? 0;
    const changed = blocks !== this.blocksAtReport;
    this.blocksAtReport = blocks;
    return changed;
  }

  status(): ObjectStatus {
    const { incoming, outgoing, id, delivered } = this;
    return {
      id,
      length: outgoing?.descriptor.length ?? incoming?.descriptor.length ?? 0,
      needed: outgoing?.sourceSymbols ?? incoming?.neededSymbols ?? 0,
      held: outgoing?.sentSymbols ?? incoming?.heldSymbols ?? 0,
      complete: delivered || this.bytes !== undefined,
      delivered,
      confirmed: this.hash ? this.confirms.count(this.hash) : 0,
    };
  }

  dispose(): void {
    this.outgoing?.dispose();
    this.incoming?.dispose();
    this.outgoing = undefined;
    this.bytes = undefined;
    this.progressAt = NEVER;
    this.confirms.repeatAt = NEVER;
  }
}

const PROGRESS_INTERVAL: Micros = 10 * MILLISECOND;
const MAX_PROGRESS_INTERVAL: Micros = 1000 * MILLISECOND;
/** How long a settled object still answers members that ask for an acknowledgement. */
const LINGER: Micros = 3 * SECOND;
/** How long an object may stand still before it is given up, or wait for members that are away. */
const RETENTION: Micros = 60 * SECOND;
