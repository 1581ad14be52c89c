/**
 * Where the CPU time of this process goes, by stage: a sampling profile of the main thread, its own time of each function
 * added up by the file that it stands in. Native code counts for its caller's stage; what the event loop does by itself is
 * polling and recvmsg.
 */
import { Session } from 'node:inspector/promises';

/** Microseconds of the main thread by stage, idle time left out. */
export type Profile = Record<string, number>;

interface Node {
  id: number;
  callFrame: { functionName: string; url: string };
  children?: number[] | undefined;
}

const session = new Session();

export async function startProfile(): Promise<boolean> {
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_INTERVAL });
  await session.post('Profiler.start');
  return true;
}

export async function stopProfile(): Promise<Profile> {
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  const stages = new Map<number, string>();
  const assign = (node: Node, inherited: string) => {
    const stage = stageOf(node) ?? inherited;
    stages.set(node.id, stage);
    for (const child of node.children ?? []) assign(byId.get(child)!, stage);
  };
  const byId = new Map((profile.nodes as Node[]).map((node) => [node.id, node]));
  assign(profile.nodes[0], 'other');
  const result: Profile = {};
  const { samples = [], timeDeltas = [] } = profile;
  samples.forEach((id, i) => {
    const stage = stages.get(id)!;
    if (stage !== IDLE) result[stage] = (result[stage] ?? 0) + timeDeltas[i];
  });
  return result;
}

function stageOf({ callFrame: { functionName, url } }: Node): string | undefined {
  if (functionName === '(idle)') return IDLE;
  if (functionName === '(program)') return 'event loop, recvmsg';
  if (functionName === '(garbage collector)') return 'garbage collector';
  return STAGES.find(([pattern]) => pattern.test(url))?.[1];
}

/** Microseconds. */
const SAMPLE_INTERVAL = 250;
const IDLE = 'idle';

/** The first pattern that fits a function's file counts; a function that fits none counts for its caller. */
const STAGES: [RegExp, string][] = [
  [/node:dgram|node:internal\/dgram|node\/udp\.js|node\/socket\//, 'socket'],
  [/crypto\/aead|session\//, 'session (protect, open)'],
  [/crypto\/|broadcast\/proof/, 'signatures, Merkle, hashes'],
  [/codec\//, 'codec'],
  [/src\/wire\/frames\/ack|src\/path\/|src\/congestion\//, 'path (acks, loss, rate, pacing)'],
  [/wire\/|core\/bytes/, 'frames'],
  [/broadcast\//, 'broadcast'],
  [/src\/node\//, 'endpoint, driver'],
];
