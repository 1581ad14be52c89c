/**
 * What goes out of a block before anybody has reported. In: the block, whom it is for, and what is known of the ways there. Out: how
 * many symbols for whom, and whether those relay them.
 */
import type { Micros } from '../../../core/time.js';
import { NEVER } from '../../../core/time.js';
import type { Group } from '../../../group/group.js';
import { copiesFor, symbolsPerPeer, WHOLE_UP_TO } from '../plan.js';
import { MAX_LOSS_PLANNED, type Paths, worstLoss } from '../rtts.js';
import type { Block } from './top-ups.js';

/** `count` symbols of a block, to be dealt to `peers`. */
export interface Wave {
  sbn: number;
  count: number;
  peers: number[];
  /** Nobody relays these, so they rest on the session instead of a signature. */
  isDirect: boolean;
  /** Wave 0, which grows once by what is lost on the way: that is better known when it ends than when it begins. */
  growsByLoss: boolean;
  /** Of symbols that each of several peers gets itself: the next. */
  esi?: number;
}

export interface FirstWaveOptions {
  group: Group;
  paths: Paths;
  /** See `OutgoingOptions`. */
  direct: number;
  absent: number;
}

/** The first waves of a block of `sourceSymbols`. */
export function firstWaves(
  { group, paths, direct, absent }: FirstWaveOptions,
  { sbn, sourceSymbols }: Pick<Block, 'sbn' | 'sourceSymbols'>,
): Wave[] {
  const peers = paths.flatMap((path, index) => (path ? [index] : []));
  const isLarge = sourceSymbols > WHOLE_UP_TO;
  const common = { sbn, growsByLoss: false, isDirect: true };
  if (isLarge && peers.length > 1 && peers.length <= direct && isOneMachine(paths))
    return peers.map((peer) => ({ ...common, count: sourceSymbols, peers: [peer], esi: 0 }));
  const copies = isLarge ? 1 : copiesFor(worstLoss(paths));
  // Where they do not reach each other nobody can relay to all of them: each gets the block itself.
  if (areApart(paths))
    return peers.map((peer) => {
      const arrival = 1 - Math.min(MAX_LOSS_PLANNED, paths[peer]!.loss);
      return isLarge
        ? { ...common, count: Math.ceil(sourceSymbols / arrival), peers: [peer], esi: 0 }
        : { ...common, count: sourceSymbols * copies, peers: [peer] };
    });
  const each = symbolsPerPeer(sourceSymbols, peers.length + 1, { ...group, faulty: absent });
  // Whole copies need no relays where next to nothing is lost, and with one peer there are none.
  const isDirect = peers.length === 1 || (!isLarge && worstLoss(paths) < LITTLE_LOSS);
  return [{ sbn, count: peers.length * each * copies, peers, isDirect, growsByLoss: isLarge }];
}

/** A block of which nothing has been sent, with its first waves. */
export function blockOf(
  now: Micros,
  known: Pick<Block, 'sbn' | 'sourceSymbols'>,
  waves: readonly Wave[],
): Block {
  return {
    ...known,
    // Those that each gets itself are the same for all.
    made: Math.max(0, ...waves.map(({ esi, count }) => (esi === undefined ? 0 : count))),
    planned: waves.reduce((sum, { count }) => sum + count, 0),
    topUpAt: NEVER,
    sentAt: now,
    backoff: 0,
    jitter: 1,
    granted: new Map(),
    relays: new Set(),
  };
}

/** Whether two of these say that they do not reach each other: one alone would make us send more to all. */
function areApart(paths: Paths): boolean {
  return paths.some(
    (path, peer) => path && [...path.lacking].some((member) => paths[member]?.lacking.has(peer)),
  );
}

/** Whether these paths carry datagrams that no link does: all peers are on this machine. */
function isOneMachine(paths: Paths): boolean {
  return paths.every((path) => !path || path.mtu.size > LARGEST_FRAME);
}

/** Bytes: jumbo frames have 9000. */
const LARGEST_FRAME = 16_384;
/** Below this share relays of whole copies would save less than they cost. */
const LITTLE_LOSS = 0.01;
