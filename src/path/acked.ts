/** What an acknowledgement says of the packets that we have sent, and whether it can be true. */
import { rangesFault } from '../core/ranges.js';
import { ACK_SPAN, type Ack } from '../wire/frames/ack.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import { Fate, FLAG_QUIET, type SentTable } from './sent.js';

/** Why an ack was refused; nothing of it has been used. */
export type AckFault = 'malformed' | 'never-sent' | 'skipped' | 'impossible-count';

export interface Refused {
  ok: false;
  reason: AckFault;
  detail: string;
}

/** What an ack has told for the first time. */
export interface NewlyAcked {
  bytes: number;
  packets: number;
  /** The bytes of those that were still in flight. */
  fromFlight: number;
  /** Packets sent while the controller was quiet. */
  quiet: number;
  /** Packets that counted as lost. */
  spurious: number;
  /** How far the largest number was above the lowest of these. */
  reordering: number;
  /** Packets larger than what every path carries. */
  large: number;
  /** The largest number newly acked; -1 if there is none. */
  newest: number;
}

/** Why an ack cannot be true; undefined if it can. */
export function checkAck(sent: SentTable, ack: Ack): Refused | undefined {
  const fault = rangesFault(ack.ranges, Number.MAX_SAFE_INTEGER - 2);
  if (fault !== undefined) return { ok: false, reason: 'malformed', detail: fault };
  const largest = ack.ranges[0];
  if (largest >= sent.next) return { ok: false, reason: 'never-sent', detail: `${largest} of ${sent.next}` };
  if (!(ack.received >= 0 && ack.received <= largest + 1))
    return { ok: false, reason: 'impossible-count', detail: `${ack.received} of ${largest + 1}` };
  const oldest = oldestOf(sent, largest);
  for (let i = 0; i < ack.ranges.length; i += 2)
    for (let number = ack.ranges[i]; number >= Math.max(ack.ranges[i + 1], oldest); number--)
      if (sent.fate[sent.index(number)] === Fate.Skipped)
        return { ok: false, reason: 'skipped', detail: `${number} was skipped` };
  return undefined;
}

/** Marks as acknowledged what the ack names. */
export function takeAcked(sent: SentTable, ack: Ack): NewlyAcked {
  const largest = ack.ranges[0];
  const oldest = oldestOf(sent, largest);
  const acked = {
    bytes: 0,
    packets: 0,
    fromFlight: 0,
    quiet: 0,
    spurious: 0,
    reordering: 0,
    large: 0,
    newest: -1,
  };
  for (let i = 0; i < ack.ranges.length; i += 2) {
    for (let number = ack.ranges[i]; number >= Math.max(ack.ranges[i + 1], oldest); number--) {
      const index = sent.index(number);
      const fate = sent.fate[index];
      if (fate !== Fate.InFlight && fate !== Fate.Lost) continue;
      const size = sent.size[index];
      if (fate === Fate.Lost) {
        acked.spurious++;
        acked.reordering = Math.max(acked.reordering, largest - number);
      } else {
        acked.fromFlight += size;
        sent.resolve(index, Fate.Acked);
      }
      sent.fate[index] = Fate.Acked;
      acked.bytes += size;
      acked.packets++;
      if (size > DATAGRAM_SIZE) acked.large++;
      if ((sent.flags[index] & FLAG_QUIET) !== 0) acked.quiet++;
      if (number > acked.newest) acked.newest = number;
    }
  }
  return acked;
}

/** The oldest number that an ack is asked of. */
function oldestOf(sent: SentTable, largest: number): number {
  return Math.max(sent.oldest, largest - ACK_SPAN);
}
