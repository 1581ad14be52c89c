/** A VECTOR: what a member says that it holds, its own streams and others'. In: the frame. Out: claims of streams, and what follows. */
import { countDrop } from '../../core/drops.js';
import type { Micros } from '../../core/time.js';
import type { EpochMark } from '../../wire/frames/epochs/epoch.js';
import type { VectorEntry, VectorFrame } from '../../wire/frames/vector.js';
import { streamKey } from '../../wire/symbol.js';
import type { Advance } from '../advance.js';
import type { Stream } from '../agreement/stream.js';
import type { Passage } from '../changing/passage.js';
import type { Repair } from '../repair.js';
import type { Retention } from '../retention.js';
import type { Wings } from '../wings.js';

/** Who is told of it. */
interface Listeners {
  wings: Wings;
  repair: Repair;
  retention: Retention;
  advance: Advance;
  /** Of a group that changes. */
  passage: Passage | undefined;
  /** Our store is to know of this stream. */
  record(stream: Stream): void;
}

/** @param heard `said`: when it was said, in a group that changes */
export function handleVector(
  now: Micros,
  { from, frame, said }: { from: number; frame: VectorFrame; said: EpochMark | undefined },
  { wings, repair, retention, advance, passage, record }: Listeners,
): void {
  const { streams, vectors, succession, options, own } = wings;
  const mark = said && passage?.handleMark(from, said);
  succession.onHeard(from);
  const touched = new Set<Stream>();
  const begun = new Set<string>();
  const isTaken = (entry: VectorEntry) => {
    if (!streams.hasRoomFor(entry, from, begun.size)) return false;
    if (streams.attests(entry, from)) begun.add(streamKey(entry));
    return true;
  };
  for (const { claim, lower } of vectors.onFrame(now, from, frame, isTaken)) {
    if (claim.origin === options.self) succession.onClaim(now, from, own.stream, claim);
    if (mark) passage?.handleClaim(from, mark, claim);
    if (claim.over) {
      streams.onOver(from, claim);
      retention.schedule(now);
    }
    const stream = claim.over ? streams.find(claim) : streams.claimed(claim, from, lower);
    if (typeof stream === 'string') countDrop(wings.metrics, stream);
    if (!stream || typeof stream === 'string') continue;
    record(stream);
    if (!stream.onClaim(from, claim, lower)) repair.onDisagreement(now, stream, from);
    if (stream.telling.isFarBehind(from)) vectors.touchFor(from, stream);
    touched.add(stream);
  }
  if (said) passage?.proceed(now);
  if (touched.size === 0) return;
  for (const stream of touched) advance.onNews(now, stream);
  wings.transfer.relaying.relays.onHeard(from);
  advance.pump(now);
}
