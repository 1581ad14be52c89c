/**
 * What goes to one peer, and when: VECTORs, PULLs and GONEs, PROGRESS, then symbols. In: what the wings have for it, and the state
 * of its path. Out: frames and SYMBOL bodies.
 */
import { AT_ONCE, MILLISECOND, type Micros, NEVER_YET } from '../core/time.js';
import { HEARTBEAT } from '../path/path.js';
import type { VectorFrame } from '../wire/frames/vector.js';
import { frameSize, type ObjectFrame } from '../wire/frames.js';
import type { Repair } from './repair.js';
import { vectorCopiesFor } from './spread/plan.js';
import type { Wings } from './wings.js';

export class Outbound {
  private readonly wings: Wings;
  private readonly repair: Repair;
  /** By peer. */
  private readonly controlSentAt: Micros[];

  constructor(wings: Wings, repair: Repair) {
    this.wings = wings;
    this.repair = repair;
    this.controlSentAt = wings.options.group.members.map(() => NEVER_YET);
  }

  /** A session with this peer has begun: it is told all that we hold. `fresh`: it has lost what it had in memory. */
  onSession(peer: number, fresh: boolean): void {
    const { vectors, streams, mail } = this.wings;
    vectors.restart(peer, streams.said(), fresh);
    mail.clear(peer);
    // It is asked for a session at once.
    if (fresh) this.controlSentAt[peer] = NEVER_YET;
  }

  /** When `peer` is to get a control datagram: soon if there is news and a session to tell it in, else at the next heartbeat. */
  nextControl(peer: number): Micros {
    const sent = this.controlSentAt[peer];
    if (!this.wings.options.paths[peer]?.isOpen) return sent + HEARTBEAT;
    const isNews = this.wings.mail.has(peer) || this.wings.transfer.hasNews(peer);
    const due = isNews ? AT_ONCE : this.wings.vectors.dueAt(peer);
    return Math.min(sent + HEARTBEAT, Math.max(due, sent + CONTROL_GAP));
  }

  /** The frames of a control datagram to `peer`, sent now; what does not fit in `room` bytes stays for the next. */
  takeControl(now: Micros, peer: number, room: number): ObjectFrame[] {
    this.controlSentAt[peer] = now;
    const frames: ObjectFrame[] = [];
    const { rtt, loss } = this.wings.options.paths[peer]!;
    const repeats = {
      timeout: rtt.probeTimeout(0),
      copies: vectorCopiesFor(loss, this.wings.options.group.members.length),
    };
    // With many streams there is always more to say of them; mail is not to wait for an end of it.
    const waiting = this.wings.mail.size(peer, room / 2);
    const vector = this.wings.vectors.take(now, peer, room - Math.min(waiting, room >> 1), repeats);
    let left = room;
    if (vector) {
      frames.push(vector);
      left -= frameSize(vector);
    }
    for (const frame of this.wings.mail.take(peer, left)) {
      left -= frameSize(frame);
      frames.push(frame);
    }
    frames.push(...this.wings.transfer.takeNews(peer, left));
    return frames;
  }

  /** See `Vectors.number`. */
  numberVector(peer: number): Pick<VectorFrame, 'version' | 'heard' | 'heardBefore'> {
    return this.wings.vectors.number(peer);
  }

  hasSymbol(now: Micros, peer: number): boolean {
    return this.wings.transfer.hasSymbol(now, peer);
  }

  /**
   * Writes the next SYMBOL body for `peer` to `target`, and returns its length; 0 if there is none that fits. Every one fits in
   * MAX_SYMBOL_BODY bytes; with more room there may be several symbols in it.
   *
   * @param beside see `Transfer.nextSymbol`
   */
  nextSymbol(now: Micros, peer: number, target: Uint8Array, beside: Set<object>): number {
    const length = this.wings.transfer.nextSymbol(now, peer, target, beside);
    this.repair.readServed(now);
    return length;
  }
}

/** Control datagrams to one peer are at least this far apart, so that news travel together. */
const CONTROL_GAP: Micros = 2 * MILLISECOND;
