/**
 * Tells members of our group its file, sans-IO. In: questions and where they came from. Out: an answer, smaller than its question, or
 * why there is none. Nothing is kept of who asks but how often its address did.
 */
import { Allowance } from '../../core/budget.js';
import { equalBytes } from '../../core/bytes.js';
import type { Micros } from '../../core/time.js';
import { formatGroup, isDescribed } from '../descriptor.js';
import type { Group } from '../group.js';
import { PIECE_SIZE, parseQuestion, SALT_SIZE, writeAnswer, writeRefusal } from './messages.js';

export interface TellerOptions {
  group: Group;
  /** Ours in the group. */
  self: number;
  /** The agreement of our static key and a member's; undefined for ourselves, and for a key that is unusable. */
  shared: (member: number) => Uint8Array | undefined;
  random: (length: number) => Uint8Array;
}

/** Why a question gets no answer, or none with a group in it: see `MemberDrop`. */
type Refused = 'join-refused' | 'join-budget';

export class Teller {
  private readonly options: TellerOptions;
  private readonly allowance = new Allowance(
    { burst: JOIN_BURST, rate: JOIN_RATE },
    { burst: ALL_JOINS_BURST, rate: ALL_JOINS_RATE },
  );
  /** Made when it is first wanted; empty where keys are learned one by one, and the id is the hash of no list of them. */
  private file: Uint8Array | undefined;

  constructor(options: TellerOptions) {
    this.options = options;
  }

  /** The answer to a question, if it gets one, and why it gets none with a group in it. */
  answer(now: Micros, from: string, bytes: Uint8Array): { bytes?: Uint8Array; drop?: Refused } {
    const { group, self, shared, random } = this.options;
    const question = parseQuestion(bytes);
    // Who does not know the id is told nothing: it may be anybody.
    if (!question || !equalBytes(question.groupId, group.id)) return { drop: 'join-refused' };
    if (!this.allowance.take(now, from)) return { drop: 'join-budget' };
    const member = group.members.findIndex(({ publicKey }) => equalBytes(publicKey, question.identity));
    if (member < 0) return { bytes: writeRefusal(question.nonce), drop: 'join-refused' };
    const secret = shared(member);
    this.file ??= new TextEncoder().encode(isDescribed(group) ? formatGroup(group) : '');
    const start = question.piece * PIECE_SIZE;
    if (!secret || start >= this.file.length) return { drop: 'join-refused' };
    const piece = {
      pieces: Math.ceil(this.file.length / PIECE_SIZE),
      bytes: this.file.subarray(start, start + PIECE_SIZE),
    };
    const { publicKey } = group.members[self];
    return { bytes: writeAnswer(question, publicKey, secret, random(SALT_SIZE), piece) };
  }
}

/** Of one address (of IPv6: its first 64 bits): a group of 512 has 80 pieces. */
export const JOIN_BURST = 256;
export const JOIN_RATE = 32;
/** Of all: an answer takes 10 us. */
export const ALL_JOINS_BURST = 1024;
export const ALL_JOINS_RATE = 500;
