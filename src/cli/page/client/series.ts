/** What one member has measured of its paths, over time. In: its edges at each tick. Out: columns for charts. */

/** A path, seen from its sender. */
export interface Edge {
  reachable: boolean;
  rttMs: number | null;
  /** Bytes per second that arrive. */
  rate: number;
  loss: number;
  floor: number | null;
  window: number | null;
  /** Loss of the way back. */
  inbound: number;
  state: string;
  /** Totals at a time, from which the rate is made. */
  delivered: number;
  at: number;
}

export type Measure = 'rtt' | 'window' | 'rate' | 'loss' | 'floor';
type Column = (number | null)[];

export class Series {
  /** Seconds. */
  readonly at: number[] = [];
  private readonly columns: Record<Measure, Column[]>;

  constructor(members: number) {
    const empty = () => Array.from({ length: members }, (): Column => []);
    this.columns = { rtt: empty(), window: empty(), rate: empty(), loss: empty(), floor: empty() };
  }

  add(at: number, edges: readonly (Edge | undefined)[]): void {
    // What was told again, as after a pause, is known.
    if (this.at.length > 0 && at / 1000 <= this.at[this.at.length - 1]) return;
    this.at.push(at / 1000);
    const { rtt, window, rate, loss, floor } = this.columns;
    edges.forEach((edge, i) => {
      const live = edge?.reachable ? edge : undefined;
      rtt[i].push(live?.rttMs ?? null);
      window[i].push(live?.window == null ? null : live.window / 1000);
      rate[i].push(live ? (live.rate * 8) / 1e6 : null);
      loss[i].push(live ? live.loss * 100 : null);
      floor[i].push(live?.floor == null ? null : live.floor * 100);
    });
    if (this.at.length > MAX_POINTS) this.thin();
  }

  of(measure: Measure, member: number): Column {
    return this.columns[measure][member];
  }

  /** The older half gets every other point only: what is long ago needs fewer. */
  private thin(): void {
    const half = this.at.length >> 1;
    const kept = (_: unknown, i: number) => i >= half || i % 2 === 0;
    const all: Column[] = [this.at, ...Object.values(this.columns).flat()];
    for (const column of all) if (column.length > 0) column.splice(0, column.length, ...column.filter(kept));
  }
}

const MAX_POINTS = 1200;
