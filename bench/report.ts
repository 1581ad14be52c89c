/** Rows of a benchmark, and how they are printed. In: rows. Out: a table or one JSON object on standard output. */

export interface BenchRow {
  name: string;
  measured: number;
  /** The bound that must hold, and the one we would like; which side is good is in `sense`. Undefined: reported only. */
  must?: number;
  aim?: number;
  pass: boolean;
}

/** A row of which `measured` must be at least (or at most) `must`. */
export function row(
  name: string,
  measured: number,
  sense: 'min' | 'max' | 'info',
  must?: number,
  aim?: number,
): BenchRow {
  const value = Math.round(measured * 1e4) / 1e4;
  const pass =
    sense === 'info' || must === undefined || (sense === 'min' ? measured >= must : measured <= must);
  const suffix = sense === 'min' ? ' (at least)' : sense === 'max' ? ' (at most)' : '';
  return {
    name: name + suffix,
    measured: value,
    ...(must === undefined ? {} : { must }),
    ...(aim === undefined ? {} : { aim }),
    pass: pass && Number.isFinite(measured),
  };
}

/** Prints the rows; returns whether all passed. */
export function report(rows: BenchRow[], json: boolean): boolean {
  if (json) console.log(JSON.stringify({ rows }));
  else {
    const width = Math.max(...rows.map(({ name }) => name.length));
    const cell = (value: number | undefined) => (value === undefined ? '' : String(value)).padStart(10);
    console.log(
      `${'row'.padEnd(width)}${'measured'.padStart(10)}${'must'.padStart(10)}${'aim'.padStart(10)}`,
    );
    for (const { name, measured, must, aim, pass } of rows)
      console.log(
        `${name.padEnd(width)}${cell(measured)}${cell(must)}${cell(aim)}  ${pass ? 'ok' : 'FAILED'}`,
      );
  }
  return rows.every(({ pass }) => pass);
}
