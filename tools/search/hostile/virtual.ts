/**
 * Attacks on a virtual clock: the same group, load and accidents twice from one seed, once with the liar as honest as the
 * others. In: an attack. Out: its claims against the control run.
 */
import { Arena, type ArenaOptions } from './arena.js';
import { type Attack, type Claim, type Described, repeated } from './attack.js';

export interface VirtualAttack extends Described, ArenaOptions {
  /** What happens in both runs: members that stop, start, lose their stores. */
  story?(arena: Arena): void;
  /** What the liar does; it is not called in the control run. */
  attack?(arena: Arena): void;
  /** Honest latency may be so many times the control's; default 2. */
  slower?: number;
  /** ms more that a message may take, where a rule waits before it disbelieves a member: the attack's header says which. */
  grace?: number;
  /** Cores that an honest member may spend on the liar; default 0.25. */
  cores?: number;
  /** Claims beyond the usual ones. */
  more?(attacked: Arena, control: Arena): Claim[];
}

export function virtual(attack: VirtualAttack): Attack {
  const { name, severe = false } = attack;
  return {
    name,
    severe,
    where: 'virtual',
    run: (seed) => {
      let runs = 0;
      return repeated(async () => {
        const attacked = new Arena(seed, attack, false);
        attack.story?.(attacked);
        attack.attack?.(attacked);
        attacked.run();
        return claimsOf(attack, attacked, controlOf(seed, attack, runs++ > 0));
      });
    },
  };
}

const controls = new Map<string, Arena>();

/** Groups without a story of their own share one. */
function controlOf(seed: string, attack: VirtualAttack, isAnew: boolean): Arena {
  const { name, severe, story, attack: _attack, more, slower, grace, cores, ...options } = attack;
  const key = story ? '' : `${seed} ${JSON.stringify(options)}`;
  const known = controls.get(key);
  if (known && !isAnew) return known;
  const control = new Arena(seed, options, true);
  story?.(control);
  control.run();
  if (!story) controls.set(key, control);
  return control;
}

function claimsOf(
  { slower = 2, grace = 0, cores = CPU_FLOOR, more }: VirtualAttack,
  attacked: Arena,
  control: Arena,
): Claim[] {
  return [
    { what: 'honest messages missing', measured: attacked.missing(), must: 0 },
    { what: 'doubled, split or different', measured: attacked.wrong(), must: 0 },
    { what: 'honest members called liars', measured: attacked.falselyAccused, must: 0 },
    {
      what: 'latency p99, ms',
      measured: attacked.latency(0.99),
      must: grace + Math.max(slower * control.latency(0.99), control.latency(0.99) + LATENCY_FLOOR),
    },
    {
      what: 'latency, worst, ms',
      measured: attacked.latency(1),
      must: grace + slower * control.latency(1) + WORST_FLOOR,
    },
    {
      what: 'CPU of the worst, cores',
      measured: attacked.cpuShare,
      must: 3 * control.cpuShare + cores,
      isNoisy: true,
    },
    {
      what: 'stored by the worst, MB',
      measured: attacked.peakStored,
      must: Math.max((attacked.options.maxStoredBytes ?? 16e6) / 1e6, control.peakStored) + STORE_SLACK,
    },
    ...(more?.(attacked, control) ?? []),
  ];
}

/** ms: control datagrams are up to 10 ms apart, and an attack may shift which one carries a confirm. */
const LATENCY_FLOOR = 20;
/** ms: one message may have to be asked for once (100 ms + 2 RTT) that was not before. */
const WORST_FLOOR = 400;
/** Cores: what an honest member may spend on one liar. */
const CPU_FLOOR = 0.25;
/** MB: what is under way when the bound is reached. */
const STORE_SLACK = 1;
