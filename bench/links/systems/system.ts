/** What the benchmark knows of a system that moves one file to others. A new one is a file here and a line in `all.ts`. */
import { spawnSync } from 'node:child_process';
import type { Case } from '../cases.js';
import type { Ground } from '../ground.js';

export interface System {
  /** `uftp`; together with `mode` it names a row. */
  name: string;
  mode: string;
  /** Why it cannot run here, in one line. */
  unavailable?(): string | undefined;
  /** Whether it has a meaning for this case. Default: always. */
  fits?(kase: Case): boolean;
  /** Starts what receives, and waits until it does. */
  prepare(ground: Ground): Promise<Prepared>;
}

export interface Prepared {
  /** Sends: resolves once all receivers have all, as they or the sender tell; rejects with the reason. */
  send(): Promise<void>;
  /** Where a receiver's file is in the end; undefined if what it has got is not kept. */
  result(receiver: number): string;
  /** Bytes that the slowest receiver has got, asked when the time is over and all have ended. */
  received?(): Promise<number>;
}

export function needs(command: string, debianPackage: string): () => string | undefined {
  return () =>
    spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
      ? undefined
      : `it needs ${command}, of Debian's ${debianPackage}`;
}

export function receiversOf({ receivers }: Case): number[] {
  return Array.from({ length: receivers }, (_, i) => i + 1);
}

/** What a fixed rate may be so that headers fit: nine tenths of the slowest link, in kbit/s; undefined where no link has a rate. */
export function fixedRateKbit({ mbit, policedMbit, steps }: Case): number | undefined {
  const rates = [mbit, policedMbit, ...(steps ?? []).map((step) => step.mbit)].filter(
    (rate) => rate !== undefined,
  );
  return rates.length === 0 ? undefined : Math.floor(Math.min(...rates) * 900);
}

export const PORT = 7000;
