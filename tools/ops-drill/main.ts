/**
 * `npm run ops-drill`: breaks a group in one way after the other, and asks `headwater status` of one member what is wrong. Out: a table of
 * the fault, what the status said, and after how many seconds; exit code 1 if it has not said so.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { readOptions } from '../options.js';
import { FAULTS, type Fault } from './faults.js';
import { Yard } from './yard.js';

const PATIENCE_MS = 40_000;
const POLL_MS = 500;

const { values } = readOptions({ args: argv.slice(2), options: { only: { type: 'string' } } });
const chosen = FAULTS.filter(({ name }) => values.only === undefined || name.includes(values.only));
let missed = 0;
row('fault', 'seconds', 'what status said');
for (const fault of chosen) {
  if (fault.skip) {
    row(fault.name, '-', `not staged: ${fault.skip}`);
    continue;
  }
  const found = await drill(fault).catch((error: Error) => error);
  if (found instanceof Error) missed++;
  if (found instanceof Error) row(fault.name, '-', `FAILED: ${found.message}`);
  else row(fault.name, found.seconds.toFixed(1), `${fault.says}: ${found.text}`);
}
exit(missed > 0 || chosen.length === 0 ? 1 : 0);

async function drill({
  name,
  link,
  stage,
  says,
  of = undefined,
}: Fault): Promise<{ seconds: number; text: string }> {
  const yard = await Yard.open(mkdtempSync(join(tmpdir(), 'headwater-drill-')), link);
  try {
    await stage(yard);
    const since = performance.now();
    const store = name === 'full disk' ? 'disk/a.store' : 'a.store';
    let said: string[] = [];
    while (performance.now() - since < PATIENCE_MS) {
      const { warnings } = await yard.status(store);
      const found = warnings.find(({ code, member }) => code === says && (of === undefined || member === of));
      if (found) return { seconds: (performance.now() - since) / 1000, text: found.text };
      said = warnings.map(({ code, member }) => `${code} ${member ?? ''}`.trim());
      await sleep(POLL_MS);
    }
    throw new Error(`expected ${says} of ${of ?? 'nobody'}, got ${said.join(', ') || 'no warning'}`);
  } finally {
    await yard.close();
  }
}

function row(...[fault, seconds, said]: [string, string, string]): void {
  stdout.write(`${fault.padEnd(26)}${seconds.padStart(8)}  ${said}\n`);
}
