/**
 * A member of the group behind a gateway: it starts with the keys that are known, and again with each that is learned. In: messages
 * to send, keys. Out: messages in their order, who is within reach. What is to be sent is sent once, however often it starts.
 */
import type { DurableStore } from '../../disk/lmdb.js';
import { HeadwaterError } from '../../errors.js';
import type { Group } from '../../group/group.js';
import { type Delivery, Node, type NodeEvent } from '../../node/node.js';
import type { NodeStatus } from '../../node/status/shape.js';
import type { Store } from '../../store/store.js';
import type { MessageId } from '../../wire/symbol.js';
import { openStoreAhead } from './disk/store-ahead.js';
import { type Progress, storeBehind } from './disk/store-behind.js';

export interface MemberOptions {
  storePath: string;
  publicKey: Uint8Array;
  seed: Uint8Array;
  bind: string;
  deliver(delivery: Delivery): void | Promise<void>;
  onEvent(event: NodeEvent): void;
  /** It starts, or starts again: who is within reach is told anew, and no event of before follows. */
  onStart(): void;
  onDatagram(from: string, bytes: Uint8Array): boolean;
  /** The message with this tag is durable in our store, under this name. */
  onSubmitted(tag: string, id: MessageId): void;
  /** What becomes of messages that were delivered: until that is durable the store must not take them for consumed. */
  progress: Progress;
  /** How long a commit of the store took, in seconds. */
  onCommit(seconds: number): void;
}

export class GroupMember {
  private readonly options: MemberOptions;
  private node: Node | undefined;
  private latest: Node | undefined;
  private readonly waiting = new Map<string, Uint8Array>();
  /** Starts and stops, one after the other. */
  private last: Promise<void> = Promise.resolve();
  private isClosed = false;

  constructor(options: MemberOptions) {
    this.options = options;
  }

  /** Starts it as a member of `group`, whose keys may be others than before. @throws HeadwaterError NETWORK, STORE, STORE_FULL */
  start(group: Group, opened?: DurableStore): Promise<void> {
    this.last = this.last.then(() => this.startNow(group, opened));
    return this.last;
  }

  /** Sends a message once. */
  submit(tag: string, bytes: Uint8Array): void {
    this.waiting.set(tag, bytes);
    this.trySubmit(tag, bytes);
  }

  send(to: string, bytes: Uint8Array): void {
    this.node?.sendBeside(to, bytes);
  }

  /** As it stands, or stood before it started again; undefined before its first start. */
  status(): NodeStatus | undefined {
    return this.latest?.status();
  }

  /** The same for Prometheus. */
  metrics(): string {
    return this.latest?.metrics() ?? '';
  }

  close(): Promise<void> {
    this.isClosed = true;
    this.last = this.last.catch(() => {}).then(() => this.node?.close());
    return this.last;
  }

  private async startNow(group: Group, opened?: DurableStore): Promise<void> {
    if (this.isClosed) return;
    const { node } = this;
    this.node = undefined;
    await node?.close();
    const { options } = this;
    options.onStart();
    const store = opened ?? (await openMemberStore(options, group));
    try {
      this.node = await Node.startAs(
        {
          group,
          secretKey: options.seed,
          bind: options.bind,
          store: storeBehind(store, options.progress, options.onCommit),
          deliver: (delivery) => options.deliver(delivery),
          onEvent: (event) => options.onEvent(event),
        },
        undefined,
        (from, bytes) => options.onDatagram(from, bytes),
      );
    } catch (error) {
      await store.close();
      throw error;
    }
    this.latest = this.node;
    for (const [tag, bytes] of this.waiting) this.trySubmit(tag, bytes);
  }

  private trySubmit(tag: string, bytes: Uint8Array): void {
    const { node } = this;
    if (!node) return;
    node.submit(bytes, { key: Buffer.from(tag, 'hex') }).then(
      (id) => {
        this.waiting.delete(tag);
        this.options.onSubmitted(tag, id);
      },
      (error) => {
        // With the next node it is sent again, and so are those after it.
        if (error instanceof HeadwaterError && error.code === 'CLOSED') return;
        setTimeout(() => {
          if (this.node === node && this.waiting.has(tag)) this.trySubmit(tag, bytes);
        }, RETRY_MS).unref();
      },
    );
  }
}

/** @throws HeadwaterError STORE, STORE_FULL */
export function openMemberStore(
  { storePath, publicKey }: Pick<MemberOptions, 'storePath' | 'publicKey'>,
  { id }: Group,
): Promise<DurableStore> {
  return openStoreAhead({ path: storePath, groupId: id, publicKey });
}

/** The last message of ours that a store holds and has not delivered. */
export function unsettledIn({ loaded }: Store, self: number): MessageId | undefined {
  const own = loaded.held.filter(
    ({ origin, incarnation }) => origin === self && incarnation === loaded.incarnation,
  );
  const last = own.reduce<(typeof own)[number] | undefined>(
    (newest, each) => (newest && newest.seq > each.seq ? newest : each),
    undefined,
  );
  if (!last) return undefined;
  // However many messages are in it.
  const { origin, incarnation, seq } = last;
  return { origin, incarnation, seq, index: Number.MAX_SAFE_INTEGER };
}

const RETRY_MS = 100;
