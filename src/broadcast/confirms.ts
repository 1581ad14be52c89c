/**
 * Who holds an object: the confirms of each member, and which members have ours. A confirm is repeated to a member
 * with growing waits until that member is known to have it.
 */
import { Bitset, bitAt } from '../core/bitset.js';
import { equalBytes } from '../core/bytes.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { ConfirmFrame } from '../wire/frames.js';
import type { ObjectId } from '../wire/symbol.js';

export class Confirms {
  private readonly id: ObjectId;
  private readonly self: number;
  private readonly members: number;
  /** Member -> the hash it confirmed. One a member: its first. */
  private readonly hashes = new Map<number, Uint8Array>();
  /** Members known to have our confirm. */
  private readonly informed = new Bitset();
  private repeats = 0;
  repeatAt: Micros = NEVER;

  constructor(id: ObjectId, self: number, members: number) {
    this.id = id;
    this.self = self;
    this.members = members;
  }

  /** Members that hold the object with this hash. */
  count(hash: Uint8Array): number {
    let count = 0;
    for (const confirmed of this.hashes.values()) if (equalBytes(confirmed, hash)) count++;
    return count;
  }

  has(member: number): boolean {
    return this.hashes.has(member);
  }

  /** We hold the object ourselves (or its origin does, as its signature says). */
  add(member: number, hash: Uint8Array): void {
    if (!this.hashes.has(member)) this.hashes.set(member, hash.slice());
  }

  /** Starts telling the others of our own confirm. */
  announce(now: Micros): void {
    this.repeats = 0;
    this.repeatAt = now;
  }

  onFrame(from: number, frame: ConfirmFrame): void {
    this.add(from, frame.hash);
    if (bitAt(frame.confirmed, this.self)) this.informed.add(from);
  }

  /** All have confirmed and all know that we have. */
  get settled(): boolean {
    return this.hashes.size === this.members && this.uninformed().length === 0;
  }

  /** Members to tell now; sets the time for the next round. */
  takeRepeats(now: Micros, rtt: Micros): number[] {
    if (this.repeatAt > now) return [];
    const rest = this.uninformed();
    const wait = Math.max(MIN_REPEAT, 1.5 * rtt) * 2 ** Math.min(this.repeats++, MAX_STEPS);
    this.repeatAt = rest.length === 0 ? NEVER : now + Math.ceil(Math.min(wait, MAX_REPEAT));
    return rest;
  }

  /** What to tell `peer`; undefined as long as we do not hold the object. */
  frameFor(peer: number): ConfirmFrame | undefined {
    const hash = this.hashes.get(this.self);
    if (!hash) return undefined;
    const confirmed = new Bitset();
    for (const member of this.hashes.keys()) confirmed.add(member);
    return {
      kind: 'confirm',
      id: this.id,
      hash,
      wantsAck: !this.informed.has(peer),
      confirmed: confirmed.toBytes(this.members),
    };
  }

  private uninformed(): number[] {
    const rest: number[] = [];
    for (let member = 0; member < this.members; member++)
      if (member !== this.self && !this.informed.has(member)) rest.push(member);
    return rest;
  }
}

const MIN_REPEAT: Micros = 20 * MILLISECOND;
const MAX_REPEAT: Micros = SECOND;
const MAX_STEPS = 10;
