/** LOCATORS_HEARD: of these members its sender holds these records, or later ones. count 1 | count times: member 2, incarnation 6, number 4 */
import { HeadwaterError } from '../../../errors.js';
import type { FrameType } from '../frame.js';
import type { LocatorRecord } from './locators.js';

/** Which record of a member. */
export type RecordName = Pick<LocatorRecord, 'member' | 'incarnation' | 'number'>;

export interface LocatorsHeardFrame {
  kind: 'locators-heard';
  records: readonly RecordName[];
}

export const locatorsHeard: FrameType<LocatorsHeardFrame> = {
  type: 69,
  name: 'locators-heard',
  feature: 'locators',
  eliciting: true,
  parse(reader) {
    const count = reader.u8('count');
    if (count > MAX_RECORDS_HEARD)
      throw new HeadwaterError(
        'MALFORMED',
        `locators heard: expected at most ${MAX_RECORDS_HEARD}, got ${count}`,
      );
    const records = Array.from({ length: count }, () => ({
      member: reader.u16('member'),
      incarnation: reader.u48('incarnation'),
      number: reader.u32('number'),
    }));
    return { kind: 'locators-heard', records };
  },
  size: ({ records }) => 1 + records.length * NAME_SIZE,
  write(writer, { records }) {
    writer.u8(records.length);
    for (const { member, incarnation, number } of records) writer.u16(member).u48(incarnation).u32(number);
  },
};

const NAME_SIZE = 2 + 6 + 4;
/** In one frame. */
export const MAX_RECORDS_HEARD = 64;
