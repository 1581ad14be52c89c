/**
 * What outlives a member that starts again in its process, with a group file that goes on from the one it had: its input, and what was printed.
 * In: members, one after the other; messages; deliveries. Out: each message once, in order; each delivery once.
 */
import { HeadwaterError } from '../../errors.js';
import type { Node } from '../../node/node.js';
import { type MessageId, streamKey } from '../../wire/symbol.js';

interface Pending {
  bytes: Uint8Array;
  signal: AbortSignal | undefined;
  resolve: (id: MessageId) => void;
  reject: (error: unknown) => void;
}

export class Terms {
  /** By number, in order: what is not in the store yet, as far as we know. */
  private readonly pending = new Map<number, Pending>();
  private submitted = 0;
  private node: Node | undefined;
  /** Names messages of this process, so that one that was stored as its member stopped is known again. */
  private readonly run: string;
  /** By stream: what was handed out last. */
  private readonly handed = new Map<string, MessageId>();

  /** @param run unlike that of any other process of this member */
  constructor(run: string) {
    this.run = run;
  }

  /** The member that runs from now on: it is given what the one before did not take. */
  begin(node: Node): void {
    this.node = node;
    for (const number of this.pending.keys()) this.give(number);
  }

  /** It is about to stop, and another is to come. */
  pause(): void {
    this.node = undefined;
  }

  /** As `Node.submit`; waits for the next member while there is none. */
  submit(bytes: Uint8Array, { signal }: { signal?: AbortSignal } = {}): Promise<MessageId> {
    return new Promise((resolve, reject) => {
      const number = this.submitted++;
      this.pending.set(number, { bytes, signal, resolve, reject });
      this.give(number);
    });
  }

  /** Whether a delivery is new: a member that starts again may repeat the last ones. */
  isNew(id: MessageId): boolean {
    const stream = streamKey(id);
    const last = this.handed.get(stream);
    if (last && (id.seq < last.seq || (id.seq === last.seq && id.index <= last.index))) return false;
    this.handed.set(stream, id);
    return true;
  }

  private give(number: number): void {
    const { node } = this;
    const { bytes, signal, resolve, reject } = this.pending.get(number)!;
    if (!node) return;
    // Where members never start again there is nothing to be known again.
    const options = node.group.epochs ? { signal, key: `${this.run}-${number}` } : { signal };
    node.submit(bytes, options as { signal?: AbortSignal; key?: string }).then(
      (id) => {
        this.pending.delete(number);
        resolve(id);
      },
      (error) => {
        if (this.node !== node && error instanceof HeadwaterError && error.code === 'CLOSED') return;
        this.pending.delete(number);
        reject(error);
      },
    );
  }
}
