/** How far each stream has come here and elsewhere, for people who watch. In: streams. Out: plain data. */
import type { Stream } from '../agreement/stream.js';
import type { Streams } from '../agreement/streams.js';

/** One stream as it stands, members by their index. */
export interface StreamOverview {
  /** Whose it is. */
  origin: number;
  /** The life of its store. */
  incarnation: number;
  /** Objects below are no longer kept. */
  base: number;
  /** Objects below have been consumed. */
  delivered: number;
  /** Objects below may be. */
  deliverable: number;
  /** Objects below are held. */
  count: number;
  /** By member that has said less: how many of those it has not said to hold. */
  lacking: { member: number; objects: number }[];
}

/** Streams that their origins have named or signed, and of which there is anything. */
export function overviewOf(streams: Streams, members: number, self: number): StreamOverview[] {
  const all: StreamOverview[] = [];
  for (const stream of streams) {
    if (!stream.standing.attested || stream.count === 0) continue;
    const { origin, incarnation, base, delivered, count } = stream;
    all.push({
      origin,
      incarnation,
      base,
      delivered,
      deliverable: stream.deliverable(),
      count,
      lacking: lackingOf(stream, members, self),
    });
  }
  return all;
}

function lackingOf(stream: Stream, members: number, self: number): StreamOverview['lacking'] {
  const lacking: StreamOverview['lacking'] = [];
  for (let member = 0; member < members; member++) {
    if (member === self || member === stream.origin || stream.standing.over.has(member)) continue;
    const objects = stream.count - Math.max(stream.base, stream.claims.of(member)?.count ?? 0);
    if (objects > 0) lacking.push({ member, objects });
  }
  return lacking;
}
