/**
 * How large a datagram may be on a path: DPLPMTUD (RFC 8899), by probes of its own that carry nothing. In: time, reports
 * of probes that arrived. Out: the size in use, and when to send a probe of which size. A lost probe is no congestion.
 */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';

export class MtuDiscovery {
  /** Datagrams up to this size arrive. */
  size = DATAGRAM_SIZE;
  private next = 0;
  private tries = 0;
  private probeAt: Micros = 0;
  private readonly sizes: readonly number[];

  /** @param limit the largest size worth a try, bytes of UDP payload */
  constructor(limit: number) {
    this.sizes = PROBE_SIZES.filter((size) => size > DATAGRAM_SIZE && size <= limit);
  }

  /** When a probe is due; NEVER while there is nothing to find out. */
  nextProbe(): Micros {
    return this.next < this.sizes.length ? this.probeAt : NEVER;
  }

  /** The size of the probe to send now; undefined if none is due. */
  takeProbe(now: Micros, rtt: Micros): number | undefined {
    if (this.nextProbe() > now) return undefined;
    if (this.tries === MAX_PROBES) {
      // Larger ones will not arrive either. The path may change: start over after a while (section 5.3.3).
      this.next = 0;
      while (this.next < this.sizes.length && this.sizes[this.next] <= this.size) this.next++;
      this.tries = 0;
      this.probeAt = now + RAISE_INTERVAL;
      return undefined;
    }
    this.tries++;
    this.probeAt = now + Math.ceil(Math.max(PROBE_INTERVAL, 3 * rtt));
    return this.sizes[this.next];
  }

  /** A probe of this size arrived at the other end. */
  onReport(now: Micros, size: number): void {
    const index = this.sizes.indexOf(size);
    if (index < this.next || size <= this.size) return;
    this.size = size;
    this.next = index + 1;
    this.tries = 0;
    this.probeAt = now;
  }

  /** Nothing arrives any more: perhaps the path carries less than it did (section 4.3). */
  onBlackHole(now: Micros): void {
    if (this.size === DATAGRAM_SIZE) return;
    this.size = DATAGRAM_SIZE;
    this.next = 0;
    this.tries = 0;
    this.probeAt = now + RAISE_INTERVAL;
  }
}

/** UDP payloads: tunnels over Ethernet, Ethernet with IPv6 and with IPv4 headers (1452), jumbo frames. */
const PROBE_SIZES = [1312, 1392, 1452, 4052, 8952];
/** RFC 8899 section 5.1.2, MAX_PROBES; more, since random loss takes probes too. */
const MAX_PROBES = 6;
/** Section 5.1.1, PMTU_RAISE_TIMER. */
const RAISE_INTERVAL: Micros = 600 * SECOND;
const PROBE_INTERVAL: Micros = 100 * MILLISECOND;
