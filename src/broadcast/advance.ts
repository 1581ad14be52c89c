/** Whatever may follow from news about a stream: READY, delivery, outcomes, wishes, room in the store, and what to tell of it. */

import type { Micros } from '../core/time.js';
import { objectId } from '../wire/symbol.js';
import type { Stream } from './agreement/stream.js';
import type { Repair } from './repair.js';
import type { Retention } from './retention.js';
import type { Wings } from './wings.js';

export class Advance {
  private readonly wings: Wings;
  private readonly repair: Repair;
  private readonly retention: Retention;

  constructor(wings: Wings, repair: Repair, retention: Retention) {
    this.wings = wings;
    this.repair = repair;
    this.retention = retention;
  }

  run(now: Micros, stream: Stream): void {
    this.onNews(now, stream);
    this.pump(now);
  }

  /** The same without delivery, for news of several streams: `pump` is to follow. */
  onNews(now: Micros, stream: Stream): void {
    if (stream.pledge()) {
      this.wings.log.recordSoon(now, stream);
      this.wings.options.observer?.(now, { topic: 'ready', stream, count: stream.state.ready!.count });
    }
    if (stream === this.wings.own.stream) this.wings.own.settle(now);
    this.repair.wantMissing(now, stream);
    this.retention.schedule(now);
  }

  /** Delivers the next message, if its turn has come, and has peers told what has changed. */
  pump(now: Micros): void {
    const { delivery, reports, events, streams, vectors, options } = this.wings;
    const next = delivery.next(
      now,
      (stream, seq) => reports.add(stream.origin, objectId(stream, seq), 'malformed-object'),
      (id) => events.push({ type: 'dead-letter', member: id.origin, id }),
    );
    if (next) {
      events.push({ type: 'deliver', ...next });
      options.observer?.(now, { topic: 'objects', id: next.id, state: 'delivered' });
    }
    for (const stream of streams.takeChanged()) vectors.touch(stream);
    for (const stream of streams.takeNews())
      for (const member of stream.telling.untold()) vectors.touchFor(member, stream);
  }
}
