/**
 * How an object is cut into symbols and how many of them each peer gets in wave 0.
 *
 * With n members of which k may fail, an origin that gives each of the n - 1 peers its own b symbols of a block can
 * count on (n - 1 - k) * b of them being spread. It wants Cp to spare: K <= (n - 1 - k) * b - Cp.
 */
import {
  BLOCK_SYMBOLS,
  DATAGRAM_SIZE,
  MAX_INLINE_SYMBOL,
  MAX_SOURCE_BLOCKS,
  SYMBOL_ALIGNMENT,
  symbolSizeFor,
} from '../../wire/limits.js';
import { INLINE_SYMBOLS } from '../proof/certificate.js';

/**
 * T and Z for an object of `length` bytes.
 *
 * @param datagramSize the UDP payload that a symbol is to fit, with what it takes where it refers to a manifest
 */
export function cutObject(
  length: number,
  datagramSize = DATAGRAM_SIZE,
): { symbolSize: number; sourceBlocks: number } {
  const most = symbolSizeFor(datagramSize);
  // As few symbols as possible, but three where two could not go in SYMBOLs that say all themselves.
  const few = Math.ceil(length / MAX_INLINE_SYMBOL);
  const symbols = few <= INLINE_SYMBOLS ? few : Math.max(INLINE_SYMBOLS + 1, Math.ceil(length / most));
  // The last one is not to be padded with more than it must.
  const symbolSize = Math.ceil(length / symbols / SYMBOL_ALIGNMENT) * SYMBOL_ALIGNMENT;
  const cut = Math.ceil(length / symbolSize);
  return { symbolSize, sourceBlocks: Math.min(MAX_SOURCE_BLOCKS, Math.ceil(cut / BLOCK_SYMBOLS)) };
}

/** b: symbols of a block of K source symbols that each peer gets in wave 0. */
export function symbolsPerPeer(
  sourceSymbols: number,
  members: number,
  { faulty, pessimism }: { faulty: number; pessimism: number },
): number {
  const relays = Math.max(1, members - 1 - faulty);
  // So little goes to each peer whole: no relay has to be waited for.
  if (sourceSymbols <= WHOLE_UP_TO || members === 2) return sourceSymbols;
  return Math.ceil((sourceSymbols + pessimism) / relays);
}

/** Whom symbols are dealt to: so many peers, to each of whom a datagram arrives with probability `arrival`; `absent` of them relay nothing. */
export interface FirstHops {
  peers: number;
  arrival: number;
  /** Default: 0. */
  absent?: number;
  /** Standard deviations to spare where nobody is absent. Default: as many as nearly always are enough. */
  spare?: number | undefined;
}

/** How many symbols of a block should leave so that each peer probably gets K, where those that are absent keep what they are dealt. */
export function symbolsToReach(sourceSymbols: number, dealt: FirstHops): number {
  const { peers, absent = 0, spare: sigmas = SIGMAS } = dealt;
  const reach = (chanceToReach(dealt) * peers) / (peers - absent);
  const deviation = Math.sqrt(sourceSymbols * Math.max(0, 1 - reach));
  const spare = (absent === 0 ? sigmas : SIGMAS_OF_FEW) * deviation;
  return Math.ceil(((sourceSymbols + spare) / reach) * (peers / (peers - absent)));
}

/** The chance that a symbol gets to a given peer that relays: its own share is lost in one place, the others' shares in two. */
export function chanceToReach({ peers, arrival, absent = 0 }: FirstHops): number {
  return (arrival * (1 + (peers - absent - 1) * arrival)) / peers;
}

/** The ESI of the i-th symbol sent of a block: repair symbols of K = 1 are mere multiples, or nothing, so copies go instead. */
export function esiOf(i: number, sourceSymbols: number): number {
  return sourceSymbols === 1 ? 0 : i;
}

/**
 * How often something small is sent at once so that it all but surely arrives: asking for it later would take longer.
 *
 * @param miss the chance that no copy arrives, at most
 */
export function copiesFor(loss: number, miss = MAX_MISS): number {
  if (loss <= miss) return 1;
  return Math.min(MAX_COPIES, Math.ceil(Math.log(miss) / Math.log(loss)));
}

/** The same of a manifest: symbols wait for it, and a copy takes no more than one or two of them. */
export function manifestCopiesFor(loss: number): number {
  return copiesFor(loss, MAX_MANIFEST_MISS);
}

/** The same of a VECTOR: in a small group each may be the one that a quorum lacks, in a large one others stand in for it. */
export function vectorCopiesFor(loss: number, members: number): number {
  return copiesFor(loss, members <= SMALL_GROUP ? MAX_VECTOR_MISS : MAX_MISS);
}

/** How often a PULL may bring nothing by loss alone: it or its answer is lost. */
export function pullsFor(loss: number): number {
  return copiesFor(1 - (1 - loss) ** 2, MAX_PULL_MISS);
}

/** Blocks of so few symbols go to every peer whole. */
export const WHOLE_UP_TO = INLINE_SYMBOLS;
/** Standard deviations to spare: the least lucky of several peers should still have enough. */
const SIGMAS = 2;
/** The same where what is missing would show as late at once. */
const SIGMAS_OF_FEW = 3;
/** Chance that no copy arrives; relays lower it further. */
const MAX_MISS = 0.1;
const MAX_MANIFEST_MISS = 0.02;
const MAX_VECTOR_MISS = 0.01;
/** Chance that so many tries have met nothing but loss. */
const MAX_PULL_MISS = 0.01;
/** Of so few members each may cost the others some more. */
export const SMALL_GROUP = 16;
const MAX_COPIES = 8;
