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

/** The p-th part of the values from below; 0 of none. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0;
}
