/**
 * Where members are: each signs a record of its addresses, and all tell all what they hold until it is heard, so that who changes its
 * address is found by whoever can reach anybody that has heard of it (PROTOCOL 4.7). In: frames of peers, sessions, our socket's
 * address, time. Out: frames, our own record, and addresses to try for the session layer.
 *
 *   m                      a                       b
 *   | LOCATORS, its own -> |                       |
 *   | <- LOCATORS_HEARD    | -- LOCATORS_HEARD --> |   b says in turn what it holds; if that is less within a second:
 *   |                      | -- LOCATORS of m ---> |
 */
import { Budget } from '../core/budget.js';
import { countDrop, type Drops } from '../core/drops.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { KeyPair } from '../crypto/keys.js';
import type { Group } from '../group/group.js';
import { isLoopback, numericAddress } from '../wire/address.js';
import { MAX_RECORDS_HEARD, type RecordName } from '../wire/frames/locators/heard.js';
import type { LocatorRecord } from '../wire/frames/locators/locators.js';
import { type FrameOf, frameSize } from '../wire/frames.js';
import { Book, type LocatorDrop } from './book.js';
import { OwnAddresses } from './own.js';
import { isNewer, signRecord } from './record.js';
import { Share } from './share.js';

export interface LocatorsOptions {
  group: Group;
  self: number;
  keys: KeyPair;
  /** Of our session. */
  incarnation: number;
  /** Milliseconds since 1970 at time 0. */
  epoch: number;
  counters: { drops: Drops<LocatorDrop> };
  /** Where datagrams to a peer go. */
  addressOf: (peer: number) => string | undefined;
  /** Addresses at which a member may be found. */
  learn: (member: number, addresses: readonly string[]) => void;
  /** There may be something to say to a peer, or sooner. */
  notify: (peer: number) => void;
}

type LocatorFrame = FrameOf<'locators' | 'locators-heard' | 'observed-address'>;

export class Locators {
  private readonly options: LocatorsOptions;
  private readonly book: Book;
  private readonly own = new OwnAddresses();
  private readonly ownBudget = new Budget(OWN_RATE, OWN_BURST);
  /** By member with a session. */
  private readonly shares = new Map<number, Share>();
  /** By member: what of its record may be tried from here. */
  private readonly learned: (readonly string[])[];
  private made = 0;
  /** When our record is made anew. */
  private makeAt: Micros = NEVER;

  constructor(options: LocatorsOptions) {
    this.options = options;
    this.book = new Book(options);
    this.learned = options.group.members.map(() => []);
  }

  /** Our socket is bound to this address, `nearby` being those of the machine if it is all of them: now others may be told where we are. */
  handleBound(now: Micros, address: string, nearby: readonly string[] = []): void {
    this.own.onBound(address, nearby);
    this.wantRecord(now);
  }

  handleRecord(now: Micros, from: number, record: LocatorRecord): void {
    const { member } = record;
    const drop = this.book.take(now, from, record);
    if (drop) countDrop(this.options.counters, drop);
    const held = this.book.get(now, member);
    const share = this.shares.get(from);
    if (!drop) this.onTaken(now, from, record);
    else if (drop === 'record-old' && held && share) {
      share.shallHear(now, member);
      if (member !== from && isNewer(held, record)) share.lacks(member, now);
      else share.holds(member);
    }
    this.options.notify(from);
  }

  handleHeard(now: Micros, from: number, records: readonly RecordName[]): void {
    const share = this.shares.get(from);
    for (const name of records) {
      const held = this.book.get(now, name.member);
      if (!held || !share || name.member === from) continue;
      if (!isNewer(held, name)) share.holds(name.member);
      else if (!share.isKnownToLack(name.member)) share.lacks(name.member, now + FORWARD_DELAY);
    }
    this.options.notify(from);
  }

  /** A peer sees us at this address. */
  handleObserved(now: Micros, from: number, address: string): void {
    if (this.own.onObserved(from, address)) this.wantRecord(now);
  }

  /** There is a session with a peer, which may have begun anew: it hears all that we hold. */
  onSession(now: Micros, peer: number): void {
    const share = new Share();
    this.shares.set(peer, share);
    for (const { index } of this.options.group.members) {
      if (index === peer || !this.book.get(now, index)) continue;
      const isOwn = index === this.options.self;
      share.lacks(index, isOwn ? now : now + FORWARD_DELAY);
      if (!isOwn) share.shallHear(now, index);
    }
  }

  /** When there is something to say to a peer. */
  nextControl(peer: number): Micros {
    return this.shares.get(peer)?.dueAt ?? NEVER;
  }

  /** What to say to a peer now, in at most `room` bytes. */
  take(now: Micros, peer: number, room: number): LocatorFrame[] {
    const share = this.shares.get(peer);
    if (!share) return [];
    const frames: LocatorFrame[] = [];
    let left = room;
    const put = (frame: LocatorFrame) => {
      left -= frameSize(frame);
      frames.push(frame);
    };
    const at = this.options.addressOf(peer);
    const address = at !== undefined && share.takeSeen(now, at) ? numericAddress(at) : undefined;
    if (address !== undefined) put({ kind: 'observed-address', address });
    for (const member of share.takeLacking(now, Math.floor(left / MAX_RECORD))) {
      const record = this.book.get(now, member);
      if (record) put({ kind: 'locators', ...record });
      else share.holds(member);
    }
    const names = Math.min(MAX_RECORDS_HEARD, Math.floor((left - HEARD_OVERHEAD) / RECORD_NAME));
    const records = share.takeUnheard(now, names).flatMap((member) => this.book.get(now, member) ?? []);
    if (records.length > 0)
      put({
        kind: 'locators-heard',
        records: records.map(({ member, incarnation, number }) => ({ member, incarnation, number })),
      });
    return frames;
  }

  nextTimeout(): Micros {
    return this.makeAt;
  }

  handleTimeout(now: Micros): void {
    if (now >= this.makeAt) this.make(now);
  }

  /** Where we may be reached by somebody who does not reach us yet. */
  get candidates(): readonly string[] {
    return this.own.candidates();
  }

  /** What our record says of us, and where others see us. */
  status(now: Micros): { told: readonly string[]; seen: { address: string; by: number[] }[] } {
    return { told: this.book.get(now, this.options.self)?.addresses ?? [], seen: this.own.seen() };
  }

  /** Where a member's record says that it is, as far as that can be tried from here. */
  learnedOf(member: number): readonly string[] {
    return this.learned[member];
  }

  private onTaken(now: Micros, from: number, record: LocatorRecord): void {
    const { addressOf, learn, notify } = this.options;
    const { member, addresses } = record;
    // What is there on this machine alone says nothing elsewhere: who tells it must be here, too.
    const isNear = isLoopback(addressOf(from) ?? '');
    this.learned[member] = addresses.filter((address) => isNear || !isLoopback(address));
    learn(member, this.learned[member]);
    for (const [peer, share] of this.shares) {
      if (peer === from) share.holds(member);
      else if (peer !== member) share.lacks(member, now + FORWARD_DELAY);
      share.shallHear(now, member);
      notify(peer);
    }
  }

  private wantRecord(now: Micros): void {
    this.makeAt = Math.min(this.makeAt, now + OWN_DELAY);
  }

  private make(now: Micros): void {
    const { group, self, keys, incarnation, notify } = this.options;
    const addresses = this.own.addresses();
    const before = this.book.get(now, self);
    const isSame = before?.addresses.join() === addresses.join();
    const wall = this.book.wall(now);
    this.makeAt = NEVER;
    if (addresses.length === 0) return;
    if (!(isSame && wall < before.time + RENEW / MILLISECOND)) {
      if (!this.ownBudget.take(now)) {
        this.makeAt = now + SECOND;
        return;
      }
      const said = { member: self, incarnation, number: ++this.made, time: wall, addresses };
      this.book.set(signRecord(keys, group.id, said));
      for (const [peer, share] of this.shares) {
        share.lacks(self, now);
        notify(peer);
      }
    }
    const { time } = this.book.get(now, self)!;
    this.makeAt = now + Math.max(SECOND, (time - wall) * MILLISECOND + RENEW);
  }
}

/** Others say at once where they see us. */
const OWN_DELAY: Micros = 100 * MILLISECOND;
/** Of our own records a second: others take no more of one member. */
const OWN_RATE = 0.1;
const OWN_BURST = 3;
/** A quarter of the time that a record counts for. */
const RENEW: Micros = 6 * 3600 * SECOND;
/** So long it may say that it has it from another one: its maker tells it to all that it reaches. */
const FORWARD_DELAY: Micros = SECOND;
/** Type, length, what is signed with 8 addresses of IPv6, signature. */
const MAX_RECORD = 3 + 19 + 8 * 19 + 64;
const HEARD_OVERHEAD = 3 + 1;
const RECORD_NAME = 12;
