/** The network of headwater itself: a node with a durable store, messages of any type, and connectivity. */

import { checkOptions, checkRequired, isFunction, isInteger, isObjectWith, isText } from '../core/checks.js';
import { keyPair } from '../crypto/keys.js';
import { openStore } from '../disk/lmdb.js';
import { assertBytes, HeadwaterError, invalid } from '../errors.js';
import { type Group, type Member, memberWith } from '../group/group.js';
import type { DeadLetter } from '../node/dead-letters.js';
import type { DebugOptions } from '../node/debug.js';
import { type Delivery, Node, type NodeEvent } from '../node/node.js';
import { isDebug } from '../node/options.js';
import type { NodeStatus, StatusOptions } from '../node/status/shape.js';
import {
  checksOf,
  type Given,
  IDENTITY_CHECKS,
  type Identity,
  REQUIRED,
  SETTING_NAMES,
  SETTINGS,
  type Settings,
} from '../options.js';
import type { MessageId } from '../wire/symbol.js';
import { ConnectivityTracker } from './connectivity.js';
import { Inbox } from './inbox.js';
import { messagePack } from './message-pack.js';
import type { Codec, Network, NetworkCallback, Notice } from './network.js';

/** Who this member is, what it keeps, and how it sends. */
export interface NetworkConfig<Msg> extends Identity, Given<Omit<Settings, 'maxDatagram' | 'relay'>> {
  /**
   * The file that holds what must outlive this process; it is made if it is not there, and so is the folder that it lies in, but
   * none above that. Default: nothing does, and a member that stops takes with it what it had promised to hold.
   */
  storePath?: string | undefined;
  /**
   * How messages become bytes. Default: MessagePack, for plain data: null, undefined, booleans, numbers (-0 arrives as 0), bigints
   * of 64 bits, texts, bytes (Uint8Array; so arrives a Buffer), dates, and lists and plain objects of them. What would not arrive
   * as it is (functions, symbols, maps, sets, other typed arrays, objects of classes) `broadcast` refuses with
   * INVALID_ARGUMENT, and says where it is; from others such things are `undecodable`.
   */
  codec?: Codec<Msg> | undefined;
  /**
   * Values in a message, for the default codec: each element of an array, each key and each value of an object counts. More are
   * refused, by `broadcast` with INVALID_ARGUMENT and from others as `undecodable`, before anything is made of them: a byte may
   * stand for an object. Default 1,000,000.
   */
  maxMessageValues?: number | undefined;
  /** As of `NodeOptions`. */
  debug?: DebugOptions | undefined;
}

/** A message as `for await` gives it; it counts as taken when the next one is asked for, in this loop or another. */
export interface Received<Msg> {
  /** Decoded. */
  msg: Msg;
  /** Who sent it; may be ourselves. */
  from: Member;
  /** The same at every member, and after a restart. */
  id: MessageId;
}

/** A member of a group: made by `createNetwork`. */
export interface HeadwaterNetwork<Msg> extends Network<Msg> {
  /** This member. */
  readonly self: Member;
  /** As it was given. */
  readonly group: Group;
  /**
   * As any network's, and tells the message's id. With a `key`, 1 to 64 bytes or a text of as many, the message is sent once,
   * however often and in whatever life of this process it is broadcast under that: each time its id is told. The key is
   * stored with the message in one step; the last 65,536 keys of a store are known.
   *
   * @example
   * await network.broadcast('order 17', { key: 'order 17' }); // after a crash: again, and it is there once
   */
  broadcast(msg: Msg, options?: { signal?: AbortSignal; key?: string | Uint8Array }): Promise<MessageId>;
  /** The id of our message with this key if it is in our store; undefined if it was not taken, or not yet. */
  sent(key: string | Uint8Array): MessageId | undefined;
  /**
   * The messages, where no `deliver` was given. One loop at a time: while one is not left, `next` of another throws BUSY. A loop
   * may be left and another begun, which goes on with the message after the last one, however the loop was left: a body that
   * fails has to catch its error itself if it is to try again.
   *
   * @throws HeadwaterError BUSY while another loop is not left
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Received<Msg>, undefined>;
  /** Messages that were set aside, since several runs in a row had ended while `deliver` had them. See `Node.deadLetters`. */
  deadLetters(): Promise<DeadLetter[]>;
  /** The bytes of one, not decoded. See `Node.deadLetter`. */
  deadLetter(id: MessageId): Promise<Delivery>;
  /** Delivers one again. See `Node.retryDeadLetter`. */
  retryDeadLetter(id: MessageId): Promise<void>;
  /** As it stands: see `Node.status`. */
  status(options?: StatusOptions): NodeStatus;
  /** The same as metrics: text of Prometheus's format, version 0.0.4. */
  metrics(): string;
}

/**
 * Messages that are bytes already. They are copied when `broadcast` is called, and may be changed after.
 *
 * @example
 * await using network = await createNetwork({ group, secretKey, codec: rawBytes });
 * await network.broadcast(bytes);
 */
export const rawBytes: Codec<Uint8Array> = {
  encode(msg) {
    assertBytes('msg', msg);
    return new Uint8Array(msg);
  },
  decode: (bytes) => bytes,
};

/**
 * Joins a group as one of its members. With `deliver` in `callback` messages are pushed to it; without, they are pulled by
 * `for await (const { msg, from } of network)`. Either way one at a time, in order, each once, and none is forgotten before
 * it is done with.
 *
 * No callback is called before this has resolved. If it rejects, nothing is left open.
 *
 * @throws HeadwaterError INVALID_ARGUMENT (an option that is not what it should be), INVALID_CONFIG (the key is none of the group's,
 *   `bind` is no address), NETWORK (the address cannot be bound), STORE or STORE_FULL (see `openStore`)
 * @example
 * await using network = await createNetwork<string>(
 *   { group, secretKey, storePath: 'data/alice.mdb' },
 *   { deliver: (msg, from) => console.log(from.name, msg), onConnectivity: (event) => console.log(event.type) },
 * );
 * await network.broadcast('hello'); // durable here: it will be delivered everywhere
 */
export async function createNetwork<Msg = unknown>(
  config: NetworkConfig<Msg>,
  callback: Partial<NetworkCallback<Msg>> = {},
): Promise<HeadwaterNetwork<Msg>> {
  checkOptions('config', config, CONFIG);
  checkRequired(config, REQUIRED);
  if (typeof callback !== 'object' || callback === null) throw invalid('callback', 'an object', callback);
  // A class may have fields of its own; in an object that is written down for this a name too many is a slip.
  const isWritten = Object.getPrototypeOf(callback) === Object.prototype;
  checkOptions('callback', isWritten ? callback : pick(callback), CALLBACKS);
  const { storePath, codec: own, maxMessageValues = DEFAULT_MAX_VALUES, ...settings } = config;
  const { group, secretKey, version = SETTINGS.version.default } = settings;
  const codec = own ?? messagePack<Msg>(maxMessageValues);
  const tracker = new ConnectivityTracker(group, version);
  const inbox = callback.deliver ? undefined : new Inbox<Received<Msg>>();
  const notice = (what: Notice) => callback.onNotice?.(what);
  const onEvent = (event: NodeEvent) => {
    for (const change of tracker.on(event)) callback.onConnectivity?.(change);
    switch (event.type) {
      case 'peer':
      case 'other-version':
      case 'foreign-version':
      case 'foreign-group':
        return;
      default:
        notice(event);
    }
  };
  const deliver = ({ from, id, bytes }: Delivery): void | Promise<void> => {
    let msg: Msg;
    try {
      msg = codec.decode(bytes);
    } catch (error) {
      return notice({ type: 'undecodable', from, id, error });
    }
    return callback.deliver ? callback.deliver(msg, from, id) : inbox?.put({ msg, from, id });
  };
  // Before a store is made, which would be a stranger's.
  const { publicKey } = memberWith(group, keyPair(secretKey).publicKey);
  const store =
    storePath === undefined ? undefined : await openStore({ path: storePath, groupId: group.id, publicKey });
  let node: Node;
  try {
    node = await Node.start({ ...settings, store, deliver, onEvent });
  } catch (error) {
    await store?.close();
    throw error;
  }
  // The caller has no network to use in its callbacks before this function has returned.
  let closed = false;
  setImmediate(() => {
    if (closed) return;
    if (store?.recovered !== undefined) notice({ type: 'store-recovered', moved: store.recovered });
    for (const change of tracker.start()) callback.onConnectivity?.(change);
  });
  const close = () => {
    closed = true;
    inbox?.close();
    return node.close();
  };
  return {
    self: node.self,
    group,
    async broadcast(msg, options = {}) {
      return node.submit(codec.encode(msg), options);
    },
    sent: (key) => node.sent(key),
    deadLetters: () => node.deadLetters(),
    deadLetter: (id) => node.deadLetter(id),
    retryDeadLetter: (id) => node.retryDeadLetter(id),
    status: (options) => node.status(options),
    metrics: () => node.metrics(),
    close,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]() {
      if (!inbox)
        throw new HeadwaterError('INVALID_ARGUMENT', 'network: expected no `deliver` to be given, got one');
      return inbox.iterate();
    },
  };
}

/** Empty objects of so many take 60 MB. */
const DEFAULT_MAX_VALUES = 1_000_000;

/** What of a class's object is ours, its prototype's methods too. */
const pick = <Msg>({ deliver, onConnectivity, onNotice }: Partial<NetworkCallback<Msg>>) => ({
  deliver,
  onConnectivity,
  onNotice,
});

const CALLBACKS = { deliver: isFunction, onConnectivity: isFunction, onNotice: isFunction };

const NETWORK_SETTINGS = SETTING_NAMES.filter((name) => name !== 'maxDatagram' && name !== 'relay');

const CONFIG = {
  ...IDENTITY_CHECKS,
  ...checksOf(NETWORK_SETTINGS),
  storePath: isText,
  codec: isObjectWith('encode', 'decode'),
  maxMessageValues: isInteger(1, 2 ** 31),
  debug: isDebug,
};
