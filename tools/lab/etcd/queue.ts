/**
 * Messages that are still to be put: one file each, so that they survive their sender. In: messages. Out: batches in the
 * order of the calls. As a hydra-node's queue, each file is written before it counts, and a full queue holds up the writer.
 */
import { mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadwaterError } from '../../../src/errors.js';

/** A message's place among all of its sender: sessions grow, and within a session numbers do. */
export interface Position {
  session: number;
  number: number;
}

export interface Pending extends Position {
  bytes: Uint8Array;
}

export interface PendingQueue {
  /** Resolves once it is on file. Throws ABORTED. */
  push(bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** The next messages, at least one; they stay in the queue. Waits for the first; throws ABORTED. */
  batch(signal: AbortSignal): Promise<readonly Pending[]>;
  /** Takes out all messages up to this one. */
  drop(through: Position): Promise<void>;
}

/** Opens the queue in a folder, with what was left there. */
export async function openQueue(directory: string, now: number): Promise<PendingQueue> {
  await mkdir(directory, { recursive: true });
  const names = (await readdir(directory)).filter((name) => FILE_NAME.test(name)).sort();
  const queue: Pending[] = [];
  for (const name of names) queue.push({ ...positionOf(name), bytes: await readFile(join(directory, name)) });
  const session = Math.max(now, (queue.at(-1)?.session ?? 0) + 1);
  let count = 0;
  let last: Promise<unknown> = Promise.resolve();
  const waiting = new Set<() => void>();

  /** Waits until `ready`, which is asked again after each change. */
  const until = async (ready: () => boolean, signal?: AbortSignal) => {
    while (!ready()) {
      if (signal?.aborted) throw aborted();
      await new Promise<void>((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        waiting.add(wake);
        signal?.addEventListener('abort', wake);
      });
    }
  };
  const changed = () => {
    for (const wake of [...waiting]) wake();
  };
  const push = async (bytes: Uint8Array, signal?: AbortSignal) => {
    await until(() => queue.length < CAPACITY, signal);
    if (signal?.aborted) throw aborted();
    const pending = { session, number: count++, bytes };
    const path = join(directory, nameOf(pending));
    await writeFile(`${path}.new`, bytes);
    await rename(`${path}.new`, path);
    queue.push(pending);
    changed();
  };
  return {
    push(bytes, signal) {
      // One after the other, so that they stay in the order of the calls.
      const pushed = last.then(() => push(bytes, signal));
      last = pushed.catch(() => {});
      return pushed;
    },
    async batch(signal) {
      await until(() => queue.length > 0, signal);
      let size = queue[0].bytes.length;
      let length = 1;
      while (length < Math.min(queue.length, BATCH_MESSAGES)) {
        size += queue[length].bytes.length;
        if (size > BATCH_BYTES) break;
        length++;
      }
      return queue.slice(0, length);
    },
    async drop(through) {
      while (queue.length > 0 && !isAfter(queue[0], through))
        await unlink(join(directory, nameOf(queue.shift()!)));
      changed();
    },
  };
}

function isAfter(a: Position, b: Position): boolean {
  return a.session > b.session || (a.session === b.session && a.number > b.number);
}

function nameOf({ session, number }: Position): string {
  return `${String(session).padStart(15, '0')}-${String(number).padStart(10, '0')}`;
}

function positionOf(name: string): Position {
  const [session, number] = name.split('-').map(Number);
  return { session, number };
}

function aborted(): HeadwaterError {
  return new HeadwaterError('ABORTED', 'broadcast: aborted by the caller');
}

const FILE_NAME = /^\d{15}-\d{10}$/;
/** A hydra-node's bounds. */
const CAPACITY = 100;
const BATCH_MESSAGES = 50;
const BATCH_BYTES = 256 * 1024;
