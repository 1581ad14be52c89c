/** A UDP socket as libc gives it: its descriptor, its options, and the memory that the kernel is told of. */
import { getSystemErrorName } from 'node:util';
import { monotonic } from '../clock.js';
import type { Route } from '../routes.js';
import { SocketAddresses } from './addresses.js';
import { type Arena, giveArena, takeArena } from './arena.js';
import type { Binding, OnDatagram, Source } from './datagram-socket.js';
import { AF_INET, AF_INET6, type Kernel } from './kernel.js';
import * as layout from './layout.js';
import { ReceiveBatch } from './receive-batch.js';
import { SendBatch, type SendBatchOptions } from './send-batch.js';

/** Throws an error with a `code` if the address cannot be bound, as dgram does. */
export function openRaw(kernel: Kernel, binding: Binding): RawSocket {
  const fd = check('socket', kernel.socket(binding.isV6 ? AF_INET6 : AF_INET));
  const raw = new RawSocket(kernel, takeArena(kernel), fd, binding.isV6);
  try {
    raw.bind(binding);
    return raw;
  } catch (error) {
    raw.dispose();
    throw error;
  }
}

export class RawSocket {
  readonly kernel: Kernel;
  readonly arena: Arena;
  readonly fd: number;
  readonly addresses: SocketAddresses;
  private readonly isV6: boolean;
  private readonly scratch: number;

  constructor(kernel: Kernel, arena: Arena, fd: number, isV6: boolean) {
    this.kernel = kernel;
    this.arena = arena;
    this.fd = fd;
    this.isV6 = isV6;
    this.addresses = new SocketAddresses(kernel, arena, isV6);
    this.scratch = arena.cut(64);
  }

  bind({ host, port }: Route): void {
    const { kernel, arena, addresses, scratch, fd } = this;
    const sockaddr = addresses.encode({ host, port });
    if (!sockaddr) throw Object.assign(new Error('bind: EINVAL'), { code: 'EINVAL' });
    arena.bytes.set(sockaddr, scratch);
    check('bind', kernel.bind(fd, arena.address + scratch, sockaddr.length));
  }

  /** Where it is bound. */
  name(): Source {
    const { kernel, arena, addresses, scratch, fd } = this;
    const length = scratch + layout.NAME_ROOM;
    arena.words[length >>> 2] = layout.NAME_ROOM;
    check('getsockname', kernel.getsockname(fd, arena.address + scratch, arena.address + length));
    return addresses.decode(scratch);
  }

  /** Waits for something to read, blocking all else: at most so many milliseconds. */
  wait(milliseconds: number): void {
    const { kernel, arena, scratch, fd } = this;
    arena.words[scratch >>> 2] = fd;
    arena.words[(scratch >>> 2) + 1] = POLLIN;
    kernel.poll(arena.address + scratch, milliseconds);
  }

  /** Whether datagrams that are larger than the path carries are fragmented; false if that cannot be set. */
  setFragmenting(may: boolean): boolean {
    const value = may ? layout.PMTUDISC_WANT : layout.PMTUDISC_PROBE;
    const isSet = this.setOption(layout.IPPROTO_IP, layout.IP_MTU_DISCOVER, value);
    // IPv6 sockets carry IPv4 too.
    return isSet && (!this.isV6 || this.setOption(layout.IPPROTO_IPV6, layout.IPV6_MTU_DISCOVER, value));
  }

  setOption(level: number, name: number, value: number): boolean {
    const { kernel, arena, scratch, fd } = this;
    arena.words[scratch >>> 2] = value;
    return kernel.setsockopt(fd, level, name, arena.address + scratch) >= 0;
  }

  /** What reads from it. */
  receiver(onDatagram: OnDatagram): ReceiveBatch {
    const { kernel, arena, fd, addresses } = this;
    const setOption = this.setOption.bind(this);
    return new ReceiveBatch({ kernel, arena, fd, addresses, setOption, now: monotonic, onDatagram });
  }

  /** What writes to it. */
  sender(options: Pick<SendBatchOptions, 'segments' | 'setLarge' | 'putOff'>): SendBatch {
    const { kernel, arena, fd } = this;
    return new SendBatch({ kernel, arena, fd, now: monotonic, ...options });
  }

  /** Closes it where Node does not, and lets go of its memory. */
  dispose(): void {
    this.kernel.close(this.fd);
    this.letGo();
  }

  /** Its memory may be another one's. */
  letGo(): void {
    giveArena(this.kernel, this.arena);
  }
}

function check(call: string, answer: number): number {
  if (answer >= 0) return answer;
  const code = getSystemErrorName(answer);
  throw Object.assign(new Error(`${call}: ${code}`), { code });
}

const POLLIN = 1;
