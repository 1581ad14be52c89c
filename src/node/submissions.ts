/**
 * Calls of `submit` and `broadcast` that wait: for room, in the order in which they came; then for their message to be durable;
 * then, some of them, for what becomes of it. In: messages, and the endpoint's events. Out: settled promises.
 */

import { nameOf } from '../broadcast/delivery/sent.js';
import type { Messages } from '../broadcast/ports.js';
import type { Outcome } from '../broadcast/spread/outgoing/outgoing.js';
import { HeadwaterError } from '../errors.js';
import type { EndpointEvent } from '../member/endpoint.js';
import type { MessageId, ObjectId } from '../wire/symbol.js';
import { type Aborts, abortError } from './aborts.js';

/** One call. `outcome` is there if it waits for that. */
interface Waiting {
  bytes: Uint8Array;
  key: Uint8Array | undefined;
  /** Once there was room for it. */
  ticket?: number;
  durable?(id: MessageId): void;
  outcome?(id: MessageId, outcome: Outcome): void;
  reject(error: Error): void;
}

/** A message with a key, which any number of calls wait for. */
interface Shared {
  call: Waiting;
  result: Promise<MessageId>;
  users: number;
}

export class Submissions {
  private readonly messages: Messages;
  private readonly aborts: Aborts;
  private readonly wake: () => void;
  /** Waiting for room, oldest first. */
  private readonly queue = new Set<Waiting>();
  private readonly submitted = new Map<number, Waiting>();
  /** Those with a key that are not in the store yet. */
  private readonly keyed = new Map<string, Shared>();
  /** By seq and index. */
  private readonly sent = new Map<number, Map<number, Waiting>>();

  /** @param wake is called when the endpoint has got something to do */
  constructor(messages: Messages, aborts: Aborts, wake: () => void) {
    this.messages = messages;
    this.aborts = aborts;
    this.wake = wake;
  }

  /**
   * Resolves once the message is in our store. Rejects with TOO_LARGE, BUSY, ABORTED or what `close` is given. With the key of
   * one that is there, or on its way, it is that one, and nothing is sent.
   */
  submit(bytes: Uint8Array, signal?: AbortSignal, key?: Uint8Array): Promise<MessageId> {
    return key
      ? this.submitOnce(bytes, signal, key)
      : this.add(bytes, signal, (resolve) => ({ durable: resolve }));
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

  private async submitOnce(
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    key: Uint8Array,
  ): Promise<MessageId> {
    const sent = this.messages.find(key);
    if (sent) return sent;
    const name = nameOf(key);
    const shared = this.keyed.get(name) ?? this.share(bytes, key, name);
    shared.users++;
    return new Promise<MessageId>((resolve, reject) => {
      const ended = this.aborts.on(signal, () => {
        reject(abortError(signal!));
        // One that is on its way has its key still, for who sends it again meanwhile.
        if (--shared.users === 0 && this.takeBack(shared.call)) this.keyed.delete(name);
      });
      shared.result.then(resolve, reject).finally(ended);
    });
  }

  private share(bytes: Uint8Array, key: Uint8Array, name: string): Shared {
    const call: Waiting = { bytes, key, reject() {} };
    const result = new Promise<MessageId>((resolve, reject) => {
      call.durable = (id) => {
        this.keyed.delete(name);
        resolve(id);
      };
      call.reject = (error) => {
        this.keyed.delete(name);
        reject(error);
      };
    });
    const shared = { call, result, users: 0 };
    this.keyed.set(name, shared);
    this.queue.add(call);
    this.fill();
    return shared;
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
        key: undefined,
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
      if (!this.messages.hasRoom) return;
      this.queue.delete(call);
      try {
        call.ticket = this.messages.submit(call.bytes, call.key);
        this.submitted.set(call.ticket, call);
        this.wake();
      } catch (error) {
        call.reject(error as Error);
      }
    }
  }

  private abort(call: Waiting, error: Error): void {
    if (!this.takeBack(call) && call.ticket !== undefined) this.submitted.delete(call.ticket);
    call.reject(error);
  }

  /** False if it is on its way already: that goes on. */
  private takeBack(call: Waiting): boolean {
    if (this.queue.delete(call)) return true;
    if (call.ticket === undefined || !this.messages.cancel(call.ticket)) return false;
    this.submitted.delete(call.ticket);
    this.fill();
    return true;
  }
}
