/** Colours and words of the page. In: the style sheet's variables. Out: what canvases are drawn with. */

export interface Style {
  isDark: boolean;
  ink: string;
  muted: string;
  faint: string;
  panel: string;
  line: string;
  track: string;
  water: string;
  deep: string;
  source: string;
  away: string;
  bad: string;
  font: string;
}

export function readStyle(): Style {
  const { dataset } = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  // What a variable comes to, by way of a property: the variable itself is light and dark.
  const probe = document.createElement('i');
  document.body.append(probe);
  const computed = getComputedStyle(probe);
  const color = (name: string) => {
    probe.style.color = `var(--${name})`;
    return computed.color;
  };
  const style: Style = {
    isDark: (dataset.theme ?? system) === 'dark',
    ink: color('ink'),
    muted: color('muted'),
    faint: color('faint'),
    panel: color('panel'),
    line: color('line'),
    track: color('track'),
    water: color('water'),
    deep: color('deep'),
    source: color('source'),
    away: color('away'),
    bad: color('bad'),
    font: computed.fontFamily,
  };
  probe.remove();
  return style;
}

/** Of a member: far from its neighbours' on the wheel. */
export function memberColor(member: number, isDark: boolean): string {
  const hue = (210 + member * 137.5) % 360;
  return isDark ? `oklch(0.78 0.13 ${hue})` : `oklch(0.56 0.15 ${hue})`;
}

/** From water, where nothing is lost, by amber at a tenth to red at three tenths. */
export function lossColor(share: number, isDark: boolean): string {
  const stops = isDark ? DARK_LOSS : LIGHT_LOSS;
  const place = Math.min(stops.length - 1.001, Math.max(0, Math.sqrt(share / 0.3) * (stops.length - 1)));
  const i = Math.floor(place);
  const part = place - i;
  const mix = (k: number) => Math.round(stops[i][k] + part * (stops[i + 1][k] - stops[i][k]));
  return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
}

/** A canvas of its element's size, sharp on any screen; true if that has changed. */
export function fit(canvas: HTMLCanvasElement, width: number, height: number): boolean {
  const scale = Math.min(2, devicePixelRatio || 1);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width === w && canvas.height === h) return false;
  canvas.width = w;
  canvas.height = h;
  canvas.style.height = `${height}px`;
  canvas.getContext('2d')!.setTransform(scale, 0, 0, scale, 0, 0);
  return true;
}

export function rateText(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8;
  if (bits >= 999.5e6) return `${(bits / 1e9).toFixed(2)} Gbit/s`;
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(1)} Mbit/s`;
  if (bits >= 1e3) return `${(bits / 1e3).toFixed(0)} kbit/s`;
  return `${bits.toFixed(0)} bit/s`;
}

export function bytesText(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  if (bytes >= 1e3) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${bytes} B`;
}

export function shareText(share: number): string {
  const percent = share * 100;
  return `${percent >= 10 || percent === 0 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

export function timeText(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(0)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 || ms === 0 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

const DARK_LOSS = [
  [72, 187, 214],
  [110, 200, 160],
  [240, 190, 80],
  [245, 130, 70],
  [238, 72, 92],
];
const LIGHT_LOSS = [
  [14, 128, 168],
  [60, 150, 110],
  [204, 140, 10],
  [214, 90, 30],
  [200, 30, 60],
];
