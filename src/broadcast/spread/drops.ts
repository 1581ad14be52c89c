/** Why symbols, PULLs and what would be sent are dropped where objects are spread; PROTOCOL 8.2 has the order of the checks. */
export type SpreadDrop =
  /** Of an object that is none. */
  | 'malformed'
  /** Names a member that the group does not have, or ourselves as an object's origin. */
  | 'unknown-member'
  /** Not signed by its origin. */
  | 'bad-signature'
  /** More new signatures at once than will be checked. */
  | 'signature-budget'
  /** A symbol that is already held. */
  | 'duplicate'
  /** A symbol of a block that is already rebuilt. */
  | 'late'
  /** Of an earlier incarnation of its origin, or of an object long finished. */
  | 'stale'
  /** Served by a member that was not asked. */
  | 'unasked'
  /** Of an object above the size limit. */
  | 'too-large'
  /** Of an object too far beyond what is delivered. */
  | 'beyond-window'
  /** Its origin has too many objects, or bytes of them, being rebuilt or stored. */
  | 'open-quota'
  /** Its origin has its share of the store in what is not delivered. */
  | 'store-quota'
  /** Of one more stream than its origin may have on its word alone. */
  | 'stream-quota'
  /** The store is behind by more than may wait in memory. */
  | 'store-busy'
  /** Two different objects under one id: the first one stands. */
  | 'equivocation'
  /** Of an object whose symbols gave something else than its hash says. */
  | 'tainted'
  /** An ESI beyond what is served. */
  | 'absurd-esi'
  /** A symbol whose manifest has not come in time, or while no more of that peer's could be kept. */
  | 'no-manifest'
  /** Kept, but the codec's memory did not allow to rebuild the block now; the next symbol tries again. */
  | 'out-of-memory'
  /** A relay queue was full: its oldest symbol went. */
  | 'relay-overflow'
  /** A PULL while too many of that peer wait. */
  | 'pull-quota'
  /** A PULL of an object that the peer has had several times in a short while. */
  | 'serve-quota'
  /** Came to a multicast group, and is under no key that is listened to. */
  | 'not-sealed'
  /** More to ask of a peer than goes out to it: it is asked later. */
  | 'mail-overflow';
