/** Traces as charts. In: the lines of qlog files as `headwater --trace` writes them. Out: rate, RTT, window, loss and state over time. */
import type { Chart, Panel, Series } from './chart.js';

export interface TracedPath {
  /** Who saw it, and the peer: `a to b`. */
  name: string;
  /** Seconds since 1970. */
  start: number;
  events: TraceEvent[];
}

interface TraceEvent {
  /** Seconds since `start`. */
  at: number;
  name: string;
  data: Record<string, unknown>;
}

/** Parses one file. Throws SyntaxError, with the line's number, for what is no trace. A line cut short at the end is left out. */
export function parseTrace(text: string): TracedPath[] {
  const lines = text.split('\n');
  lines.pop();
  const header = parseLine(lines[0] ?? '', 1) as {
    qlog_format?: string;
    trace?: { vantage_point?: { name?: string }; common_fields?: { reference_time?: number } };
  };
  if (header.qlog_format !== 'NDJSON')
    throw new SyntaxError('line 1: expected a qlog header with NDJSON, got something else');
  const start = (header.trace?.common_fields?.reference_time ?? 0) / 1000;
  const viewer = header.trace?.vantage_point?.name ?? '';
  const paths = new Map<string, TracedPath>();
  for (let i = 1; i < lines.length; i++) {
    const { time, group_id, name, data } = parseLine(lines[i], i + 1) as Record<string, unknown>;
    if (
      typeof time !== 'number' ||
      typeof group_id !== 'string' ||
      typeof name !== 'string' ||
      typeof data !== 'object'
    )
      throw new SyntaxError(`line ${i + 1}: expected time, group_id, name and data`);
    // What a member sees is for `headwater view`.
    if (name.startsWith('headwater:')) continue;
    const path = paths.get(group_id) ?? { name: `${viewer} to ${group_id}`, start, events: [] };
    paths.set(group_id, path);
    path.events.push({ at: time / 1000, name, data: data as Record<string, unknown> });
  }
  return [...paths.values()];
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new SyntaxError(`line ${number}: expected JSON, got '${line.slice(0, 40)}'`);
  }
}

/** A chart of all paths, on one axis of time that begins with the first event of any. */
export function traceChart(title: string, paths: TracedPath[]): Chart {
  const used = paths.filter(({ events }) => events.length > 0);
  if (used.length === 0) throw new RangeError('expected events in the traces, got none');
  const zero = Math.min(...used.map(({ start, events }) => start + events[0].at));
  const end = Math.max(...used.map(({ start, events }) => start + events.at(-1)!.at)) - zero;
  const single = used.length === 1;
  const bin = binWidth(end);
  const drawn = used.map((path, color) => draw(path, path.start - zero, bin, single, color));
  const panels = PANELS.map(
    ({ key, ...rest }): Panel => ({ ...rest, series: drawn.flatMap((path) => path[key]) }),
  );
  const states = [...new Set(used.flatMap(({ events }) => events.flatMap(stateOf)))];
  if (single && states.length > 1) panels.push(statePanel(used[0], used[0].start - zero, states));
  const subtitle = `delivered rate and loss in steps of ${bin * 1000} ms${single ? '' : `; ${used.length} paths`}`;
  return {
    title,
    subtitle,
    panels: panels.filter(({ series }) => series.length > 0),
    end: Math.ceil(end * 10) / 10,
  };
}

type Key = 'rate' | 'rtt' | 'window' | 'loss';
const PANELS: (Omit<Panel, 'series'> & { key: Key })[] = [
  { key: 'rate', axis: 'rate (Mbit/s)', weight: 1.2 },
  { key: 'rtt', axis: 'RTT (ms)' },
  { key: 'window', axis: 'window (kB)' },
  { key: 'loss', axis: 'loss (%)', weight: 0.7 },
];

function draw(
  { name, events }: TracedPath,
  shift: number,
  bin: number,
  single: boolean,
  color: number,
): Record<Key, Series[]> {
  const metrics = events.filter((event) => event.name === 'recovery:metrics_updated');
  const curve = (field: string, factor: number): [number, number][] =>
    metrics.flatMap(({ at, data }) => {
      const value = data[field];
      return typeof value === 'number' ? [[at + shift, value * factor] as [number, number]] : [];
    });
  const label = (what: string) => (single ? what : name);
  const series = (
    what: string,
    kind: NonNullable<Series['kind']>,
    own: number,
    points: [number, number][],
  ): Series[] =>
    points.length === 0 ? [] : [{ name: label(what), kind, color: single ? own : color, points }];
  const { delivered, loss } = binned(metrics, shift, bin);
  return {
    rate: [
      ...series('pacing rate', 'thin', 1, single ? curve('pacing_rate', 1e-6) : []),
      ...series('delivered', 'line', 0, delivered),
    ],
    rtt: [
      ...series('latest RTT', 'points', 5, single ? curve('latest_rtt', 1) : []),
      ...series('smoothed RTT', 'line', 0, curve('smoothed_rtt', 1)),
      ...series('minimum RTT', 'dashed', 6, single ? curve('min_rtt', 1) : []),
    ],
    window: [
      ...series('in flight', 'thin', 5, single ? curve('bytes_in_flight', 1e-3) : []),
      ...series('congestion window', 'line', 0, curve('congestion_window', 1e-3)),
    ],
    loss: [
      ...series('lost', 'line', 1, loss),
      ...series('floor: taken for random', 'dashed', 6, single ? curve('loss_floor', 100) : []),
    ],
  };
}

/** Mbit/s delivered and percent lost in each step of `bin` seconds, from the path's own running totals. */
function binned(metrics: TraceEvent[], shift: number, bin: number) {
  const delivered: [number, number][] = [];
  const loss: [number, number][] = [];
  let from: { at: number; bytes: number; acked: number; lost: number } | undefined;
  for (const { at, data } of metrics) {
    const now = {
      at: at + shift,
      bytes: Number(data.delivered_bytes ?? 0),
      acked: Number(data.packets_acked ?? 0),
      lost: Number(data.packets_lost ?? 0),
    };
    // The first, or the path began anew and its totals with it.
    if (from === undefined || now.bytes < from.bytes) {
      from = now;
      continue;
    }
    if (now.at - from.at < bin) continue;
    const middle = (from.at + now.at) / 2;
    delivered.push([middle, ((now.bytes - from.bytes) * 8e-6) / (now.at - from.at)]);
    const packets = now.acked - from.acked + now.lost - from.lost;
    if (packets > 0) loss.push([middle, (100 * (now.lost - from.lost)) / packets]);
    from = now;
  }
  return { delivered, loss };
}

function statePanel({ events }: TracedPath, shift: number, states: string[]): Panel {
  const changes = events.flatMap((event): [number, number][] =>
    stateOf(event).map((state) => [event.at + shift, states.indexOf(state)]),
  );
  changes.push([events.at(-1)!.at + shift, changes.at(-1)![1]]);
  return {
    axis: 'state',
    categories: states,
    series: [{ name: 'controller state', kind: 'step', points: changes }],
    weight: Math.max(0.5, states.length * 0.13),
  };
}

function stateOf({ name, data }: TraceEvent): string[] {
  return name === 'recovery:congestion_state_updated' ? [String(data.new)] : [];
}

/** About 150 steps, of a round length. */
function binWidth(seconds: number): number {
  const ideal = seconds / 150;
  return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find((width) => width >= ideal) ?? Math.ceil(ideal);
}
