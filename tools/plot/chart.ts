/** Charts as SVG text: panels under one another over one axis of time. In: series of points. Out: a picture, no browser needed. */
import { type EChartsOption, init } from 'echarts';

export interface Series {
  name: string;
  /** x in seconds; the panel's axis says what y is. */
  points: [x: number, y: number][];
  /** Default 'line'. Steps hold a value until the next; points stand for themselves; thin and dashed ones are beside the point. */
  kind?: 'line' | 'step' | 'points' | 'dashed' | 'thin';
  /** Series of one colour belong together; default: the place in the panel. */
  color?: number;
}

export interface Panel {
  /** What y is, with its unit in brackets: `rate (Mbit/s)`. */
  axis: string;
  series: Series[];
  /** Names of the values 0, 1, ... of y, for what is no quantity. */
  categories?: string[];
  /** Its height against the others'. Default 1. */
  weight?: number;
}

export interface Chart {
  title: string;
  subtitle?: string;
  panels: Panel[];
  /** Seconds: where the axis of time ends. */
  end: number;
}

/** The chart as an SVG document. */
export function renderChart({ title, subtitle = '', panels, end }: Chart): string {
  const places = layout(panels);
  const option: EChartsOption = {
    animation: false,
    backgroundColor: '#fff',
    textStyle: { fontFamily: FONT },
    title: {
      text: title,
      subtext: subtitle,
      left: LEFT - 5,
      top: 10,
      textStyle: { fontSize: 17, fontWeight: 600, color: INK },
      subtextStyle: { fontSize: 12, color: MUTED },
    },
    legend: panels.map(({ series }, i) => legend(series, places[i].top)),
    grid: places.map(({ top, bottom }) => ({ left: LEFT, right: RIGHT, top, height: bottom - top })),
    xAxis: panels.map((_, i) => timeAxis(i, end, i === panels.length - 1)),
    yAxis: panels.map(valueAxis),
    series: panels.flatMap(({ series }, i) => series.map((one, order) => draw(one, i, order))),
  };
  const height = places.at(-1)!.bottom + BELOW;
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

/** Where each panel is, pixels from the top. */
function layout(panels: Panel[]): { top: number; bottom: number }[] {
  let at = TOP;
  return panels.map(({ weight = 1 }) => {
    const top = at + LEGEND;
    const bottom = top + PANEL * weight;
    at = bottom + GAP;
    return { top, bottom };
  });
}

type Part<Name extends keyof EChartsOption> = Extract<
  NonNullable<EChartsOption[Name]>,
  readonly unknown[]
>[number];

function legend(series: Series[], top: number): Part<'legend'> {
  return {
    // A line needs no dot on it, which is what it would get.
    data: series.map(({ name, kind }) =>
      kind === 'points' ? { name } : { name, itemStyle: { opacity: 0 } },
    ),
    left: LEFT - 5,
    top: top - LEGEND,
    itemWidth: 26,
    itemHeight: 9,
    // How wide a text is nobody knows without a browser; the guess is short by up to a sixth.
    itemGap: 14 + Math.max(...series.map(({ name }) => name.length)),
    textStyle: { fontSize: 12, color: INK },
  };
}

function timeAxis(gridIndex: number, end: number, isLast: boolean): Part<'xAxis'> {
  return {
    type: 'value',
    gridIndex,
    min: 0,
    max: end,
    name: isLast ? 'time (s)' : '',
    nameLocation: 'middle',
    nameGap: 26,
    nameTextStyle: { fontSize: 12, color: INK },
    axisLabel: { show: isLast, color: MUTED, showMaxLabel: Number.isInteger(end) },
    axisLine: { show: true, onZero: false, lineStyle: { color: RULE } },
    axisTick: { show: isLast, lineStyle: { color: RULE } },
    splitLine: { lineStyle: { color: FAINT } },
  };
}

function valueAxis({ axis, categories }: Panel, gridIndex: number): Part<'yAxis'> {
  return {
    ...(categories ? { type: 'category', data: categories } : { type: 'value', min: 0, splitNumber: 4 }),
    gridIndex,
    name: axis,
    nameLocation: 'middle',
    nameRotate: 90,
    nameGap: categories ? 84 : 52,
    nameTextStyle: { fontSize: 12, color: INK },
    axisLabel: { color: MUTED, fontSize: 11 },
    axisLine: { show: true, lineStyle: { color: RULE } },
    axisTick: { show: false },
    splitLine: { show: true, lineStyle: { color: FAINT } },
  };
}

function draw({ name, points, kind = 'line', color }: Series, panel: number, order: number): Part<'series'> {
  const common = {
    name,
    xAxisIndex: panel,
    yAxisIndex: panel,
    color: COLORS[(color ?? order) % COLORS.length],
    z: order + 2,
  };
  if (kind === 'points')
    return {
      ...common,
      data: thinned(points),
      type: 'scatter',
      symbolSize: 2.5,
      itemStyle: { opacity: 0.35 },
    };
  return {
    ...common,
    data: points,
    type: 'line',
    symbol: 'none',
    // Every step counts; of curves, what can be seen.
    ...(kind === 'step' ? { step: 'end' } : { sampling: 'lttb' }),
    lineStyle: {
      width: kind === 'thin' || kind === 'dashed' ? 1.1 : 1.7,
      type: kind === 'dashed' ? 'dashed' : 'solid',
      opacity: kind === 'thin' ? 0.55 : 1,
    },
  };
}

function thinned<T>(points: T[]): T[] {
  const step = Math.ceil(points.length / CLOUD);
  return points.filter((_, i) => i % step === 0);
}

const WIDTH = 960;
const LEFT = 112;
const RIGHT = 24;
const TOP = 62;
const PANEL = 150;
/** Room for the legend above each panel. */
const LEGEND = 26;
const GAP = 12;
const BELOW = 46;
const FONT = 'DejaVu Sans, Verdana, sans-serif';
/** Points of a cloud; more of them make a larger file, not a better picture. */
const CLOUD = 1500;
const INK = '#222';
const MUTED = '#555';
const RULE = '#999';
const FAINT = '#e8e8e8';
/** Distinguishable with any colour vision (Okabe and Ito 2008). */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'];
