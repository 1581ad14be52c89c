/** The last known revision as a hydra-node keeps it: a JSON number in a file of its folder, replaced as a whole. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface LastKnownRevision {
  readonly revision: number;
  set(revision: number): Promise<void>;
}

export const REVISION_FILE = 'last-known-revision';

/** 0 where there is no file. Throws if it is not a number. */
export async function openLastKnownRevision(directory: string): Promise<LastKnownRevision> {
  const path = join(directory, REVISION_FILE);
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return '0';
    throw error;
  });
  let revision = Number(JSON.parse(text));
  if (!Number.isInteger(revision)) throw new Error(`${path}: expected a number, got ${text}: delete it`);
  return {
    get revision() {
      return revision;
    },
    async set(to) {
      if (to === revision) return;
      await writeFile(`${path}.new`, JSON.stringify(to));
      await rename(`${path}.new`, path);
      revision = to;
    },
  };
}
