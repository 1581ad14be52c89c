/** `headwater trace`: what a running member sees, recorded for `headwater view` without a change of that member. */
import { performance } from 'node:perf_hooks';
import type { Command } from 'commander';
import { monotonic } from '../../../node/clock.js';
import type { NodeStatus } from '../../../node/status/shape.js';
import { Sights } from '../../../node/status/sights.js';
import { eventLine, sightLine, traceHeader } from '../../../node/trace.js';
import { askStatus, controlOf, type RunningOptions, runningCommand } from '../../control.js';
import { drained, fired, note, number, sleep, untilInterrupted } from '../../io.js';

interface Options extends RunningOptions {
  interval: number;
}

export function traceCommand(program: Command): void {
  runningCommand(
    program,
    'trace',
    'record what a running member sees, until it is told to stop or the member ends: on stdout, for headwater view',
  )
    .option('--interval <seconds>', 'time between two looks', number(0.05, 3600), 0.25)
    .action((options: Options) => untilInterrupted((signal) => record(options, signal)));
}

async function record(options: Options, signal: AbortSignal): Promise<void> {
  const path = controlOf(options);
  const stopped = fired(signal);
  const sights = new Sights();
  let last = await askStatus(path, { detail: true });
  process.stdout.write(traceHeader(last.name, performance.timeOrigin));
  let looks = 0;
  let left = 0;
  for (let status: NodeStatus | undefined = last; status && !signal.aborted; ) {
    // A reader that is slow gets fewer looks, each of them whole.
    if (process.stdout.writableLength < MAX_BACKLOG) {
      const lines = [sightLine(monotonic(), sights.next(status)), ...changes(last, status)];
      process.stdout.write(lines.join(''));
      last = status;
      looks++;
    } else left++;
    await Promise.race([sleep(options.interval * 1000), stopped]);
    status = signal.aborted ? undefined : await askStatus(path, { detail: true }).catch(told);
  }
  note(`${looks} looks recorded${left > 0 ? `, ${left} left out since stdout was not read` : ''}`);
  await drained(GRACE_MS);
}

function told(error: Error): undefined {
  note(`the member has ended: ${error.message}`);
  return undefined;
}

/** Who has come or gone since, and what has begun or is over, as the member's own events would say. */
function changes(before: NodeStatus, after: NodeStatus): string[] {
  const events: { type: string }[] = [];
  for (const { name: member, reachable } of after.peers) {
    const was = before.peers.find(({ name }) => name === member);
    if (was && was.reachable !== reachable)
      events.push({ type: 'peer', member, reachable } as { type: string });
  }
  const isIn = (all: NodeStatus['warnings'], { code, member }: NodeStatus['warnings'][number]) =>
    all.some((each) => each.code === code && each.member === member);
  const warning = (state: string) => (each: NodeStatus['warnings'][number]) =>
    events.push({ type: 'warning', state, ...each, since: Date.parse(each.since) } as { type: string });
  after.warnings.filter((each) => !isIn(before.warnings, each)).forEach(warning('begun'));
  before.warnings.filter((each) => !isIn(after.warnings, each)).forEach(warning('over'));
  return events.map((event) => eventLine(monotonic(), after.name, event));
}

const MAX_BACKLOG = 4 << 20;
/** A reader that is there takes what is under way in this time. */
const GRACE_MS = 500;
