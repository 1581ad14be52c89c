/**
 * What waits for an AbortSignal: any number of calls under one signal cost it a single listener, since a signal looks through
 * all it has for each new one, and warns of more than ten.
 */
import { HeadwaterError } from '../errors.js';

export class Aborts {
  private readonly waiting = new Map<AbortSignal, { callbacks: Set<() => void>; listener: () => void }>();

  /**
   * Calls `callback` once if the signal fires.
   *
   * @returns what ends that
   */
  on(signal: AbortSignal | undefined, callback: () => void): () => void {
    if (!signal) return () => {};
    let entry = this.waiting.get(signal);
    if (!entry) {
      const callbacks = new Set<() => void>();
      const listener = () => {
        this.waiting.delete(signal);
        for (const each of callbacks) each();
      };
      entry = { callbacks, listener };
      this.waiting.set(signal, entry);
      signal.addEventListener('abort', listener, { once: true });
    }
    const { callbacks, listener } = entry;
    callbacks.add(callback);
    return () => {
      if (!callbacks.delete(callback) || callbacks.size > 0) return;
      signal.removeEventListener('abort', listener);
      this.waiting.delete(signal);
    };
  }
}

/** Calls that wait until something may have changed, or their signal fires. */
export class Waiters {
  private readonly aborts: Aborts;
  private readonly waiting = new Set<() => void>();

  constructor(aborts: Aborts) {
    this.aborts = aborts;
  }

  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((done) => {
      const settle = () => {
        this.waiting.delete(settle);
        ended();
        done();
      };
      const ended = this.aborts.on(signal, settle);
      this.waiting.add(settle);
    });
  }

  wake(): void {
    for (const settle of [...this.waiting]) settle();
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

export function abortError(signal: AbortSignal): HeadwaterError {
  return new HeadwaterError('ABORTED', 'broadcast: aborted by the caller', { cause: signal.reason });
}

/** Resolves when the signal fires, also if it has; never any more once `over` has fired before. */
export function fired(signal: AbortSignal, over?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true, ...(over && { signal: over }) });
  });
}
