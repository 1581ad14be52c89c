/**
 * Lines of an input, broadcast no faster than this member itself gets them back: of a file piped in, however long and however
 * slow the group or the reader of our output is, only so many are in memory or in the store.
 */
import { createInterface } from 'node:readline';
import { wrapMessage } from '../file/envelope.js';
import type { Node } from '../node/node.js';
import { note, reportError } from './io.js';

export class Lines {
  private underWay = 0;
  private goOn = () => {};

  /** Until the input ends or the signal fires. */
  async broadcast(input: NodeJS.ReadableStream, node: Node, signal: AbortSignal): Promise<void> {
    const lines = createInterface({ input });
    if (signal.aborted) lines.close();
    signal.addEventListener('abort', () => lines.close(), { once: true });
    try {
      for await (const line of lines) {
        if (signal.aborted) return;
        this.underWay++;
        node.submit(wrapMessage(new TextEncoder().encode(line)), { signal }).catch((error) => {
          if (!signal.aborted) reportError(error);
          this.done();
        });
        if (this.underWay >= MAX_UNDER_WAY) await this.change(signal);
      }
    } catch (error) {
      // nohup's stdin, or a terminal that has gone.
      note(`stdin cannot be read (${(error as NodeJS.ErrnoException).code}): no more lines are broadcast`);
    }
  }

  /** A message of ours has been delivered here: maybe one of an earlier run, which does no harm. */
  done(): void {
    this.underWay = Math.max(0, this.underWay - 1);
    this.goOn();
  }

  /** Messages of ours will not be delivered: none of those under way may. */
  forget(): void {
    this.underWay = 0;
    this.goOn();
  }

  private change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        signal.removeEventListener('abort', settle);
        resolve();
      };
      this.goOn = settle;
      signal.addEventListener('abort', settle);
    });
  }
}

/** As many as a node keeps waiting for a place in an object. */
const MAX_UNDER_WAY = 4096;
