/** Members that agree with each other on a stream, but not with us. In: what each has said. Out: those that say the same. */
import type { Digest } from './ledger.js';

/** What a member has said of one count: the digest, and for how many of these objects it is READY. */
export interface Point extends Digest {
  ready: number;
}

/** Members that say the same of one count. */
export interface Rivals extends Digest {
  members: number[];
  /** With the origin, who has signed what each of them holds. */
  votes: number;
}

/**
 * @param points by member: what it has said
 * @param counts whether something said counts
 */
export function rivalGroups(
  points: readonly (readonly Point[])[],
  origin: number,
  counts: (point: Point) => boolean,
): Rivals[] {
  const groups = new Map<string, Rivals>();
  points.forEach((said, member) => {
    for (const point of said) {
      if (!counts(point)) continue;
      const { count, chain } = point;
      const key = `${count} ${Buffer.from(chain).toString('latin1')}`;
      const group = groups.get(key) ?? { count, chain, members: [], votes: 1 };
      // Who says it twice is still one.
      if (group.members.includes(member)) continue;
      group.members.push(member);
      if (member !== origin) group.votes++;
      groups.set(key, group);
    }
  });
  return [...groups.values()];
}
