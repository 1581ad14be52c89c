/**
 * Runs one benchmark by name. In: its name, then `--json` for one JSON object instead of a table, and what the benchmark
 * itself takes. Out: the table, exit code 1 if a 'must' does not hold.
 */
import { type BenchRow, report } from './report.js';

const BENCHES: Record<string, () => Promise<(args: string[]) => BenchRow[] | Promise<BenchRow[]>>> = {
  congestion: async () => (await import('./congestion.js')).run,
};

const [name = '', ...args] = process.argv.slice(2);
const load = BENCHES[name];
if (load === undefined) {
  console.error(`usage: bench <${Object.keys(BENCHES).join('|')}> [--json] [--only text]`);
  process.exit(2);
}
const rows = await (await load())(args);
process.exitCode = report(rows, args.includes('--json')) ? 0 : 1;
