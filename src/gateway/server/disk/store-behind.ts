/**
 * A store whose cursors stay behind what a gateway has made durable: a message counts as consumed only once the log of revisions has
 * what became of it. Objects are kept waiting for neither: cursors that come with them, and what may be deleted for them, are
 * written with a later commit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DurableStore } from '../../../disk/lmdb.js';
import type { Store, StoreWrite } from '../../../store/store.js';
import { streamKey } from '../../../wire/symbol.js';

export interface Progress {
  /** Whether all that was delivered is durable. */
  readonly isSettled: boolean;
  /** Resolves once all that was delivered until now is: soon, or when that comes about by itself. */
  settled(when: 'soon' | 'by itself'): Promise<void>;
}

type StreamWrite = Extract<StoreWrite, { type: 'stream' }>;
type PruneWrite = Extract<StoreWrite, { type: 'prune' }>;

interface Deferred {
  /** A later one of this name takes its place. */
  name: string;
  write: StreamWrite | PruneWrite;
  number: number;
}

/** @param onCommit is told how long each commit took, in seconds */
export function storeBehind(
  store: DurableStore,
  progress: Progress,
  onCommit: (seconds: number) => void,
): Store {
  /** Streams of which there is a record: what a newer one says can wait. */
  const known = new Set(store.loaded.streams.map(streamKey));
  const deferred = new Map<string, Deferred>();
  /** By name: the newest that was written. What is older must not come after it. */
  const written = new Map<string, number>();
  let lastNumber = 0;
  let last: Promise<unknown> = Promise.resolve();
  let bytes = store.loaded.bytes;
  let flushing: Promise<void> | undefined;
  const closing = new AbortController();

  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const result = last.catch(() => {}).then(step);
    last = result;
    return result;
  };
  const commit = (writes: readonly StoreWrite[]): Promise<number> => {
    // What was consumed when these writes were made is what they may say.
    const covered = writes.some((write) => isFinal(write, known)) ? progress.settled('soon') : 'later';
    return inTurn(async () => {
      if (covered === 'later') return put(defer(writes));
      await covered;
      const named = new Set(writes.map(nameOf));
      const before = [...deferred.values()].filter(({ name }) => !named.has(name));
      const result = await put([...inOrder(before), ...writes]);
      for (const name of named) written.set(name, lastNumber);
      for (const name of [...named, ...before.map((one) => one.name)]) deferred.delete(name);
      return result;
    });
  };
  const put = async (writes: readonly StoreWrite[]): Promise<number> => {
    const startedAt = performance.now();
    if (writes.length > 0) {
      bytes = await store.commit(writes);
      onCommit((performance.now() - startedAt) / 1000);
    }
    for (const one of writes) if (one.type === 'stream') known.add(streamKey(one.state));
    return bytes;
  };
  /** @returns what need not wait */
  const defer = (writes: readonly StoreWrite[]): StoreWrite[] => {
    const later = writes.filter((one) => isLater(one));
    for (const write of later) {
      const name = nameOf(write);
      deferred.set(name, { name, write, number: ++lastNumber });
    }
    if (later.length > 0) flushing ??= flush();
    return writes.filter((one) => !isLater(one));
  };
  /** Writes what waits, if no other commit has done so by then. */
  const flush = async (): Promise<void> => {
    while (deferred.size > 0) {
      await sleep(GATHER_MS, undefined, { signal: closing.signal }).catch(() => {});
      const waiting = [...deferred.values()];
      await progress.settled('by itself');
      await inTurn(async () => {
        const left = waiting.filter(({ name, number }) => number > (written.get(name) ?? 0));
        await put(inOrder(left));
        for (const { name, number } of left) {
          written.set(name, number);
          if (deferred.get(name)?.number === number) deferred.delete(name);
        }
      }).catch(() => sleep(RETRY_MS));
    }
    flushing = undefined;
  };
  const close = async () => {
    closing.abort();
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

/** What rests on cursors and cannot be put off: also what others are told, and the first word of a stream of which something is consumed. */
function isFinal(write: StoreWrite, known: ReadonlySet<string>): boolean {
  switch (write.type) {
    case 'object':
    case 'attempt':
    case 'prune':
      return false;
    case 'stream':
      return write.isSaid === true || (!known.has(streamKey(write.state)) && !isUntouched(write.state));
    default:
      return true;
  }
}

function isLater(write: StoreWrite): write is StreamWrite | PruneWrite {
  return write.type === 'prune' || (write.type === 'stream' && !isUntouched(write.state));
}

function nameOf(write: StoreWrite): string {
  if (write.type === 'stream') return `stream ${streamKey(write.state)}`;
  return write.type === 'prune' ? `prune ${streamKey(write.stream)}` : '';
}

/** What is deleted was consumed: cursors first. */
function inOrder(deferred: readonly Deferred[]): StoreWrite[] {
  const writes = deferred.map(({ write }) => write);
  return writes.sort((a, b) => Number(a.type === 'prune') - Number(b.type === 'prune'));
}

/** Nothing of it is consumed. */
function isUntouched({ delivered, index }: StreamWrite['state']): boolean {
  return delivered === 0 && index === 0;
}

const RETRY_MS = 1000;
/** Cursors move with each message, and the next objects should not wait for a commit of each. */
const GATHER_MS = 100;
