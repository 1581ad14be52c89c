/**
 * Messages that end the process of who consumes them. In: what the last run was doing when it did not end in order, and each
 * message that is due. Out: whether it may be handed over, has to wait until that is noted in the store, or is set aside.
 *
 * Only after a crash, and only of what the store held by then, is anything noted: one commit for each of these messages. Only
 * crashes in a row, at the same message, count.
 */
import type { Attempt, Loaded, MessageRef } from '../../store/store.js';
import { objectKey, streamKey } from '../../wire/symbol.js';
import type { Journal } from './journal.js';

export class Attempts {
  private readonly log: Journal;
  private readonly last: Attempt | undefined;
  /** By stream: objects below it may have been handed over before the crash. */
  private readonly suspects = new Map<string, number>();
  /** What is being noted, and what is. */
  private asked: string | undefined;
  private noted: string | undefined;

  constructor({ crash, held }: Loaded, log: Journal) {
    this.log = log;
    this.last = crash?.attempt;
    if (!crash) return;
    for (const { origin, incarnation, seq } of held) {
      const key = streamKey({ origin, incarnation });
      this.suspects.set(key, Math.max(seq + 1, this.suspects.get(key) ?? 0));
    }
  }

  /** What to do with a message that is due; asked again after `wait` once the store has answered. */
  judge(id: MessageRef): 'deliver' | 'wait' | 'bury' {
    if (this.suspects.size === 0 || id.seq >= (this.suspects.get(streamKey(id)) ?? 0)) return 'deliver';
    const name = nameOf(id);
    const before = this.last && nameOf(this.last) === name ? this.last.count : 0;
    if (before >= MAX_ATTEMPTS) return 'bury';
    // On a full disk nothing can be noted, and what is due is not to wait for that.
    if (this.noted === name || this.log.isFull) return 'deliver';
    if (this.asked !== name) {
      this.asked = name;
      const { origin, incarnation, seq, index } = id;
      this.log.write({ type: 'attempt', attempt: { origin, incarnation, seq, index, count: before + 1 } });
    }
    return 'wait';
  }

  /** The note is durable. */
  onNoted(attempt: Attempt): void {
    this.noted = nameOf(attempt);
  }
}

function nameOf(id: MessageRef): string {
  return `${objectKey(id)}/${id.index}`;
}

/** Crashes in a row at one message, each of them noted; the first of all comes before any note. */
const MAX_ATTEMPTS = 3;
