/**
 * Calls of `submit` and `broadcast` that wait: for room, in the order in which they came; then for their message to be durable;
 * then, some of them, for what becomes of it. In: messages, and the endpoint's events. Out: settled promises.
 */
import type { MessageId } from '../broadcast/delivery.js';
import type { Outcome } from '../broadcast/outgoing.js';
import { HeadwaterError } from '../errors.js';
import type { ObjectId } from '../wire/symbol.js';
import { type Aborts, abortError } from './aborts.js';
import type { Endpoint, EndpointEvent } from './endpoint.js';

/** One call. `outcome` is there if it waits for that. */
interface Waiting {
  bytes: Uint8Array;
  /** Once there was room for it. */
  ticket?: number;
  durable?(id: MessageId): void;
  outcome?(id: MessageId, outcome: Outcome): void;
  reject(error: Error): void;
}

export class Submissions {
  private readonly endpoint: Pick<Endpoint, 'submit' | 'cancel' | 'hasRoom'>;
  private readonly aborts: Aborts;
  private readonly wake: () => void;
  /** Waiting for room, oldest first. */
  private readonly queue = new Set<Waiting>();
  private readonly submitted = new Map<number, Waiting>();
  /** By seq and index. */
  private readonly sent = new Map<number, Map<number, Waiting>>();

  /** @param wake is called when the endpoint has got something to do */
  constructor(endpoint: Pick<Endpoint, 'submit' | 'cancel' | 'hasRoom'>, aborts: Aborts, wake: () => void) {
    this.endpoint = endpoint;
    this.aborts = aborts;
    this.wake = wake;
  }

  /** Resolves once the message is in our store. Rejects with TOO_LARGE, BUSY, ABORTED or what `close` is given. */
  submit(bytes: Uint8Array, signal?: AbortSignal): Promise<MessageId> {
    return this.add(bytes, signal, (resolve) => ({ durable: resolve }));
  }

  /** Resolves once it is known what becomes of it. */
  broadcast(bytes: Uint8Array, signal?: AbortSignal): Promise<{ id: MessageId; outcome: Outcome }> {
    return this.add(bytes, signal, (resolve) => ({
      outcome: (id, outcome) => resolve({ id, outcome }),
    }));
  }

  onDurable({ id, tickets }: Pick<Extract<EndpointEvent, { type: 'durable' }>, 'id' | 'tickets'>): void {
    const waiting = new Map<number, Waiting>();
    tickets.forEach((ticket, index) => {
      const call = this.submitted.get(ticket);
      this.submitted.delete(ticket);
      call?.durable?.({ ...id, index });
      if (call?.outcome) waiting.set(index, call);
    });
    if (waiting.size > 0) this.sent.set(id.seq, waiting);
    this.fill();
  }

  onOutcome(id: ObjectId, outcome: Outcome): void {
    for (const [index, call] of this.sent.get(id.seq) ?? []) call.outcome?.({ ...id, index }, outcome);
    this.sent.delete(id.seq);
  }

  onRefused(tickets: readonly number[]): void {
    for (const ticket of tickets) {
      this.submitted
        .get(ticket)
        ?.reject(
          new HeadwaterError(
            'BUSY',
            'broadcast: expected the consumer or the store to take some of what waits for it within 10 s, got nothing',
          ),
        );
      this.submitted.delete(ticket);
    }
    this.fill();
  }

  /** Ends all calls. */
  close(error: Error): void {
    const sent = [...this.sent.values()].flatMap((each) => [...each.values()]);
    for (const { reject } of [...this.queue, ...this.submitted.values(), ...sent]) reject(error);
    this.queue.clear();
    this.submitted.clear();
    this.sent.clear();
  }

  private add<Result>(
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    pending: (resolve: (result: Result) => void) => Pick<Waiting, 'durable' | 'outcome'>,
  ): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      let ended = () => {};
      const call: Waiting = {
        bytes,
        ...pending((result) => {
          ended();
          resolve(result);
        }),
        reject(error) {
          ended();
          reject(error);
        },
      };
      ended = this.aborts.on(signal, () => this.abort(call, abortError(signal!)));
      this.queue.add(call);
      this.fill();
    });
  }

  /** Lets in as many as there is room for. */
  private fill(): void {
    for (const call of this.queue) {
      if (!this.endpoint.hasRoom) return;
      this.queue.delete(call);
      try {
        call.ticket = this.endpoint.submit(call.bytes);
        this.submitted.set(call.ticket, call);
        this.wake();
      } catch (error) {
        call.reject(error as Error);
      }
    }
  }

  /** What is on its way already goes on. */
  private abort(call: Waiting, error: Error): void {
    this.queue.delete(call);
    if (call.ticket !== undefined) {
      this.endpoint.cancel(call.ticket);
      this.submitted.delete(call.ticket);
    }
    call.reject(error);
    this.fill();
  }
}
