/**
 * The controller suite: flows over a simulated bottleneck, in virtual time, from fixed seeds. In: `--only text` runs the
 * groups whose name has the text; `--controller name` tries another than the default. Out: one row per question.
 */
import { CONTROLLERS, type ControllerName } from '../../src/congestion/index.js';
import { report } from '../report.js';
import { busy } from './busy.js';
import { draft } from './draft.js';
import { dynamics } from './dynamics.js';
import { faults } from './faults.js';
import { noise } from './noise.js';
import { protection } from './protection.js';
import { randomLoss } from './random-loss.js';
import { sharing } from './sharing.js';
import { thin } from './thin.js';

export async function run(args: string[]): Promise<void> {
  const only = option(args, '--only') ?? '';
  const name = option(args, '--controller') ?? DEFAULT;
  const controller = CONTROLLERS[name as ControllerName];
  if (controller === undefined)
    throw new RangeError(`--controller: expected one of ${Object.keys(CONTROLLERS).join(', ')}, got ${name}`);
  const groups = {
    'random-loss': randomLoss,
    sharing,
    dynamics,
    faults,
    noise,
    busy,
    draft,
    protection,
    thin,
  };
  const rows = Object.entries(groups)
    .filter(([group]) => group.includes(only))
    .flatMap(([, group]) => group(controller));
  process.exitCode = report(rows, args.includes('--json')) ? 0 : 1;
  if (name !== DEFAULT) console.error(`The default is ${DEFAULT}: docs/CONGESTION.md says why.`);
}

const DEFAULT: ControllerName = 'bbr';

function option(args: string[], name: string): string | undefined {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
}
