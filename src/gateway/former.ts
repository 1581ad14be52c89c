/**
 * What was put for a client that never had an answer, and will ask for the same again: its call had run out before, or was one of
 * the former run's. In: such puts as they are applied. Out: what a later put of the key is in their light.
 */
import { contentOf } from './proposals.js';
import type { Put } from './state/change.js';

interface FormerPut {
  content: string;
  revision: number;
  /** That its key had before; undefined of a put in this run. */
  before: number | undefined;
}

export class Former {
  private readonly puts = new Map<string, FormerPut>();

  /** @param before the revision that the key had, of a put of the former run */
  onApplied(put: Put, revision: number, before?: number): void {
    const earlier = this.puts.get(put.key);
    this.puts.set(put.key, { content: contentOf(put), revision, before: earlier?.before ?? before });
    // Whoever still asks for what is so long ago asks as etcd's clients do.
    if (this.puts.size > MAX_PUTS) this.puts.delete(this.puts.keys().next().value!);
  }

  /** The next put of a key: the revision that it has already, if it is the same. */
  take(put: Put): number | undefined {
    const former = this.puts.get(put.key);
    if (!former) return undefined;
    this.puts.delete(put.key);
    return former.content === contentOf(put) ? former.revision : undefined;
  }

  /**
   * Whether a client of this run that knows the key at `mod` may put it, though its revision is another by now: what is between
   * the two is the former run's, of which it knows nothing. To refuse would tell it that what it asks for had been sent.
   */
  excuses(key: string, mod: number): boolean {
    return this.puts.get(key)?.before === mod;
  }
}

const MAX_PUTS = 1024;
