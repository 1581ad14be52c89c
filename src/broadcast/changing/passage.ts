/**
 * How a group that changes goes from one epoch to the next: what streams are to know of it, and when. In: EPOCH and SAID frames, commits, news
 * of streams. Out: records for the store, events, and streams that may be delivered further than before.
 */
import type { Micros } from '../../core/time.js';
import type { Standing } from '../../epochs/change.js';
import type { EpochOverview, Epochs } from '../../epochs/epochs.js';
import type { EpochFrame, EpochMark } from '../../wire/frames/epochs/epoch.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import { streamKey } from '../../wire/symbol.js';
import type { Advance } from '../advance.js';
import type { Retention } from '../retention.js';
import type { Wings } from '../wings.js';

export class Passage {
  private readonly wings: Wings;
  private readonly epochs: Epochs;
  private readonly advance: Advance;
  private readonly retention: Retention;

  constructor(wings: Wings, epochs: Epochs, parts: { advance: Advance; retention: Retention }) {
    this.wings = wings;
    this.epochs = epochs;
    this.advance = parts.advance;
    this.retention = parts.retention;
    this.goOn();
    this.record();
  }

  /** Where a member is, and what it tells us to follow. */
  handleFrame(now: Micros, member: number, frame: EpochFrame): void {
    const isNews = this.epochs.handleFrame(member, frame);
    if (isNews) this.ripen();
    this.tell();
    this.proceed(now);
    // What is in its seal and not here is asked for.
    if (isNews) for (const stream of this.wings.streams) this.advance.onNews(now, stream);
    this.advance.pump(now);
  }

  /** `member` has said something at `mark`. Undefined if that is none that we know: then it counts for nothing in any epoch. */
  handleMark(member: number, mark: EpochMark): EpochMark | undefined {
    const { isOurs, isNews } = this.epochs.handleMark(member, mark);
    if (isNews) this.ripen();
    this.tell();
    return isOurs ? mark : undefined;
  }

  /** What `member` has said of a stream at `mark`. */
  handleClaim(member: number, mark: EpochMark, claim: VectorEntry): void {
    this.epochs.change.handleEntry(member, mark, streamKey(claim), claim);
  }

  /** Something has changed that the next epoch may wait for. */
  proceed(now: Micros): void {
    if (!this.goOn()) return;
    this.retention.schedule(now);
    for (const stream of this.wings.streams) this.advance.onNews(now, stream);
    this.advance.pump(now);
  }

  /** Whether we have come further. */
  private goOn(): boolean {
    if (!this.epochs.proceed(this)) return false;
    this.record();
    this.tell();
    this.ripen();
    return true;
  }

  /** Our store has a record of ours: all that we hold is said again, as of now. */
  onStored(): void {
    if (!this.epochs.onStored()) return;
    const { vectors, streams, options } = this.wings;
    options.group.members.forEach((_, member) => {
      if (options.paths[member]) vectors.restart(member, streams.said(), false);
    });
  }

  onSession(member: number, fresh: boolean): void {
    this.epochs.onSession(member, fresh);
  }

  overview(): EpochOverview {
    return this.epochs.overview(this);
  }

  /** How we stand in all streams. */
  held(): Map<string, Standing> {
    const { streams } = this.wings;
    const held = new Map<string, Standing>();
    for (const stream of streams) held.set(streamKey(stream), { count: stream.count, base: stream.base });
    // What is over everybody had whole.
    for (const final of streams.retired)
      held.set(streamKey(final), { count: final.count, base: final.count });
    return held;
  }

  private record(): void {
    const record = this.epochs.takeWrite();
    if (record) this.wings.log.write({ type: 'epochs', record });
  }

  private tell(): void {
    this.wings.events.push(...this.epochs.events.splice(0));
  }

  private ripen(): void {
    for (const stream of this.wings.streams) stream.ripen();
    this.wings.options.changed.markAll();
  }
}
