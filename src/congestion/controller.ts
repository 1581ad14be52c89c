/**
 * What a path asks of its congestion controller. In: every send, every acknowledgement with what it says about the path
 * (a `RateSample`), every loss. Out: a window (bytes that may be in flight) and a pacing rate (bytes per second); the
 * path obeys both. A controller never sees what the bytes are: repair symbols count like any other (RFC 9265), and it
 * never causes a retransmission: a lost symbol only raises the demand for a fresh one.
 */
import type { Micros } from '../core/time.js';

/** What one acknowledgement tells. Bytes are datagram bytes; totals count from the start of the path. */
export interface RateSample {
  /** Newly acknowledged by this ack. */
  acked: number;
  /** The same in packets. */
  ackedPackets: number;
  /** Found lost since the sample before (already passed to `onLost`). */
  lost: number;
  /** The same in packets. */
  lostPackets: number;
  /** Of those, the packets sent while the controller was `quiet`. */
  quietAckedPackets: number;
  /** The same of those lost. */
  quietLostPackets: number;
  /** When the first of those was sent; Infinity if there is none. */
  quietLostSince: Micros;
  /** Delivery rate over the flight of the newest packet acked, bytes per second; 0 if the ack gives no valid sample. */
  rate: number;
  /** The rate says what the application sent, not what the path carries. */
  appLimited: boolean;
  /** The rate says when our host woke up, not what the path carries. */
  hostLimited: boolean;
  /** Round-trip time of this ack without the peer's own delay, if it acknowledged its largest number for the first time. */
  rtt: Micros | undefined;
  /** RFC 9002's. */
  smoothedRtt: Micros;
  /** Smallest round-trip time ever seen on the path. */
  minRtt: Micros;
  /** Bytes in flight before and after this ack. */
  priorInFlight: number;
  /** After it. */
  inFlight: number;
  /** Total acknowledged, now and when the newest packet acked was sent: a round trip is over when the latter passes a mark. */
  delivered: number;
  /** Of these the second. */
  priorDelivered: number;
  /** When the newest packet acked was sent. */
  sentAt: Micros;
  /** Packets acked now that had been declared lost before: those losses were reordering. */
  spuriousPackets: number;
  /** True unless the application left some of the window unused since that packet was sent; being held back by pacing
   *  alone is using it (RFC 9002 section 7.8). */
  windowUsed: boolean;
}

/** Packets found lost at one time. */
export interface LossEvent {
  /** Of their datagrams. */
  bytes: number;
  /** How many. */
  packets: number;
  /** Runs of neighbouring numbers among them: a burst is one event, however long. */
  ranges: number;
  /** When the newest of them was sent. */
  sentAt: Micros;
  /** Bytes in flight before these were taken out. */
  priorInFlight: number;
}

/** What a trace shows of a controller. */
export interface ControllerMetrics {
  /** Of the controller. */
  name: string;
  /** Its own word for what it is doing. */
  state: string;
  /** Bytes that may be in flight. */
  window: number;
  /** Bytes per second. */
  pacingRate: number;
  /** Estimated rate of the path in datagram bytes per second, where the controller keeps one. */
  bandwidth?: number;
  /** Estimated loss that is not congestion, where the controller keeps it. */
  lossFloor?: number;
  /** Bytes, where the controller has one. */
  slowStartThreshold?: number;
}

/** Congestion control of one path: sans-IO, told of all that is sent, acknowledged and lost. */
export interface Controller {
  /** `inFlight` includes these bytes. */
  onSent(now: Micros, bytes: number, inFlight?: number): void;
  /** Called before the `onAck` of the same acknowledgement, or alone where a timer found the loss. */
  onLost(now: Micros, loss: LossEvent): void;
  /** Once for each acknowledgement that tells something new. */
  onAck(now: Micros, sample: RateSample): void;
  /** All packets over more than three PTO were lost (RFC 9002 section 7.6). */
  onPersistentCongestion(now: Micros): void;
  /** The datagram size of the path has changed. */
  onMtu(now: Micros, bytes: number): void;
  /** Bytes that may be in flight. */
  window(): number;
  /** Bytes per second, above zero; Infinity: as the window allows. */
  pacingRate(): number;
  /** True while it sends less than the path has shown to carry, so that losses are not of its making. */
  quiet(): boolean;
  /** As they stand. */
  metrics(): ControllerMetrics;
}

/** What makes a controller for a new path: the datagram size to start with, and a seed, another one for each path. */
export type ControllerFactory = (mtu: number, seed?: number) => Controller;

/**
 * Sends at `bytesPerSecond`, whatever the path does: no congestion control at all. For isolated networks of one's own
 * and for tests.
 *
 * @example
 * const cluster = createCluster({ seed: 'a', members: 3, controller: () => fixedRate(2_500_000) }); // 20 Mbit/s a path
 * cluster.dispose();
 */
export function fixedRate(bytesPerSecond: number): Controller {
  return {
    onSent() {},
    onLost() {},
    onAck() {},
    onPersistentCongestion() {},
    onMtu() {},
    window: () => Number.POSITIVE_INFINITY,
    pacingRate: () => bytesPerSecond,
    quiet: () => false,
    metrics: () => ({
      name: 'fixed-rate-unsafe',
      state: 'fixed',
      window: Number.POSITIVE_INFINITY,
      pacingRate: bytesPerSecond,
    }),
  };
}

/** RFC 9002 section 7.2. */
export function initialWindow(mtu: number): number {
  return Math.min(10 * mtu, Math.max(2 * mtu, 14_720));
}

/** RFC 9002 section 7.2: the window never falls below this many datagrams. */
export const MIN_WINDOW_PACKETS = 2;
