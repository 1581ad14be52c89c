/**
 * What becomes of datagrams on each path lately, by the clock: the smoothed share of a path that has little to send is that of long ago. In: each second the
 * counts of all paths. Out: shares.
 */
import type { Member } from '../../../group/group.js';
import type { EndpointPeer } from '../../../member/status.js';

interface Look {
  /** Datagrams. */
  acked: number;
  lost: number;
}

export class LossWatch {
  private readonly looks = new Map<Member, Look[]>();

  /** Once a second. */
  take(peers: readonly EndpointPeer[]): void {
    for (const { member, reachable, path } of peers) {
      const looks = this.looks.get(member) ?? [];
      const { ackedPackets: acked, lostPackets: lost } = path;
      const last = looks[looks.length - 1];
      // What was lost while it was away is found out once it is back, and a path that has begun anew counts from nothing.
      const isAnew = last && (acked < last.acked || lost < last.lost);
      if (!reachable || isAnew) looks.length = 0;
      if (reachable) looks.push({ acked, lost });
      if (looks.length > WINDOW_S + SETTLING_S + 1) looks.shift();
      this.looks.set(member, looks);
    }
  }

  /** Whether the member has acknowledged something in the last second. */
  isHeard(member: Member): boolean {
    const [before, last] = (this.looks.get(member) ?? []).slice(-2);
    return last !== undefined && last.acked > before.acked;
  }

  /** Share of the datagrams whose fate became known in the last seconds; undefined where these are too few to say. */
  share(member: Member): number | undefined {
    const looks = this.looks.get(member) ?? [];
    const first = looks[SETTLING_S];
    const last = looks[looks.length - 1];
    if (!first) return undefined;
    const lost = last.lost - first.lost;
    const known = lost + last.acked - first.acked;
    return known < ENOUGH ? undefined : lost / known;
  }
}

/** A member that only says that it is there sends some two datagrams in each of these. */
const WINDOW_S = 30;
/** Since it is back. */
const SETTLING_S = 2;
/** Datagrams. */
const ENOUGH = 20;
