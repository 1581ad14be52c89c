/** Whom to ask for an object that has not come. In: who may have it, and what is under way of it. Out: one of them, and for what of it. */
import type { Rng } from '../../core/rng.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import type { ObjectUnderWay } from './objects.js';
import type { Transfer } from './transfer.js';
import type { StreamView } from './view.js';

/**
 * One of `peers`, which all may have it; undefined if there is nobody. Who has begun to serve it is asked on; else rather not who was
 * asked `last`, and what is suspect of it begins anew.
 */
export function chooseServer<S extends StreamView>(
  spread: Transfer<S>,
  rng: Rng,
  peers: number[],
  { record, last }: { record: ObjectUnderWay<S> | undefined; last: number | undefined },
): { peer: number; missing: ProgressFrame['missing'] } | undefined {
  if (peers.length === 0) return undefined;
  const server = record?.unfinishedServer;
  // To begin anew from another throws away what has come.
  const isServing = server !== undefined && peers.includes(server);
  const peer = rng.pick(isServing ? [server] : preferring(peers, (each) => each !== last));
  if (record && peer === server) record.onAskedOn();
  else if (record?.isSuspect) spread.beginAnew(record, peer);
  return { peer, missing: record?.incoming?.deficits() ?? [] };
}

/** Those for which it holds, or all if it does for none. */
export function preferring(peers: number[], isBetter: (peer: number) => boolean): number[] {
  const better = peers.filter(isBetter);
  return better.length > 0 ? better : peers;
}
