/** The page: takes what the server sends, and draws it. In: /events. Out: everything that is seen. */
import type { Tick } from '../../../node/status/sight.js';
import { ObjectField } from './objects.js';
import { drawTiles, drawWarnings, EventsPanel, element, TimesPanel } from './panels.js';
import { PathCharts } from './paths.js';
import { Player } from './player.js';
import type { RunEvent } from './run.js';
import { memberColor, readStyle, timeText } from './style.js';
import { Topology } from './topology.js';

interface Start {
  title: string;
  kind: 'live' | 'recording';
  members: string[];
  events: RunEvent[];
}

let player: Player | undefined;
let kind: Start['kind'] = 'live';
/** As its user chose; else the first that looks. */
let selected = -1;
let style = readStyle();
let lastFrame = 0;
let lastWords = 0;
let lastCharts = 0;
let shownSelection = '';

const topology = new Topology(element('topology'), (member) => {
  selected = member;
});
const objects = new ObjectField(element('objects'), element('tip'));
const charts = new PathCharts(element('charts'));
const times = new TimesPanel();
const events = new EventsPanel();

function listen(): void {
  const source = new EventSource('events');
  source.addEventListener('start', ({ data }) => begin(JSON.parse(data) as Start));
  source.addEventListener('tick', ({ data }) => player?.add(JSON.parse(data) as Tick));
  source.addEventListener('over', () => {
    source.close();
    state(kind === 'recording' ? 'a recording' : 'over', 'over');
  });
  source.addEventListener('error', () => {
    if (source.readyState !== EventSource.CLOSED) state('not connected, trying again', 'wrong');
    else state('not connected', 'wrong');
  });
}

function begin(start: Start): void {
  ({ kind } = start);
  player = new Player(start.members, kind === 'live', start.events);
  if (selected >= start.members.length) selected = -1;
  document.title = `${start.title} · headwater`;
  element('title').textContent = start.title;
  document.body.dataset.kind = kind;
  state(kind === 'live' ? 'live' : 'a recording', kind);
  element('member').replaceChildren(
    ...start.members.map((name, member) => {
      const option = document.createElement('option');
      option.value = String(member);
      option.textContent = name;
      return option;
    }),
  );
  shownSelection = '';
}

function state(text: string, name: string): void {
  const chip = element('state');
  chip.textContent = text;
  chip.className = `chip ${name}`;
}

function frame(now: number): void {
  requestAnimationFrame(frame);
  const seconds = Math.min(0.1, (now - lastFrame) / 1000);
  lastFrame = now;
  if (!player) return;
  player.pass(seconds);
  const { run } = player;
  element('nothing').hidden = !player.isEmpty;
  const { viewers } = run;
  const viewer = run.sights[selected] ? selected : (viewers[0] ?? -1);
  topology.draw(run, selected < 0 ? viewer : selected, style, player.isPaused ? 0 : seconds);
  objects.draw(run, style);
  if (now - lastWords < WORDS_MS) return;
  lastWords = now;
  // Many lines take long to draw.
  if (viewer >= 0 && now - lastCharts >= (run.members.length > 8 ? 500 : WORDS_MS)) {
    lastCharts = now;
    charts.draw(run, viewer, style);
  }
  legend(viewer);
  drawTiles(run);
  drawWarnings(run);
  times.draw(run);
  events.draw(run, style);
  controls(player);
}

/** Which line is whose. */
function legend(viewer: number): void {
  const { members } = player!.run;
  const key = `${viewer} ${members} ${style.isDark}`;
  if (key === shownSelection) return;
  shownSelection = key;
  element<HTMLSelectElement>('member').value = String(viewer);
  element('legend').replaceChildren(
    ...members.flatMap((name, member) => {
      if (member === viewer) return [];
      const chip = document.createElement('span');
      const dot = document.createElement('i');
      dot.style.background = memberColor(member, style.isDark);
      chip.append(dot, name);
      return [chip];
    }),
  );
}

function controls(shown: Player): void {
  const { start, end, now, isPaused, isFollowing } = shown;
  const slider = element<HTMLInputElement>('moment');
  slider.max = String(end - start);
  if (document.activeElement !== slider || !isPaused) slider.value = String(now - start);
  slider.style.setProperty('--part', `${end > start ? (100 * (now - start)) / (end - start) : 100}%`);
  const isAtEnd = !isFollowing && now >= end;
  element('play').textContent = isPaused || (isAtEnd && kind === 'recording') ? '▶' : '❚❚';
  element('clock').textContent = `${timeText(now - start)} of ${timeText(end - start)}`;
  element('follow').hidden = isFollowing || kind === 'recording';
}

function setTheme(theme: string | null): void {
  if (theme) document.documentElement.dataset.theme = theme;
  style = readStyle();
  lastWords = 0;
  lastCharts = 0;
}

element('theme').addEventListener('click', () => {
  const theme = style.isDark ? 'light' : 'dark';
  localStorage.setItem('headwater-theme', theme);
  setTheme(theme);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => setTheme(null));
element('play').addEventListener('click', () => player?.toggle());
element('follow').addEventListener('click', () => player?.follow());
element('moment').addEventListener('input', ({ target }) => {
  player?.seek(player.start + Number((target as HTMLInputElement).value));
});
element('speed').addEventListener('change', ({ target }) => {
  if (player) player.speed = Number((target as HTMLSelectElement).value);
});
element('member').addEventListener('change', ({ target }) => {
  selected = Number((target as HTMLSelectElement).value);
});
document.addEventListener('keydown', (event) => {
  if (event.code !== 'Space' || event.target !== document.body) return;
  event.preventDefault();
  player?.toggle();
});

/** Words and charts change no faster than they can be read. */
const WORDS_MS = 200;

setTheme(localStorage.getItem('headwater-theme'));
listen();
requestAnimationFrame(frame);
