/** What links the systems are compared on. In: a scale. Out: cases in groups; a report draws a group as one figure. */

/** All links are equal unless it says otherwise. Every link has a queue, then a line, then loss, then half of a path's delay. */
export interface Case {
  /** Cases of one group differ in what the figure's axis says. */
  group: Group;
  receivers: number;
  /** Of each link, at random; a packet from node to node meets two links. */
  lossPercent: number;
  /** Mean length of a row of losses; undefined: they know nothing of each other. */
  burstPackets?: number;
  /** From node to node and back. */
  rttMs: number;
  /** Of each link; undefined: no limit. */
  mbit?: number | undefined;
  /** Of the queues, in bandwidth-delay products. */
  queueBdp: number;
  /** The receivers' down links drop what is beyond this rate, and queue nothing. */
  policedMbit?: number;
  /** All links change to these rates, one after the other, round and round. */
  steps?: { mbit: number; seconds: number }[];
  /** One endless TCP flow (CUBIC) from another node to the first receiver, begun before. */
  beside?: boolean;
  bytes: number;
}

export type Group =
  | 'loss'
  | 'rtt'
  | 'receivers'
  | 'rate'
  | 'bursts'
  | 'queue'
  | 'policer'
  | 'steps'
  | 'beside';

export const GROUPS: Group[] = [
  'loss',
  'rtt',
  'receivers',
  'rate',
  'bursts',
  'queue',
  'policer',
  'steps',
  'beside',
];

const BASE = { receivers: 1, lossPercent: 0, rttMs: 40, mbit: 100, queueBdp: 1 };

/** All of them. `mib` is what a path of 100 Mbit/s is given. */
export function fullCases(mib: number): Case[] {
  const bytes = mib * MIB;
  const at = (group: Group, change: Partial<Case>): Case => ({ ...BASE, group, bytes, ...change });
  return [
    ...[0, 1, 2, 5, 10, 20, 30].map((lossPercent) => at('loss', { lossPercent })),
    ...[0.2, 200, 1000].flatMap((rttMs) =>
      [0, 5, 30].map((lossPercent) => at('rtt', { rttMs, lossPercent })),
    ),
    ...[2, 8].flatMap((receivers) =>
      [0, 5, 10].map((lossPercent) =>
        at('receivers', { receivers, lossPercent, mbit: 20, bytes: bytes / 5 }),
      ),
    ),
    ...[0, 5].map((lossPercent) => at('rate', { mbit: 10, lossPercent, bytes: bytes / 10 })),
    ...[0, 5].map((lossPercent) => at('rate', { mbit: undefined, rttMs: 0.2, lossPercent })),
    ...[2, 5].flatMap((lossPercent) =>
      [5, 20].map((burstPackets) => at('bursts', { lossPercent, burstPackets })),
    ),
    ...[0.25, 4].flatMap((queueBdp) => [0, 1].map((lossPercent) => at('queue', { queueBdp, lossPercent }))),
    at('policer', { policedMbit: 20, bytes: bytes / 5 }),
    at('steps', {
      steps: [
        { mbit: 100, seconds: 3 },
        { mbit: 20, seconds: 3 },
      ],
      bytes: bytes / 2,
    }),
    ...[0.25, 1, 4].map((queueBdp) => at('beside', { beside: true, mbit: 20, queueBdp, bytes: bytes / 5 })),
  ];
}

/** A few, small enough for some minutes in all: starting and ending counts in them. */
export function quickCases(mib: number): Case[] {
  const bytes = mib * MIB;
  const at = (group: Group, change: Partial<Case>): Case => ({ ...BASE, group, bytes, ...change });
  return [
    ...[0, 1, 10].map((lossPercent) => at('loss', { lossPercent })),
    at('rtt', { rttMs: 200, lossPercent: 5 }),
    at('receivers', { receivers: 2, lossPercent: 5, mbit: 20, bytes: bytes / 2 }),
    at('receivers', { receivers: 8, lossPercent: 5, mbit: 10, bytes: bytes / 4 }),
    at('rate', { mbit: undefined, rttMs: 0.2, lossPercent: 1 }),
    at('bursts', { lossPercent: 2, burstPackets: 10 }),
    at('policer', { policedMbit: 20 }),
    at('beside', { beside: true, mbit: 20, bytes: bytes / 2 }),
  ];
}

/** What a path loses of what is sent. */
export function pathLoss({ lossPercent }: Case): number {
  return 1 - (1 - lossPercent / 100) ** 2;
}

/** Bits that the slowest link of a path carries in so many seconds; undefined: no limit. */
export function capacityBits({ mbit, policedMbit, steps }: Case, seconds: number): number | undefined {
  if (steps !== undefined) {
    const round = steps.reduce((sum, step) => sum + step.seconds, 0);
    let left = seconds % round;
    let bits =
      Math.floor(seconds / round) * steps.reduce((sum, step) => sum + step.seconds * step.mbit, 0) * 1e6;
    for (const step of steps) {
      bits += Math.min(left, step.seconds) * step.mbit * 1e6;
      left = Math.max(0, left - step.seconds);
    }
    return bits;
  }
  const rate = policedMbit ?? mbit;
  return rate === undefined ? undefined : rate * 1e6 * seconds;
}

/** Seconds that a system may take: many times what a perfect one would, `most` and ten round trips at most. */
export function limitSeconds(kase: Case, most: number): number {
  const rate =
    kase.policedMbit ?? (kase.steps ? Math.min(...kase.steps.map(({ mbit }) => mbit)) : kase.mbit) ?? 1000;
  const ideal = (kase.bytes * 8e-6) / rate / (1 - pathLoss(kase));
  return (10 * kase.rttMs) / 1000 + Math.min(most, 5 + 6 * ideal);
}

export function describe(kase: Case): string {
  const { receivers, lossPercent, rttMs, mbit, burstPackets, queueBdp, policedMbit, steps, beside } = kase;
  return [
    `${receivers} receiver${receivers > 1 ? 's' : ''}`,
    steps
      ? `${steps.map((step) => step.mbit).join('/')} Mbit/s in turn`
      : mbit === undefined
        ? 'no limit'
        : `${mbit} Mbit/s`,
    `${rttMs} ms`,
    `${lossPercent} % a link${burstPackets ? ` in bursts of ${burstPackets}` : ''}`,
    ...(queueBdp === 1 ? [] : [`queue of ${queueBdp} BDP`]),
    ...(policedMbit ? [`policed to ${policedMbit} Mbit/s`] : []),
    ...(beside ? ['beside a TCP flow'] : []),
  ].join(', ');
}

const MIB = 2 ** 20;
