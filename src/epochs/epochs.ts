/**
 * The epochs of a group as its member lives them: `Change` with what is stored and said of it. In: what the store held, frames of others,
 * commits. Out: what to store, when nothing may be said, frames, and news for who delivers, prunes and tells. Undefined states have no such
 * object: a group that stays the same has none.
 */

import { equalBytes, toHex } from '../core/bytes.js';
import { type Micros, NEVER } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import type { MemberEvent } from '../events.js';
import { MAX_EPOCHS } from '../group/epochs/chain.js';
import { majority } from '../group/epochs/descriptor.js';
import type { Group } from '../group/group.js';
import { EPOCH_ID_SIZE, type EpochFrame, type EpochMark, MAX_LISTED } from '../wire/frames/epochs/epoch.js';
import { streamKey } from '../wire/symbol.js';
import { Change, type EpochState, type Mark, type Standing, type Standings } from './change.js';
import { parseRecord, writeRecord } from './record.js';
import { NO_NEXT, Talk, type Telling } from './talk.js';

type EpochEvent = Extract<MemberEvent<number>, { type: 'epoch' | 'epoch-unknown' }>;

/** Where a member is in a group that changes, for people to look at. */
export interface EpochOverview {
  /** The newest epoch that is taken. */
  has: number;
  /** The newest that the group file has. */
  known: number;
  /** Where this member is active. */
  active: number;
  /** By member of the newest epoch taken: where it is active, as far as it has said; undefined: it has said nothing yet. */
  members: ReadonlyMap<number, number | undefined>;
  /** Members of the epoch before the newest taken that are not of it. */
  leaving: readonly number[];
  /** C8: enough members are active that those may be switched off. */
  isOver: boolean;
  /** Streams of which this member lacks something before it can be active. */
  lacking: number;
}

/** What Epochs asks of streams. */
export interface StreamsView {
  /** How we stand in all of them, by name. */
  held(): Map<string, Standing>;
}

export class Epochs {
  readonly change: Change;
  /** What has become of them, the oldest first. */
  readonly events: EpochEvent[] = [];
  private readonly group: Group;
  private readonly self: number;
  private readonly ids: readonly Uint8Array[];
  private readonly talk: Talk;
  /** Records that the store does not have yet: nothing is said meanwhile. */
  private unstored = 0;
  /** By member: the newest epoch that it has spoken of and we do not have; -1: none. Who is asked first may not answer. */
  private readonly unknown: number[];
  private toWrite: boolean;

  /**
   * @param stored the record in our store, if it has one
   * @throws HeadwaterError INVALID_CONFIG if the store knows epochs that the group does not
   */
  constructor(group: Group, self: number, stored: Uint8Array | undefined) {
    this.group = group;
    this.self = self;
    const chain = group.epochs!;
    this.ids = chain.map(({ hash }) => hash.slice(0, EPOCH_ID_SIZE));
    const views = chain.map(({ members }, i) => ({
      id: toHex(this.ids[i]),
      slots: members.map(({ slot }) => slot),
    }));
    this.change = new Change(self, views, stored ? this.stateOf(stored) : firstState(views, self));
    this.talk = new Talk(group.members.length);
    this.unknown = group.members.map(() => -1);
    this.toWrite = stored === undefined;
  }

  /** Slots of members that are spoken to: those of the epochs from the one in which we are active on. */
  isSpokenTo(slot: number): boolean {
    for (let epoch = this.change.active; epoch < this.ids.length; epoch++)
      if (this.change.isIn(epoch, slot)) return true;
    return false;
  }

  /** Whether anything may be said of what we hold: not while our store does not have when we say it. */
  get isSilent(): boolean {
    return this.unstored > 0 || this.toWrite;
  }

  /** When what we say is said. */
  get mark(): EpochMark {
    const { has, active } = this.change;
    return { has, active, id: this.ids[has] };
  }

  /** Goes as far as it can now: takes descriptors, and becomes active. Whether it went any further. */
  proceed(streams: StreamsView): boolean {
    const { change } = this;
    let isMoved = false;
    for (;;) {
      // A list that is longer cannot be told: the change waits until streams of former lives are over.
      if (change.mayTake && streams.held().size <= MAX_LISTED) {
        change.take(streams.held());
        this.events.push({ type: 'epoch', epoch: change.has, active: false });
      } else if (change.isSealed && change.advance(streams.held()))
        this.events.push({ type: 'epoch', epoch: change.active, active: true });
      else break;
      isMoved = true;
    }
    if (isMoved) {
      this.toWrite = true;
      this.talk.restartAll();
    }
    return isMoved;
  }

  /** What is to be written now, in the order of all other writes. */
  takeWrite(): Uint8Array | undefined {
    if (!this.toWrite) return undefined;
    this.toWrite = false;
    this.unstored++;
    const ids = this.ids.slice(0, this.change.has + 1).map(toHex);
    return writeRecord({ ...this.change.state, ids });
  }

  /** A record is in our store. Whether more may be said now. */
  onStored(): boolean {
    this.unstored--;
    if (this.isSilent) return false;
    this.talk.restartAll();
    return true;
  }

  onSession(member: number, fresh: boolean): void {
    this.talk.restart(member, fresh);
  }

  /** What `member` says of where it is. `isOurs`: by descriptors that we know. `isNews`: and it was not known. */
  handleMark(member: number, { has, active, id }: EpochMark): { isOurs: boolean; isNews: boolean } {
    const known = this.ids[has];
    if (!known || !equalBytes(id, known)) {
      // No chain is longer, so each member can make us say so a bounded number of times.
      if (has > this.unknown[member] && has < MAX_EPOCHS) {
        this.unknown[member] = has;
        this.events.push({ type: 'epoch-unknown', member, epoch: has });
      }
      return { isOurs: false, isNews: false };
    }
    const isNews = this.change.handleMark(member, { has, active });
    if (isNews) this.talk.restart(member);
    return { isOurs: true, isNews };
  }

  /** Takes in an EPOCH. Whether it may change what is delivered. */
  handleFrame(member: number, frame: EpochFrame): boolean {
    const { isOurs, isNews } = this.handleMark(member, frame);
    this.talk.onHeard(member, frame.heard);
    // A seal for a descriptor that we do not know says what its sender had confirmed before.
    if (!isOurs && frame.list !== 'seal') return false;
    const list = this.talk.onList(member, frame);
    if (!list) return isNews;
    const streams = new Map(list.map((each) => [streamKey(each), { count: each.count, base: each.base }]));
    if (frame.list === 'seal') {
      const seal = { epoch: frame.of, next: toHex(frame.next), streams };
      return this.change.handleSeal(member, seal) || isNews;
    }
    this.change.handleStarts(member, frame, new Map([...streams].map(([name, { count }]) => [name, count])));
    return true;
  }

  dueAt(member: number): Micros {
    return this.isSilent ? NEVER : this.talk.dueAt(member, this.change, this.change.markOf(member));
  }

  take(now: Micros, member: number, room: number): EpochFrame | undefined {
    if (this.dueAt(member) > now) return undefined;
    const theirs = this.change.markOf(member);
    return this.talk.take(now, member, room, { own: this.mark, theirs, telling: this.tellingFor(theirs) });
  }

  overview(streams: StreamsView): EpochOverview {
    const { has, active, isSealed } = this.change;
    const newest = this.group.epochs![has].members.map(({ slot }) => slot);
    const activeOf = (slot: number) => (slot === this.self ? active : this.change.markOf(slot)?.active);
    const before = this.group.epochs![Math.max(0, has - 1)].members.map(({ slot }) => slot);
    const leaving = before.filter((slot) => !newest.includes(slot));
    const there = newest.filter((slot) => (activeOf(slot) ?? -1) >= has);
    return {
      ...{ has, active, leaving, known: this.ids.length - 1 },
      members: new Map(newest.map((slot) => [slot, activeOf(slot)])),
      isOver: !this.isSilent && there.length >= majority(newest.length),
      lacking: isSealed ? this.change.missing(streams.held()).length : 0,
    };
  }

  private tellingFor(theirs: Mark | undefined): Telling {
    const { active, state } = this.change;
    if (theirs && theirs.active < active) {
      const streams = [...state.starts].map(([name, count]) => ({ ...idOf(name), count, base: 0 }));
      return { list: 'starts', of: 0, next: NO_NEXT, streams };
    }
    // Most are where we are; who has not said yet is told as if it were, which saves it a round trip.
    const seal = this.change.sealOf(theirs?.active ?? active);
    if (!seal) return { list: 'none', of: 0, next: NO_NEXT, streams: [] };
    return { list: 'seal', of: seal.epoch, next: this.ids[seal.epoch + 1], streams: listed(seal.streams) };
  }

  private stateOf(stored: Uint8Array): EpochState {
    const record = parseRecord(stored);
    record.ids.forEach((id, epoch) => {
      const known = this.ids[epoch];
      if (known && toHex(known) === id) return;
      throw new HeadwaterError(
        'INVALID_CONFIG',
        known
          ? `group: expected epoch ${epoch} to be the one that this member has taken (${id}), got ${toHex(known)}`
          : `group: expected ${record.ids.length} epochs at least, which this member has taken, got ${this.ids.length}: its file is old`,
      );
    });
    return record;
  }
}

/** Of a member that has no store yet: it begins with the first epoch that it is in. */
function firstState(views: readonly { slots: readonly number[] }[], self: number): EpochState {
  const first = views.findIndex(({ slots }) => slots.includes(self));
  return { has: first, active: Math.max(0, first - 1), seals: [], starts: new Map() };
}

function listed(streams: Standings) {
  return [...streams].map(([name, { count, base }]) => ({ ...idOf(name), count, base }));
}

/** The stream that `streamKey` names so. */
function idOf(name: string): { origin: number; incarnation: number } {
  const [origin, incarnation] = name.split('/').map(Number);
  return { origin, incarnation };
}
