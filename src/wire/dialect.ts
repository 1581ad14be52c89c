/**
 * What of the protocol a member speaks: a range of versions, and features that not every member of a version has. Two
 * members speak the highest version that both do, and the features that both have: that makes it possible to upgrade a
 * group one by one (PROTOCOL 4.6).
 */
import type { Reader, Writer } from '../core/bytes.js';

/** Versions of the protocol, 1 to 255; both ends belong to it. */
export interface VersionRange {
  /** The first that is spoken. */
  lowest: number;
  /** The last. */
  highest: number;
}

/**
 * An optional part of the protocol. 'path-size': members tell what size of datagrams their paths carry. 'transfer': files and the
 * like move beside the messages. 'multicast': their symbols may come by IP multicast. 'locators': members tell each other where
 * they and others are. 'owed': relays tell origins what still waits in their queues.
 * 'forwarding': members pass on datagrams between those that do not reach each other. 'punch': they help these to reach each other.
 */
export type Feature = 'path-size' | 'transfer' | 'multicast' | 'locators' | 'owed' | 'forwarding' | 'punch';

/** Bits of the features. A bit is never given to another one. */
const FEATURES: Readonly<Record<Feature, number>> = {
  'path-size': 0,
  transfer: 1,
  multicast: 2,
  locators: 3,
  owed: 4,
  forwarding: 5,
  punch: 6,
};

/** What a member speaks. */
export interface Dialect {
  readonly versions: VersionRange;
  readonly features: ReadonlySet<Feature>;
}

/** What two members speak with each other. */
export interface Agreed {
  readonly version: number;
  readonly features: ReadonlySet<Feature>;
}

const NAMES = Object.keys(FEATURES) as Feature[];

/** What this implementation speaks. */
export const DIALECT: Dialect = { versions: { lowest: 3, highest: 3 }, features: new Set(NAMES) };

/** Lowest and highest version, one byte each, and 64 bits. */
export const DIALECT_SIZE = 2 + 8;

export function writeDialect(writer: Writer, { versions, features }: Dialect): Writer {
  const bits = new Uint8Array(DIALECT_SIZE - 2);
  for (const name of features) bits[FEATURES[name] >> 3] |= 1 << (FEATURES[name] & 7);
  return writer.u8(versions.lowest).u8(versions.highest).put(bits);
}

/** Features that we do not know are left out. Undefined if the range is none. */
export function readDialect(reader: Reader): Dialect | undefined {
  const versions = { lowest: reader.u8('lowest version'), highest: reader.u8('highest version') };
  const bits = reader.take(DIALECT_SIZE - 2, 'features');
  if (versions.lowest < 1 || versions.lowest > versions.highest) return undefined;
  const has = (name: Feature) => (bits[FEATURES[name] >> 3] & (1 << (FEATURES[name] & 7))) !== 0;
  return { versions, features: new Set(NAMES.filter(has)) };
}

/** What both speak; undefined if they have no version in common. */
export function agree(ours: Dialect, theirs: Dialect): Agreed | undefined {
  const version = Math.min(ours.versions.highest, theirs.versions.highest);
  if (version < Math.max(ours.versions.lowest, theirs.versions.lowest)) return undefined;
  return { version, features: new Set([...ours.features].filter((name) => theirs.features.has(name))) };
}
