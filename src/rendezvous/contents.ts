/** What is sealed in the datagrams of a rendezvous: who a guest is, what it asks for, and what it is told. */
import { Reader, Writer } from '../core/bytes.js';
import { hasHazards } from '../core/text.js';
import { PUBLIC_KEY_BYTES } from '../crypto/ed25519.js';
import { HeadwaterError } from '../errors.js';
import { isUnspecified } from '../group/locator.js';
import { MAX_LOCATORS } from '../wire/limits.js';

/** Who a guest says that it is: JOIN. */
export interface Join {
  /** Its key in the group to come. */
  publicKey: Uint8Array;
  /** Where that member will listen. */
  port: number;
  /** For people. */
  name: string;
  /** 16 bytes that stay the same when it comes back to the same folder after a crash. */
  place: Uint8Array;
  /** Addresses of its machine, without ports. */
  hosts: readonly string[];
  /** The host that it has reached the sender at, without port. */
  via: string;
}

/** What a guest asks for: a piece of the group, or that it goes. REQUEST. */
export type Request = { type: 'piece'; index: number } | { type: 'leave' };

/** What a guest is told: STATE. */
export type State =
  /** So many are here, of so many that are expected (0: any number). */
  | { type: 'waiting'; here: number; expected: number }
  /** It has begun: a piece of who its members are. */
  | { type: 'piece'; index: number; count: number; bytes: Uint8Array }
  /** The code is right, and all who are expected are here. */
  | { type: 'full'; expected: number }
  /** The sender has ended. */
  | { type: 'ended' };

/** The group that a guest becomes a member of, as it is told: all pieces in a row. */
export interface Introduction {
  /** Whose files are taken. */
  sender: Uint8Array;
  /** A group file. */
  group: string;
}

export function encodeJoin({ publicKey, port, name, place, hosts, via }: Join): Uint8Array {
  const texts = [name, via, ...hosts.slice(0, MAX_HOSTS)].map((text) => new TextEncoder().encode(text));
  const writer = new Writer(
    PUBLIC_KEY_BYTES + 2 + PLACE_BYTES + 1 + texts.reduce((sum, { length }) => sum + 1 + length, 0),
  );
  writer
    .put(publicKey)
    .u16(port)
    .put(place)
    .u8(texts.length - 2);
  for (const text of texts) writer.u8(text.length).put(text);
  return writer.finish();
}

/** @throws HeadwaterError MALFORMED */
export function decodeJoin(bytes: Uint8Array): Join {
  const reader = new Reader(bytes);
  const publicKey = reader.take(PUBLIC_KEY_BYTES, 'key').slice();
  const port = reader.u16('port');
  const place = reader.take(PLACE_BYTES, 'place').slice();
  const count = reader.u8('hosts');
  if (port === 0 || count > MAX_HOSTS) throw malformed(`expected a port and up to ${MAX_HOSTS} hosts`);
  const text = (what: string) => new TextDecoder().decode(reader.take(reader.u8(what), what));
  const name = text('name');
  if (name === '' || name.length > MAX_NAME || hasHazards(name))
    throw malformed('expected a name to be shown');
  const via = text('via');
  const hosts = Array.from({ length: count }, () => text('host'));
  reader.finish('join');
  for (const host of [via, ...hosts]) if (!isHost(host)) throw malformed('expected addresses');
  return { publicKey, port, name, place, hosts, via };
}

export function encodeRequest(request: Request): Uint8Array {
  const writer = new Writer(3);
  return request.type === 'leave' ? writer.u8(2).finish() : writer.u8(1).u16(request.index).finish();
}

/** @throws HeadwaterError MALFORMED */
export function decodeRequest(bytes: Uint8Array): Request {
  const reader = new Reader(bytes);
  const kind = reader.u8('request');
  if (kind !== 1 && kind !== 2) throw malformed('expected a request');
  const request: Request = kind === 2 ? { type: 'leave' } : { type: 'piece', index: reader.u16('piece') };
  reader.finish('request');
  return request;
}

export function encodeState(state: State): Uint8Array {
  const writer = new Writer(5 + (state.type === 'piece' ? state.bytes.length : 0));
  switch (state.type) {
    case 'waiting':
      return writer.u8(1).u16(state.here).u16(state.expected).finish();
    case 'piece':
      return writer.u8(2).u16(state.index).u16(state.count).put(state.bytes).finish();
    case 'full':
      return writer.u8(3).u16(state.expected).finish();
    case 'ended':
      return writer.u8(4).finish();
  }
}

/** @throws HeadwaterError MALFORMED */
export function decodeState(bytes: Uint8Array): State {
  const reader = new Reader(bytes);
  const kind = reader.u8('state');
  let state: State;
  if (kind === 1) state = { type: 'waiting', here: reader.u16('here'), expected: reader.u16('expected') };
  else if (kind === 2) {
    const [index, count] = [reader.u16('piece'), reader.u16('pieces')];
    if (index >= count || count > MAX_PIECES) throw malformed(`expected one of ${MAX_PIECES} pieces`);
    state = { type: 'piece', index, count, bytes: reader.take(reader.remaining, 'piece').slice() };
  } else if (kind === 3) state = { type: 'full', expected: reader.u16('expected') };
  else if (kind === 4) state = { type: 'ended' };
  else throw malformed('expected a state');
  reader.finish('state');
  return state;
}

/** Cut so that each fits a datagram. */
export function piecesOf({ sender, group }: Introduction): Uint8Array[] {
  const text = new TextEncoder().encode(group);
  const all = new Writer(sender.length + text.length).put(sender).put(text).finish();
  return Array.from({ length: Math.ceil(all.length / PIECE_BYTES) }, (_, i) =>
    all.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES),
  );
}

/** All pieces, in their order. */
export function introductionOf(pieces: readonly Uint8Array[]): Introduction {
  const all = Buffer.concat(pieces);
  return {
    sender: Uint8Array.from(all.subarray(0, PUBLIC_KEY_BYTES)),
    group: all.toString('utf8', PUBLIC_KEY_BYTES),
  };
}

/** A numeric address, and not the one that means all: nobody is to be made to look up names, or to send to everybody. */
function isHost(host: string): boolean {
  return host.length <= MAX_HOST && NUMERIC.test(host) && !isUnspecified(locatorOf(host, 1));
}

export function locatorOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function malformed(expected: string): HeadwaterError {
  return new HeadwaterError('MALFORMED', `rendezvous: ${expected}, got something else`);
}

/** Besides the one that the sender sees it at. */
export const MAX_HOSTS = MAX_LOCATORS - 1;
export const MAX_NAME = 63;
export const PLACE_BYTES = 16;
/** An IPv6 address with its zone. */
const MAX_HOST = 64;
const NUMERIC = /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(%[\w.-]+)?)$/i;
const PIECE_BYTES = 1024;
/** 512 members with 8 long addresses each have some 400 of them. */
const MAX_PIECES = 1024;
