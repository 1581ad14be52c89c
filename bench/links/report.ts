/** The report of rows: medians, and a page that opens from disk. In: rows of any number of runs. Out: `rows.json` and `report.html` in a folder. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../tools/lab/lab.js';
import type { Row } from './measure.js';

/** All runs of one system on one case: medians of those that succeeded. */
export interface Summary extends Row {
  runs: number;
  failed: number;
}

/** Puts rows into a folder, in place of those of the same systems and cases. Returns the page. */
export function keepRows(folder: string, rows: Row[]): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'rows.json');
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { rows: Row[] }).rows : [];
  const replaced = new Set(rows.map(keyOf));
  const all = [...before.filter((row) => !replaced.has(keyOf(row))), ...rows];
  writeFileSync(file, `${JSON.stringify({ rows: all })}\n`);
  const page = join(folder, 'report.html');
  writeFileSync(page, renderReport(all));
  return page;
}

export function summarize(rows: readonly Row[]): Summary[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return [...groups.values()].map((all) => {
    const good = all.filter(({ success }) => success);
    const counted = good.length > 0 ? good : all;
    const medians = Object.fromEntries(
      MEASURED.map((name) => [name, median(counted.map((row) => row[name]))]),
    );
    return { ...counted[0], ...medians, runs: all.length, failed: all.length - good.length };
  });
}

function median(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (known.length === 0) return null;
  const middle = known.length >> 1;
  return known.length % 2 === 1 ? known[middle] : (known[middle - 1] + known[middle]) / 2;
}

/** One document: style, code and data are in it, and it asks for nothing. */
export function renderReport(rows: readonly Row[]): string {
  const root = projectRoot();
  const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot'));
  const icon = Buffer.from(read('src/cli/page/client/icon.svg')).toString('base64');
  const style = [
    readFileSync(join(uplot, 'uPlot.min.css'), 'utf8'),
    read('src/cli/page/client/page.css'),
    read('bench/links/page/report.css'),
  ].join('\n');
  // No text of a row may end the script that it is in.
  const data = JSON.stringify(summarize(rows)).replaceAll('<', '\\u003c');
  const code = `${readFileSync(join(uplot, 'uPlot.iife.min.js'), 'utf8')}\n${read('bench/links/page/report.js')}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>headwater: one file over bad links</title>
<link rel="icon" href="data:image/svg+xml;base64,${icon}">
<style>${style}</style>
</head>
<body>
<header>
  <img src="data:image/svg+xml;base64,${icon}" alt="" width="26" height="26">
  <h1>headwater</h1>
  <span id="title">one file over bad links, beside what people use</span>
  <button id="theme" type="button" aria-label="dark or light">◐</button>
</header>
<main class="report">
  <section class="wide words">
    <p>${WORDS}</p>
    <ul id="systems" class="systems" aria-label="systems"></ul>
  </section>
  <div id="figures" class="wide figures"></div>
  <section class="wide">
    <h2>All measurements <small id="count"></small></h2>
    <div class="scroll"><table id="rows"></table></div>
  </section>
</main>
<script type="application/json" id="data">${data}</script>
<script>${code}</script>
</body>
</html>
`;
}

const WORDS = `One file from one node to others, each system in turn, on the same emulated links. Every node has two links, up and down;
a packet from node to node meets both, so a loss of 10 % a link is 19 % of a path. Goodput is the file's bits from the start of the sender's
command until the last receiver has the file. Share is goodput over C(1 − p): C is a link's rate in bytes of IP packets, p the loss of a path.
Values are medians of the runs that succeeded. A hollow point was not done in time: it shows what had come by then.`;

function keyOf(row: Row): string {
  const { group, system, mode, receivers, lossPercent, burstPackets, rttMs, mbit } = row;
  const { queueBdp, policedMbit, steps, bytes } = row;
  const links = [receivers, lossPercent, burstPackets, rttMs, mbit, queueBdp, policedMbit, steps, bytes];
  return JSON.stringify([group, system, mode, ...links]);
}

const MEASURED = [
  'seconds',
  'goodputMbit',
  'share',
  'sentRatio',
  'originRatio',
  'cpuSecondsPerGiB',
  'maxRssMiB',
  'tcpShare',
] as const;
