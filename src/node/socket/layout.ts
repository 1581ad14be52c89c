/**
 * The kernel's structures, for 64-bit little-endian Linux. musl has narrower lengths with padding behind them where glibc has 64 bits: the
 * same bytes, as long as the padding is zero.
 */
import type { Arena } from './arena.js';

/** struct mmsghdr: a msghdr, then the bytes that came. */
export const MESSAGE_SIZE = 64;
const NAME = 0;
export const NAME_LENGTH = 8;
const IOV = 16;
const IOV_COUNT = 24;
const CONTROL = 32;
export const CONTROL_LENGTH = 40;
export const RECEIVED_LENGTH = 56;
/** struct iovec: where, how many. */
export const IOVEC_SIZE = 16;
/** struct sockaddr_in6, the larger one, in 32 bytes. */
export const NAME_ROOM = 32;
export const SOCKADDR_IN = 16;
export const SOCKADDR_IN6 = 28;
/** struct cmsghdr: length 8, level 4, type 4. */
const CMSG_HEADER = 16;
/** One with a 16-bit number, padded. */
export const SEGMENT_CONTROL = 24;

export const SOL_SOCKET = 1;
export const SOL_UDP = 17;
export const IPPROTO_IP = 0;
export const IPPROTO_IPV6 = 41;
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_TIMESTAMPNS = 35;
export const UDP_SEGMENT = 103;
export const IP_MTU_DISCOVER = 10;
export const IPV6_MTU_DISCOVER = 23;
/** Fragments where a datagram is larger than the path is known to carry: what a socket does by itself. */
export const PMTUDISC_WANT = 1;
/** Never fragments, and asks nobody else what the path carries. */
export const PMTUDISC_PROBE = 3;

/** Points the message at `at` to its address, buffers and control messages; all offsets of `arena`. */
export function setMessage(
  arena: Arena,
  at: number,
  parts: {
    name: number;
    nameLength: number;
    iov: number;
    iovs: number;
    control: number;
    controlLength: number;
  },
): void {
  const { words } = arena;
  arena.point(at + NAME, parts.name);
  words[(at + NAME_LENGTH) >>> 2] = parts.nameLength;
  arena.point(at + IOV, parts.iov);
  words[(at + IOV_COUNT) >>> 2] = parts.iovs;
  arena.point(at + CONTROL, parts.control);
  words[(at + CONTROL_LENGTH) >>> 2] = parts.controlLength;
}

/** A control message that has the kernel cut the bytes into datagrams of `size`. */
export function setSegmentSize(arena: Arena, at: number, size: number): void {
  const word = at >>> 2;
  arena.words[word] = CMSG_HEADER + 2;
  arena.words[word + 2] = SOL_UDP;
  arena.words[word + 3] = UDP_SEGMENT;
  arena.words[word + 4] = size;
}

/** When the kernel had the datagram, in microseconds of its clock, if its control messages say; `length`: of all of them. */
export function timestampIn(arena: Arena, at: number, length: number): number | undefined {
  const { words } = arena;
  for (let i = at; i + CMSG_HEADER <= at + length; ) {
    const word = i >>> 2;
    if (words[word + 2] === SOL_SOCKET && words[word + 3] === SO_TIMESTAMPNS)
      return timespecAt(arena, i + CMSG_HEADER);
    if (words[word] < CMSG_HEADER) return undefined;
    i += (words[word] + 7) & ~7;
  }
  return undefined;
}

/** struct timespec in microseconds. */
export function timespecAt({ words }: Arena, at: number): number {
  const word = at >>> 2;
  return (words[word] + words[word + 1] * 2 ** 32) * 1e6 + words[word + 2] / 1000;
}
