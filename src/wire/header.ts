/**
 * The outer header of every datagram, 16 bytes:
 *
 *   version 1 | type 1 | group tag 8 | sender 2 | packet number 4
 *
 * `sender` is the member that sent this datagram (for a relayed symbol, the relay); the packet number counts the
 * datagrams of one path, so its gaps are losses. Neither is authenticated here: symbols carry their own proof and
 * control datagrams are signed whole.
 */
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { GROUP_TAG_SIZE, HEADER_SIZE, MAX_DATAGRAM, WIRE_VERSION } from './limits.js';

export type DatagramType = 'symbol' | 'control';

export interface Header {
  type: DatagramType;
  groupTag: Uint8Array;
  sender: number;
  packetNumber: number;
}

/** Parses a header; throws MALFORMED. The body starts at HEADER_SIZE. */
export function parseHeader(datagram: Uint8Array): Header {
  if (datagram.length > MAX_DATAGRAM)
    throw new HeadwaterError(
      'MALFORMED',
      `datagram: expected at most ${MAX_DATAGRAM} bytes, got ${datagram.length}`,
    );
  const reader = new Reader(datagram);
  const version = reader.u8('version');
  if (version !== WIRE_VERSION)
    throw new HeadwaterError('MALFORMED', `version: expected ${WIRE_VERSION}, got ${version}`);
  const typeNumber = reader.u8('type');
  const type = TYPES[typeNumber];
  if (!type) throw new HeadwaterError('MALFORMED', `type: expected 1 or 2, got ${typeNumber}`);
  return {
    type,
    groupTag: reader.take(GROUP_TAG_SIZE, 'group tag'),
    sender: reader.u16('sender'),
    packetNumber: reader.u32('packet number'),
  };
}

export function writeHeader(writer: Writer, header: Header): void {
  writer.u8(WIRE_VERSION).u8(TYPES.indexOf(header.type));
  writer.put(header.groupTag).u16(header.sender).u32(header.packetNumber);
}

/** A whole datagram: `body` behind its header. */
export function datagramOf(header: Header, body: Uint8Array): Uint8Array {
  const writer = new Writer(HEADER_SIZE + body.length);
  writeHeader(writer, header);
  return writer.put(body).finish();
}

const TYPES: readonly (DatagramType | undefined)[] = [undefined, 'symbol', 'control'];
