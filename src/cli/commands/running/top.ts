/** `headwater top`: what a running member does, as a screen that is drawn again each second. */
import type { Command } from 'commander';
import { askStatus, controlOf, type RunningOptions, runningCommand } from '../../control.js';
import { fired, number, print, sleep, untilInterrupted } from '../../io.js';
import { columnsOf, type Style } from '../../terminal/terminal.js';
import { type ScreenLine, topScreen } from '../../terminal/top.js';

interface Options extends RunningOptions {
  interval: number;
}

export function topCommand(program: Command): void {
  runningCommand(
    program,
    'top',
    'watch a running member: what is wrong, its paths and objects, until it is told to stop',
  )
    .option('--interval <seconds>', 'time between two looks', number(0.1, 3600), 1)
    .action((options: Options) => untilInterrupted((signal) => watch(options, signal)));
}

async function watch(options: Options, signal: AbortSignal): Promise<void> {
  const path = controlOf(options);
  const stopped = fired(signal);
  // That there is one is found out before the screen is taken.
  let lines: ScreenLine[] = screen(await askStatus(path));
  const isTerminal = process.stdout.isTTY;
  if (isTerminal) process.stdout.write(ENTER);
  try {
    while (!signal.aborted) {
      if (isTerminal) process.stdout.write(HOME);
      for (const { text, kind } of lines) print(text, kind && STYLES[kind]);
      process.stdout.write(isTerminal ? CLEAR : '\n');
      await Promise.race([sleep(options.interval * 1000), stopped]);
      if (signal.aborted) break;
      lines = await askStatus(path).then(screen, (error: Error) => [
        ...lines.filter(({ kind }) => kind === 'head'),
        { text: error.message.slice(0, columnsOf()), kind: 'wrong' },
      ]);
    }
  } finally {
    if (isTerminal) process.stdout.write(LEAVE);
  }
}

/** One line less than the terminal has, so that nothing scrolls. */
function screen(status: Parameters<typeof topScreen>[0]): ScreenLine[] {
  const { rows = 25 } = process.stdout;
  const time = new Date().toTimeString().slice(0, 8);
  return topScreen(status, { columns: columnsOf(), rows: Math.max(4, rows - 1), time });
}

const STYLES: Record<NonNullable<ScreenLine['kind']>, Style> = {
  head: 'bold',
  title: 'bold',
  warning: 'yellow',
  away: 'yellow',
  wrong: 'red',
};
/** The other screen, without a cursor (xterm, DECTCEM), and back. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H\u001b[2J';
const CLEAR = '\u001b[J';
