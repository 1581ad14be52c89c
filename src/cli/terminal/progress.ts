/** Progress on stderr where that is a terminal, a line for each of several; nothing where it is a pipe. */
import { MultiBar, type SingleBar } from 'cli-progress';
import { formatBytes } from '../io.js';
import { COLUMNS, columnsOf } from './terminal.js';

/** How far one of them is, in bytes. */
export interface Progress {
  name: string;
  done: number;
  total: number;
  /** In place of the time that is left. */
  state?: string;
}

/** Shows what `poll` says, several times a second, until `stop`. */
export function createProgress(mode: 'bar' | 'silent', poll: () => readonly Progress[]): { stop(): void } {
  if (mode === 'silent' || !process.stderr.isTTY) return { stop() {} };
  const rows = new Map<string, Row>();
  let multi: MultiBar | undefined;
  const update = () => {
    const all = poll().slice(0, MAX_ROWS);
    if (all.length === 0) {
      multi?.stop();
      multi = undefined;
      rows.clear();
      return;
    }
    multi ??= new MultiBar({
      format:
        columnsOf(process.stderr) < COLUMNS
          ? '{name} {percentage}% {rate} {left}'
          : '{name} [{bar}] {percentage}%  {amount}  {rate}  {left}',
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      barsize: 10,
    });
    for (const progress of all) {
      const row = rows.get(progress.name) ?? {
        bar: multi.create(progress.total, 0, shown(progress, 0)),
        past: [],
      };
      rows.set(progress.name, row);
      row.bar.setTotal(progress.total);
      row.bar.update(progress.done, shown(progress, rateOf(row, progress.done)));
    }
  };
  const timer = setInterval(update, 100);
  return {
    stop() {
      clearInterval(timer);
      update();
      multi?.stop();
    },
  };
}

/** What stands beside the bar; `rate` in bytes a second. */
export function shown({ name, done, total, state }: Progress, rate: number) {
  const left = done >= total ? '' : rate > 0 ? `${duration((total - done) / rate)} left` : '';
  return {
    name: name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name.padEnd(NAME),
    amount: `${formatBytes(done)}/${formatBytes(total)}`,
    rate: rate > 0 ? `${formatBytes(Math.round(rate))}/s` : '-',
    left: state ?? left,
  };
}

/** Over the last seconds. */
function rateOf({ past }: Row, done: number): number {
  const now = performance.now();
  past.push({ at: now, done });
  while (past.length > 2 && now - past[0].at > RATE_MS) past.shift();
  const [first] = past;
  return now > first.at ? (1000 * Math.max(0, done - first.done)) / (now - first.at) : 0;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

interface Row {
  bar: SingleBar;
  past: { at: number; done: number }[];
}

const RATE_MS = 5000;
const NAME = 12;
const MAX_ROWS = 16;
