/**
 * The messages of a store, one after the other. In: a store that is inspected. Out: those that its member has delivered and still keeps, or
 * those that it has not delivered, each sender's in its order, and none before what its sender had delivered.
 */
import { type OpenParcel, parseParcel } from '../../broadcast/delivery/parcel.js';
import type { Inspection, StoredStream } from '../../disk/inspect.js';
import { HeadwaterError } from '../../errors.js';
import { MAX_MEMBERS } from '../../wire/limits.js';
import { type MessageId, type ObjectId, streamKey } from '../../wire/symbol.js';

/** A message of a store. */
export interface StoredMessage extends MessageId {
  bytes: Uint8Array;
}

/** Objects that could not be read are told to `onDamage`; what came behind them is given all the same. */
export async function* messagesOf(
  store: Inspection,
  which: 'delivered' | 'undelivered',
  onDamage: (id: ObjectId) => void,
): AsyncGenerator<StoredMessage> {
  const open = (await rangesOf(store, which)).map((range) => ({ ...range, parcel: undefined as Parcel }));
  const places = new Map(open.map((each) => [streamKey(each.state), each]));
  for (;;) {
    const left = open.filter(({ at, end }) => at < end);
    if (left.length === 0) return;
    for (const each of left) each.parcel ??= await parcelOf(store, each);
    // Of `fifo`, or where something is damaged, it may be that none is ready: the first then.
    const next = left.find(({ parcel }) => isReady(parcel, places)) ?? left[0];
    const { state, at, parcel } = next;
    const id = { origin: state.origin, incarnation: state.incarnation, seq: at };
    if (parcel) yield* messagesIn(id, parcel, state, which);
    else onDamage(id);
    next.at++;
    next.parcel = undefined;
  }
}

/** Of each stream the objects that hold the messages which are wanted. */
async function rangesOf(store: Inspection, which: 'delivered' | 'undelivered'): Promise<Range[]> {
  if (which === 'delivered')
    return store.streams.map((state) => ({
      state,
      at: state.base,
      // Of the one that comes next some messages may be done with.
      end: state.delivered + (state.index > 0 ? 1 : 0),
    }));
  const ends = new Map<string, number>();
  for await (const { seq, ...stream } of store.objects()) ends.set(streamKey(stream), seq + 1);
  return store.streams.map((state) => ({
    state,
    at: state.delivered,
    end: ends.get(streamKey(state)) ?? state.delivered,
  }));
}

async function parcelOf(store: Inspection, { state, at }: Range): Promise<Parcel> {
  const { origin, incarnation } = state;
  const object = await store.read({ origin, incarnation, seq: at });
  if (!object) return undefined;
  try {
    return parseParcel(object.bytes, state, MAX_MEMBERS);
  } catch (error) {
    if (error instanceof HeadwaterError) return undefined;
    throw error;
  }
}

function isReady(parcel: Parcel, places: ReadonlyMap<string, Range>): boolean {
  return (
    parcel === undefined ||
    parcel.dependencies.every((dependency) => {
      const other = places.get(streamKey(dependency));
      return other === undefined || other.at >= Math.min(dependency.count, other.end);
    })
  );
}

function* messagesIn(
  id: ObjectId,
  { messages }: OpenParcel,
  { delivered, index }: StoredStream,
  which: 'delivered' | 'undelivered',
): Generator<StoredMessage> {
  const done = id.seq < delivered ? messages.length : id.seq > delivered ? 0 : index;
  const [from, to] = which === 'delivered' ? [0, done] : [done, messages.length];
  for (let i = from; i < to; i++) yield { ...id, index: i, bytes: messages.get(i) };
}

interface Range {
  state: StoredStream;
  at: number;
  end: number;
}

type Parcel = OpenParcel | undefined;
