/** What one peer is still to be told of where members are, and when. In: what we hold, what it has said that it holds. Out: due times. */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';

interface Untold {
  at: Micros;
  tries: number;
}

export class Share {
  /** When there is something to say; NEVER if there is not. */
  dueAt: Micros = NEVER;
  /** By member: records that it is not known to hold. */
  private readonly lacking = new Map<number, Untold>();
  /** Members of which it is to hear what we hold. */
  private readonly unheard = new Set<number>();
  private unheardAt: Micros = NEVER;
  /** Where we have told it that we see it, how often, and when to say so again. */
  private seenAt: string | undefined;
  private seenTries = 0;
  private seenAgain: Micros = -NEVER;

  /** It is not known to hold our record of a member: it gets that at this time. */
  lacks(member: number, at: Micros): void {
    this.lacking.set(member, { at, tries: 0 });
    this.rearm();
  }

  isKnownToLack(member: number): boolean {
    return this.lacking.has(member);
  }

  /** It holds our record of a member, or a later one. */
  holds(member: number): void {
    if (this.lacking.delete(member)) this.rearm();
  }

  /** It is to hear soon what we hold of a member. */
  shallHear(now: Micros, member: number): void {
    this.unheard.add(member);
    this.unheardAt = Math.min(this.unheardAt, now + HEARD_DELAY);
    this.rearm();
  }

  /** Members whose records it gets now, of at most so many; each comes again, ever less often, until it says that it has it. */
  takeLacking(now: Micros, most: number): number[] {
    const due: number[] = [];
    for (const [member, untold] of this.lacking) {
      if (due.length >= most) break;
      if (untold.at > now) continue;
      untold.at = now + Math.min(REPEAT_MAX, REPEAT * 2 ** untold.tries++);
      due.push(member);
    }
    this.rearm();
    return due;
  }

  /** Members of which it hears now what we hold, at most so many. */
  takeUnheard(now: Micros, most: number): number[] {
    if (this.unheardAt > now || most < 1) return [];
    const due = [...this.unheard].slice(0, most);
    for (const member of due) this.unheard.delete(member);
    if (this.unheard.size === 0) this.unheardAt = NEVER;
    this.rearm();
    return due;
  }

  /** Whether it is to hear now that we see it at this address, in a datagram that goes to it anyway. */
  takeSeen(now: Micros, address: string): boolean {
    if (address !== this.seenAt) this.seenTries = 0;
    else if (now < this.seenAgain) return false;
    this.seenAt = address;
    this.seenAgain = now + Math.min(REPEAT_MAX, REPEAT * 2 ** this.seenTries++);
    return true;
  }

  private rearm(): void {
    this.dueAt = this.unheardAt;
    for (const { at } of this.lacking.values()) this.dueAt = Math.min(this.dueAt, at);
  }
}

/** What comes side by side is answered together. */
const HEARD_DELAY: Micros = 100 * MILLISECOND;
const REPEAT: Micros = SECOND;
const REPEAT_MAX: Micros = 60 * SECOND;
