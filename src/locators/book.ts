/**
 * The newest record of each member that says where it is. In: records as members tell them. Out: the newest, one a member, and why
 * another one is not taken.
 */
import { Budget } from '../core/budget.js';
import { MILLISECOND, type Micros } from '../core/time.js';
import type { Group } from '../group/group.js';
import type { LocatorRecord } from '../wire/frames/locators/locators.js';
import { isNewer, isSigned } from './record.js';

/** Why a record is not taken. */
export type LocatorDrop =
  /** A record of where a member is that it has not signed, or of nobody. */
  | 'record-forged'
  /** A record that is not newer than the one held, or too old by now. */
  | 'record-old'
  /** A record from the future, by our clock. */
  | 'record-ahead'
  /** More records at once, of one member or from one, than are checked. */
  | 'record-budget';

export interface BookOptions {
  group: Group;
  self: number;
  /** Milliseconds since 1970 at time 0. */
  epoch: number;
}

export class Book {
  private readonly options: BookOptions;
  private readonly records: (LocatorRecord | undefined)[];
  /** By member: new records of it, and signatures checked of what it tells. */
  private readonly renewals: Budget[];
  private readonly checks: Budget[];

  constructor(options: BookOptions) {
    const { members } = options.group;
    this.options = options;
    this.records = members.map(() => undefined);
    this.renewals = members.map(() => new Budget(RENEWAL_RATE, RENEWAL_BURST));
    this.checks = members.map(() => new Budget(RECORD_CHECKS, members.length + RENEWAL_BURST));
  }

  /** Of a member, ourselves included; undefined if nothing is known, or it was too long ago. */
  get(now: Micros, member: number): LocatorRecord | undefined {
    const record = this.records[member];
    return record && !this.isExpired(now, record) ? record : undefined;
  }

  /** Ours. */
  set(record: LocatorRecord): void {
    this.records[record.member] = record;
  }

  /** Takes in what a member tells; gives why it is not taken. */
  take(now: Micros, from: number, record: LocatorRecord): LocatorDrop | undefined {
    const { group, self } = this.options;
    const { member, time } = record;
    const held = this.get(now, member);
    if (member === self || member >= group.members.length) return 'record-forged';
    if (this.isExpired(now, record) || (held && !isNewer(record, held))) return 'record-old';
    if (time > this.wall(now) + RECORD_AHEAD / MILLISECOND) return 'record-ahead';
    if (this.renewals[member].available(now) < 1 || !this.checks[from].take(now)) return 'record-budget';
    if (!isSigned(record, group.id, group.members[member].publicKey)) return 'record-forged';
    this.renewals[member].spend();
    // The datagram's memory is the socket's.
    this.records[member] = { ...record, signature: record.signature.slice() };
    return undefined;
  }

  /** Milliseconds since 1970, by our clock. */
  wall(now: Micros): number {
    return Math.max(0, Math.floor(this.options.epoch + now / MILLISECOND));
  }

  private isExpired(now: Micros, { time }: LocatorRecord): boolean {
    return time + RECORD_LIFE / MILLISECOND < this.wall(now);
  }
}

/** Clocks that are less wrong than that are put up with: no order depends on them. */
export const RECORD_AHEAD: Micros = 3_600_000_000;
/** Who has been gone for so long has said where it is to whoever still runs. */
export const RECORD_LIFE: Micros = 24 * 3_600_000_000;
/** A second: signatures of what one member tells, 60 us each. */
export const RECORD_CHECKS = 16;
/** New records of one member: each goes once to each other member from each that holds it and does not know better. */
export const RENEWAL_RATE = 0.2;
export const RENEWAL_BURST = 4;
