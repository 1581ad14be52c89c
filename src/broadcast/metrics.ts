/** Counters of a member. */
import type { Drops } from '../core/drops.js';

/** Why a PULL or a GONE is dropped. */
export type RepairDrop =
  /** Of what we do not hold, or not of what we have asked. */
  | 'stale'
  /** A PULL of an object that the disk no longer gives as it was written. */
  | 'unreadable';

/** What a member has sent, received and dropped since it was started. Bytes are those of UDP payloads. */
export interface Metrics<Reason extends string> {
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
  drops: Drops<Reason>;
  /** By origin: symbols dropped because its part of memory or of the store was spent. */
  refused: Record<number, number>;
}

export function createMetrics<Reason extends string>(): Metrics<Reason> {
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
