/** What of the epochs is in the store, as one record: JSON, behind what LMDB checks. In: the state. Out: bytes, and back. */
import { HeadwaterError } from '../errors.js';
import type { EpochState, Seal, Standing } from './change.js';

/** The state, and the ids of the epochs that were taken, from the first on. */
export interface EpochRecord extends EpochState {
  ids: readonly string[];
}

export function writeRecord({ ids, active, seals, starts }: EpochRecord): Uint8Array {
  const listed = seals.map(({ epoch, next, streams }) => ({
    ...{ epoch, next },
    streams: [...streams].map(([stream, { count, base }]) => [stream, count, base]),
  }));
  return new TextEncoder().encode(
    JSON.stringify({ version: RECORD_VERSION, ids, active, seals: listed, starts: [...starts] }),
  );
}

/** @throws HeadwaterError STORE if it is none */
export function parseRecord(bytes: Uint8Array): EpochRecord {
  try {
    const record = JSON.parse(new TextDecoder().decode(bytes)) as Written;
    if (record.version !== RECORD_VERSION) throw new Error(`version ${record.version}`);
    const { ids, active } = record;
    const has = ids.length - 1;
    if (active !== has && active !== has - 1) throw new Error(`active in ${active} of ${has}`);
    const seals = record.seals.map(
      ({ epoch, next, streams }): Seal => ({
        ...{ epoch, next },
        streams: new Map(streams.map(([name, count, base]): [string, Standing] => [name, { count, base }])),
      }),
    );
    return { ids, has, active, seals, starts: new Map(record.starts) };
  } catch (cause) {
    throw new HeadwaterError('STORE', `store: expected a record of epochs, got ${(cause as Error).message}`, {
      cause,
    });
  }
}

interface Written {
  version: number;
  ids: string[];
  active: number;
  seals: { epoch: number; next: string; streams: [string, number, number][] }[];
  starts: [string, number][];
}

const RECORD_VERSION = 1;
