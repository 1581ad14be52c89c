/** How much of its history a member keeps, as etcd's --auto-compaction-mode and --auto-compaction-retention say. */
import type { State } from './state/state.js';

/** Undefined: all of it. */
export type Retention = { revisions: number } | { ms: number } | undefined;

/**
 * The first revision to keep. What the local node may not have read is kept in any case, however old it is: that is where etcd
 * lets messages go that somebody still waits for.
 *
 * @param time of this machine's clock, in ms since 1970
 */
export function firstKept(state: State, retention: Retention, time: number): number {
  if (!retention) return state.compacted;
  if ('revisions' in retention) return Math.min(state.reader, state.committed) - retention.revisions;
  let first = state.compacted;
  for (let looked = 0; looked < MAX_LOOKS; looked++) {
    const revision = state.next(first);
    // A clock that was set back says nothing of how old it is.
    if (!revision || revision.number > state.reader || revision.time > time - retention.ms) break;
    first = revision.number + 1;
  }
  return first;
}

/** At one time; the rest at the next. */
const MAX_LOOKS = 1000;
