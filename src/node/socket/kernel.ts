/**
 * The system calls that Node does not offer, through libc and a foreign-function library (koffi), which may be missing.
 * Addresses are numbers: all memory that the kernel is told of is mapped by `map` and stays where it is.
 */
import { createRequire } from 'node:module';

/** What each gives is what the system call gives, or the negated error number. */
export interface Kernel {
  socket(family: number): number;
  bind(fd: number, address: number, length: number): number;
  /** `length` is the address of 4 bytes with the room at `address`. */
  getsockname(fd: number, address: number, length: number): number;
  /** `value` is the address of a 32-bit number. */
  setsockopt(fd: number, level: number, name: number, value: number): number;
  sendmmsg(fd: number, messages: number, count: number): number;
  /** Does not wait. */
  recvmmsg(fd: number, messages: number, count: number): number;
  /** SIOCGSTAMPNS: writes when the datagram that was read last had arrived, as a timespec. */
  timestamp(fd: number, time: number): number;
  /** Writes the time of the clock that timestamps are of, as a timespec. */
  realtime(time: number): number;
  /** Waits for something to read, in milliseconds; `poll` is the address of a pollfd. */
  poll(poll: number, timeout: number): number;
  close(fd: number): number;
  /** Writes 16 bytes; 1 if `text` is an IPv6 address. */
  pton(text: string, address: number): number;
  /** The text of an IPv6 address; `room` is the address of 46 bytes that the call may use. */
  ntop(address: number, room: number, memory: Uint8Array, at: number): string;
  /** The name of an interface; empty if there is none. */
  interfaceName(index: number, room: number, memory: Uint8Array, at: number): string;
  /** Memory of zeros that is never given back: see `takeArena`. */
  map(bytes: number): { address: number; memory: ArrayBuffer };
}

/** The kernel of this machine, or why it cannot be talked to. */
export function loadKernel(load: () => unknown = loadKoffi): Kernel | string {
  const { platform, arch } = process;
  if (platform !== 'linux') return `not on ${platform}`;
  // Layouts of structures and numbers of options are those of these; others differ in part.
  if (!ARCHITECTURES.includes(arch)) return `not on ${arch}`;
  let koffi: Koffi;
  try {
    koffi = load() as Koffi;
  } catch {
    return 'koffi, an optional package, is not there or does not load';
  }
  try {
    return bindKernel(koffi);
  } catch (error) {
    return `libc: ${(error as Error).message}`;
  }
}

function bindKernel(koffi: Koffi): Kernel {
  const libc = koffi.load(null);
  const P = 'uintptr_t';
  const failed = (answer: unknown): number => ((answer as number) < 0 ? -koffi.errno() : (answer as number));
  const socket = libc.func('socket', 'int', ['int', 'int', 'int']);
  const bind = libc.func('bind', 'int', ['int', P, 'uint']);
  const getsockname = libc.func('getsockname', 'int', ['int', P, P]);
  const setsockopt = libc.func('setsockopt', 'int', ['int', 'int', 'int', P, 'uint']);
  const sendmmsg = libc.func('sendmmsg', 'int', ['int', P, 'uint', 'int']);
  const recvmmsg = libc.func('recvmmsg', 'int', ['int', P, 'uint', 'int', P]);
  const ioctl = libc.func('ioctl', 'int', ['int', 'ulong', P]);
  const clock = libc.func('clock_gettime', 'int', ['int', P]);
  const poll = libc.func('poll', 'int', [P, 'ulong', 'int']);
  const close = libc.func('close', 'int', ['int']);
  const pton = libc.func('inet_pton', 'int', ['int', 'str', P]);
  const ntop = libc.func('inet_ntop', P, ['int', P, P, 'uint']);
  const interfaceName = libc.func('if_indextoname', P, ['uint', P]);
  const mmap = libc.func('mmap', P, [P, 'size_t', 'int', 'int', 'int', 'int64_t']);
  return {
    socket: (family) => failed(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
    bind: (fd, address, length) => failed(bind(fd, address, length)),
    getsockname: (fd, address, length) => failed(getsockname(fd, address, length)),
    setsockopt: (fd, level, name, value) => failed(setsockopt(fd, level, name, value, 4)),
    sendmmsg: (fd, messages, count) => failed(sendmmsg(fd, messages, count, 0)),
    recvmmsg: (fd, messages, count) => failed(recvmmsg(fd, messages, count, MSG_DONTWAIT, 0)),
    timestamp: (fd, time) => failed(ioctl(fd, SIOCGSTAMPNS, time)),
    realtime: (time) => failed(clock(CLOCK_REALTIME, time)),
    poll: (address, timeout) => failed(poll(address, 1, timeout)),
    close: (fd) => failed(close(fd)),
    pton: (text, address) => failed(pton(AF_INET6, text, address)),
    ntop: (address, room, memory, at) =>
      ntop(AF_INET6, address, room, INET6_ADDRSTRLEN) ? textAt(memory, at) : '',
    interfaceName: (index, room, memory, at) => (interfaceName(index, room) ? textAt(memory, at) : ''),
    map(bytes) {
      const address = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (typeof address !== 'number' || address <= 0 || !Number.isSafeInteger(address))
        throw new Error(`mmap: expected memory, got ${address}`);
      return { address, memory: koffi.view(address, bytes) };
    },
  };
}

function textAt(memory: Uint8Array, at: number): string {
  return Buffer.from(memory.subarray(at, memory.indexOf(0, at))).toString('latin1');
}

function loadKoffi(): unknown {
  const require = createRequire(import.meta.url);
  return require('koffi');
}

interface Koffi {
  load(path: null): {
    func(name: string, result: string, parameters: string[]): (...values: (number | string)[]) => unknown;
  };
  errno(): number;
  view(address: number, bytes: number): ArrayBuffer;
}

const ARCHITECTURES = ['x64', 'arm64', 'riscv64', 'loong64'];
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40;
const SIOCGSTAMPNS = 0x8907;
const CLOCK_REALTIME = 0;
const INET6_ADDRSTRLEN = 46;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;

export const AF_INET = 2;
export const AF_INET6 = 10;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const EINVAL = 22;
export const EMSGSIZE = 90;
