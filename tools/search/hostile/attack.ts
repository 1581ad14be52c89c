/**
 * What an attack of the suite is: a name, the rule that stops it, and claims to check. In: a seed. Out: claims, each a
 * measure of the attacked run with the bound that it must keep, where it can be the control run's. Attacks are the files
 * of attacks/: each exports one or several, and is found by being there.
 */

/** One measure of one attack: at most `must`. */
export interface Claim {
  what: string;
  measured: number;
  must: number;
  /** What else runs on the machine may have raised it. */
  isNoisy?: boolean;
}

export interface Attack {
  /** Unlike all others. */
  name: string;
  /** Tried first when time is short: one that once silenced, killed or filled honest members. */
  severe: boolean;
  /** Where it is tried: on a virtual clock, or on processes with sockets and stores of their own. */
  where: 'virtual' | 'processes';
  run(seed: string): Promise<Claim[]>;
}

export interface Described {
  name: string;
  severe?: boolean;
}

export function holds({ measured, must }: Claim): boolean {
  return Number.isFinite(measured) && measured <= must;
}

/**
 * Tries an attack until all holds, or what fails has nothing to do with what else the machine does; three times at most. Of
 * what is noisy the medians are judged, control runs beside attacked ones; of all else the worst.
 */
export async function repeated(attempt: () => Promise<Claim[]>): Promise<Claim[]> {
  const runs: Claim[][] = [];
  let claims: Claim[] = [];
  while (runs.length < MAX_RUNS) {
    runs.push(await attempt());
    claims = runs[0].map((claim, i) => {
      const all = runs.map((run) => run[i]);
      if (!claim.isNoisy) return all.find((each) => !holds(each)) ?? claim;
      const median = (of: (each: Claim) => number) => quantile(all.map(of), 0.5);
      return { ...claim, measured: median(({ measured }) => measured), must: median(({ must }) => must) };
    });
    const failed = claims.filter((claim) => !holds(claim));
    // Two runs have no median.
    if (runs.length !== 2 && (failed.length === 0 || failed.some(({ isNoisy }) => !isNoisy))) break;
  }
  return claims;
}

/** Enough for a median. */
const MAX_RUNS = 3;

/** The p-th part of the values from below; 0 of none. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0;
}
