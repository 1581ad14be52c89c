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
  tile('quorum', worst ? `${worst.have} of ${worst.need}` : '–');
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
      label.textContent = timeText(bounds[i]);
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

  draw(run: Run, style: Style): void {
    const last = run.events[run.events.length - 1];
    if (last === this.drawn && run === this.run) return;
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

export function drawWarnings(run: Run): void {
  const told = new Map<string, string>();
  for (const sight of run.sights)
    for (const { code, text } of sight?.warnings ?? [])
      told.set(`${sight!.name} ${code} ${text}`, `${sight!.name}: ${text}`);
  const list = element('warnings');
  const key = [...told.keys()].join();
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(
    ...[...told.values()].slice(0, 4).map((text) => {
      const line = document.createElement('li');
      line.textContent = text;
      return line;
    }),
  );
  if (told.size > 4) {
    const more = document.createElement('li');
    more.textContent = `and ${told.size - 4} more`;
    list.append(more);
  }
}

const BOUNDS = [
  10, 25, 50, 100, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 5000, 10_000, 30_000, 60_000,
];
const SHOWN = 100;
