/** npm run plot -- TRACE... [--out FILE.svg] [--title TEXT]: one SVG of all traces on one axis of time. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { argv, stderr, stdout } from 'node:process';
import { readOptions } from '../options.js';
import { renderChart } from './chart.js';
import { parseTrace, traceChart } from './trace.js';

try {
  const { values, positionals } = readOptions({
    args: argv.slice(2),
    allowPositionals: true,
    options: { out: { type: 'string' }, title: { type: 'string' } },
  });
  if (positionals.length === 0) throw new RangeError('expected trace files, got none');
  const out = values.out ?? `${positionals[0]}.svg`;
  const paths = positionals.flatMap((file) => {
    try {
      return parseTrace(readFileSync(file, 'utf8'));
    } catch (error) {
      throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
    }
  });
  const title = values.title ?? positionals.map((file) => basename(file)).join(', ');
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, renderChart(traceChart(title, paths)));
  stdout.write(`${out}\n`);
} catch (error) {
  stderr.write(`plot: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
