/**
 * ROUTES: whom I do not reach by myself, and how far those are that you do not. number 4 | count 1 | count times: member 2
 * | count 1 | count times: member 2, hops 1, rtt 2, loss 1
 */
import type { Reader } from '../../../core/bytes.js';
import { HeadwaterError } from '../../../errors.js';
import type { FrameType } from '../frame.js';

/** How far one member is from who says so. */
export interface RouteEntry {
  member: number;
  /** Sessions on the way: 1 if there is nobody between; at least 1, at most MAX_HOPS. */
  hops: number;
  /** Milliseconds there and back, at most 65535. */
  rtt: number;
  /** Of what goes there, in 255ths. */
  loss: number;
}

export interface RoutesFrame {
  kind: 'routes';
  /** Counts what its sender tells one peer in a session, from 1. */
  number: number;
  /** Members that its sender does not reach directly. */
  lacking: readonly number[];
  /** Of those that the receiver does not, the ones that its sender reaches. */
  routes: readonly RouteEntry[];
}

export const routes: FrameType<RoutesFrame> = {
  type: 72,
  name: 'routes',
  feature: 'forwarding',
  eliciting: true,
  parse(reader) {
    const number = reader.u32('number');
    const lacking = Array.from({ length: countOf(reader) }, () => reader.u16('member'));
    const entries = Array.from({ length: countOf(reader) }, () => ({
      member: reader.u16('member'),
      hops: hopsOf(reader),
      rtt: reader.u16('rtt'),
      loss: reader.u8('loss'),
    }));
    return { kind: 'routes', number, lacking, routes: entries };
  },
  size: ({ lacking, routes }) => 4 + 1 + 2 * lacking.length + 1 + ENTRY_SIZE * routes.length,
  write(writer, { number, lacking, routes }) {
    writer.u32(number).u8(lacking.length);
    for (const member of lacking) writer.u16(member);
    writer.u8(routes.length);
    for (const { member, hops, rtt, loss } of routes) writer.u16(member).u8(hops).u16(rtt).u8(loss);
  },
};

/** Sessions that a datagram takes one after the other: 1 to MAX_HOPS; throws MALFORMED. */
export function hopsOf(reader: Reader): number {
  const hops = reader.u8('hops');
  if (hops < 1 || hops > MAX_HOPS)
    throw new HeadwaterError('MALFORMED', `hops: expected 1 to ${MAX_HOPS}, got ${hops}`);
  return hops;
}

function countOf(reader: Reader): number {
  const count = reader.u8('count');
  if (count > MAX_ROUTES)
    throw new HeadwaterError('MALFORMED', `routes: expected at most ${MAX_ROUTES} members, got ${count}`);
  return count;
}

const ENTRY_SIZE = 2 + 1 + 2 + 1;
/** Of each of the two lists of a frame. */
export const MAX_ROUTES = 64;
/** Sessions between two members, at most. */
export const MAX_HOPS = 8;
