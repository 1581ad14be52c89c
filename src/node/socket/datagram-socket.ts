/** One bound socket, below names and locators: what the two ways to drive it have in common. */
import type { Micros } from '../../core/time.js';
import type { Route } from '../routes.js';

/** How datagrams go in and out of a node. */
export interface SocketStatus {
  /** `batched`: many datagrams with one system call (Linux); `dgram`: one at a time, as Node does it by itself. */
  mode: 'batched' | 'dgram';
  /** Why it is not `batched`, or why that one cuts no datagrams (below); absent where all is as it can be. */
  reason?: string | undefined;
  /** Whether the kernel is given several datagrams in one piece, to cut them up itself (UDP GSO). */
  segments: boolean;
  /** Whether datagrams of more than 1232 bytes are kept from being fragmented, so that the largest size is found and not guessed. */
  unfragmented: boolean;
  /** Times that there was no room in the kernel at once: what was left waited for it. */
  waits: number;
  /** Runs of datagrams that the kernel would not cut up: they went one at a time. */
  unsegmented: number;
  /** Datagrams of more than 1232 bytes that the network card does not carry: they tell how large one may be, and are no errors. */
  tooLarge: number;
  /** Datagrams that the system would not send: there is no route, or none from where the socket is bound. */
  refused: number;
  /** The system’s code for why, of the last one; absent if there was none. */
  refusal?: string | undefined;
}

/** Where a datagram came from; the same object for the same source, as a rule. */
export interface Source {
  readonly address: string;
  readonly port: number;
}

/** @param receivedAt when the kernel had it, if that is known; of the monotonic clock */
export type OnDatagram = (source: Source, bytes: Uint8Array, receivedAt: Micros | undefined) => void;

export interface DatagramSocket {
  readonly address: Source;
  /** Datagrams that the system would not take. */
  readonly sendErrors: number;
  /**
   * To a numeric address; what cannot be sent to counts as a send error.
   *
   * @returns whether `bytes` are not needed any more
   */
  send(route: Route, bytes: Uint8Array): boolean;
  /** Nothing is sent for now: what waits for company goes out. */
  flush(): void;
  status(): SocketStatus;
  close(): Promise<void>;
}

/** What to bind: a numeric address. */
export interface Binding {
  host: string;
  port: number;
  isV6: boolean;
}

/** Bytes that the kernel may hold for us in each direction; its own limit may be lower. */
export const SOCKET_BUFFER = 4 * 1024 * 1024;
