/** Rows that are kept. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './measure.js';

/** Puts rows into a folder, in place of those of the same systems and cases. Returns the file. */
export function keepRows(folder: string, rows: Row[]): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'rows.json');
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { rows: Row[] }).rows : [];
  const replaced = new Set(rows.map(keyOf));
  const all = [...before.filter((row) => !replaced.has(keyOf(row))), ...rows];
  writeFileSync(file, `${JSON.stringify({ rows: all })}\n`);
  return file;
}

function keyOf(row: Row): string {
  const {
    group,
    system,
    mode,
    receivers,
    lossPercent,
    burstPackets,
    rttMs,
    mbit,
    queueBdp,
    policedMbit,
    steps,
    bytes,
  } = row;
  return JSON.stringify([
    group,
    system,
    mode,
    receivers,
    lossPercent,
    burstPackets,
    rttMs,
    mbit,
    queueBdp,
    policedMbit,
    steps,
    bytes,
  ]);
}
