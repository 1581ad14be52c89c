/** Counters of a member. Whatever is thrown away is counted under one of these reasons. */

export type DropReason =
  /** A datagram of a session with impossible fields. */
  | 'malformed'
  /** Names a member that the group does not have, or ourselves as an object's origin. */
  | 'unknown-member'
  /** An acknowledgement of what was never sent. */
  | 'bad-ack'
  | 'bad-signature'
  /** More new signatures at once than will be checked. */
  | 'signature-budget'
  /** A symbol that is already held. */
  | 'duplicate'
  /** A symbol of a block that is already rebuilt. */
  | 'late'
  /** Of an earlier incarnation of its origin, or of an object long finished. */
  | 'stale'
  | 'unasked'
  /** Of an object above the size limit. */
  | 'too-large'
  /** Its origin has too many objects open. */
  | 'over-quota'
  /** Two different objects under one id: the first one stands. */
  | 'equivocation'
  /** Of an object whose symbols gave something else than its hash says. */
  | 'tainted'
  /** An ESI beyond what is served. */
  | 'absurd-esi'
  /** Kept, but the codec's memory did not allow to rebuild the block now; the next symbol tries again. */
  | 'out-of-memory'
  /** The store is behind by more than may wait in memory. */
  | 'store-busy'
  /** A relay queue was full: its oldest symbol went. */
  | 'relay-overflow'
  /** A PULL of an object that the disk no longer gives as it was written. */
  | 'unreadable'
  /** More to ask of a peer than goes out to it: it is asked later. */
  | 'mail-overflow';

/** How often, by reason. */
export type Drops = Partial<Record<DropReason, number>>;

/** What a member has sent, received and dropped since it was started. Bytes are those of UDP payloads. */
export interface Metrics {
  /** To all members. */
  sentDatagrams: number;
  /** To all members. */
  sentBytes: number;
  /** Whatever came, strangers' included. */
  receivedDatagrams: number;
  /** Whatever came, strangers' included. */
  receivedBytes: number;
  /** Symbols that brought something new. */
  usefulSymbols: number;
  /** Sent on to others. */
  relayedSymbols: number;
  /** Objects asked for because they did not come by themselves. */
  pulls: number;
  /** Objects dropped at the store's bound that some member lacks. */
  overflowed: number;
  /** Objects that were held and could not be read again. */
  damaged: number;
  /** What was thrown away. */
  drops: Drops;
  /** By origin: symbols dropped because its part of memory or of the store was spent. */
  refused: Record<number, number>;
}

export function createMetrics(): Metrics {
  return {
    sentDatagrams: 0,
    sentBytes: 0,
    receivedDatagrams: 0,
    receivedBytes: 0,
    usefulSymbols: 0,
    relayedSymbols: 0,
    pulls: 0,
    overflowed: 0,
    damaged: 0,
    drops: {},
    refused: {},
  };
}

export function countDrop(metrics: Metrics, reason: DropReason): void {
  metrics.drops[reason] = (metrics.drops[reason] ?? 0) + 1;
}
