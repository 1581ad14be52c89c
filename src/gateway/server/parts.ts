/** What a gateway is made of, opened in a data directory: keys, cluster, log, store, journal and state. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type KeyPair, keyPair } from '../../crypto/keys.js';
import type { DurableStore } from '../../disk/lmdb.js';
import { HeadwaterError } from '../../errors.js';
import { makeFolder } from '../../file/disk.js';
import { monotonic } from '../../node/clock.js';
import { type Cluster, groupOf, parseCluster } from '../cluster/cluster.js';
import { Trust } from '../cluster/trust.js';
import { Gateway } from '../gateway.js';
import { DataFiles } from './data-files.js';
import { Journal, readJournal } from './disk/journal.js';
import { openLog, type RevisionLog } from './disk/log.js';
import type { Flags } from './flags.js';
import { knownKeys, ownKey, pinnedKeys } from './keys.js';
import type { Logger } from './logger.js';
import { openMemberStore, unsettledIn } from './member.js';

export interface Parts {
  cluster: Cluster;
  /** Our secret, and what is made of it. */
  seed: Uint8Array;
  keys: KeyPair;
  /** Our key was made just now. */
  isNew: boolean;
  /** Where learned keys are kept. */
  membersPath: string;
  trust: Trust;
  storePath: string;
  store: DurableStore;
  log: RevisionLog;
  journal: Journal;
  gateway: Gateway;
  /** What is written while it runs. */
  files: DataFiles;
}

/** @throws HeadwaterError INVALID_CONFIG, FILE, STORE, STORE_FULL: then nothing is left open */
export async function openParts(flags: Flags, env: NodeJS.ProcessEnv, logger: Logger): Promise<Parts> {
  const { dataDir } = flags;
  const cluster = parseCluster(flags.initialCluster, flags.name, flags.token);
  if (existsSync(join(dataDir, 'member')))
    throw new HeadwaterError(
      'STORE',
      `data-dir: expected one of headwater's, got one of etcd's in ${dataDir}: nothing was changed there`,
    );
  await makeFolder(dataDir, 0o700).catch((error) => {
    throw dataDirError(error as NodeJS.ErrnoException, dataDir);
  });
  const { key, isNew } = ownKey(env.HEADWATER_KEY || join(dataDir, 'headwater.key'));
  const keys = keyPair(key.seed);
  const membersPath = join(dataDir, 'headwater.members.json');
  const pinned = env.HEADWATER_GROUP ? pinnedKeys(env.HEADWATER_GROUP, cluster) : undefined;
  const trust = new Trust(monotonic(), {
    cluster,
    keys,
    known: pinned ?? knownKeys(membersPath, cluster),
    onFirstUse: pinned === undefined,
    random: (length) => randomBytes(length),
  });
  const owner = Buffer.concat([cluster.id, keys.publicKey]);
  const log = await untilFree(() => openLog(join(dataDir, 'headwater.log'), owner));
  if (log.recovered !== undefined)
    logger.log('error', 'the log of revisions was damaged: it is kept, and begun anew', {
      moved: log.recovered,
    });
  const storePath = join(dataDir, 'headwater.store');
  try {
    const group = groupOf(cluster, trust.keys);
    const store = await openMemberStore({ storePath, publicKey: keys.publicKey }, group);
    if (store.recovered !== undefined)
      logger.log('error', 'the store was damaged: it is kept, and begun anew', { moved: store.recovered });
    const journalPaths = [join(dataDir, 'headwater.journal'), join(dataDir, 'headwater.journal-2')] as const;
    const gateway = new Gateway(monotonic(), {
      self: cluster.self,
      memberIds: cluster.members.map(({ id }) => id),
      clusterId: cluster.number,
      quorum: group.quorum,
      loaded: log.loaded,
      records: log,
      entries: readJournal(journalPaths),
      retention: flags.retention,
      unsettled: unsettledIn(store, cluster.self),
      random: () => randomBytes(16).toString('hex'),
    });
    await settle(gateway, log);
    const journal = new Journal(journalPaths);
    const { seed } = key;
    const files = new DataFiles([storePath, join(dataDir, 'headwater.log'), ...journalPaths]);
    return { files, cluster, seed, keys, isNew, membersPath, trust, storePath, store, log, journal, gateway };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** Puts what a crash has left into the log, before anything else comes. */
async function settle(gateway: Gateway, log: RevisionLog): Promise<void> {
  for (let writes = gateway.pollWrites(); writes; writes = gateway.pollWrites()) {
    await log.commit(writes);
    gateway.handleCommitted(writes);
  }
}

/** Of a process that ends just now the lock and the port are free in a moment. */
export async function untilFree<T>(take: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + HANDOVER_MS; ; ) {
    try {
      return await take();
    } catch (error) {
      if (!isTaken(error as Error) || performance.now() > until) throw error;
      await new Promise((done) => setTimeout(done, HANDOVER_STEP_MS));
    }
  }
}

/** A lock or a port that another process has. */
function isTaken({ cause }: Error): boolean {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EBUSY' || code === 'EADDRINUSE';
}

function dataDirError(cause: NodeJS.ErrnoException, dataDir: string): HeadwaterError {
  const got = NO_FOLDER[cause.code ?? ''] ?? cause.message;
  return new HeadwaterError(
    'FILE',
    `data-dir: expected a folder, or room for one, at ${dataDir}, got ${got}`,
    {
      cause,
    },
  );
}

const NO_FOLDER: Readonly<Record<string, string>> = {
  EEXIST: 'a file of that name',
  ENOTDIR: 'a file where a folder above it should be',
  ENOENT: 'a file system that takes no folders there',
  EACCES: 'no permission to make one',
  EPERM: 'no permission to make one',
  EROFS: 'a file system that is read-only',
  ENOSPC: 'a full disk',
};
const HANDOVER_MS = 3000;
const HANDOVER_STEP_MS = 100;
