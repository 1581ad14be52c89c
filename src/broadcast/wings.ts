/** The four wings of the broadcast, put together: what each job on them is given. */

import type { Micros } from '../core/time.js';
import type { Epochs } from '../epochs/epochs.js';
import type { Settings } from '../options.js';
import type { Loaded } from '../store/store.js';
import type { SymbolFrame } from '../wire/symbol.js';
import type { Stream } from './agreement/stream.js';
import type { AgreementDrop } from './agreement/streams.js';
import { Streams } from './agreement/streams.js';
import { Succession } from './agreement/succession.js';
import { Vectors } from './agreement/vectors.js';
import { Attempts } from './delivery/attempts.js';
import { Delivery } from './delivery/delivery.js';
import { Journal } from './delivery/journal.js';
import { Kept } from './delivery/kept.js';
import { type GroupSizes, Own } from './delivery/own.js';
import { DEPENDENCY_SIZE, MESSAGE_OVERHEAD, maxDependencies, PARCEL_OVERHEAD } from './delivery/parcel.js';
import { Sequence } from './delivery/sequence.js';
import { Unrelayed } from './delivery/unrelayed.js';
import type { BroadcastEvent } from './events.js';
import type { Metrics, RepairDrop } from './metrics.js';
import { Reports } from './reports.js';
import type { SpreadDrop } from './spread/drops.js';
import { Mail } from './spread/mail.js';
import { Objects } from './spread/objects.js';
import { Pulls } from './spread/pulls.js';
import { typicalRtt } from './spread/rtts.js';
import { Serving } from './spread/serving/serving.js';
import type { Sources } from './spread/sources.js';
import { Transfer, type TransferOptions } from './spread/transfer.js';

/** Why something is dropped in broadcast. */
export type BroadcastDrop = AgreementDrop | SpreadDrop | RepairDrop;

/** What has objects of its own that go the same ways. */
export interface Lodger {
  readonly sources: Sources;
  /** See `Broadcast`. */
  onSession(peer: number, fresh: boolean): void;
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body?: Uint8Array): void;
}

export interface BroadcastOptions
  extends Omit<TransferOptions, 'isStoreBusy' | 'maxObjectSize'>,
    Pick<Settings, 'maxMessageSize' | 'order'> {
  sizes: GroupSizes;
  /** What our store holds from before. */
  loaded: Loaded;
  lodger: Lodger;
  /** Of a group that changes. */
  epochs?: Epochs | undefined;
}

export interface Wings {
  readonly options: BroadcastOptions;
  readonly metrics: Metrics<BroadcastDrop>;
  /** What has become of messages, members and the store, the oldest first. */
  readonly events: BroadcastEvent[];
  readonly reports: Reports;
  readonly streams: Streams;
  readonly vectors: Vectors;
  readonly succession: Succession;
  readonly objects: Objects<Stream>;
  readonly transfer: Transfer<Stream>;
  readonly pulls: Pulls<Stream>;
  readonly serving: Serving;
  readonly mail: Mail;
  readonly log: Journal;
  readonly kept: Kept;
  readonly attempts: Attempts;
  readonly unrelayed: Unrelayed;
  readonly delivery: Delivery;
  /** Where the order among streams counts. */
  readonly sequence: Sequence | undefined;
  readonly own: Own;
}

export function openWings(options: BroadcastOptions, metrics: Metrics<BroadcastDrop>): Wings {
  const { group, self, loaded, rng, paths } = options;
  const n = group.members.length;
  const events: BroadcastEvent[] = [];
  const streams = new Streams({ ...group, self, members: n, change: options.epochs?.change }, loaded);
  const log = new Journal(loaded);
  const objects = new Objects<Stream>();
  const pulls = new Pulls<Stream>(rng.fork('pulls'), objects);
  // Objects are a little larger than the messages in them.
  const parcelRoom = PARCEL_OVERHEAD + DEPENDENCY_SIZE * maxDependencies(n) + MESSAGE_OVERHEAD;
  const maxObjectSize = options.maxMessageSize + parcelRoom;
  const serving = new Serving(
    {
      members: n,
      rng: rng.fork('serving'),
      lossOf: (peer) => paths[peer]!.loss,
      isHeldBy: (peer, id) => streams.find(id)?.claims.isHeldBy(peer, id.seq) === true,
      mostBytes: (id) => Math.min(maxObjectSize, streams.find(id)?.ledger.largest ?? 0),
    },
    metrics,
  );
  const transfer = new Transfer<Stream>(
    { ...options, maxObjectSize, isStoreBusy: (origin) => log.isBusyWith(origin, n) },
    metrics,
    { streams, objects },
  );
  const attempts = new Attempts(loaded, log);
  const unrelayed = new Unrelayed(n, {
    isThere: (now, member) => paths[member]?.isOpen === true && paths[member].isNear(now),
    get rtt() {
      return typicalRtt(paths, group.faulty);
    },
  });
  const sequence = options.order === 'causal' ? new Sequence(streams) : undefined;
  const delivery = new Delivery({ streams, log, attempts, unrelayed, sequence }, n);
  const stream = streams.own(loaded.incarnation);
  return {
    options,
    metrics,
    events,
    reports: new Reports(events),
    streams,
    vectors: new Vectors(n, options.changed),
    succession: new Succession(group, loaded.session, loaded.isCopy),
    objects,
    transfer,
    pulls,
    serving,
    mail: new Mail(n, metrics, options.changed),
    log,
    kept: new Kept(streams, loaded),
    attempts,
    unrelayed,
    delivery,
    sequence,
    own: new Own(options, stream, { log, delivery, transfer, objects }, events),
  };
}
