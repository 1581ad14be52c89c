/**
 * Lines of an input, broadcast no faster than this member itself gets them back: of a file piped in, however long and however
 * slow the group or the reader of our output is, only so many lines and bytes are in memory or in the store. A line that is
 * longer than a message may be is left out, and said.
 */
import { HeadwaterError } from '../errors.js';
import { wrapMessage } from '../file/envelope.js';
import { formatBytes, note, reportError } from './io.js';

/** A member, or what stands for one. */
export interface Submitter {
  submit(bytes: Uint8Array, options: { signal?: AbortSignal }): Promise<unknown>;
}

export class Lines {
  /** Bytes of each line under way, oldest first. */
  private readonly underWay: number[] = [];
  private bytes = 0;
  private readonly limit: number;
  private goOn = () => {};

  /** @param limit bytes that a line may have */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Until the input ends or the signal fires. */
  async broadcast(input: NodeJS.ReadableStream, node: Submitter, signal: AbortSignal): Promise<void> {
    const stop = () => (input as NodeJS.ReadStream).destroy();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      for await (const line of splitLines(input, this.limit)) {
        if (signal.aborted) return;
        if (line === undefined) {
          const most = `${formatBytes(this.limit)} (see --max-size)`;
          reportError(
            new HeadwaterError('TOO_LARGE', `line: expected at most ${most}, got more: it is left out`),
          );
          continue;
        }
        this.underWay.push(line.length);
        this.bytes += line.length;
        node.submit(wrapMessage(line), { signal }).catch((error) => {
          if (!signal.aborted) reportError(error);
          this.done();
        });
        while (this.isFull && !signal.aborted) await this.change(signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      // nohup's stdin, or a terminal that has gone.
      note(
        `stdin cannot be read (${(error as NodeJS.ErrnoException).code}): no more lines are broadcast`,
        'warning',
      );
    }
  }

  /** A message of ours has been delivered here: maybe one of an earlier run, which does no harm. */
  done(): void {
    this.bytes -= this.underWay.shift() ?? 0;
    this.goOn();
  }

  /** Messages of ours will not be delivered: none of those under way may. */
  forget(): void {
    this.underWay.length = 0;
    this.bytes = 0;
    this.goOn();
  }

  private get isFull(): boolean {
    return this.underWay.length >= MAX_UNDER_WAY || this.bytes >= MAX_BYTES;
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

/**
 * The lines of an input, without `\n` or `\r\n`; what the last one lacks is no matter. Undefined in place of one of more than
 * `limit` bytes, of which no more than that is ever kept.
 */
export async function* splitLines(
  input: AsyncIterable<Uint8Array | string>,
  limit: number,
): AsyncGenerator<Uint8Array | undefined> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = (part: Uint8Array) => {
    length += part.length;
    if (length > limit + 1) parts = [];
    else parts.push(part);
  };
  const line = () => {
    const bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    const isLong = length > limit + 1;
    parts = [];
    length = 0;
    const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length;
    return isLong || end > limit ? undefined : bytes.subarray(0, end);
  };
  for await (const chunk of input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    let from = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
      take(bytes.subarray(from, end));
      from = end + 1;
      yield line();
    }
    if (from < bytes.length) take(bytes.subarray(from));
  }
  if (length > 0) yield line();
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** As many as a node keeps waiting for a place in an object. */
const MAX_UNDER_WAY = 4096;
/** Of lines under way; one more may come to it. */
const MAX_BYTES = 16 * 1024 * 1024;
