/** What follows from a symbol that has brought more than itself: an object, or proof that somebody is wrong. */

import { countDrop } from '../core/drops.js';
import { type Micros, SECOND } from '../core/time.js';
import type { ObjectId, SymbolFrame } from '../wire/symbol.js';
import type { Stream } from './agreement/stream.js';
import type { Repair } from './repair.js';
import { type Arrival, type Examined, WINDOW } from './spread/intake.js';
import type { ObjectUnderWay } from './spread/objects.js';
import { MAX_UNRELAYED } from './spread/outgoing/top-ups.js';
import type { Wings } from './wings.js';

export class Arrivals {
  private readonly wings: Wings;
  private readonly repair: Repair;
  /** By origin. */
  private readonly tellTooLargeAt = new Map<number, Micros>();

  constructor(wings: Wings, repair: Repair) {
    this.wings = wings;
    this.repair = repair;
  }

  handle(now: Micros, { hop, frame, arrival }: Examined<Stream>): void {
    if (arrival?.type === 'late-equivocation') this.onContradiction(arrival.id, arrival.certificate);
    else if (arrival?.type === 'too-large') this.refuse(now, arrival);
    else if (arrival) this.onArrival(now, hop, frame, arrival);
  }

  /** What we do not take is not asked for, and told. */
  private refuse(now: Micros, refused: Extract<Arrival, { type: 'too-large' }>): void {
    const { origin } = refused.id;
    const stream = this.wings.streams.find(refused.id);
    if (stream && refused.id.seq < stream.delivered + WINDOW)
      stream.refused.set(refused.id.seq, now + ASK_REFUSED);
    if (now < (this.tellTooLargeAt.get(origin) ?? 0)) return;
    this.tellTooLargeAt.set(origin, now + SECOND);
    this.wings.events.push({ ...refused, member: origin });
  }

  private onArrival(
    now: Micros,
    hop: number,
    frame: SymbolFrame,
    arrival: Exclude<Arrival<Stream>, { type: 'late-equivocation' | 'too-large' }>,
  ): void {
    const { object: record } = arrival;
    const { stream, seq } = record;
    switch (arrival.type) {
      case 'complete':
        if (arrival.asked) this.wings.pulls.onServed(now, record, hop, arrival.stored.bytes.length);
        if (stream.holds(seq) && !stream.ledger.fits(seq, frame.descriptor.hash)) {
          // Its origin has signed two; ours was the other one.
          countDrop(this.wings.metrics, 'equivocation');
          this.observeRefusal(now, record);
          this.wings.reports.add(stream.origin, record.id, 'equivocation');
          record.storing = false;
          record.distrusted.add(stream.origin);
          this.wings.transfer.beginAnew(record);
        } else if (stream.standing.closed && !stream.claims.isVouched(seq)) {
          // It has been, while the object came in.
          countDrop(this.wings.metrics, 'stale');
          this.observeRefusal(now, record);
          this.wings.transfer.forget(record);
        } else {
          if (this.isUnrelayed(record))
            this.wings.unrelayed.add(now, record.id, record.incoming!.reporters());
          this.wings.log.put(arrival.stored);
        }
        break;
      case 'equivocation':
        this.wings.reports.add(stream.origin, record.id, 'equivocation', arrival.evidence);
        record.distrusted.add(stream.origin);
        break;
      case 'wrong-symbols':
        // With symbols of several members it cannot be told whose were wrong; one at a time, it can.
        if (arrival.culprit !== undefined) {
          this.wings.reports.add(arrival.culprit, record.id, 'wrong-symbols');
          record.distrusted.add(arrival.culprit);
        }
        this.wings.transfer.beginAnew(record);
        break;
    }
    this.repair.wantMissing(now, stream);
  }

  /** Whether its origin may have left somebody out: it has given us more of it past the relays than honest ones do unasked. */
  private isUnrelayed({ unrelayed }: ObjectUnderWay): boolean {
    const { byzantine, members } = this.wings.options.group;
    return byzantine > 0 && members.length > 2 && unrelayed > MAX_UNRELAYED;
  }

  private observeRefusal(now: Micros, object: ObjectUnderWay): void {
    this.wings.options.observer?.(now, { topic: 'objects', id: object.id, state: 'refused' });
  }

  /** The origin has signed another object than the one that we hold. With what it signed of ours, that shows it to anyone. */
  private onContradiction(id: ObjectId, certificate: Uint8Array): void {
    if (this.wings.reports.has(id.origin, id, 'equivocation')) return;
    const object = this.wings.log.read(id);
    if (object) this.wings.reports.add(id.origin, id, 'equivocation', [object.certificate, certificate]);
    else this.wings.reports.addOnRead(id, certificate);
  }
}

/** What is above our limit may be another object elsewhere, if its origin lies: it is asked for, but rarely. */
const ASK_REFUSED: Micros = 30 * SECOND;
