/**
 * Attacks on real processes. The control run is of the same group and load with a liar that is honest, and is shared by all
 * attacks of one kind of group: what is compared with it (memory, CPU, disk, latency) has bounds that stand above noise. Where
 * one does not hold, both are run again, since the machine may have become busier meanwhile.
 */
import { type Attack, type Claim, type Described, quantile, repeated } from './attack.js';
import { Siege, type SiegeOptions } from './siege.js';

export interface ProcessAttack extends Described, SiegeOptions {
  attack(siege: Siege): Promise<void>;
  /** Whether the load runs during the attack, as is the default, or after it. */
  loadAfter?: boolean;
  /** What an honest process may take beyond the control's: MiB of memory (default 200), cores (0.5), MB of disk (32), ms where
   * a rule waits (0): the attack's header says which. */
  allow?: { memory?: number; cores?: number; disk?: number; latency?: number };
  /** Claims beyond the usual ones. */
  more?(siege: Siege): Claim[] | Promise<Claim[]>;
}

interface Measured {
  memory: number;
  cores: number;
  disk: number;
  latency: number;
}

export function processes(attack: ProcessAttack): Attack {
  const { name, severe = false } = attack;
  return {
    name,
    severe,
    where: 'processes',
    run() {
      let runs = 0;
      return repeated(async () => {
        const control = await controlOf(attack, runs++ > 0);
        const siege = await Siege.start(attack, false);
        try {
          const measured = await measure(siege, attack);
          return [...claimsOf(siege, attack, measured, control), ...((await attack.more?.(siege)) ?? [])];
        } finally {
          await siege.close();
        }
      });
    },
  };
}

const controls = new Map<string, Promise<Measured>>();

function controlOf(
  { members, byzantine, faulty, heap, seconds, library }: ProcessAttack,
  isAnew: boolean,
): Promise<Measured> {
  const options = { members, byzantine, faulty, heap, seconds, library } as SiegeOptions;
  const key = JSON.stringify(options);
  const known = controls.get(key);
  if (known && !isAnew) return known;
  const run = (async () => {
    const siege = await Siege.start(options, true);
    try {
      return await measure(siege, { attack: async () => {} });
    } finally {
      await siege.close();
    }
  })();
  controls.set(key, run);
  return run;
}

async function measure(
  siege: Siege,
  { attack, loadAfter = false, allow }: Pick<ProcessAttack, 'attack' | 'loadAfter' | 'allow'>,
): Promise<Measured> {
  const used = () => siege.honest.map((process) => process.cpu());
  if (loadAfter) await attack(siege);
  const before = used();
  const started = performance.now();
  const load = siege.load();
  if (!loadAfter) await attack(siege);
  await load;
  const seconds = (performance.now() - started) / 1000;
  const after = used();
  await siege.drain(allow?.latency);
  return {
    memory: Math.max(...siege.honest.map(({ peakRss }) => peakRss)),
    // A process that was started anew counts from 0, one that is dead is judged elsewhere.
    cores: Math.max(0, ...after.map((cpu, i) => (cpu - before[i]) / seconds || 0)),
    disk: siege.stored(),
    latency: quantile(siege.latencies(), 0.99),
  };
}

function claimsOf(
  siege: Siege,
  { allow = {} }: ProcessAttack,
  measured: Measured,
  control: Measured,
): Claim[] {
  const { memory = 200, cores = 0.5, disk = 32, latency = 0 } = allow;
  return [
    { what: 'processes dead', measured: siege.dead(), must: 0 },
    { what: 'honest messages missing', measured: siege.missing(), must: 0 },
    { what: 'delivered twice', measured: siege.doubled(), must: 0 },
    {
      what: 'latency p99, ms',
      measured: measured.latency,
      must: 2 * control.latency + LATENCY_FLOOR + latency,
      isNoisy: true,
    },
    {
      what: 'RSS of the largest, MiB',
      measured: measured.memory,
      must: control.memory + memory,
      isNoisy: true,
    },
    { what: 'CPU of the worst, cores', measured: measured.cores, must: control.cores + cores, isNoisy: true },
    { what: 'store of the largest, MB', measured: measured.disk, must: control.disk + disk },
  ];
}

/** ms: what a machine busy with other things adds. Latency proper is judged on the virtual clock. */
const LATENCY_FLOOR = 5000;
