/** What a process has used and moved so far, and the difference of two such looks. */

export interface Usage {
  /** Milliseconds of this process's monotonic clock. */
  at: number;
  /** Microseconds of CPU, user and system, all threads. */
  cpu: number;
  datagrams: number;
  bytes: number;
  /** Object bytes in symbols that brought something new; equal to `bytes` where there are no symbols. */
  useful: number;
}

export function usage(datagrams: number, bytes: number, useful: number): Usage {
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), cpu: user + system, datagrams, bytes, useful };
}

export interface Rates {
  datagrams: number;
  /** Per second. */
  bytes: number;
  useful: number;
  /** Microseconds of CPU for each datagram. */
  cpuPerDatagram: number;
  /** Bytes for each second of CPU. */
  bytesPerCpu: number;
}

export function ratesBetween(before: Usage, after: Usage): Rates {
  const seconds = (after.at - before.at) / 1000;
  const datagrams = after.datagrams - before.datagrams;
  const cpu = after.cpu - before.cpu;
  return {
    datagrams: datagrams / seconds,
    bytes: (after.bytes - before.bytes) / seconds,
    useful: (after.useful - before.useful) / seconds,
    cpuPerDatagram: cpu / Math.max(1, datagrams),
    bytesPerCpu: ((after.bytes - before.bytes) * 1e6) / Math.max(1, cpu),
  };
}
