/**
 * PUNCH: where a member may be reached that has not been so far, and when to try, as it tries then too. from 2 | to 2 | answer 1 | wait 2 | count 1
 * | count times an address
 */
import { HeadwaterError } from '../../../errors.js';
import { addressSize, readAddress, writeAddress } from '../../address.js';
import type { FrameType } from '../frame.js';

export interface PunchFrame {
  kind: 'punch';
  /** Who may be there; who passes it on puts the address in front at which it sees that member. */
  from: number;
  /** Who is to try. */
  to: number;
  /** Whether it answers another one; who gets one that does not, answers. */
  isAnswer: boolean;
  /** Milliseconds that an answer takes on from who passes this on: one that is sent at once and what is sent after that time come together. */
  wait: number;
  /** At most MAX_PUNCH_ADDRESSES: numeric, as `readAddress` gives them. */
  addresses: readonly string[];
}

export const punch: FrameType<PunchFrame> = {
  type: 74,
  name: 'punch',
  feature: 'punch',
  eliciting: true,
  parse(reader) {
    const [from, to, answer] = [reader.u16('from'), reader.u16('to'), reader.u8('answer')];
    if (answer > 1) throw new HeadwaterError('MALFORMED', `answer: expected 0 or 1, got ${answer}`);
    const wait = reader.u16('wait');
    const count = reader.u8('count');
    if (count > MAX_PUNCH_ADDRESSES)
      throw new HeadwaterError(
        'MALFORMED',
        `punch: expected at most ${MAX_PUNCH_ADDRESSES} addresses, got ${count}`,
      );
    const addresses = Array.from({ length: count }, () => readAddress(reader));
    return { kind: 'punch', from, to, isAnswer: answer === 1, wait, addresses };
  },
  size: ({ addresses }) => HEADER + addresses.reduce((sum, address) => sum + addressSize(address), 0),
  write(writer, { from, to, isAnswer, wait, addresses }) {
    writer
      .u16(from)
      .u16(to)
      .u8(isAnswer ? 1 : 0)
      .u16(wait)
      .u8(addresses.length);
    for (const address of addresses) writeAddress(writer, address);
  },
};

const HEADER = 2 + 2 + 1 + 2 + 1;
/** Where others see it, where its socket is, and two more, as it may be behind several boxes. */
export const MAX_PUNCH_ADDRESSES = 4;
