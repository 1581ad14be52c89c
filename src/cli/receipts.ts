/**
 * Receipts: what became of a file at each member, said by `receive` (saved or not) and by `node` and `send` (held, but they
 * save nothing), and heard by `send`. That members hold a file only means that it is in their memory or store.
 */

import { HeadwaterError } from '../errors.js';
import { type Receipt, wrapReceipt } from '../file/envelope.js';
import type { Member } from '../group/group.js';
import type { Node } from '../node/node.js';
import type { MessageId, ObjectId } from '../wire/symbol.js';
import { peersOf } from './events.js';

/** What a member says of the files that come to it, and hears others say of them. */
export class Answers {
  private readonly node: Node;
  /** The latest files: who has said what became of them. */
  private readonly files = new Map<string, { origin: number; heard: Set<number> }>();
  /** By who sent the file: answers that are not in our store yet. Who sends many files spends its own places. */
  private readonly underWay = new Map<number, number>();
  /** Files of which our answer has not come back to us, as it does once a quorum holds it. */
  private readonly unanswered = new Set<string>();

  constructor(node: Node) {
    this.node = node;
  }

  /** Tells the group, without waiting: a delivery that waited for a broadcast of its own could wait for itself. */
  answer(of: MessageId, state: Receipt['state'], reason = ''): void {
    const underWay = this.underWay.get(of.origin) ?? 0;
    if (underWay >= MAX_UNDER_WAY) return;
    this.underWay.set(of.origin, underWay + 1);
    this.heard(of, this.node.self);
    this.unanswered.add(keyOf(of));
    if (this.unanswered.size > MAX_FILES) this.unanswered.delete(this.unanswered.values().next().value!);
    this.node
      // To wait until all have it would leave a member that never confirms in charge of all answers.
      .submit(wrapReceipt({ of, state, reason }))
      .catch(() => {}) // It is closing: who waits for the answer sees this member go.
      .then(() => this.underWay.set(of.origin, this.underWay.get(of.origin)! - 1));
  }

  /** A file of a member is more than we take: its sender would wait for us in vain. */
  tooLarge(object: ObjectId, maxSize: number): void {
    this.answer({ ...object, index: 0 }, 'failed', `it takes at most ${maxSize} MiB (see its --max-size)`);
  }

  /** `from` has said what became of a file. */
  heard(of: MessageId, from: Member): void {
    const key = keyOf(of);
    if (from === this.node.self) this.unanswered.delete(key);
    let file = this.files.get(key);
    if (!file) {
      if (this.files.size >= MAX_FILES) this.files.delete(this.files.keys().next().value!);
      file = { origin: of.origin, heard: new Set() };
      this.files.set(key, file);
    }
    file.heard.add(from.index);
  }

  /**
   * Whether nobody needs us any more: our answers are with a quorum, and whoever is here has said what became of each
   * file, for which our confirm may be part of the quorum; or the file's sender has gone.
   */
  get settled(): boolean {
    const here = new Set(
      peersOf(this.node).flatMap(({ member, reachable }) => (reachable ? [member.index] : [])),
    );
    return [...this.files].every(
      ([key, { origin, heard }]) =>
        !here.has(origin) ||
        (!this.unanswered.has(key) && [...here].every((member) => member === origin || heard.has(member))),
    );
  }
}

/** What each member has said of the one file that we send. */
export class Verdicts {
  /** By member, by message. */
  private readonly receipts = new Map<number, Map<string, Receipt>>();
  /** The file's name as a message, once it has come back to us. */
  private file: MessageId | undefined;

  /** A file of ours has come back to us. What an earlier run has sent may do so after ours. */
  sent(id: MessageId): void {
    if (!this.file || this.file.incarnation <= id.incarnation) this.file = id;
  }

  hear(receipt: Receipt, from: Member): void {
    const said = this.receipts.get(from.index) ?? new Map<string, Receipt>();
    this.receipts.set(from.index, said.set(keyOf(receipt.of), receipt));
    // Who speaks of more files than there are forgets its own words only.
    if (said.size > MAX_FILES) said.delete(said.keys().next().value!);
  }

  of(member: Member): Receipt | undefined {
    return this.file && this.receipts.get(member.index)?.get(keyOf(this.file));
  }
}

/** Why a file was not saved, in words that tell others nothing of our disk but what they need. */
export function reasonOf(error: unknown): string {
  const { code, syscall } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
  if (code === 'EEXIST' && syscall !== 'mkdir') return 'it has a file of that name';
  if (code === 'ENOSPC' || code === 'EDQUOT') return `its disk is full (${code})`;
  if (error instanceof HeadwaterError && !error.cause) return error.message;
  return `it cannot write the file (${code})`;
}

function keyOf({ origin, incarnation, seq, index }: MessageId): string {
  return `${origin} ${incarnation} ${seq} ${index}`;
}

/** Receipts kept of one member. */
const MAX_FILES = 1024;
/** Answers to one member; some hundred fit into one object. */
const MAX_UNDER_WAY = 1024;
