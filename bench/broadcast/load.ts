/**
 * Three members in processes of their own on loopback, one of which sends. In: how many messages, how they are kept under
 * way, and where the stores are. Out: messages a second that all three deliver, and what they take of processor and memory.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../tools/lab/ports.js';
import { type Role, startRole } from '../loopback/process.js';
import type { MemberOptions, MemorySample, Stretch } from './member.js';

export interface LoadOptions extends Pick<MemberOptions, 'messages' | 'window' | 'until'> {
  /** The folder under which the members have their stores. */
  parent: string;
  /** Of memory, over the whole load, each after a full garbage collection. Default: none. */
  samples?: number;
}

export interface LoadResult {
  messagesPerSecond: number;
  /** Microseconds of processor time for each message, of all members together: what a busy machine changes little. */
  cpuPerMessage: number;
  /** By member. */
  memory: MemorySample[][];
}

export async function runLoad({ parent, samples = 0, ...options }: LoadOptions): Promise<LoadResult> {
  const directory = await mkdtemp(join(parent, 'headwater-broadcast-'));
  const roles: Role[] = [];
  try {
    const ports = await freePorts(MEMBERS);
    for (const self of ports.keys()) {
      const member: MemberOptions = {
        ...options,
        samples,
        warmUp: WARM_UP,
        ports,
        self,
        size: SIZE,
        storePath: join(directory, `${self}`),
      };
      roles.push(startRole('../broadcast/member', member, { flags: samples > 0 ? ['--expose-gc'] : [] }));
    }
    await Promise.all(roles.map((role) => role.ask('ready')));
    await roles[0].ask('load');
    const stretches = await Promise.all(roles.map((role) => role.ask<Stretch>('done')));
    const memory = await Promise.all(roles.map((role) => role.ask<MemorySample[]>('memory')));
    const measured = options.messages * (1 - WARM_UP);
    const milliseconds =
      Math.max(...stretches.map(({ to }) => to.at)) - Math.max(...stretches.map(({ from }) => from.at));
    const messagesPerSecond = (1000 * measured) / milliseconds;
    const cpuPerMessage = stretches.reduce((sum, { from, to }) => sum + to.cpu - from.cpu, 0) / measured;
    return { messagesPerSecond, cpuPerMessage, memory };
  } finally {
    await Promise.all(roles.map((role) => role.stop()));
    await rm(directory, { recursive: true, force: true });
  }
}

/** Bytes by which a member has grown since it was warm: the median over the last tenth less that over the second. */
export function growth(
  samples: readonly MemorySample[],
  what: Exclude<keyof MemorySample, 'delivered'>,
): number {
  const { length } = samples;
  const median = (from: number, to: number) => {
    const part = samples
      .slice(Math.floor(from * length), Math.floor(to * length))
      .map((sample) => sample[what]);
    part.sort((a, b) => a - b);
    return part[Math.floor(part.length / 2)];
  };
  return median(0.9, 1) - median(0.1, 0.2);
}

/** The share of the messages before anything is measured: code is compiled meanwhile. */
const WARM_UP = 0.2;
const MEMBERS = 3;
const SIZE = 500;
