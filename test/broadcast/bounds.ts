/** Streams as a member of a group of five or so has them: one member may lie, and a quorum of confirms is enough, unless said. */
import type { Bounds } from '../../src/broadcast/agreement/standing.js';

/** Member `self` of so many. */
export function boundsOf(self: number, members: number, given: Partial<Bounds> = {}): Bounds {
  const byzantine = given.byzantine ?? 1;
  const quorum = Math.floor((members + byzantine) / 2) + 1;
  return { quorum, byzantine, faulty: byzantine, readyQuorum: 0, ...given, self, members };
}
