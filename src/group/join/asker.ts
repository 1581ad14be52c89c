/**
 * Asks for the file of a group of which only the id is known, sans-IO. In: addresses of members, datagrams, time. Out: datagrams, and
 * the group once one of those asked has told a file that the id is the hash of. Who tells another one, or rubbish, is counted.
 */
import { equalBytes, toHex } from '../../core/bytes.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../core/time.js';
import type { KeyPair } from '../../crypto/keys.js';
import { agreementKeyOf, defaultAgreement } from '../../crypto/x25519.js';
import { HeadwaterError } from '../../errors.js';
import { groupOfTold } from '../descriptor.js';
import { type Group, memberWith } from '../group.js';
import {
  DESCRIPTOR,
  JOIN_NONCE_SIZE,
  MAX_DESCRIPTOR_PIECES,
  openAnswer,
  PIECE_SIZE,
  type Piece,
  parseAnswer,
  type ToldAnswer,
  writeQuestion,
} from './messages.js';

export interface AskerOptions {
  groupId: Uint8Array;
  keys: KeyPair;
  /** Addresses of members, `host:port`: all are asked. */
  peers: readonly string[];
  random: (length: number) => Uint8Array;
}

/** What came of asking at one address. */
export interface Asked {
  address: string;
  /** Whether somebody there says that the group has no member with our key. */
  isRefused: boolean;
  /** Group files that were told and are not the one asked for, and why the last of them is not. */
  wrong: number;
  reason: string | undefined;
  /** Datagrams that are no answers, or not genuine. */
  garbage: number;
}

interface Target extends Asked {
  nonce: Uint8Array;
  at: Micros;
  count: number;
  /** Of whom the pieces are, and those that have come. */
  teller: Uint8Array | undefined;
  pieces: (Uint8Array | undefined)[];
  /** By piece: when it was asked for last. */
  readonly askedAt: Micros[];
  /** Who has told what is wrong is heard no more. */
  readonly refused: Set<string>;
}

export class Asker {
  private readonly options: AskerOptions;
  private readonly targets: Target[];
  private readonly outbox: { to: string; bytes: Uint8Array }[] = [];
  /** By identity: agreements, since each takes a while. */
  private readonly secrets = new Map<string, Uint8Array | undefined>();
  /** The group, once it has been told. */
  group: Group | undefined;

  constructor(now: Micros, options: AskerOptions) {
    this.options = options;
    this.targets = options.peers.map((address) => ({
      ...{ address, isRefused: false, wrong: 0, reason: undefined, garbage: 0 },
      ...{ nonce: options.random(JOIN_NONCE_SIZE), at: now, count: 0 },
      ...{ teller: undefined, pieces: [], askedAt: [], refused: new Set<string>() },
    }));
  }

  /** What has come of asking so far. */
  get asked(): readonly Asked[] {
    return this.targets;
  }

  /** Takes in a datagram, which is overwritten. */
  handleDatagram(now: Micros, bytes: Uint8Array): void {
    const answer = parseAnswer(bytes);
    const nonce = answer?.nonce ?? bytes.subarray(1, 1 + JOIN_NONCE_SIZE);
    const target =
      bytes[0] === DESCRIPTOR ? this.targets.find((each) => equalBytes(each.nonce, nonce)) : undefined;
    // Without the nonce it is nobody's who was asked.
    if (!target || this.group) return;
    if (!answer) target.garbage++;
    else if (answer.verdict === 'no-member') target.isRefused = true;
    else if (!target.refused.has(toHex(answer.identity))) this.take(now, target, answer);
  }

  handleTimeout(now: Micros): void {
    if (this.group) return;
    for (const target of this.targets) if (target.at <= now) this.ask(now, target);
  }

  nextTimeout(): Micros {
    return this.group ? NEVER : Math.min(...this.targets.map(({ at }) => at));
  }

  pollTransmit(): { to: string; bytes: Uint8Array } | undefined {
    return this.outbox.shift();
  }

  /** Asks for what is missing: a few pieces at a time, each again after a while. */
  private ask(now: Micros, target: Target): void {
    target.count++;
    target.at = now + (target.count < EAGER ? EAGER_INTERVAL : INTERVAL);
    this.fill(now, target);
  }

  private fill(now: Micros, { address, nonce, pieces, askedAt }: Target): void {
    const { groupId, keys } = this.options;
    const length = Math.max(1, pieces.length);
    const isMissing = (piece: number) => pieces[piece] === undefined;
    const isUnderWay = (piece: number) => now - (askedAt[piece] ?? -NEVER) < EAGER_INTERVAL;
    const missing = Array.from({ length }, (_, piece) => piece).filter(isMissing);
    let left = MAX_UNDER_WAY - missing.filter(isUnderWay).length;
    for (const piece of missing) {
      if (isUnderWay(piece) || left-- <= 0) continue;
      askedAt[piece] = now;
      const question = { nonce, groupId, identity: keys.publicKey, piece };
      this.outbox.push({ to: address, bytes: writeQuestion(question) });
    }
  }

  private take(now: Micros, target: Target, answer: ToldAnswer): void {
    const identity = answer.identity.slice();
    const { nonce, teller, pieces } = target;
    const { piece } = answer;
    const { groupId, keys } = this.options;
    // One at a time: what one tells is no part of what another does.
    const secret = teller && !equalBytes(teller, identity) ? undefined : this.secretWith(identity);
    const question = { nonce, groupId, identity: keys.publicKey, piece };
    const opened = secret && openAnswer(question, answer, secret);
    if (!opened || !fits(piece, opened, pieces.length)) {
      target.garbage++;
      return;
    }
    target.teller = identity;
    if (pieces.length === 0) target.pieces = Array.from({ length: opened.pieces });
    target.pieces[piece] ??= opened.bytes;
    if (target.pieces.every((each) => each)) this.finish(target, identity);
    else this.fill(now, target);
  }

  private finish(target: Target, teller: Uint8Array): void {
    const { groupId, keys } = this.options;
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(
        Buffer.concat(target.pieces as Uint8Array[]),
      );
      const group = groupOfTold(text, { groupId, teller, address: target.address });
      memberWith(group, keys.publicKey);
      this.group = group;
    } catch (error) {
      if (!(error instanceof HeadwaterError || error instanceof TypeError)) throw error;
      target.wrong++;
      target.reason = error instanceof HeadwaterError ? error.message : 'no text';
      target.refused.add(toHex(teller));
      target.teller = undefined;
      target.pieces = [];
      target.askedAt.length = 0;
    }
  }

  private secretWith(identity: Uint8Array): Uint8Array | undefined {
    const key = toHex(identity);
    // Who makes up identities on the way gets so many agreements out of us, and no more.
    if (!this.secrets.has(key) && this.secrets.size < MAX_TELLERS) {
      const theirs = agreementKeyOf(identity);
      const { secret } = this.options.keys.exchangeKeys();
      this.secrets.set(key, theirs && defaultAgreement().agree(secret, theirs));
    }
    return this.secrets.get(key);
  }
}

/** Whether it may be that piece of so many (0: not known yet). */
function fits(piece: number, { pieces, bytes }: Piece, known: number): boolean {
  if (pieces > MAX_DESCRIPTOR_PIECES || piece >= pieces || (known > 0 && pieces !== known)) return false;
  return piece === pieces - 1 ? bytes.length <= PIECE_SIZE : bytes.length === PIECE_SIZE;
}

/** So often in a row, then less often. */
const EAGER = 20;
const EAGER_INTERVAL: Micros = 250 * MILLISECOND;
const INTERVAL: Micros = 2 * SECOND;
const MAX_UNDER_WAY = 8;
export const MAX_TELLERS = 64;
