/** Socket addresses as the kernel writes them: numeric text to bytes and back. */
import { isIPv4 } from 'node:net';
import type { Route } from '../routes.js';
import type { Arena } from './arena.js';
import type { Source } from './datagram-socket.js';
import { AF_INET, AF_INET6, type Kernel } from './kernel.js';
import { NAME_ROOM, SOCKADDR_IN, SOCKADDR_IN6 } from './layout.js';

export class SocketAddresses {
  private readonly kernel: Kernel;
  private readonly arena: Arena;
  private readonly isV6: boolean;
  private readonly name: number;
  private readonly text: number;
  /** Who has sent of late. */
  private readonly sources = new Map<number | string, Source>();

  constructor(kernel: Kernel, arena: Arena, isV6: boolean) {
    this.kernel = kernel;
    this.arena = arena;
    this.isV6 = isV6;
    this.name = arena.cut(NAME_ROOM);
    this.text = arena.cut(TEXT_ROOM);
  }

  /**
   * The address in bytes; undefined for one that this socket cannot send to, or that names an
   * interface, which is Node's to look up. Port 0 is for binding.
   */
  encode({ host, port }: Route): Uint8Array | undefined {
    if (this.isV6) return this.encodeV6(host, port);
    if (!isIPv4(host)) return undefined;
    const bytes = new Uint8Array(SOCKADDR_IN);
    bytes.set([AF_INET, 0, port >>> 8, port & 255, ...host.split('.').map(Number)]);
    return bytes;
  }

  /** Whose address stands at `at`. */
  decode(at: number): Source {
    const { words } = this.arena;
    const word = at >>> 2;
    // Port and address are 48 bits of IPv4; of IPv6 the address is all four words.
    const port = words[word] >>> 16;
    const key = this.isV6
      ? `${port} ${words[word + 2]} ${words[word + 3]} ${words[word + 4]} ${words[word + 5]} ${words[word + 6]}`
      : words[word + 1] * 0x10000 + port;
    const known = this.sources.get(key);
    if (known) return known;
    if (this.sources.size >= MAX_SOURCES) this.sources.clear();
    const source = { address: this.hostAt(at), port: ((port & 255) << 8) | (port >>> 8) };
    this.sources.set(key, source);
    return source;
  }

  private encodeV6(host: string, port: number): Uint8Array | undefined {
    const { kernel, arena, name } = this;
    if (host.includes('%') || kernel.pton(host, arena.address + name) !== 1) return undefined;
    const bytes = new Uint8Array(SOCKADDR_IN6);
    bytes.set([AF_INET6, 0, port >>> 8, port & 255]);
    bytes.set(arena.bytes.subarray(name, name + 16), 8);
    return bytes;
  }

  private hostAt(at: number): string {
    const { kernel, arena, text } = this;
    const { bytes, words, address } = arena;
    if (!this.isV6) return bytes.subarray(at + 4, at + 8).join('.');
    const host = kernel.ntop(address + at + 8, address + text, bytes, text);
    const scope = words[(at + 24) >>> 2];
    const isLinkLocal = bytes[at + 8] === 0xfe && (bytes[at + 9] & 0xc0) === 0x80;
    if (!isLinkLocal || scope === 0) return host;
    return `${host}%${kernel.interfaceName(scope, address + text, bytes, text)}`;
  }
}

const TEXT_ROOM = 64;
/** Anyone may write any source: what is beyond is looked at anew. */
const MAX_SOURCES = 4096;
