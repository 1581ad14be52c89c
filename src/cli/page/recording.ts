/**
 * Traces as ticks, for the page. In: files that `--trace`, or a recorded simulation, has written. Out: what each member saw, in the order of
 * time; of long runs every other moment, so often that a browser can hold it.
 */
import { createReadStream } from 'node:fs';
import { HeadwaterError } from '../../errors.js';
import type { Sight, Tick } from '../../node/status/sight.js';
import { rowsOf, wordsOf } from './feed.js';

export interface Recording {
  /** Names of all that see or are seen. */
  members: string[];
  ticks: Tick[];
  /** Lines that could not be used. */
  left: number;
}

/** Reads traces. Throws FILE for one that cannot be read, MALFORMED for one that is none, or of which nothing can be drawn. */
export async function readRecording(files: readonly string[]): Promise<Recording> {
  const members = new Set<string>();
  let ticks: Tick[] = [];
  let rows = 0;
  let left = 0;
  for (const file of files) {
    const added = new Trace(file);
    for await (const line of linesOf(file)) {
      const tick = added.take(line);
      if (!tick) continue;
      ticks.push(tick);
      rows += rowsOf(tick);
      for (const { name, peers } of tick.sights)
        for (const seen of [name, ...peers.map((peer) => peer.name)]) members.add(seen);
      if (rows <= MAX_ROWS && ticks.length <= MAX_TICKS) continue;
      ticks = thinned(inOrder(ticks));
      rows = ticks.reduce((sum, each) => sum + rowsOf(each), 0);
    }
    added.check();
    left += added.left;
  }
  return { members: [...members].sort(byName), ticks: inOrder(ticks), left };
}

/** One file, a line at a time. */
class Trace {
  left = 0;
  private readonly file: string;
  private lines = 0;
  private sights = 0;
  private start = 0;

  constructor(file: string) {
    this.file = file;
  }

  take(line: string): Tick | undefined {
    if (this.lines++ === 0) {
      this.start = this.begin(line);
      return undefined;
    }
    // Most lines are of single paths.
    if (!line.includes('"headwater:')) return undefined;
    try {
      const { time, group_id, name, data } = JSON.parse(line);
      if (typeof time !== 'number' || typeof group_id !== 'string') throw new TypeError('no time, or nobody');
      const at = this.start + time;
      if (name === 'headwater:event') {
        const text = typeof data.text === 'string' && data.type === 'note' ? data.text : wordsOf(data);
        if (text === undefined) throw new TypeError('no event');
        return { at, sights: [], events: [{ member: group_id, kind: String(data.type), text }] };
      }
      if (!isSight(data)) throw new TypeError('no sight');
      this.sights++;
      return { at, sights: [data], events: [] };
    } catch {
      this.left++;
      return undefined;
    }
  }

  check(): void {
    if (this.lines === 0) throw this.malformed('a trace', 'an empty file');
    if (this.sights === 0)
      throw this.malformed('at least one headwater:status in it', `none in ${this.lines} lines`);
  }

  private begin(line: string): number {
    try {
      const { qlog_format, trace } = JSON.parse(line);
      const { reference_time } = trace.common_fields;
      if (qlog_format === 'NDJSON' && typeof reference_time === 'number') return reference_time;
    } catch {
      // It is no JSON.
    }
    throw this.malformed('a qlog header with NDJSON in line 1', `'${line.slice(0, 40)}'`);
  }

  private malformed(expected: string, got: string): HeadwaterError {
    return new HeadwaterError('MALFORMED', `trace ${this.file}: expected ${expected}, got ${got}`);
  }
}

/** Lines with an end: one that was cut off is left out, as is one that has none for too long. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const part of createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
      const lines = (rest + part).split('\n');
      rest = lines.pop()!;
      yield* lines;
      if (rest.length > MAX_LINE)
        throw new HeadwaterError(
          'MALFORMED',
          `trace ${file}: expected lines of at most ${MAX_LINE} characters, got a longer one`,
        );
    }
  } catch (cause) {
    if (cause instanceof HeadwaterError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeadwaterError('FILE', `trace: expected a readable file, got ${code} for ${file}`, { cause });
  }
}

/** Whether it is made as `Sights` makes it; fields of figures are drawn as they are. */
function isSight(data: Partial<Sight> | undefined): data is Sight {
  const { name, peers, objects, streams, over, warnings } = data ?? {};
  const areNamed = (list: unknown) =>
    Array.isArray(list) && list.every((each) => typeof each?.name === 'string');
  return (
    typeof name === 'string' &&
    areNamed(peers) &&
    areNamed(objects) &&
    [streams, over, warnings].every(Array.isArray)
  );
}

/** By time; what several members saw at one time is one tick. */
function inOrder(ticks: readonly Tick[]): Tick[] {
  const sorted = ticks.toSorted((a, b) => a.at - b.at);
  const merged: Tick[] = [];
  for (const tick of sorted) {
    const last = merged[merged.length - 1];
    if (last?.at === tick.at) merged[merged.length - 1] = joined(last, tick);
    else merged.push(tick);
  }
  return merged;
}

/** Two ticks as one, half as many rows: of a member that both saw the later sight, with the objects of both. */
function thinned(ticks: readonly Tick[]): Tick[] {
  const half: Tick[] = [];
  for (let i = 0; i < ticks.length; i += 2) half.push(joined(ticks[i], ticks[i + 1]));
  return half;
}

function joined(a: Tick, b: Tick | undefined): Tick {
  if (!b) return a;
  const sights = new Map(a.sights.map((sight) => [sight.name, sight]));
  for (const sight of b.sights) {
    const before = sights.get(sight.name);
    const objects = new Map([...(before?.objects ?? []), ...sight.objects].map((each) => [each.name, each]));
    const over = [...new Set([...(before?.over ?? []), ...sight.over])];
    sights.set(sight.name, { ...sight, objects: [...objects.values()], over });
  }
  return { at: b.at, sights: [...sights.values()], events: [...a.events, ...b.events] };
}

function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

const MAX_LINE = 32 << 20;
const MAX_TICKS = 6000;
/** Paths in all ticks. */
const MAX_ROWS = 250_000;
