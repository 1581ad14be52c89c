/** What is said in words and small figures: the tiles, the distribution of times, the events. In: a run. Out: elements of the page. */
import type { Run } from './run.js';
import { memberColor, rateText, type Style, shareText, timeText } from './style.js';
import { shareHeld } from './topology.js';

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function drawTiles(run: Run): void {
  const edges = run.edges.flat().filter((edge) => edge !== undefined);
  const live = edges.filter(({ reachable }) => reachable);
  const rate = live.reduce((sum, edge) => sum + edge.rate, 0);
  // As much as goes over them.
  const weight = live.reduce((sum, edge) => sum + edge.rate + 1, 0);
  const loss = live.reduce((sum, edge) => sum + (edge.rate + 1) * edge.loss, 0) / Math.max(1, weight);
  const trips = live.flatMap(({ rttMs }) => rttMs ?? []).toSorted((a, b) => a - b);
  const held = run.members.map((_, member) => shareHeld(run, member));
  const quorums = run.sights.flatMap((sight) => sight?.quorum ?? []);
  const worst = quorums.toSorted((a, b) => a.have - a.need - (b.have - b.need))[0];
  tile('rate', live.length > 0 ? rateText(rate) : '–');
  tile('loss', live.length > 0 ? shareText(loss) : '–');
  tile('rtt', trips.length > 0 ? timeText(trips[trips.length >> 1]) : '–');
  tile('held', run.objects.size > 0 ? shareText(Math.min(...held)) : '–');
  tile('objects', String(run.objects.size));
  tile('quorum', worst ? `${worst.have} / ${worst.need}` : '–');
  element('tile-quorum').classList.toggle('wrong', worst !== undefined && worst.have < worst.need);
}

function tile(name: string, text: string): void {
  const value = element(`tile-${name}`);
  if (value.textContent !== text) value.textContent = text;
}

/** Own messages until they are delivered, as members count them; where there are none, how long objects took to be held. */
export class TimesPanel {
  private drawn = '';

  draw(run: Run): void {
    const counted = run.sights.flatMap((sight) => (sight?.delivery?.meanMs != null ? sight.delivery : []));
    const isCounted = counted.length > 0;
    const bounds = isCounted ? counted[0].boundsMs : BOUNDS;
    const counts = isCounted
      ? bounds.map((_, i) => counted.reduce((sum, { counts: each }) => sum + each[i], 0))
      : histogram(run.times);
    const above = isCounted ? counted.reduce((sum, { counts: each }) => sum + each[bounds.length], 0) : 0;
    const key = `${isCounted} ${counts}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const all = counts.reduce((sum, count) => sum + count, above);
    element('times-what').textContent = isCounted
      ? 'own messages, from durable to delivered'
      : 'objects, from first seen until held';
    const host = element('times');
    host.replaceChildren();
    element('times-none').hidden = all > 0;
    element('times-words').textContent =
      all === 0
        ? ''
        : `${all.toLocaleString('en')} in all · half within ${timeText(quantile(bounds, counts, all * 0.5))} · 99 % within ${timeText(quantile(bounds, counts, all * 0.99))}`;
    if (all === 0) return;
    const most = Math.max(...counts);
    const first = Math.max(0, counts.findIndex((count) => count > 0) - 1);
    const last = Math.min(counts.length, counts.findLastIndex((count) => count > 0) + 2);
    for (let i = first; i < last; i++) {
      const column = document.createElement('div');
      column.title = `${counts[i]} within ${timeText(bounds[i])}`;
      const bar = document.createElement('i');
      bar.style.height = `${counts[i] === 0 ? 0 : Math.max(2, (100 * counts[i]) / most)}%`;
      const label = document.createElement('span');
      // Where there are many there is room for every other.
      if (last - first <= 9 || (i - first) % 2 === 1) label.textContent = timeText(bounds[i]);
      else label.textContent = '\u00a0';
      const box = document.createElement('b');
      box.append(bar);
      column.append(box, label);
      host.append(column);
    }
  }
}

function histogram(times: readonly number[]): number[] {
  const counts = BOUNDS.map(() => 0);
  for (const time of times) {
    const found = BOUNDS.findIndex((bound) => time <= bound);
    counts[found < 0 ? BOUNDS.length - 1 : found]++;
  }
  return counts;
}

/** The bound below which so many are. */
function quantile(bounds: readonly number[], counts: readonly number[], wanted: number): number {
  let below = 0;
  for (let i = 0; i < bounds.length; i++) {
    below += counts[i];
    if (below >= wanted) return bounds[i];
  }
  return bounds[bounds.length - 1];
}

export class EventsPanel {
  private drawn: unknown;
  private run: Run | undefined;
  private isDark = false;

  draw(run: Run, style: Style): void {
    const last = run.events[run.events.length - 1];
    if (last === this.drawn && run === this.run && style.isDark === this.isDark) return;
    this.isDark = style.isDark;
    this.drawn = last;
    this.run = run;
    const isWall = run.at > 1e12;
    const lines = run.events
      .slice(-SHOWN)
      .reverse()
      .map(({ at, member, kind, text }) => {
        const line = document.createElement('li');
        line.className = kind;
        const time = document.createElement('time');
        time.textContent = isWall
          ? new Date(at).toLocaleTimeString('en-GB')
          : `${((at - run.firstAt) / 1000).toFixed(2)} s`;
        const who = document.createElement('b');
        who.textContent = member;
        const place = run.members.indexOf(member);
        if (place >= 0) who.style.color = memberColor(place, style.isDark);
        const words = document.createElement('span');
        words.textContent = text;
        line.append(time, who, words);
        return line;
      });
    element('events').replaceChildren(...lines);
    element('events-none').hidden = lines.length > 0;
  }
}

/** What is wrong now: a line for each kind of it, with those that say so. */
export function drawWarnings(run: Run): void {
  const told = new Map<string, { who: string[]; text: string }>();
  for (const sight of run.sights)
    for (const { code, text } of sight?.warnings ?? []) {
      const one = told.get(code) ?? { who: [], text };
      if (!one.who.includes(sight!.name)) one.who.push(sight!.name);
      told.set(code, one);
    }
  const list = element('warnings');
  const key = JSON.stringify([...told]);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(
    ...[...told].map(([code, { who, text }]) => {
      const line = document.createElement('li');
      const name = document.createElement('b');
      name.textContent = code;
      const more =
        who.length > 4 ? `${who.slice(0, 3).join(', ')} and ${who.length - 3} more` : who.join(', ');
      line.append(name, ` ${more}: ${text}`);
      return line;
    }),
  );
}

const BOUNDS = [
  10, 25, 50, 100, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000, 60_000,
];
const SHOWN = 100;
