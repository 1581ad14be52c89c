/**
 * The text format of Prometheus, version 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats). In: families of samples. Out: text.
 * Names follow prometheus.io/docs/practices/naming: base units, plural, `_total` for what only grows.
 */

/** One value, with the labels that tell it from others of its family. */
export interface MetricSample {
  labels?: Readonly<Record<string, string>>;
  value: number;
}

/** All samples of one name. */
export interface MetricFamily {
  name: string;
  help: string;
  type: 'counter' | 'gauge';
  samples: readonly MetricSample[];
}

/** Distributions of one name, as `Histogram` keeps them. */
export interface HistogramFamily {
  name: string;
  help: string;
  type: 'histogram';
  samples: readonly { labels?: Readonly<Record<string, string>>; histogram: Histogram }[];
}

/** What an HTTP answer with it says of itself. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Counts observations by upper bound. */
export class Histogram {
  /** Rising. */
  readonly bounds: readonly number[];
  /** By bound, and one more for what is above all. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.bounds.findIndex((bound) => value <= bound);
    this.counts[found < 0 ? this.bounds.length : found]++;
    this.sum += value;
  }
}

/** The text of these families, each name once. */
export function exposition(families: readonly (MetricFamily | HistogramFamily)[]): string {
  const lines: string[] = [];
  for (const family of families) {
    const { name, help, type } = family;
    lines.push(
      `# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`,
      `# TYPE ${name} ${type}`,
    );
    if (family.type === 'histogram')
      for (const { labels, histogram } of family.samples)
        lines.push(...histogramLines(name, labels, histogram));
    else for (const { labels, value } of family.samples) lines.push(line(name, labels, value));
  }
  return `${lines.join('\n')}\n`;
}

function histogramLines(
  name: string,
  labels: Readonly<Record<string, string>> = {},
  { bounds, counts, sum }: Histogram,
): string[] {
  let below = 0;
  const lines = counts.map((count, i) => {
    below += count;
    return line(`${name}_bucket`, { ...labels, le: number(bounds[i] ?? Number.POSITIVE_INFINITY) }, below);
  });
  return [...lines, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, below)];
}

function line(name: string, labels: Readonly<Record<string, string>> = {}, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${number(value)}`;
}

function escaped(text: string): string {
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function number(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
