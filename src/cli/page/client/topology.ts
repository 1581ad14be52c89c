/**
 * The group as a picture: members in a ring, or around the one that looks, and each path as a stream of dots. Its width and dots say how
 * much arrives, its colour how much is lost; lost dots fall out of the stream. In: a run. Out: a canvas, and the member that was chosen.
 */
import { Holding, type Run } from './run.js';
import type { Edge } from './series.js';
import { fit, lossColor, memberColor, rateText, type Style, shareText } from './style.js';

interface Point {
  x: number;
  y: number;
}

/** A path from one point to another, bent to its own side. */
interface Way {
  a: Point;
  bend: Point;
  b: Point;
}

export class Topology {
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private places: Point[] = [];
  private hovered = -1;
  private readonly back = document.createElement('canvas');
  private readonly front = document.createElement('canvas');
  /** What the layers show. */
  private key = '';
  private shownAt = Number.NaN;
  private age = 0;
  /** The highest rate of any path. */
  private most = 1e4;
  /** By edge: where its dots are. */
  private readonly phases = new Map<number, number>();
  private readonly isStill = matchMedia('(prefers-reduced-motion: reduce)').matches;

  constructor(canvas: HTMLCanvasElement, onSelect: (member: number) => void) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d')!;
    canvas.addEventListener('pointermove', (event) => {
      this.hovered = this.at(event);
      canvas.style.cursor = this.hovered >= 0 ? 'pointer' : 'default';
    });
    canvas.addEventListener('pointerleave', () => {
      this.hovered = -1;
    });
    canvas.addEventListener('click', (event) => {
      const member = this.at(event);
      if (member >= 0) onSelect(member);
    });
  }

  draw(run: Run, selected: number, style: Style, seconds: number): void {
    const { context } = this;
    const { width, height } = this.canvas.parentElement!.getBoundingClientRect();
    // As long as a page is laid out there may be no room, and a layer without pixels cannot be drawn.
    if (width < 1 || height < 1) return;
    const isResized = fit(this.canvas, width, height);
    const n = run.members.length;
    const focus = this.hovered >= 0 ? this.hovered : n > LABELLED ? selected : -1;
    const key = `${focus} ${selected} ${style.isDark} ${run.members}`;
    this.age += seconds;
    if (isResized || key !== this.key || this.age > LAYERS_S || run.at !== this.shownAt) {
      this.key = key;
      // Figures change with each tick, and no faster than they can be read.
      if (isResized || this.age > LAYERS_S) this.age = 0;
      this.shownAt = run.at;
      this.places = placesOf(run, width, height);
      this.most = run.edges.flat().reduce((max, edge) => Math.max(max, edge?.rate ?? 0), 1e4);
      this.layers(run, { focus, selected, style, width, height });
    }
    context.clearRect(0, 0, width, height);
    context.drawImage(this.back, 0, 0, width, height);
    if (!this.isStill) this.allDots(run, focus, style, seconds);
    context.drawImage(this.front, 0, 0, width, height);
  }

  /** What stays for a while: the ways behind the dots, members and figures before them. */
  private layers(
    run: Run,
    {
      focus,
      selected,
      style,
      width,
      height,
    }: { focus: number; selected: number; style: Style; width: number; height: number },
  ): void {
    for (const layer of [this.back, this.front]) {
      fit(layer, width, height);
      layer.getContext('2d')!.clearRect(0, 0, width, height);
    }
    const [back, front] = [this.back.getContext('2d')!, this.front.getContext('2d')!];
    const isAlone = run.viewers.length === 1;
    const labelled: { edge: Edge; way: Way }[] = [];
    for (const { from, to, edge, way } of this.paths(run)) {
      const isFocused = focus < 0 || from === focus || to === focus;
      this.stroke(back, edge, way, isFocused, style);
      // What next to nothing goes over would hide what something goes over.
      const isIdle = this.most > BUSY && edge.rate < this.most / 100;
      const hasLabel = isFocused && (focus < 0 || from === focus || isAlone);
      if (hasLabel && edge.reachable && !isIdle) labelled.push({ edge, way });
    }
    labelled.sort((a, b) => b.edge.rate - a.edge.rate);
    // Members, and names that stand below them.
    const below = radiusOf(run.members.length) + 12;
    const taken = this.places.flatMap(({ x, y }): Point[] => [
      { x, y },
      { x, y: y + below },
    ]);
    for (const { edge, way } of labelled) {
      const free = (focus < 0 ? [0.36, 0.28, 0.46] : [0.68, 0.56, 0.78]).map((t) => along(way, t));
      const isFree = (at: Point) =>
        taken.every((o) => Math.abs(o.x - at.x) > 84 || Math.abs(o.y - at.y) > 14);
      const at = free.find(isFree) ?? (focus < 0 ? free[0] : undefined);
      if (!at) continue;
      taken.push(at);
      drawLabel(front, edge, at, style);
    }
    for (let member = 0; member < run.members.length; member++)
      this.member(front, run, member, member === selected, style);
  }

  private *paths(run: Run): Generator<{ from: number; to: number; edge: Edge; way: Way }> {
    const n = run.members.length;
    for (let from = 0; from < n; from++)
      for (let to = 0; to < n; to++) {
        const edge = run.edges[from][to];
        if (edge) yield { from, to, edge, way: this.way(from, to, n) };
      }
  }

  private stroke(
    context: CanvasRenderingContext2D,
    edge: Edge,
    way: Way,
    isFocused: boolean,
    style: Style,
  ): void {
    const share = this.shareOf(edge);
    context.strokeStyle = edge.reachable ? lossColor(edge.loss, style.isDark) : style.away;
    context.lineWidth = edge.reachable ? 0.75 + 2.6 * share : 1;
    context.setLineDash(edge.reachable ? [] : [3, 5]);
    context.globalAlpha = (isFocused ? 1 : 0.16) * (edge.reachable ? 0.3 + 0.35 * share : 0.6);
    context.beginPath();
    context.moveTo(way.a.x, way.a.y);
    context.quadraticCurveTo(way.bend.x, way.bend.y, way.b.x, way.b.y);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  private shareOf(edge: Edge): number {
    return Math.sqrt(Math.min(1, edge.rate / this.most));
  }

  private allDots(run: Run, focus: number, style: Style, seconds: number): void {
    const n = run.members.length;
    for (const { from, to, edge, way } of this.paths(run))
      if (edge.reachable && edge.rate >= 100 && (focus < 0 || from === focus || to === focus))
        this.dots(edge, way, from * n + to, { share: this.shareOf(edge), style, seconds });
  }

  /** Dots move as long as a round trip suggests, only slower: what takes 20 ms would be seen by nobody. */
  private dots(
    edge: Edge,
    way: Way,
    id: number,
    { share, style, seconds }: { share: number; style: Style; seconds: number },
  ): void {
    const { context } = this;
    const speed = 0.55 / (0.5 + Math.min(1, (edge.rttMs ?? 50) / 200));
    const phase = ((this.phases.get(id) ?? (id * 0.618) % 1) + seconds * speed) % 1e6;
    this.phases.set(id, phase);
    const count = 1 + Math.round(6 * share);
    const size = 1.2 + 1.1 * share;
    const color = lossColor(edge.loss, style.isDark);
    context.fillStyle = color;
    for (let i = 0; i < count; i++) {
      const turn = phase + i / count;
      const t = turn % 1;
      const isLost = noise(id * 31 + i * 7 + Math.floor(turn) * 131) < edge.loss;
      if (isLost && t > 0.55) {
        // It leaves the stream and is gone.
        const fall = (t - 0.55) / 0.25;
        if (fall > 1) continue;
        const p = along(way, t);
        const q = along(way, Math.min(1, t + 0.02));
        const [nx, ny] = [-(q.y - p.y), q.x - p.x];
        const length = Math.hypot(nx, ny) || 1;
        context.globalAlpha = 1 - fall;
        context.fillStyle = style.bad;
        dot(context, p.x + (nx / length) * fall * 16, p.y + (ny / length) * fall * 16, size);
        context.fillStyle = color;
        context.globalAlpha = 1;
        continue;
      }
      const p = along(way, t);
      dot(context, p.x, p.y, size);
    }
  }

  private member(
    context: CanvasRenderingContext2D,
    run: Run,
    member: number,
    isSelected: boolean,
    style: Style,
  ): void {
    const { x, y } = this.places[member];
    const radius = radiusOf(run.members.length);
    const isAway = isAwayFor(run, member);
    const color = isAway ? style.away : memberColor(member, style.isDark);
    context.globalAlpha = 1;
    context.fillStyle = style.panel;
    context.beginPath();
    context.arc(x, y, radius + 3, 0, TURN);
    context.fill();
    context.lineWidth = 3;
    context.strokeStyle = style.track;
    context.beginPath();
    context.arc(x, y, radius, 0, TURN);
    context.stroke();
    context.strokeStyle = color;
    context.beginPath();
    context.arc(x, y, radius, -TURN / 4, -TURN / 4 + TURN * shareHeld(run, member));
    context.stroke();
    context.globalAlpha = isSelected ? 0.3 : 0.12;
    context.fillStyle = color;
    context.beginPath();
    context.arc(x, y, radius - 3, 0, TURN);
    context.fill();
    context.globalAlpha = 1;
    const name = run.members[member];
    context.fillStyle = isAway ? style.muted : style.ink;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.font = `600 ${radius > 22 ? 12 : 10.5}px ${style.font}`;
    if (context.measureText(name).width < 2 * radius - 8) context.fillText(name, x, y);
    else {
      const text = name.length > 18 ? `${name.slice(0, 17)}…` : name;
      // Ways that cross it end at its letters.
      context.strokeStyle = style.panel;
      context.lineWidth = 4;
      context.lineJoin = 'round';
      context.strokeText(text, x, y + radius + 12);
      context.fillText(text, x, y + radius + 12);
      context.fillText(String(member + 1), x, y);
    }
    if (isAway) {
      context.font = `10px ${style.font}`;
      context.fillText('away', x, y - radius - 10);
    }
  }

  private way(from: number, to: number, n: number): Way {
    const [p, q] = [this.places[from], this.places[to]];
    const [dx, dy] = [q.x - p.x, q.y - p.y];
    const length = Math.hypot(dx, dy) || 1;
    const [ux, uy] = [dx / length, dy / length];
    const gap = radiusOf(n) + 6;
    const side = n > 8 ? 5 : 9;
    const offset = { x: -uy * side, y: ux * side };
    const curve = Math.min(26, length * 0.07);
    return {
      a: { x: p.x + ux * gap + offset.x * 0.5, y: p.y + uy * gap + offset.y * 0.5 },
      b: { x: q.x - ux * gap + offset.x * 0.5, y: q.y - uy * gap + offset.y * 0.5 },
      bend: {
        x: (p.x + q.x) / 2 + offset.x - uy * curve,
        y: (p.y + q.y) / 2 + offset.y + ux * curve,
      },
    };
  }

  private at(event: PointerEvent | MouseEvent): number {
    const { left, top } = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const reach = radiusOf(this.places.length) + 8;
    return this.places.findIndex((place) => Math.hypot(place.x - x, place.y - y) < reach);
  }
}

function drawLabel(context: CanvasRenderingContext2D, edge: Edge, { x, y }: Point, style: Style): void {
  const text = edge.rate < 100 ? shareText(edge.loss) : `${rateText(edge.rate)} · ${shareText(edge.loss)}`;
  context.font = `10.5px ${style.font}`;
  const width = context.measureText(text).width + 10;
  context.globalAlpha = 0.86;
  context.fillStyle = style.panel;
  context.beginPath();
  context.roundRect(x - width / 2, y - 8, width, 16, 8);
  context.fill();
  context.globalAlpha = 1;
  context.fillStyle = lossColor(edge.loss, style.isDark);
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(text, x, y + 0.5);
}

/** In a ring, the first on top; around the only one that looks. */
function placesOf(run: Run, width: number, height: number): Point[] {
  const n = run.members.length;
  const center = { x: width / 2, y: height / 2 + 2 };
  const [rx, ry] = [width / 2 - 70, height / 2 - 46];
  const { viewers } = run;
  const middle = viewers.length === 1 && n > 2 ? viewers[0] : -1;
  const ring = n - (middle >= 0 ? 1 : 0);
  let place = 0;
  return run.members.map((_, member) => {
    if (member === middle) return center;
    const angle = TURN * (place++ / ring) - TURN / 4;
    // A superellipse: on a wide panel the sides are used, too.
    const power = (value: number) => Math.sign(value) * Math.abs(value) ** 0.85;
    return { x: center.x + rx * power(Math.cos(angle)), y: center.y + ry * power(Math.sin(angle)) };
  });
}

function isAwayFor(run: Run, member: number): boolean {
  const seen = run.edges.flatMap((row) => row[member] ?? []);
  return seen.length > 0 && seen.every(({ reachable }) => !reachable);
}

/** Of the objects that are drawn: how much a member holds. */
export function shareHeld(run: Run, member: number): number {
  let [held, all] = [0, 0];
  for (const object of run.objects.values()) {
    if (object.state[member] === Holding.source) continue;
    held += Math.min(object.held[member], object.symbols);
    all += object.symbols;
  }
  return all === 0 ? 1 : held / all;
}

function radiusOf(members: number): number {
  return members <= 8 ? 27 : members <= 20 ? 18 : 11;
}

function along({ a, bend, b }: Way, t: number): Point {
  const s = 1 - t;
  return {
    x: s * s * a.x + 2 * s * t * bend.x + t * t * b.x,
    y: s * s * a.y + 2 * s * t * bend.y + t * t * b.y,
  };
}

function dot(context: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  context.beginPath();
  context.arc(x, y, size, 0, TURN);
  context.fill();
}

/** The same number for the same place: a dot that is lost stays lost. */
function noise(seed: number): number {
  const x = Math.sin(seed * 12.9898) * 43758.5453;
  return x - Math.floor(x);
}

const TURN = 2 * Math.PI;
/** Seconds that layers are kept at most. */
const LAYERS_S = 0.5;
/** Bytes per second. */
const BUSY = 50_000;
/** Up to so many members each path has its figures beside it; of more those of the chosen member do. */
const LABELLED = 6;
