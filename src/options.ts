/**
 * What may be set of a member: the one table of names, defaults and checks that the library, the command line and the
 * parts inside go by. From the outside each may be left out; inside each is there.
 */
import { CONTROLLERS, type ControllerName, DEFAULT_CONTROLLER } from './congestion/index.js';
import { type Check, isBoolean, isBytes, isInteger, isOneOf, isText } from './core/checks.js';
import { invalid } from './errors.js';
import type { Group } from './group/group.js';
import { DATAGRAM_SIZE, ETHERNET_DATAGRAM, MAX_DATAGRAM } from './wire/limits.js';

/** What is set of a member, complete. `Node` and `createNetwork` take it with defaults: see `Given`. */
export interface Settings {
  /** Congestion control of each path. Default 'bbr': fills links that lose at random and yields to others. */
  controller: ControllerName;
  /** Bytes per second that this member sends at most, on all paths together. Default: no limit of its own. */
  maxRate: number;
  /**
   * The largest UDP payload to try, bytes. Default: 1452, as Ethernet carries; 65488 where all members are on this machine.
   * Give more only where every network in between carries it.
   */
  maxDatagram: number;
  /** Of the application's messages: told to the others, and an event says who has another. 0 to 65535, default 0. */
  version: number;
  /**
   * Bytes of a message: larger ones are refused, sent and received. Default 256 MiB. At most 2 GiB: larger ones would not fit
   * into one buffer with what goes around them.
   */
  maxMessageSize: number;
  /**
   * Bytes that messages kept for members that are away may take: their own, and 512 for each object that they are in. The
   * file of a store may be two and a half times as large. Default 4 GiB; beyond, the oldest go, and an event says so.
   */
  maxStoredBytes: number;
  /**
   * Default 'causal': our messages are delivered nowhere before those that we had delivered when we sent them. 'fifo': those
   * of one member come in order, and nothing more.
   */
  order: 'fifo' | 'causal';
  /** False: relay nothing for others. A fault, for demonstrations. Default true. */
  relay: boolean;
}

interface Setting<T> {
  readonly default: T;
  readonly check: Check;
  /** All values that there are, where they are few. */
  readonly choices: readonly T[];
}

export const DEFAULT_MAX_MESSAGE_SIZE = 256 * 1024 * 1024;
export const DEFAULT_MAX_STORED_BYTES = 4 * 1024 ** 3;

const isRate: Check = (name, value) => {
  if (typeof value !== 'number' || !(value > 0)) throw invalid(name, 'more than 0 bytes/s', value);
};

/** TypeScript names the one that is missing here. */
export const SETTINGS: { readonly [K in keyof Settings]: Setting<Settings[K]> } = {
  controller: choice(DEFAULT_CONTROLLER, Object.keys(CONTROLLERS) as ControllerName[]),
  maxRate: setting(Number.POSITIVE_INFINITY, isRate),
  maxDatagram: setting(ETHERNET_DATAGRAM, isInteger(DATAGRAM_SIZE, MAX_DATAGRAM)),
  version: setting(0, isInteger(0, 0xffff)),
  maxMessageSize: setting(DEFAULT_MAX_MESSAGE_SIZE, isInteger(1, 2 ** 31)),
  maxStoredBytes: setting(DEFAULT_MAX_STORED_BYTES, isInteger(1, Number.MAX_SAFE_INTEGER)),
  order: choice('causal', ['fifo', 'causal']),
  relay: setting(true, isBoolean),
};

/** Settings as they are given: what is left out, or undefined, has its default. */
export type Given<T> = { [K in keyof T]?: T[K] | undefined };

/** Who a member is, and where it listens. */
export interface Identity {
  /** Of all members the same. */
  group: Group;
  /** 32 bytes: the seed of this member's Ed25519 key. */
  secretKey: Uint8Array;
  /**
   * Address to bind, `host:port`; default: this member's own in the group, and where it has several, their port on all
   * of this machine's. Port 0 takes any.
   */
  bind?: string | undefined;
}

const isGroup: Check = (name, value) => {
  const group = Object(value) as Record<string, unknown>;
  if (!(group.id instanceof Uint8Array) || !Array.isArray(group.members))
    throw invalid(name, 'what createGroup or parseGroup gives', value);
};

/** What of an identity must be there. */
export const REQUIRED = { group: isGroup, secretKey: isBytes(32) };
export const IDENTITY_CHECKS = { ...REQUIRED, bind: isText };

/** The checks of these settings. */
export function checksOf(names: readonly (keyof Settings)[]): Record<string, Check> {
  return Object.fromEntries(names.map((name) => [name, SETTINGS[name].check]));
}

export const SETTING_NAMES = Object.keys(SETTINGS) as (keyof Settings)[];

/** What is given, checked before, with the defaults of the rest. */
export function withDefaults(given: Given<Settings> = {}): Settings {
  const all = SETTING_NAMES.map((name) => [name, given[name] ?? SETTINGS[name].default]);
  return Object.fromEntries(all) as Settings;
}

function setting<T>(value: T, check: Check): Setting<T> {
  return { default: value, check, choices: [] };
}

function choice<T extends string>(value: T, choices: readonly T[]): Setting<T> {
  return { default: value, check: isOneOf(...choices), choices };
}
