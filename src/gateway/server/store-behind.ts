/**
 * A store whose cursors stay behind what a gateway has made durable: a message counts as consumed only once the log of revisions has
 * what became of it. Objects are not kept waiting for that: cursors that come with them are written with a later commit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DurableStore } from '../../disk/lmdb.js';
import type { Store, StoreWrite } from '../../store/store.js';
import { streamKey } from '../../wire/symbol.js';

export interface Progress {
  /** Whether all that was delivered is durable. */
  readonly isSettled: boolean;
  /** Resolves once it is. */
  settled(): Promise<void>;
}

type StreamWrite = Extract<StoreWrite, { type: 'stream' }>;

/** @param onCommit is told how long each commit took, in seconds */
export function storeBehind(
  store: DurableStore,
  progress: Progress,
  onCommit: (seconds: number) => void,
): Store {
  /** Streams of which there is a record: what a newer one says can wait. */
  const known = new Set(store.loaded.streams.map(streamKey));
  const deferred = new Map<string, StreamWrite>();
  let last: Promise<unknown> = Promise.resolve();
  let bytes = store.loaded.bytes;
  let flushing: Promise<void> | undefined;

  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const result = last.catch(() => {}).then(step);
    last = result;
    return result;
  };
  const commit = (writes: readonly StoreWrite[]): Promise<number> => {
    // What was consumed when these writes were made is what they may say.
    const covered = progress.isSettled
      ? undefined
      : writes.some((write) => isFinal(write, known))
        ? progress.settled()
        : 'later';
    return inTurn(async () => {
      if (covered === 'later') return put(defer(writes));
      await covered;
      const before = [...deferred.values()];
      for (const { state } of streamsOf(writes)) deferred.delete(streamKey(state));
      const all = [...deferred.values(), ...writes];
      deferred.clear();
      try {
        return await put(all);
      } catch (error) {
        for (const one of before) deferred.set(streamKey(one.state), one);
        throw error;
      }
    });
  };
  const put = async (writes: readonly StoreWrite[]): Promise<number> => {
    const startedAt = performance.now();
    if (writes.length > 0) {
      bytes = await store.commit(writes);
      onCommit((performance.now() - startedAt) / 1000);
    }
    for (const { state } of streamsOf(writes)) known.add(streamKey(state));
    return bytes;
  };
  /** @returns what need not wait */
  const defer = (writes: readonly StoreWrite[]): StoreWrite[] => {
    const later = new Set<StoreWrite>(streamsOf(writes).filter(({ state }) => !isUntouched(state)));
    for (const one of later as Set<StreamWrite>) deferred.set(streamKey(one.state), one);
    if (later.size > 0) flushing ??= flush();
    return writes.filter((one) => !later.has(one));
  };
  /** Writes what waits, if no other commit has done so by then. */
  const flush = async (): Promise<void> => {
    while (deferred.size > 0) {
      const waiting = [...deferred.values()];
      await progress.settled();
      await inTurn(async () => {
        const left = waiting.filter((one) => deferred.get(streamKey(one.state)) === one);
        await put(left);
        for (const one of left) deferred.delete(streamKey(one.state));
      }).catch(() => sleep(RETRY_MS));
    }
    flushing = undefined;
  };
  const close = async () => {
    await flushing?.catch(() => {});
    await last.catch(() => {});
    await store.close();
  };
  return {
    loaded: store.loaded,
    commit,
    read: (id) => store.read(id),
    deadLetters: () => store.deadLetters(),
    deadLetter: (id) => store.deadLetter(id),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What cannot be put off, and rests on cursors: what is deleted was consumed. So is the first word of a stream's. */
function isFinal(write: StoreWrite, known: ReadonlySet<string>): boolean {
  if (write.type === 'object' || write.type === 'attempt') return false;
  return write.type !== 'stream' || (!known.has(streamKey(write.state)) && !isUntouched(write.state));
}

function streamsOf(writes: readonly StoreWrite[]): StreamWrite[] {
  return writes.filter((one) => one.type === 'stream');
}

/** Nothing of it is consumed. */
function isUntouched({ delivered, index }: StreamWrite['state']): boolean {
  return delivered === 0 && index === 0;
}

const RETRY_MS = 1000;
