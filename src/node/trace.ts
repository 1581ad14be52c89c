/**
 * A trace of paths as a file: qlog in its newline-delimited form (draft-ietf-quic-qlog-main-schema-02, event
 * names and data after the recovery events of draft-ietf-quic-qlog-quic-events), one JSON object a line, one group of events
 * for each peer. In: what paths tell. Out: lines. Times in milliseconds since the reference time, rates in bits per second,
 * as qlog has them; fields that qlog does not know are ours: `delivery_rate`, `delivered_bytes`, `packets_*`,
 * `bandwidth_estimate`, `loss_floor` and `state`. Events of ours are `headwater:status`, what the member sees four times a second (`Sight`),
 * and `headwater:event`; a page can be drawn of these two alone.
 */
import {
  closeSync,
  constants,
  createWriteStream,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { finished } from 'node:stream/promises';
import { MILLISECOND, type Micros } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import type { PathEvent, PathMetrics } from '../path/observer.js';
import { monotonic } from './clock.js';
import { type NodeEvent, plainEvent } from './status/events.js';
import type { Sight } from './status/sight.js';
import { type SeenStatus, Sights } from './status/sights.js';

export interface TraceFile {
  /** @param peer the name of the one at the other end of the path */
  write(now: Micros, peer: string, event: PathEvent): void;
  /** From now on keeps what the member sees, until it is closed. */
  follow(look: () => SeenStatus): void;
  /** Something has happened to the member. */
  tell(event: NodeEvent): void;
  /** Throws FILE if not all could be written. */
  close(): Promise<void>;
}

/**
 * Starts a trace; a trace of that name is replaced, and nothing else. Throws FILE if it cannot be.
 *
 * @param name who sees it
 * @param referenceTime the wall clock, in ms, at which `now` is 0
 */
export function openTrace(path: string, name: string, referenceTime: number): TraceFile {
  const stream = createWriteStream(path, { fd: openOrThrow(path), highWaterMark: HIGH_WATER });
  let failure: Error | undefined;
  stream.on('error', (error) => {
    failure = error;
  });
  stream.write(traceHeader(name, referenceTime));
  let left = 0;
  const lastMetrics = new Map<string, Micros>();
  const put = (text: string) => {
    if (failure || stream.writableLength > MAX_BACKLOG) left++;
    else stream.write(text);
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    write(now, peer, event) {
      if (event.type === 'metrics') {
        if (now - (lastMetrics.get(peer) ?? -METRICS_INTERVAL) < METRICS_INTERVAL) return;
        lastMetrics.set(peer, now);
      }
      put(line(now, peer, event));
    },
    follow(look) {
      const sights = new Sights();
      timer = setInterval(() => put(sightLine(monotonic(), sights.next(look()))), SIGHT_MS).unref();
    },
    tell: (event) => put(eventLine(monotonic(), name, plainEvent(event))),
    async close() {
      clearInterval(timer);
      stream.end();
      if (!failure) await finished(stream).catch(() => {}); // It is in `failure`.
      const got = failure?.message ?? `${left} events left out, since the disk was too slow`;
      if (failure || left > 0)
        throw new HeadwaterError('FILE', `trace ${path}: expected all events in it, got ${got}`, {
          cause: failure,
        });
    },
  };
}

function openOrThrow(path: string): number {
  try {
    // A terminal or a pipe holds nothing.
    if (statSync(path, { throwIfNoEntry: false })?.isFile() === false) return openSync(path, 'w');
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666);
    if (isTrace(file)) {
      ftruncateSync(file);
      return file;
    }
    closeSync(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeadwaterError('FILE', `trace: expected a file to write to, got ${code} for ${path}`, {
      cause,
    });
  }
  throw new HeadwaterError(
    'FILE',
    `trace: expected a trace of headwater, or nothing yet, at ${path}, got a file of another kind; it is left as it is`,
  );
}

/** Whether a file holds nothing but a trace of ours. */
function isTrace(file: number): boolean {
  const start = Buffer.alloc(SIGN.length);
  const length = readSync(file, start, 0, start.length, 0);
  return length === 0 || start.toString('latin1', 0, length) === SIGN;
}

/** The first line of a trace. */
export function traceHeader(name: string, referenceTime: number): string {
  const common_fields = { time_format: 'relative', reference_time: referenceTime };
  const trace = { vantage_point: { name, type: 'unknown' }, common_fields };
  return `${JSON.stringify({ qlog_format: 'NDJSON', qlog_version: '0.3', title: 'headwater', trace })}\n`;
}

/** What a member sees. */
export function sightLine(now: Micros, sight: Sight): string {
  return `${JSON.stringify({ time: now / MILLISECOND, group_id: sight.name, name: 'headwater:status', data: sight })}\n`;
}

/** What has happened to a member: an event as plain data, or a `text` of another kind. */
export function eventLine(now: Micros, member: string, event: { type: string }): string {
  return `${JSON.stringify({ time: now / MILLISECOND, group_id: member, name: 'headwater:event', data: event })}\n`;
}

function line(now: Micros, peer: string, event: PathEvent): string {
  return `${JSON.stringify({ time: now / MILLISECOND, group_id: peer, ...translate(event) })}\n`;
}

function translate(event: PathEvent): { name: string; data: object } {
  switch (event.type) {
    case 'metrics':
      return { name: 'recovery:metrics_updated', data: metricsData(event.metrics) };
    case 'lost': {
      const trigger = event.trigger === 'packets' ? 'reordering_threshold' : 'time_threshold';
      const data = { header: { packet_number: event.number }, raw: { length: event.bytes }, trigger };
      return { name: 'recovery:packet_lost', data };
    }
    case 'state':
      return { name: 'recovery:congestion_state_updated', data: { old: event.from, new: event.to } };
  }
}

/** Fields that have no value yet are left out. */
function metricsData(metrics: PathMetrics): object {
  const { controller } = metrics;
  const known = metrics.minRtt !== undefined;
  const rtt = (value: Micros | undefined) => (known ? finite(value, 1 / MILLISECOND) : undefined);
  return {
    min_rtt: rtt(metrics.minRtt),
    smoothed_rtt: rtt(metrics.smoothedRtt),
    latest_rtt: rtt(metrics.latestRtt),
    rtt_variance: rtt(metrics.rttVariation),
    pto_count: metrics.probeCount,
    congestion_window: finite(controller.window),
    bytes_in_flight: metrics.bytesInFlight,
    ssthresh: finite(controller.slowStartThreshold),
    pacing_rate: finite(controller.pacingRate, 8),
    delivery_rate: finite(metrics.deliveryRate, 8),
    delivered_bytes: metrics.deliveredBytes,
    packets_sent: metrics.sentPackets,
    packets_acked: metrics.ackedPackets,
    packets_lost: metrics.lostPackets,
    bandwidth_estimate: finite(controller.bandwidth, 8),
    loss_floor: controller.lossFloor,
    state: controller.state,
  };
}

/** How the first line of each begins. */
const SIGN = '{"qlog_format":"NDJSON","qlog_version":"0.3","title":"headwater"';
/** JSON has no infinity. Three digits are more than is measured. */
function finite(value: number | undefined, factor = 1): number | undefined {
  return value !== undefined && Number.isFinite(value) ? Math.round(value * factor * 1000) / 1000 : undefined;
}

/** What a page is drawn of. */
const SIGHT_MS = 250;
/** Of one peer: more is more than a plot shows. */
const METRICS_INTERVAL: Micros = MILLISECOND;
const HIGH_WATER = 1 << 16;
/** Bytes that may wait for the disk. */
const MAX_BACKLOG = 1 << 24;
