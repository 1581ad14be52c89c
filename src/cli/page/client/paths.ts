/** The paths of one member over time: round trip, window, rate, loss with its floor, as charts of uPlot. In: its series. Out: charts. */
import type { Run } from './run.js';
import type { Measure, Series } from './series.js';
import { memberColor, type Style } from './style.js';
import uPlot from './uplot.js';

interface Panel {
  measure: Measure;
  title: string;
  unit: string;
}

export class PathCharts {
  private readonly root: HTMLElement;
  private charts: { plot: uPlot; panel: Panel; host: HTMLElement }[] = [];
  private key = '';

  constructor(root: HTMLElement) {
    this.root = root;
  }

  draw(run: Run, viewer: number, style: Style): void {
    const peers = run.members.flatMap((_, member) => (member === viewer ? [] : [member]));
    const { width } = this.root.getBoundingClientRect();
    const key = `${viewer} ${style.isDark} ${run.members.join()} ${Math.round(width)}`;
    if (key !== this.key) this.build(run, peers, style, width);
    this.key = key;
    const series = run.series[viewer];
    // In a recording of a simulation time begins at 0.
    const zero = run.firstAt / 1000;
    const at = series.at.map((seconds) => seconds - zero);
    for (const { plot, panel } of this.charts)
      plot.setData([at, ...columnsOf(panel, series, peers)] as uPlot.AlignedData);
  }

  private build(run: Run, peers: readonly number[], style: Style, width: number): void {
    for (const { plot } of this.charts) plot.destroy();
    this.root.replaceChildren();
    const columns = width > 1000 ? 4 : width > 560 ? 2 : 1;
    const each = Math.floor((width - (columns - 1) * GAP) / columns);
    this.charts = PANELS.map((panel) => {
      const host = document.createElement('figure');
      const caption = document.createElement('figcaption');
      caption.textContent = panel.title;
      const unit = document.createElement('span');
      unit.textContent = panel.unit;
      caption.append(unit);
      host.append(caption);
      this.root.append(host);
      const plot = new uPlot(optionsOf(run, panel, peers, style, each), undefined, host);
      return { plot, panel, host };
    });
  }
}

function columnsOf({ measure }: Panel, series: Series, peers: readonly number[]): (number | null)[][] {
  const columns = peers.map((peer) => series.of(measure, peer));
  return measure === 'loss' ? [...columns, ...peers.map((peer) => series.of('floor', peer))] : columns;
}

function optionsOf(
  run: Run,
  { measure }: Panel,
  peers: readonly number[],
  style: Style,
  width: number,
): uPlot.Options {
  const line = (peer: number, more: uPlot.Series = {}): uPlot.Series => ({
    label: run.members[peer],
    stroke: memberColor(peer, style.isDark),
    width: peers.length > 8 ? 1.1 : 1.6,
    points: { show: false },
    spanGaps: false,
    ...more,
  });
  const axis: uPlot.Axis = {
    stroke: style.muted,
    font: `10.5px ${style.font}`,
    grid: { stroke: style.line, width: 1 },
    ticks: { show: false },
  };
  const floors = peers.map((peer) =>
    line(peer, { label: `${run.members[peer]}, floor`, dash: [3, 3], width: 1 }),
  );
  return {
    width,
    height: 168,
    cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false } },
    legend: { show: false },
    padding: [8, 8, 0, 0],
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(max * 1.08, LEAST[measure])] } },
    axes: [
      { ...axis, size: 24, gap: 4, space: 60, values: (_, ticks) => ticks.map((tick) => `${tick} s`) },
      { ...axis, size: 42, gap: 6, space: 34, values: (_, ticks) => ticks.map((tick) => String(tick)) },
    ],
    series: [{}, ...peers.map((peer) => line(peer)), ...(measure === 'loss' ? floors : [])],
  };
}

const PANELS: Panel[] = [
  { measure: 'rtt', title: 'Round trip', unit: 'ms' },
  { measure: 'window', title: 'Window', unit: 'kB' },
  { measure: 'rate', title: 'Rate, as it arrives', unit: 'Mbit/s' },
  { measure: 'loss', title: 'Loss; dashed: its floor', unit: '%' },
];
const LEAST: Record<Measure, number> = { rtt: 1, window: 10, rate: 0.1, loss: 5, floor: 5 };
const GAP = 20;
