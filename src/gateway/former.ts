/**
 * What this member had sent in its former run that was delivered in this one: its client never had an answer, and will ask for the
 * same again. In: such changes as they are applied. Out: what a put in this run is in their light.
 */
import { contentOf } from './proposals.js';
import type { Put } from './state/change.js';

interface FormerPut {
  content: string;
  /** That it has now, and that its key had before. */
  revision: number;
  before: number;
}

export class Former {
  private readonly puts = new Map<string, FormerPut>();

  onApplied(put: Put, revision: number, before: number): void {
    const earlier = this.puts.get(put.key);
    this.puts.set(put.key, { content: contentOf(put), revision, before: earlier?.before ?? before });
  }

  /** The first put of a key in this run: the revision that it has already, if it is the same as the former run's last. */
  take(put: Put): number | undefined {
    const former = this.puts.get(put.key);
    if (!former) return undefined;
    this.puts.delete(put.key);
    return former.content === contentOf(put) ? former.revision : undefined;
  }

  /**
   * Whether a client that knows the key at `mod` may put it, though its revision is another by now: what is between the two is
   * its own, and it cannot know of that. To refuse would tell it that what it asks for had been sent.
   */
  excuses(key: string, mod: number): boolean {
    return this.puts.get(key)?.before === mod;
  }
}
