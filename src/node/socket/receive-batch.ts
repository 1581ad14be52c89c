/**
 * Reads what has come, many datagrams with one system call. In: that there may be something. Out: each datagram, its
 * source, and when the kernel had it where that matters.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import type { SocketAddresses } from './addresses.js';
import type { Arena } from './arena.js';
import type { OnDatagram, Source } from './datagram-socket.js';
import type { Kernel } from './kernel.js';
import {
  CONTROL_LENGTH,
  IOVEC_SIZE,
  MESSAGE_SIZE,
  NAME_LENGTH,
  NAME_ROOM,
  RECEIVED_LENGTH,
  SO_TIMESTAMPNS,
  SOCKADDR_IN6,
  SOL_SOCKET,
  setMessage,
  timespecAt,
  timestampIn,
} from './layout.js';

export interface ReceiveBatchOptions {
  kernel: Kernel;
  arena: Arena;
  fd: number;
  addresses: SocketAddresses;
  /** Sets an option of the socket. */
  setOption: (level: number, name: number, value: number) => void;
  now: () => Micros;
  onDatagram: OnDatagram;
}

export class ReceiveBatch {
  private readonly options: ReceiveBatchOptions;
  private readonly messages: number;
  private readonly names: number;
  private readonly controls: number;
  private readonly data: number;
  private readonly time: number;
  /** The last view of each slot: to make one costs more than to look at its length. */
  private readonly views: Uint8Array[] = [];

  constructor(options: ReceiveBatchOptions) {
    const { arena } = options;
    this.options = options;
    // Once on, the kernel goes on to note when each datagram comes; it tells us only while we ask.
    for (const value of [1, 0]) options.setOption(SOL_SOCKET, SO_TIMESTAMPNS, value);
    this.messages = arena.cut(SLOTS * MESSAGE_SIZE);
    this.names = arena.cut(SLOTS * NAME_ROOM);
    this.controls = arena.cut(SLOTS * CONTROL_ROOM);
    const iovecs = arena.cut(SLOTS * IOVEC_SIZE);
    this.time = arena.cut(16);
    this.data = arena.cut(SLOTS * SLOT_STRIDE);
    for (let slot = 0; slot < SLOTS; slot++) {
      const iov = iovecs + slot * IOVEC_SIZE;
      arena.point(iov, this.data + slot * SLOT_STRIDE);
      arena.words[(iov >>> 2) + 2] = SLOT_SIZE;
      setMessage(arena, this.messages + slot * MESSAGE_SIZE, {
        name: this.names + slot * NAME_ROOM,
        nameLength: SOCKADDR_IN6,
        iov,
        iovs: 1,
        control: this.controls + slot * CONTROL_ROOM,
        controlLength: CONTROL_ROOM,
      });
    }
  }

  /**
   * Hands up at most `budget` datagrams that have come.
   *
   * @param first one that has been read from the socket otherwise, just before
   * @returns how many there were besides
   */
  drain(budget: number, first?: { source: Source; bytes: Uint8Array }): number {
    const { now, onDatagram, setOption } = this.options;
    if (budget <= 0) {
      if (first) onDatagram(first.source, first.bytes, undefined);
      return 0;
    }
    const arrived = first ? this.arrivalOfLast() : now();
    // What has not waited needs no times; each costs more to ask for than it is worth.
    const isLate = now() - arrived > LATE;
    if (isLate) setOption(SOL_SOCKET, SO_TIMESTAMPNS, 1);
    let received = this.read(budget);
    if (first) onDatagram(first.source, first.bytes, arrived);
    let count = 0;
    while (received > 0) {
      this.handUp(received, isLate);
      count += received;
      if (received < Math.min(SLOTS, budget - count + received)) break;
      received = this.read(budget - count);
    }
    if (isLate) setOption(SOL_SOCKET, SO_TIMESTAMPNS, 0);
    return count;
  }

  private read(budget: number): number {
    const { kernel, arena, fd } = this.options;
    // No error is ours: those of datagrams sent before are told of where they are sent.
    return budget > 0 ? kernel.recvmmsg(fd, arena.address + this.messages, Math.min(SLOTS, budget)) : 0;
  }

  private handUp(count: number, isLate: boolean): void {
    const { arena, addresses, now, onDatagram } = this.options;
    const { words, bytes } = arena;
    const clock = isLate ? now() - this.realtime() : 0;
    for (let slot = 0; slot < count; slot++) {
      const message = (this.messages + slot * MESSAGE_SIZE) >>> 2;
      const length = words[message + (RECEIVED_LENGTH >>> 2)];
      const source = addresses.decode(this.names + slot * NAME_ROOM);
      const controlLength = words[message + (CONTROL_LENGTH >>> 2)];
      const at = this.data + slot * SLOT_STRIDE;
      const stamp = isLate
        ? timestampIn(arena, this.controls + slot * CONTROL_ROOM, controlLength)
        : undefined;
      words[message + (NAME_LENGTH >>> 2)] = SOCKADDR_IN6;
      words[message + (CONTROL_LENGTH >>> 2)] = CONTROL_ROOM;
      let view = this.views[slot];
      if (view?.length !== length) {
        view = new Uint8Array(bytes.buffer, at, length);
        this.views[slot] = view;
      }
      onDatagram(source, view, stamp === undefined ? undefined : plausible(now(), clock + stamp));
    }
  }

  /** When the datagram that was read last had come. */
  private arrivalOfLast(): Micros {
    const { kernel, arena, fd, now } = this.options;
    if (kernel.timestamp(fd, arena.address + this.time) < 0) return now();
    const stamp = timespecAt(arena, this.time);
    const realtime = this.realtime();
    const time = now();
    return plausible(time, time - (realtime - stamp));
  }

  /** Of the clock that timestamps are of. */
  private realtime(): Micros {
    const { kernel, arena } = this.options;
    kernel.realtime(arena.address + this.time);
    return timespecAt(arena, this.time);
  }
}

/** That clock may have been set since. */
function plausible(now: Micros, arrived: Micros): Micros {
  return arrived > now || now - arrived > MAX_AGE ? now : Math.floor(arrived);
}

/** Datagrams for each call. */
const SLOTS = 64;
const SLOT_SIZE = 65536;
/** Not a power of two: all would fall on the same lines of the caches. */
const SLOT_STRIDE = SLOT_SIZE + 2112;
const CONTROL_ROOM = 64;
const LATE: Micros = MILLISECOND;
const MAX_AGE: Micros = 10 * SECOND;
