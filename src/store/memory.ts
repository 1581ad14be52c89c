/**
 * A store in memory: the rules of `Store` as a plain synchronous state, for members that keep nothing over a restart and,
 * as what a simulated disk holds, for those that do. In: writes. Out: what would be there after a restart.
 */
import { HeadwaterError } from '../errors.js';
import { type ObjectId, objectKey, type StreamId, streamKey } from '../wire/symbol.js';
import {
  type Attempt,
  type DeadLetter,
  type Final,
  type Loaded,
  MAX_SENT_KEYS,
  type MessageRef,
  type SentKey,
  type Store,
  type StoredObject,
  type StoreWrite,
  type StreamState,
  storedSize,
} from './store.js';

/**
 * The state. Bytes are kept as given, not copied.
 *
 * @example
 * const disk = new MemoryStore(Date.now());
 * disk.apply([{ type: 'object', object }]);
 * disk.read(object); // object
 */
export class MemoryStore {
  incarnation: number;
  private readonly maxBytes: number;
  private readonly streams = new Map<string, Stream>();
  /** By origin. */
  private readonly retired = new Map<number, Final>();
  /** By name. */
  private readonly letters = new Map<string, DeadLetter>();
  private attempt: Attempt | undefined;
  private epochs: Uint8Array | undefined;
  /** By number, modulo as many as are kept. */
  private readonly sent = new Map<number, SentKey>();
  private bytes = 0;
  private session: number;

  /**
   * @param incarnation of the member's own stream: unlike that of any start before, for instance the time in milliseconds
   * @param maxBytes that all objects together may take: see `storedSize`
   */
  constructor(incarnation: number, maxBytes = Number.POSITIVE_INFINITY) {
    this.incarnation = incarnation;
    this.session = incarnation;
    this.maxBytes = maxBytes;
  }

  /**
   * Makes all of `writes` true, in order, or none if it throws STORE_FULL; but prunes come last, wherever they stand.
   *
   * @returns what all objects now kept take
   */
  apply(writes: readonly StoreWrite[]): number {
    const { growth, added } = this.growth(writes);
    if (added > 0 && this.bytes + growth > this.maxBytes) throw storeFull(this.maxBytes);
    for (const write of writes) {
      if (write.type === 'stream') this.stream(write.state).state = copyState(write.state);
      else if (write.type === 'object') this.put(write.object, write.keys);
      else if (write.type === 'drop') this.drop(write.stream, write.from);
      else if (write.type === 'retire') this.retire(write.stream);
      else if (write.type === 'attempt') this.attempt = write.attempt;
      else if (write.type === 'bury') this.letters.set(nameOf(write.letter), write.letter);
      else if (write.type === 'unbury') this.letters.delete(nameOf(write.id));
      else if (write.type === 'forget') this.forget(write.stream);
      else if (write.type === 'begin') this.incarnation = write.incarnation;
      else if (write.type === 'epochs') this.epochs = write.record;
    }
    for (const write of writes) if (write.type === 'prune') this.prune(write.stream, write.below);
    return this.bytes;
  }

  /** It will be opened at a time that gives at least this session. */
  advance(session: number): void {
    this.session = Math.max(this.session, session - 1);
  }

  /** Another one that holds the same. */
  copy(): MemoryStore {
    const copy = new MemoryStore(this.incarnation, this.maxBytes);
    copy.session = this.session;
    copy.bytes = this.bytes;
    copy.attempt = this.attempt;
    copy.epochs = this.epochs;
    for (const [key, { id, state, objects, base }] of this.streams)
      copy.streams.set(key, { id, state: state && copyState(state), objects: new Map(objects), base });
    for (const [origin, final] of this.retired) copy.retired.set(origin, final);
    for (const [name, letter] of this.letters) copy.letters.set(name, letter);
    for (const [number, sent] of this.sent) copy.sent.set(number, sent);
    return copy;
  }

  /** Undefined if it is not there. */
  read(id: ObjectId): StoredObject | undefined {
    return this.streams.get(streamKey(id))?.objects.get(id.seq);
  }

  deadLetters(): (MessageRef & { length: number; retry: boolean })[] {
    return [...this.letters.values()]
      .sort(compareMessages)
      .map(({ bytes, ...rest }) => ({ ...rest, length: bytes.length }));
  }

  deadLetter(id: MessageRef): DeadLetter | undefined {
    return this.letters.get(nameOf(id));
  }

  /** What a restart finds: after a crash, or an end in order. */
  loaded(crashed = false): Loaded {
    this.session = Math.max(this.session, this.incarnation) + 1;
    const streams = [...this.streams.values()].sort(compareStreams);
    return {
      incarnation: this.incarnation,
      session: this.session,
      streams: streams.flatMap(({ state }) => (state === undefined ? [] : [copyState(state)])),
      held: streams.flatMap(({ state, objects }) =>
        [...objects.values()]
          .filter(({ seq }) => seq >= (state?.delivered ?? 0))
          .sort((a, b) => a.seq - b.seq)
          .map(({ origin, incarnation, seq, certificate }) => ({ origin, incarnation, seq, certificate })),
      ),
      retired: [...this.retired.values()].sort((a, b) => a.origin - b.origin),
      sent: [...this.sent.values()].sort((a, b) => a.number - b.number),
      bytes: this.bytes,
      ...(this.epochs ? { epochs: this.epochs } : {}),
      ...(crashed ? { crash: { attempt: this.attempt } } : {}),
    };
  }

  private growth(writes: readonly StoreWrite[]): { growth: number; added: number } {
    const below = pruneMarks(writes);
    const added = new Map<string, number>();
    let growth = 0;
    for (const write of writes) {
      if (write.type !== 'object') continue;
      const { object } = write;
      const stream = streamKey(object);
      if (object.seq >= (below.get(stream)?.below ?? 0))
        added.set(`${stream}/${object.seq}`, sizeOf(object) - sizeOf(this.read(object)));
    }
    for (const size of added.values()) growth += size;
    for (const [stream, mark] of below)
      for (const object of this.under(stream, mark.below)) growth -= sizeOf(object);
    return { growth, added: added.size };
  }

  private stream(id: StreamId): Stream {
    const key = streamKey(id);
    let stream = this.streams.get(key);
    if (stream === undefined) {
      stream = {
        id: { origin: id.origin, incarnation: id.incarnation },
        state: undefined,
        objects: new Map(),
        base: 0,
      };
      this.streams.set(key, stream);
    }
    return stream;
  }

  private put(object: StoredObject, keys: readonly SentKey[] = []): void {
    for (const sent of keys) this.sent.set(sent.number % MAX_SENT_KEYS, { ...sent, key: sent.key.slice() });
    const stream = this.stream(object);
    this.bytes += sizeOf(object) - sizeOf(stream.objects.get(object.seq));
    stream.objects.set(object.seq, object);
    stream.base = Math.min(stream.base, object.seq);
  }

  private drop(id: StreamId, from: number): void {
    const objects = this.streams.get(streamKey(id))?.objects;
    for (const object of [...(objects?.values() ?? [])]) {
      if (object.seq < from) continue;
      objects?.delete(object.seq);
      this.bytes -= sizeOf(object);
    }
  }

  private retire(final: Final): void {
    this.forget(final);
    this.retired.set(final.origin, final);
  }

  private forget(id: StreamId): void {
    this.drop(id, 0);
    this.streams.delete(streamKey(id));
  }

  private prune(id: StreamId, below: number): void {
    const stream = this.streams.get(streamKey(id));
    if (stream === undefined) return;
    for (const object of this.under(streamKey(id), below)) {
      stream.objects.delete(object.seq);
      this.bytes -= sizeOf(object);
    }
    stream.base = Math.max(stream.base, below);
  }

  /** The objects of a stream below a seq; looks at no others if they are many. */
  private under(key: string, below: number): StoredObject[] {
    const stream = this.streams.get(key);
    if (stream === undefined) return [];
    const { objects, base } = stream;
    if (below - base > objects.size) return [...objects.values()].filter(({ seq }) => seq < below);
    const found: StoredObject[] = [];
    for (let seq = base; seq < below; seq++) {
      const object = objects.get(seq);
      if (object !== undefined) found.push(object);
    }
    return found;
  }
}

/**
 * A store that keeps nothing when it is closed. `incarnation`: of the member's own stream, unlike that of any start before, such as the
 * time in milliseconds. `maxBytes`: as of `StoreOptions`.
 *
 * @example
 * await using store = memoryStore(Date.now());
 */
export function memoryStore(incarnation: number, options: { maxBytes?: number } = {}): Store {
  const state = new MemoryStore(incarnation, options.maxBytes);
  let closed = false;
  const open = (): MemoryStore => {
    if (closed) throw storeClosed();
    return state;
  };
  const close = async (): Promise<void> => {
    closed = true;
  };
  return {
    loaded: state.loaded(),
    commit: async (writes) => open().apply(writes),
    read: async (id) => open().read(id),
    deadLetters: async () => open().deadLetters(),
    deadLetter: async (id) => open().deadLetter(id),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Of each stream that is pruned, the highest mark, by `streamKey`. */
export function pruneMarks(writes: readonly StoreWrite[]): Map<string, { stream: StreamId; below: number }> {
  const marks = new Map<string, { stream: StreamId; below: number }>();
  for (const write of writes) {
    if (write.type !== 'prune') continue;
    const key = streamKey(write.stream);
    const below = Math.max(write.below, marks.get(key)?.below ?? 0);
    marks.set(key, { stream: write.stream, below });
  }
  return marks;
}

export function storeFull(maxBytes: number): HeadwaterError {
  return new HeadwaterError(
    'STORE_FULL',
    `store: expected objects that take at most ${maxBytes} bytes, got more`,
  );
}

export function storeClosed(): HeadwaterError {
  return new HeadwaterError('CLOSED', 'store: expected an open one, got a closed one');
}

interface Stream {
  id: StreamId;
  state: StreamState | undefined;
  objects: Map<number, StoredObject>;
  /** No object is below. */
  base: number;
}

function sizeOf(object: StoredObject | undefined): number {
  return object === undefined ? 0 : storedSize(object.bytes.length);
}

function compareStreams({ id: a }: Stream, { id: b }: Stream): number {
  return a.origin - b.origin || a.incarnation - b.incarnation;
}

function nameOf(id: MessageRef): string {
  return `${objectKey(id)}/${id.index}`;
}

function compareMessages(a: MessageRef, b: MessageRef): number {
  return a.origin - b.origin || a.incarnation - b.incarnation || a.seq - b.seq || a.index - b.index;
}

function copyState(state: StreamState): StreamState {
  const { chain, baseChain, ready } = state;
  const copied = ready && { ready: { ...ready, chain: ready.chain.slice() } };
  return { ...state, chain: chain.slice(), baseChain: baseChain.slice(), ...copied };
}
