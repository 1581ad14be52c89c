/**
 * What one member sees at one time, as the live page draws it and a trace keeps it: a part of its status, with those objects alone
 * that have changed. It imports nothing, since the page's own code reads it too.
 */

/** One member's view, in the words and units of its status. */
export interface Sight {
  /** Whose it is. */
  name: string;
  /** As in the status; nothing if it is not known. */
  quorum?: { have: number; need: number };
  /** What is wrong now. */
  warnings: { code: string; member: string | null; text: string }[];
  /** Its paths to the others. */
  peers: PeerSight[];
  /** How far each stream is. */
  streams: StreamSight[];
  /** Objects that have changed since the last sight. */
  objects: ObjectSight[];
  /** Names of objects that are no longer on their way. */
  over: string[];
  /** Histogram of how long its own objects took. */
  delivery?: { boundsMs: number[]; counts: number[]; meanMs: number | null };
}

/** A path to another member. */
export interface PeerSight {
  name: string;
  reachable: boolean;
  rttMs: number | null;
  minRttMs: number | null;
  recentLossShare: number;
  inboundLossShare: number;
  sentBytes: number;
  windowBytes: number | null;
  inFlightBytes: number;
  deliveredBytes: number;
  lossFloorShare: number | null;
  /** Of its congestion control. */
  state: string;
}

/** A stream. */
export interface StreamSight {
  from: string;
  incarnation: number;
  delivered: number;
  deliverable: number;
  held: number;
}

/** An object on its way. */
export interface ObjectSight {
  /** `MEMBER INCARNATION/SEQ`: its origin, the life of its store, its number. */
  name: string;
  from: string;
  lengthBytes: number;
  neededSymbols: number;
  heldSymbols: number;
  complete: boolean;
  delivered: boolean;
  lackedBy?: Record<string, number>;
}

/** Something that has happened. */
export interface Happening {
  /** To which member, or who tells of it. */
  member: string;
  kind: string;
  text: string;
}

/** What is seen at one time. */
export interface Tick {
  /** Milliseconds since 1970; of a simulation since its beginning. */
  at: number;
  sights: Sight[];
  events: Happening[];
}
