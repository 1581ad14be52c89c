/** `headwater status`, `peers` and `drops`: what a running member does, asked of it by its control socket. */
import type { Command } from 'commander';
import type { NodeStatus } from '../../../node/status/shape.js';
import { askStatus, controlOf, type RunningOptions, runningCommand } from '../../control.js';
import { EXIT, fired, print, printJson, sleep, untilInterrupted } from '../../io.js';
import { STANDSTILLS } from '../../logging/level.js';
import { dropLines, peerLines, statusLines } from '../../status-view.js';
import { columnsOf, type Style } from '../../terminal/terminal.js';

interface Options extends RunningOptions {
  watch?: boolean;
  check?: boolean;
  json?: boolean;
}

/** What a command shows: as lines, and as JSON. */
interface View {
  lines(status: NodeStatus, width: number): string[];
  json(status: NodeStatus): object;
}

export function statusCommand(program: Command): void {
  add(program, 'status', 'say what a running member does, and what is wrong with it', {
    lines: statusLines,
    json: (status) => status,
  }).option(
    '--check',
    `end with 1 if nothing is delivered or confirmed (${STANDSTILLS.join(', ')}); without it 0 says only that the member has answered`,
  );
  add(program, 'peers', 'say what a running member knows of each path: round trip, loss, rates, address', {
    lines: peerLines,
    json: ({ peers }) => ({ peers }),
  });
  add(program, 'drops', 'say what a running member has thrown away, and why', {
    lines: dropLines,
    json: ({ metrics, recent }) => ({ drops: metrics.drops, dropsPerSecond: recent.dropsPerSecond }),
  });
}

function add(program: Command, name: string, description: string, view: View): Command {
  return runningCommand(program, name, description)
    .option('--watch', 'again each second, until it is told to stop')
    .option('--json', 'print one JSON object a line')
    .action((options: Options) => untilInterrupted((signal) => show(options, view, signal)));
}

async function show(options: Options, view: View, signal: AbortSignal): Promise<void> {
  const { watch, check, json } = options;
  const control = controlOf(options);
  const stopped = fired(signal);
  const isLive = watch && !json && process.stdout.isTTY;
  do {
    const status = await askStatus(control);
    if (check)
      process.exitCode = status.warnings.some(({ code }) => STANDSTILLS.includes(code))
        ? EXIT.failed
        : EXIT.ok;
    if (isLive) process.stdout.write(CLEAR);
    if (json) printJson(view.json(status));
    else for (const line of view.lines(status, columnsOf())) print(line, styleOf(line));
    if (!watch) return;
    if (!isLive && !json) print('');
    await Promise.race([sleep(WATCH_MS), stopped]);
  } while (!signal.aborted);
}

/** What is wrong stands out. */
function styleOf(line: string): Style | undefined {
  if (line.startsWith('! ')) return 'yellow';
  return /^quorum +NO\b/.test(line) ? 'red' : undefined;
}

const WATCH_MS = 1000;
/** To the top left, and all behind it. */
const CLEAR = '\u001b[H\u001b[J';
