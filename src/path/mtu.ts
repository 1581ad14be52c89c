/**
 * How large a datagram may be on a path: DPLPMTUD (RFC 8899), by probes of its own that carry nothing. In: time, reports
 * of probes that arrived, whether the path is fast. Out: the size in use, and when to send a probe of which size. A lost
 * probe is no congestion. What Ethernet carries is tried first, since nearly every path does: smaller ones only if that fails.
 */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import { DATAGRAM_SIZE, ETHERNET_DATAGRAM, JUMBO_DATAGRAM, MAX_DATAGRAM } from '../wire/limits.js';

export class MtuDiscovery {
  /** Datagrams up to this size arrive. */
  size = DATAGRAM_SIZE;
  /** Whether the path has shown what it carries: until then `size` is only what every path does. */
  isKnown: boolean;
  /** Which of `sizes` is tried now. */
  private next = 0;
  /** Whether smaller ones have yet to be tried, if that does not arrive. */
  private isFirst = false;
  private readonly tried = new Set<number>();
  private tries = 0;
  private probeAt: Micros = 0;
  private readonly sizes: readonly number[];
  private isFast = false;

  /** @param limit the largest size worth a try, bytes of UDP payload */
  constructor(limit: number) {
    this.sizes = PROBE_SIZES.filter((size) => size > DATAGRAM_SIZE && size <= limit);
    this.isKnown = this.sizes.length === 0;
    this.begin(0);
  }

  /** When a probe is due; NEVER while there is nothing to find out. */
  nextProbe(): Micros {
    const size = this.sizes[this.next];
    return size !== undefined && (this.isFast || size <= JUMBO_DATAGRAM) ? this.probeAt : NEVER;
  }

  /** Whether there are sizes that are only for a path that is fast. */
  get asksForSpeed(): boolean {
    return this.sizes[this.sizes.length - 1] > JUMBO_DATAGRAM;
  }

  /**
   * Whether the largest datagram would be but a moment on this path, and little is lost on it. What one loss takes and what a
   * slow link is busy with grows with a datagram, so beyond jumbo frames it takes that too.
   */
  setFast(now: Micros, isFast: boolean): void {
    this.isFast = isFast;
    if (isFast || this.size <= JUMBO_DATAGRAM) return;
    this.next = this.sizes.findIndex((size) => size > JUMBO_DATAGRAM);
    this.size = this.sizes[this.next - 1] ?? DATAGRAM_SIZE;
    this.tries = 0;
    this.probeAt = now + SLOW_INTERVAL;
  }

  /** The size of the probe to send now; undefined if none is due. */
  takeProbe(now: Micros, rtt: Micros): number | undefined {
    if (this.nextProbe() > now) return undefined;
    if (this.tries === (this.isFirst ? FIRST_PROBES : MAX_PROBES)) {
      this.isKnown = true;
      this.tries = 0;
      if (this.isFirst) {
        this.isFirst = false;
        this.next = 0;
        return this.takeProbe(now, rtt);
      }
      // Larger ones will not arrive either. The path may change: start over after a while (section 5.3.3).
      this.next = 0;
      while (this.next < this.sizes.length && this.sizes[this.next] <= this.size) this.next++;
      this.probeAt = now + RAISE_INTERVAL;
      return undefined;
    }
    this.tries++;
    this.probeAt = now + Math.ceil(Math.max(PROBE_INTERVAL, 3 * rtt));
    this.tried.add(this.sizes[this.next]);
    return this.sizes[this.next];
  }

  /** A probe of this size arrived at the other end; a size that was never tried, it cannot have seen. */
  onReport(now: Micros, size: number): void {
    if (size <= this.size || !this.tried.has(size)) return;
    this.size = size;
    this.isKnown = true;
    this.isFirst = false;
    this.next = this.sizes.indexOf(size) + 1;
    this.tries = 0;
    this.probeAt = now;
  }

  /** Large datagrams do not arrive any more: perhaps the path carries less than it did (section 4.3). It is tried anew. */
  onBlackHole(now: Micros): void {
    if (this.size === DATAGRAM_SIZE) return;
    this.size = DATAGRAM_SIZE;
    this.tried.clear();
    this.begin(now);
  }

  /** Something arrives again after a time in which nothing did: what was tried meanwhile says nothing of sizes. */
  onBack(now: Micros): void {
    if (this.size === DATAGRAM_SIZE) this.begin(now);
  }

  /** From what Ethernet carries on. */
  private begin(now: Micros): void {
    this.next = Math.max(
      0,
      this.sizes.findLastIndex((size) => size <= ETHERNET_DATAGRAM),
    );
    this.isFirst = this.next > 0;
    this.tries = 0;
    this.probeAt = now;
  }
}

/** UDP payloads: tunnels over Ethernet, Ethernet with IPv6 headers (1452), jumbo frames with IPv6 and with IPv4, loopback. */
const PROBE_SIZES = [1312, 1392, ETHERNET_DATAGRAM, 4052, 8952, JUMBO_DATAGRAM, MAX_DATAGRAM];
/** Of the first size: enough to tell a narrow path from one that loses a fifth each way, in most cases. */
const FIRST_PROBES = 3;
/** RFC 8899 section 5.1.2, MAX_PROBES; more, since random loss takes probes too. */
const MAX_PROBES = 6;
/** Section 5.1.1, PMTU_RAISE_TIMER. */
const RAISE_INTERVAL: Micros = 600 * SECOND;
/** A path that was not fast enough for the largest datagrams may soon be again. */
const SLOW_INTERVAL: Micros = 10 * SECOND;
const PROBE_INTERVAL: Micros = 100 * MILLISECOND;
