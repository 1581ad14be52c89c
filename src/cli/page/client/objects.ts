/**
 * What each member holds of each object: a row for each member, a column for each object, as wide as there is room; many objects wrap into
 * bands. In: a run. Out: a canvas on which only what has changed is drawn again.
 */
import { Holding, type Run, type RunObject } from './run.js';
import { bytesText, fit, memberColor, type Style } from './style.js';

interface Layout {
  width: number;
  height: number;
  column: number;
  perBand: number;
  bands: number;
  row: number;
  head: number;
}

export class ObjectField {
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private readonly tip: HTMLElement;
  private shown: RunObject[] = [];
  private layout: Layout | undefined;
  private drawn = '';
  private run: Run | undefined;

  constructor(canvas: HTMLCanvasElement, tip: HTMLElement) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d')!;
    this.tip = tip;
    canvas.addEventListener('pointermove', (event) => this.point(event));
    canvas.addEventListener('pointerleave', () => {
      tip.hidden = true;
    });
  }

  draw(run: Run, style: Style): void {
    const isOther = run !== this.run;
    this.run = run;
    const { width } = this.canvas.parentElement!.getBoundingClientRect();
    const layout = layoutOf(width, run.objects.size, run.members.length);
    const key = `${Object.values(layout)} ${run.revision} ${style.isDark} ${style.panel}`;
    const isNew = fit(this.canvas, width, layout.height) || key !== this.drawn || isOther;
    this.layout = layout;
    if (isNew) {
      this.drawn = key;
      this.shown = [...run.objects.values()];
      this.context.clearRect(0, 0, width, layout.height);
      this.names(run, style);
    }
    for (let i = 0; i < this.shown.length; i++) {
      const object = this.shown[i];
      if (!isNew && !object.isDirty) continue;
      object.isDirty = false;
      this.column(object, i, style);
    }
  }

  private names(run: Run, style: Style): void {
    const { context } = this;
    const { bands, row, head } = this.layout!;
    context.textBaseline = 'middle';
    context.textAlign = 'right';
    for (let band = 0; band < bands; band++)
      run.members.forEach((name, member) => {
        if (row < 8 && member % 2 === 1) return;
        context.font = `${row > 16 ? 12 : Math.max(7, Math.min(10.5, row - 0.5))}px ${style.font}`;
        context.fillStyle = row > 12 ? memberColor(member, style.isDark) : style.muted;
        const text = name.length > 13 ? `${name.slice(0, 12)}…` : name;
        context.fillText(text, NAMES - 10, this.bandTop(band) + head + (member + 0.5) * row);
      });
    if (this.shown.length > 0) return;
    context.textAlign = 'left';
    context.font = `13px ${style.font}`;
    context.fillStyle = style.muted;
    context.fillText('No object is on its way.', NAMES, head + (run.members.length * row) / 2);
  }

  private column(object: RunObject, index: number, style: Style): void {
    const { context } = this;
    const { column, perBand, row, head } = this.layout!;
    const x = NAMES + (index % perBand) * column;
    const top = this.bandTop(Math.floor(index / perBand));
    const gap = column > 12 ? 3 : column > 3 ? 1 : 0;
    const w = column - gap;
    context.clearRect(x, top, column, head + object.state.length * row);
    if (head > 0) {
      context.textAlign = 'left';
      context.textBaseline = 'middle';
      context.font = `10.5px ${style.font}`;
      context.fillStyle = style.muted;
      const seq = object.name.slice(object.name.lastIndexOf('/') + 1);
      const text = column > 90 ? `#${seq} · ${bytesText(object.bytes)}` : column > 30 ? `#${seq}` : '';
      context.fillText(text, x + 1, top + head / 2 - 1);
    }
    for (let member = 0; member < object.state.length; member++) {
      const h = row - (row > 12 ? 4 : 1);
      this.cell(object, member, { x, y: top + head + member * row, w, h }, style);
    }
  }

  private cell(
    object: RunObject,
    member: number,
    { x, y, w, h }: { x: number; y: number; w: number; h: number },
    style: Style,
  ): void {
    const { context } = this;
    const state = object.state[member];
    const share = Math.min(1, object.held[member] / object.symbols);
    const isLarge = w > 26 && h > 12;
    context.fillStyle = style.track;
    if (!isLarge) {
      context.fillRect(x, y, w, h);
      if (state === Holding.unknown || share <= 0) return;
      context.fillStyle = fillOf(state, style);
      context.globalAlpha = state === Holding.part ? 0.35 + 0.45 * share : 1;
      context.fillRect(x, y, w, h);
      context.globalAlpha = 1;
      return;
    }
    context.beginPath();
    context.roundRect(x, y, w, h, 4);
    context.fill();
    if (state !== Holding.unknown && share > 0) {
      context.save();
      context.clip();
      context.fillStyle = fillOf(state, style);
      context.fillRect(x, y, w * share, h);
      context.restore();
    }
    if (w < 64) return;
    context.font = `10.5px ${style.font}`;
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    const words =
      state === Holding.source
        ? `sent ${Math.round(object.held[member])}`
        : state === Holding.unknown
          ? ''
          : `${Math.round(Math.min(object.held[member], object.symbols))} / ${object.symbols}`;
    if (context.measureText(words).width >= w - 10) return;
    // Dark where it stands on water.
    for (const [from, to, color] of [
      [0, w * share, ON_WATER],
      [w * share, w, style.muted],
    ] as const) {
      context.save();
      context.beginPath();
      context.rect(x + from, y, to - from, h);
      context.clip();
      context.fillStyle = color;
      context.fillText(words, x + 7, y + h / 2 + 0.5);
      context.restore();
    }
  }

  private bandTop(band: number): number {
    const { head, row } = this.layout!;
    return band * (head + row * this.run!.members.length + BAND_GAP);
  }

  private point(event: PointerEvent): void {
    const { layout, run } = this;
    if (!layout || !run) return;
    const { left, top } = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left - NAMES, event.clientY - top];
    const tall = layout.head + layout.row * run.members.length + BAND_GAP;
    const band = Math.floor(y / tall);
    const member = Math.floor((y - band * tall - layout.head) / layout.row);
    const object = this.shown[band * layout.perBand + Math.floor(x / layout.column)];
    const isOn = x >= 0 && x < layout.perBand * layout.column && member >= 0 && member < run.members.length;
    this.tip.hidden = !object || !isOn;
    if (!object || !isOn) return;
    const held = Math.round(object.held[member]);
    const words = [
      'nothing known of it',
      `holds ${held} of ${object.symbols} symbols`,
      `holds all ${object.symbols} symbols`,
      'has delivered it',
      `its origin: ${held} symbols sent, ${object.symbols} are needed`,
    ];
    this.tip.textContent = `${object.name}, ${bytesText(object.bytes)} · ${run.members[member]}: ${words[object.state[member]]}`;
    this.tip.style.left = `${Math.min(event.clientX + 14, innerWidth - 340)}px`;
    this.tip.style.top = `${event.clientY + 18}px`;
  }
}

function layoutOf(width: number, objects: number, members: number): Layout {
  const room = Math.max(120, width - NAMES - 8);
  const count = Math.max(1, objects);
  const single = Math.min(MAX_COLUMN, room / count);
  const column = Math.max(MIN_COLUMN, single);
  const perBand = Math.max(1, Math.floor(room / column + 1e-6));
  const bands = Math.ceil(count / perBand);
  const row =
    bands > 1
      ? Math.max(5, Math.min(16, Math.floor(420 / (bands * members))))
      : Math.max(10, Math.min(30, Math.floor(420 / members)));
  const head = column > 30 && bands === 1 ? 20 : 0;
  return {
    width,
    height: bands * (head + row * members) + (bands - 1) * BAND_GAP + 2,
    column,
    perBand,
    bands,
    row,
    head,
  };
}

function fillOf(state: number, style: Style): string {
  if (state === Holding.source) return style.source;
  if (state === Holding.delivered) return style.deep;
  return style.water;
}

const NAMES = 104;
const BAND_GAP = 12;
const MIN_COLUMN = 3;
const MAX_COLUMN = 170;
const ON_WATER = '#06202b';
