/** Fields that several frames have: ids of streams and objects, and what is missing of an object. */
import type { Reader, Writer } from '../../core/bytes.js';
import { HeadwaterError } from '../../errors.js';
import { MAX_PROGRESS_ENTRIES } from '../limits.js';
import type { ObjectId, StreamId } from '../symbol.js';

/** A block, and how many symbols of it are missing. */
export interface Deficit {
  sbn: number;
  symbols: number;
}

export function parseStreamId(reader: Reader): StreamId {
  return { origin: reader.u16('origin'), incarnation: reader.u48('incarnation') };
}

export function parseId(reader: Reader): ObjectId {
  return { ...parseStreamId(reader), seq: reader.u32('seq') };
}

export function writeId(writer: Writer, { origin, incarnation, seq }: ObjectId): void {
  writer.u16(origin).u48(incarnation).u32(seq);
}

export function parseMissing(reader: Reader, sourceBlocks: number): Deficit[] {
  const count = reader.u8('deficit count');
  if (count > MAX_PROGRESS_ENTRIES)
    throw new HeadwaterError('MALFORMED', `deficits: expected at most ${MAX_PROGRESS_ENTRIES}, got ${count}`);
  const missing = [];
  for (let i = 0; i < count; i++) {
    const sbn = reader.u8('deficit SBN');
    if (sbn >= sourceBlocks)
      throw new HeadwaterError('MALFORMED', `deficit SBN: expected less than ${sourceBlocks}, got ${sbn}`);
    missing.push({ sbn, symbols: reader.u16('deficit') });
  }
  return missing;
}

export function missingSize(missing: readonly Deficit[]): number {
  return 1 + 3 * missing.length;
}

export function writeMissing(writer: Writer, missing: readonly Deficit[]): void {
  writer.u8(missing.length);
  for (const { sbn, symbols } of missing) writer.u8(sbn).u16(symbols);
}

export const STREAM_ID_SIZE = 8;
export const OBJECT_ID_SIZE = STREAM_ID_SIZE + 4;
