/**
 * What watchers of a live page are sent, as server-sent events. In: ticks. Out: to each watcher what it needs to begin with, then each
 * tick as it comes; one that is slow gets none until it has read what there is, and then begins again.
 */
import type { ServerResponse } from 'node:http';
import type { Happening, ObjectSight, Sight, Tick } from '../../node/status/sight.js';
import { plainText } from '../events.js';

/** What a page is told first: what it is about. */
export interface Beginning {
  title: string;
  kind: 'live' | 'recording';
  /** Names of all members, in the order of the group. */
  members: string[];
}

/** What a member last saw, with all objects that are drawn, and which of them are over. */
interface Seen {
  sight: Sight;
  objects: Map<string, ObjectSight>;
  over: Set<string>;
}

export class Feed {
  private readonly beginning: Beginning;
  private readonly watchers = new Map<ServerResponse, { isBehind: boolean }>();
  private readonly waiters = new Set<() => void>();
  private readonly seen = new Map<string, Seen>();
  private readonly events: { at: number; event: Happening }[] = [];
  /** Ticks without objects, a second apart. */
  private readonly history: Tick[] = [];
  private rows = 0;
  private at = 0;

  constructor(beginning: Beginning) {
    this.beginning = beginning;
  }

  get isWatched(): boolean {
    return this.watchers.size > 0;
  }

  /** Resolves when somebody watches. */
  watched(): Promise<void> {
    return this.isWatched ? Promise.resolve() : new Promise((done) => this.waiters.add(done));
  }

  /** A watcher has come. */
  watch(response: ServerResponse): void {
    this.watchers.set(response, { isBehind: false });
    response.once('close', () => this.watchers.delete(response));
    response.on('error', () => response.destroy());
    this.begin(response);
    for (const wake of this.waiters) wake();
    this.waiters.clear();
  }

  push(tick: Tick): void {
    this.keep(tick);
    if (!this.isWatched) return;
    const text = message('tick', tick);
    for (const [response, watcher] of this.watchers)
      if (response.writableLength > MAX_BACKLOG) watcher.isBehind = true;
      else if (watcher.isBehind) {
        watcher.isBehind = false;
        this.begin(response);
      } else response.write(text);
  }

  /** Nothing more will happen: who watches is told so. */
  end(): void {
    for (const response of this.watchers.keys()) response.write(message('over', {}));
  }

  /** A page that loses its member asks again after a second. */
  private begin(response: ServerResponse): void {
    const events = this.events.map(({ at, event }) => ({ ...event, at }));
    response.write(`retry: 1000\n${message('start', { ...this.beginning, events })}`);
    for (const tick of this.history) response.write(message('tick', tick));
    if (this.seen.size > 0) {
      const sights = [...this.seen.values()].map(({ sight, objects, over }) => ({
        ...sight,
        objects: [...objects.values()],
        over: [...over],
      }));
      response.write(message('tick', { at: this.at, sights, events: [] }));
    }
  }

  private keep(tick: Tick): void {
    this.at = tick.at;
    for (const sight of tick.sights) {
      const { objects, over } = this.seen.get(sight.name) ?? { objects: new Map(), over: new Set<string>() };
      for (const object of sight.objects) objects.set(object.name, object);
      for (const name of objects.keys()) {
        if (objects.size <= MAX_OBJECTS) break;
        objects.delete(name);
        over.delete(name);
      }
      for (const name of sight.over) if (objects.has(name)) over.add(name);
      this.seen.set(sight.name, { sight, objects, over });
    }
    this.events.push(...tick.events.map((event) => ({ at: tick.at, event })));
    this.events.splice(0, this.events.length - MAX_EVENTS);
    const last = this.history[this.history.length - 1];
    if (tick.sights.length === 0 || (last && tick.at - last.at < HISTORY_MS)) return;
    this.history.push({
      at: tick.at,
      sights: tick.sights.map((sight) => ({ ...sight, objects: [], over: [] })),
      events: [],
    });
    this.rows += rowsOf(tick);
    while (this.rows > MAX_ROWS && this.history.length > 1) this.rows -= rowsOf(this.history.shift()!);
  }
}

/** An event in words; the page has its time and its kind elsewhere. */
export function wordsOf(plain: { type: unknown } & Record<string, unknown>): string | undefined {
  if (plain.type !== 'warning') return plainText(plain);
  return plain.state === 'over' ? `over: ${plain.text}` : String(plain.text);
}

/** One event of `text/event-stream`. */
export function message(type: string, data: object): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

export function rowsOf({ sights }: Tick): number {
  return sights.reduce((sum, { peers }) => sum + 1 + peers.length, 0);
}

/** Bytes that wait for a watcher before it is left to catch up. */
const MAX_BACKLOG = 4 << 20;
const MAX_OBJECTS = 1000;
const MAX_EVENTS = 200;
const HISTORY_MS = 1000;
/** Paths in all ticks that are kept: five minutes of a member with 50 peers, or one of sixteen members. */
const MAX_ROWS = 15_000;
