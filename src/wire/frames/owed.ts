/**
 * OWED: of your symbols that I am to relay so many wait for these members. files 1 | count 1 | count times: member 2, symbols 2,
 * delay 2, incarnation 6, seq 4, SBN 1
 */
import { HeadwaterError } from '../../errors.js';
import type { FrameType } from './frame.js';

/** What waits for one member. */
export interface Debt {
  member: number;
  symbols: number;
  /** Milliseconds until all of it is gone, as it goes now; at most 65535. */
  delay: number;
  /** Where the oldest of it belongs: it goes first. */
  incarnation: number;
  seq: number;
  sbn: number;
}

export interface OwedFrame {
  kind: 'owed';
  /** Whether it is about transfers; else about messages. */
  files: boolean;
  /** Of members that are not named nothing waits. */
  debts: readonly Debt[];
}

export const owed: FrameType<OwedFrame> = {
  type: 71,
  name: 'owed',
  feature: 'owed',
  eliciting: true,
  parse(reader) {
    const files = reader.u8('files');
    if (files > 1) throw new HeadwaterError('MALFORMED', `files: expected 0 or 1, got ${files}`);
    const count = reader.u8('count');
    if (count > MAX_DEBTS)
      throw new HeadwaterError('MALFORMED', `owed: expected at most ${MAX_DEBTS} members, got ${count}`);
    const debts = Array.from({ length: count }, () => ({
      member: reader.u16('member'),
      symbols: reader.u16('symbols'),
      delay: reader.u16('delay'),
      incarnation: reader.u48('incarnation'),
      seq: reader.u32('seq'),
      sbn: reader.u8('SBN'),
    }));
    return { kind: 'owed', files: files === 1, debts };
  },
  size: ({ debts }) => OWED_HEADER + debts.length * DEBT_SIZE,
  write(writer, { files, debts }) {
    writer.u8(files ? 1 : 0).u8(debts.length);
    for (const { member, symbols, delay, incarnation, seq, sbn } of debts)
      writer.u16(member).u16(symbols).u16(delay).u48(incarnation).u32(seq).u8(sbn);
  },
};

const OWED_HEADER = 2;
export const DEBT_SIZE = 2 + 2 + 2 + 6 + 4 + 1;
/** In one frame. */
export const MAX_DEBTS = 64;
