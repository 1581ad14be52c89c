/**
 * A socket made through libc and handed to Node's dgram, which waits for it, reports its errors and closes it. Datagrams go out
 * and come in many at a time: see `SendBatch` and `ReceiveBatch`. The first that comes is read by dgram, which is how we
 * learn of it; hence no UDP GRO, which would give dgram several in one piece without saying where each ends.
 */
import { once } from 'node:events';
import { getSystemErrorName } from 'node:util';
import type { Route } from '../routes.js';
import {
  type Binding,
  type DatagramSocket,
  type OnDatagram,
  SOCKET_BUFFER,
  type Source,
} from './datagram-socket.js';
import type { Kernel } from './kernel.js';
import * as layout from './layout.js';
import { createSocket } from './plain.js';
import { openRaw, type RawSocket } from './raw.js';
import type { Destination, SendBatch } from './send-batch.js';

type NodeSocket = ReturnType<typeof createSocket>;

export interface BatchedOptions {
  /** What the kernel has shown that it can: see `selfTest`. */
  segments: boolean;
  /** Why it does not cut up datagrams, where it does not. */
  reason?: string | undefined;
}

/** Throws an error with a `code` if the address cannot be bound, as dgram does. */
export async function openBatched(
  kernel: Kernel,
  binding: Binding,
  onDatagram: OnDatagram,
  options: BatchedOptions,
): Promise<DatagramSocket> {
  const raw = openRaw(kernel, binding);
  try {
    raw.setOption(layout.SOL_SOCKET, layout.SO_RCVBUF, SOCKET_BUFFER);
    raw.setOption(layout.SOL_SOCKET, layout.SO_SNDBUF, SOCKET_BUFFER);
    const socket = createSocket(binding.isV6);
    const listening = once(socket, 'listening');
    socket.bind({ fd: raw.fd, exclusive: true });
    await listening;
    // Node lets others bind the address of a socket that it is given.
    raw.setOption(layout.SOL_SOCKET, layout.SO_REUSEADDR, 0);
    return new BatchedSocket(raw, socket, onDatagram, options);
  } catch (error) {
    raw.dispose();
    throw error;
  }
}

class BatchedSocket implements DatagramSocket {
  readonly address: Source;
  private readonly raw: RawSocket;
  private readonly socket: NodeSocket;
  private readonly options: BatchedOptions;
  private readonly out: SendBatch;
  private readonly destinations = new WeakMap<Route, Destination>();
  private readonly unfragmented: boolean;
  private errors = 0;
  private refusal: string | undefined;
  private waits = 0;
  private budget = RECEIVE_BUDGET;
  private isResetting = false;

  constructor(raw: RawSocket, socket: NodeSocket, onDatagram: OnDatagram, options: BatchedOptions) {
    this.raw = raw;
    this.socket = socket;
    this.options = options;
    this.address = socket.address();
    this.unfragmented = raw.setFragmenting(true);
    this.out = raw.sender({
      segments: options.segments,
      setLarge: this.unfragmented ? (isLarge) => raw.setFragmenting(!isLarge) : undefined,
      putOff: (to, bytes) => this.putOff(to, bytes),
    });
    const incoming = raw.receiver(onDatagram);
    socket.on('error', (error) => this.onRefused(error));
    socket.on('message', ({ buffer, byteOffset, length }, source) => {
      const bytes = new Uint8Array(buffer, byteOffset, length);
      this.budget -= incoming.drain(this.budget, { source, bytes });
      if (!this.isResetting) this.resetBudget();
    });
  }

  get sendErrors(): number {
    return this.errors + this.out.errors;
  }

  send(route: Route, bytes: Uint8Array): boolean {
    const to = this.destinations.get(route) ?? this.destination(route);
    // What libc cannot be told, and port 0, which nothing is sent to, is left to Node.
    if (to && route.port > 0) this.out.add(to, bytes);
    else this.sendByNode(route, bytes);
    return true;
  }

  flush(): void {
    this.out.flush();
  }

  status(): ReturnType<DatagramSocket['status']> {
    const { segments, reason } = this.options;
    const { unsegmented, tooLarge } = this.out;
    const { unfragmented, waits } = this;
    const refusal = this.out.lastErrno > 0 ? getSystemErrorName(-this.out.lastErrno) : this.refusal;
    const refused = this.sendErrors;
    return {
      mode: 'batched',
      reason,
      segments,
      unfragmented,
      waits,
      unsegmented,
      tooLarge,
      refused,
      refusal,
    };
  }

  async close(): Promise<void> {
    this.flush();
    const closed = once(this.socket, 'close');
    this.socket.close();
    await closed;
    this.raw.letGo();
  }

  /** As much again in the next turn of the event loop: what is due otherwise is not kept waiting for long. */
  private resetBudget(): void {
    this.isResetting = true;
    setImmediate(() => {
      this.isResetting = false;
      this.budget = RECEIVE_BUDGET;
    });
  }

  private destination(route: Route): Destination | undefined {
    const sockaddr = this.raw.addresses.encode(route);
    if (!sockaddr) return undefined;
    const to = { route, sockaddr, segmentsAt: 0, batch: 0, first: -1, last: -1 };
    this.destinations.set(route, to);
    return to;
  }

  /** The kernel has no room: dgram waits for it. */
  private putOff(to: Destination, bytes: Uint8Array): void {
    this.waits++;
    this.sendByNode((to as Destination & { route: Route }).route, bytes);
  }

  private sendByNode({ host, port }: Route, bytes: Uint8Array): void {
    try {
      this.socket.send(bytes.slice(), port, host, (error) => {
        if (error) this.onRefused(error);
      });
    } catch (error) {
      // As in `openPlain`.
      this.onRefused(error as Error);
    }
  }

  private onRefused({ code }: NodeJS.ErrnoException): void {
    this.errors++;
    this.refusal = code;
  }
}

/** As much is read in one turn of the event loop. */
const RECEIVE_BUDGET = 256;
