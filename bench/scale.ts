/**
 * A large group in the simulator: what the processor and the memory pay for three messages to 512 members. In: options. Out:
 * CPU seconds of this process and the most that it held.
 */
import { resourceUsage } from 'node:process';
import { readOptions } from '../tools/options.js';
import { runGroup } from '../tools/search/sim/group.js';
import { report, row } from './report.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const members = Number(values.members);
  const group = { seed: 'group', members, loss: 0.02, delay: 20, messages: 3, size: 1000 };
  const { deliveries, cpuSeconds } = await runGroup(group);
  // Handshakes and VECTORs are one for each pair: what they may cost grows with the square.
  const share = (members / 512) ** 2;
  const name = `${members} members, three messages, simulated`;
  const rows = [
    row(`${name}: share delivered`, deliveries / (3 * members), 'min', 1, 1),
    row(`${name}, CPU s`, cpuSeconds, 'max', 150 * share, 60 * share),
    row(`${name}, memory, GB`, resourceUsage().maxRSS / 1e6, 'max', BASE + (1.5 - BASE) * share),
  ];
  if (!report(rows, values.json)) process.exitCode = 1;
}

const OPTIONS = {
  members: { type: 'string', default: '512' },
  json: { type: 'boolean', default: false },
} as const;
/** GB that Node and the code take themselves. */
const BASE = 0.1;
