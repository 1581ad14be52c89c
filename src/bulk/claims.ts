/**
 * What the members say of one transfer: how they stand with it, and which objects of it they hold. In: TRANSFER frames. Out:
 * whether a member holds an object, or wants it.
 */
import { bitAt } from '../core/bitset.js';
import type { TransferFrame, TransferState } from '../wire/frames/transfer.js';

/** What a member has said last. */
export type Claim = Readonly<Pick<TransferFrame, 'state' | 'count' | 'sent' | 'reason' | 'ahead'>>;

export class Claims {
  /** By member. */
  private readonly said = new Map<number, Claim>();

  of(member: number): Claim | undefined {
    return this.said.get(member);
  }

  get members(): Iterable<number> {
    return this.said.keys();
  }

  hear(member: number, { state, count, sent, reason, ahead }: TransferFrame): void {
    // Views of a datagram.
    this.said.set(member, { state, count, sent, reason: reason.slice(), ahead: ahead.slice() });
  }

  forget(member: number): void {
    this.said.delete(member);
  }

  isHeldBy(member: number, seq: number): boolean {
    const claim = this.said.get(member);
    if (!claim) return false;
    return seq < claim.count || (seq > claim.count && bitAt(claim.ahead, seq - claim.count - 1));
  }

  /** How many of the objects it holds. */
  heldBy(member: number): number {
    const claim = this.said.get(member);
    if (!claim) return 0;
    let held = claim.count;
    for (const byte of claim.ahead) for (let bits = byte; bits > 0; bits &= bits - 1) held++;
    return held;
  }

  /** Whether it may be asked: who has failed may have let go of all. */
  keeps(member: number, seq: number): boolean {
    return this.stateOf(member) !== 'failed' && this.isHeldBy(member, seq);
  }

  /** Whether it takes slices. */
  isReceiving(member: number): boolean {
    return this.stateOf(member) === 'receiving';
  }

  wants(member: number, seq: number): boolean {
    return this.isReceiving(member) && !this.isHeldBy(member, seq);
  }

  stateOf(member: number): TransferState | undefined {
    return this.said.get(member)?.state;
  }

  /** So many objects somebody says that it keeps, one way or another. */
  existing(): number {
    let existing = 0;
    for (const { state, count, ahead } of this.said.values())
      if (state !== 'failed')
        existing = Math.max(existing, count + (ahead.length > 0 ? 1 + 8 * ahead.length : 0));
    return existing;
  }

  /** Nothing is agreed on: a slice is what its manifest says. */
  isVouched(): boolean {
    return false;
  }

  confirmed(): number {
    return 0;
  }
}
