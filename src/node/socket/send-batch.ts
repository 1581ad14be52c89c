/**
 * Datagrams that wait for company, side by side in memory that the kernel knows. In: datagrams. Out: one sendmmsg for all of
 * them, in which each run of equal size to one address is one message that the kernel cuts up (UDP GSO). What the kernel
 * refuses is tried in smaller pieces, put off, or counted.
 */
import type { Micros } from '../../core/time.js';
import { SECOND } from '../../core/time.js';
import { DATAGRAM_SIZE } from '../../wire/limits.js';
import type { Arena } from './arena.js';
import { EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, type Kernel } from './kernel.js';
import {
  IOVEC_SIZE,
  MESSAGE_SIZE,
  NAME_ROOM,
  SEGMENT_CONTROL,
  setMessage,
  setSegmentSize,
} from './layout.js';

/** Where datagrams go, with what is known of the way. */
export interface Destination {
  readonly sockaddr: Uint8Array;
  /** Not cut up by the kernel before this time. */
  segmentsAt: Micros;
  /** The first and the last that wait for it, while `batch` is the one that is being made. */
  batch: number;
  first: number;
  last: number;
}

export interface SendBatchOptions {
  kernel: Kernel;
  arena: Arena;
  fd: number;
  /** Whether the kernel cuts up what is sent. */
  segments: boolean;
  /** Whether large datagrams are kept from being fragmented: sets the socket so, for large ones and for others. */
  setLarge: ((isLarge: boolean) => void) | undefined;
  now: () => Micros;
  /** There is no room now: takes the bytes over, which are a copy. */
  putOff: (to: Destination, bytes: Uint8Array) => void;
}

export class SendBatch {
  errors = 0;
  /** Of the last one. */
  lastErrno = 0;
  tooLarge = 0;
  unsegmented = 0;
  private readonly options: SendBatchOptions;
  private readonly data: number;
  private readonly messages: number;
  private readonly names: number;
  private readonly controls: number;
  private readonly iovecs: number;
  /** By datagram that waits: where it stands, its length, the next one to the same address. */
  private readonly offsets = new Uint32Array(MAX_WAITING);
  private readonly lengths = new Uint32Array(MAX_WAITING);
  private readonly next = new Int32Array(MAX_WAITING);
  private readonly destinations: Destination[] = [];
  private destinationCount = 0;
  private waiting = 0;
  private used = 0;
  private batch = 1;
  private hasLarge = false;
  /** By message: whom it is for, its first buffer and how many. */
  private readonly to: Destination[] = [];
  private readonly firstIov = new Int32Array(MAX_WAITING);
  private readonly iovCount = new Int32Array(MAX_WAITING);
  private readonly iovEntry = new Int32Array(MAX_WAITING);
  private messageCount = 0;
  private iovUsed = 0;

  constructor(options: SendBatchOptions) {
    const { arena } = options;
    this.options = options;
    this.messages = arena.cut(MAX_WAITING * MESSAGE_SIZE);
    this.names = arena.cut(MAX_WAITING * NAME_ROOM);
    this.controls = arena.cut(MAX_WAITING * CONTROL_ROOM);
    this.iovecs = arena.cut(MAX_WAITING * IOVEC_SIZE);
    this.data = arena.cut(DATA_ROOM);
  }

  /** Copies `bytes`. */
  add(to: Destination, bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.waiting === MAX_WAITING || this.used + length > DATA_ROOM) this.flush();
    const entry = this.waiting++;
    const at = this.data + this.used;
    this.options.arena.bytes.set(bytes, at);
    this.used += (length + 15) & ~15;
    this.offsets[entry] = at;
    this.lengths[entry] = length;
    this.next[entry] = -1;
    if (length > DATAGRAM_SIZE) this.hasLarge = true;
    if (to.batch === this.batch) this.next[to.last] = entry;
    else {
      to.batch = this.batch;
      to.first = entry;
      this.destinations[this.destinationCount++] = to;
    }
    to.last = entry;
  }

  /** Sends all that waits. */
  flush(): void {
    if (this.waiting === 0) return;
    const { setLarge } = this.options;
    if (!setLarge || !this.hasLarge) this.send(0, MAX_LENGTH);
    else {
      this.send(0, DATAGRAM_SIZE);
      setLarge(true);
      this.send(DATAGRAM_SIZE + 1, MAX_LENGTH);
      setLarge(false);
    }
    this.destinationCount = 0;
    this.waiting = 0;
    this.used = 0;
    this.hasLarge = false;
    this.batch++;
  }

  /** Sends those of at least `min` and at most `max` bytes. */
  private send(min: number, max: number): void {
    this.messageCount = 0;
    this.iovUsed = 0;
    const now = this.options.now();
    for (let i = 0; i < this.destinationCount; i++) this.compose(now, this.destinations[i], min, max);
    const { kernel, arena, fd } = this.options;
    for (let done = 0; done < this.messageCount; ) {
      const at = arena.address + this.messages + done * MESSAGE_SIZE;
      const sent = kernel.sendmmsg(fd, at, this.messageCount - done);
      if (sent > 0) done += sent;
      else if (sent === -EAGAIN || sent === 0) {
        for (; done < this.messageCount; done++) this.putOff(done);
      } else if (sent !== -EINTR) this.onRefused(done++, -sent);
    }
  }

  /** Makes messages of what waits for one address: as few as can be, in its order. */
  private compose(now: Micros, to: Destination, min: number, max: number): void {
    const { lengths, next } = this;
    const maySegment = this.options.segments && to.segmentsAt <= now;
    let size = 0;
    let bytes = 0;
    let count = 0;
    for (let entry = to.first; entry >= 0; entry = next[entry]) {
      const length = lengths[entry];
      if (length < min || length > max) continue;
      // The last of a run may be shorter than the others.
      const fits = maySegment && count > 0 && count < MAX_SEGMENTS && length <= size && length > 0;
      if (!fits || bytes + length > MAX_RUN || lengths[this.iovEntry[this.iovUsed - 1]] < size) {
        if (count > 0) this.close(to, count, size);
        size = length;
        bytes = 0;
        count = 0;
      }
      this.putIov(entry);
      bytes += length;
      count++;
    }
    if (count > 0) this.close(to, count, size);
  }

  private putIov(entry: number): void {
    const { arena } = this.options;
    const at = this.iovecs + this.iovUsed * IOVEC_SIZE;
    this.iovEntry[this.iovUsed++] = entry;
    arena.point(at, this.offsets[entry]);
    arena.words[(at >>> 2) + 2] = this.lengths[entry];
    arena.words[(at >>> 2) + 3] = 0;
  }

  /** A message of the last `count` buffers. */
  private close(to: Destination, count: number, size: number): void {
    const index = this.messageCount++;
    this.to[index] = to;
    this.firstIov[index] = this.iovUsed - count;
    this.iovCount[index] = count;
    this.setMessage(index, count > 1 ? size : 0);
  }

  private setMessage(index: number, segmentSize: number): void {
    const { arena } = this.options;
    const { sockaddr } = this.to[index];
    const name = this.names + index * NAME_ROOM;
    const control = this.controls + index * CONTROL_ROOM;
    arena.bytes.set(sockaddr, name);
    if (segmentSize > 0) setSegmentSize(arena, control, segmentSize);
    setMessage(arena, this.messages + index * MESSAGE_SIZE, {
      name,
      nameLength: sockaddr.length,
      iov: this.iovecs + this.firstIov[index] * IOVEC_SIZE,
      iovs: this.iovCount[index],
      control,
      controlLength: segmentSize > 0 ? SEGMENT_CONTROL : 0,
    });
  }

  private onRefused(message: number, errno: number): void {
    if (this.iovCount[message] > 1) {
      // Not this run, for whatever reason: its datagrams may go all the same, one at a time.
      this.unsegmented++;
      if (UNSEGMENTED.includes(errno)) this.to[message].segmentsAt = this.options.now() + SEGMENTS_AGAIN;
      this.sendSingly(message);
    } else if (errno === EMSGSIZE && this.lengths[this.iovEntry[this.firstIov[message]]] > DATAGRAM_SIZE)
      this.tooLarge++;
    else {
      this.errors++;
      this.lastErrno = errno;
    }
  }

  private sendSingly(message: number): void {
    const { kernel, arena, fd } = this.options;
    const at = arena.address + this.messages + message * MESSAGE_SIZE;
    const end = this.firstIov[message] + this.iovCount[message];
    this.iovCount[message] = 1;
    while (this.firstIov[message] < end) {
      this.setMessage(message, 0);
      const sent = kernel.sendmmsg(fd, at, 1);
      if (sent === -EINTR) continue;
      if (sent === -EAGAIN || sent === 0) this.putOff(message);
      else if (sent < 0) this.onRefused(message, -sent);
      this.firstIov[message]++;
    }
  }

  private putOff(message: number): void {
    const { arena, putOff } = this.options;
    const first = this.firstIov[message];
    for (let i = first; i < first + this.iovCount[message]; i++) {
      const entry = this.iovEntry[i];
      const at = this.offsets[entry];
      putOff(this.to[message], arena.bytes.slice(at, at + this.lengths[entry]));
    }
  }
}

const MAX_WAITING = 256;
/** Bytes that may wait. */
const DATA_ROOM = 768 * 1024;
const CONTROL_ROOM = 32;
const MAX_LENGTH = 65535;
/** UDP_MAX_SEGMENTS of the kernels that have fewest. */
const MAX_SEGMENTS = 64;
/** What one IP packet carries at most, before it is cut up. */
const MAX_RUN = 65000;
/** What a kernel or a card says that does not cut: too large for the device, no checksums, IPsec on the way. */
const UNSEGMENTED = [EINVAL, EMSGSIZE, EIO];
const SEGMENTS_AGAIN: Micros = 10 * SECOND;
