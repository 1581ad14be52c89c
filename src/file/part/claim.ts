/**
 * The folder in which a transfer grows, `.ORIGIN-NUMBER.part` beside what it is to become. It is taken up again only if it is this
 * user's and nobody else's, as where everybody may make folders somebody may have made it, with links in it; and only by one process
 * at a time.
 */
import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { lstat, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { equalBytes } from '../../core/bytes.js';
import { type Lock, takeLock } from '../../disk/owner.js';
import { HeadwaterError } from '../../errors.js';
import type { StreamId } from '../../wire/symbol.js';
import { readKept } from './journal.js';

/** A folder that no other process uses. */
export interface Claim {
  readonly folder: string;
  /** Whether a former run has left in it what is received now. */
  readonly isResumed: boolean;
  /** Whether it still is where it was. */
  isThere(): Promise<boolean>;
  /** Leaves it as it is. Once it has been given up, neither of these does anything. */
  release(): Promise<void>;
  /** Removes it, if it is still there, and gives it up. */
  remove(): Promise<void>;
}

/**
 * Finds what a former run has left of these files, or makes a folder for them. Throws FILE if another process has it.
 *
 * @param manifest its bytes
 * @param anyGroup what was left of them in another group will do: of the name only the number is made of the manifest
 */
export async function claimFolder(
  out: string,
  { origin, incarnation }: StreamId,
  manifest: Uint8Array,
  anyGroup: boolean,
): Promise<Claim> {
  const number = incarnation.toString(16);
  const pattern = new RegExp(`^\\.${anyGroup ? '\\d+' : origin}-${number}(-[0-9a-f]+)?\\.part$`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const foreign: { folder: string; info: BigIntStats }[] = [];
    for (const name of (await readdir(out)).filter((each) => pattern.test(each)).sort()) {
      const folder = join(out, name);
      const info = await statOf(folder);
      if (info && !isOurs(info)) foreign.push({ folder, info });
      const claim = info && isOurs(info) && (await claimOne(folder, info));
      if (claim) return resume(claim, manifest);
    }
    const mark = attempt === 0 && foreign.length === 0 ? '' : `-${randomBytes(4).toString('hex')}`;
    const fresh = await makeOne(join(out, `.${origin}-${number}${mark}.part`));
    if (!fresh) continue;
    // Where all that we make looks like that, the file system keeps no owners or modes: there is nobody to be told apart.
    const like = isOurs(fresh.info)
      ? undefined
      : foreign.find(({ info }) => info.uid === fresh.info.uid && info.mode === fresh.info.mode);
    if (like) await rmdir(fresh.folder);
    const { folder, info } = like ?? fresh;
    const claim = await claimOne(folder, info);
    if (claim) return resume(claim, manifest);
  }
  throw new HeadwaterError('FILE', `file: expected a free name for unfinished files in ${out}, got none`);
}

/** Takes a folder of this user's that nobody uses; undefined if it is none, or in use. */
export async function claimIdle(folder: string): Promise<Claim | undefined> {
  const info = await statOf(folder);
  if (!info || !isOurs(info)) return undefined;
  return claimOne(folder, info).catch(() => undefined);
}

/** Undefined if it has gone meanwhile. */
async function claimOne(folder: string, { dev, ino }: BigIntStats): Promise<Claim | undefined> {
  const isThere = async () => {
    const now = await statOf(folder);
    return now?.dev === dev && now.ino === ino;
  };
  const lock = await lockOf(folder);
  if (typeof lock === 'string') throw inUse(folder, lock);
  if (!lock || !(await isThere())) {
    await lock?.leave();
    return undefined;
  }
  let held: Lock | undefined = lock;
  const release = async () => {
    const mine = held;
    held = undefined;
    await mine?.leave();
  };
  const remove = async () => {
    try {
      if (held && (await isThere())) await rm(folder, { recursive: true, force: true });
    } finally {
      await release();
    }
  };
  return { folder, isResumed: false, isThere, release, remove };
}

/** Empties it, but for its lock, unless it has what is to be received. */
async function resume(claim: Claim, manifest: Uint8Array): Promise<Claim> {
  const kept = await readKept(claim.folder);
  if (kept && equalBytes(kept.bytes, manifest)) return { ...claim, isResumed: true };
  try {
    for (const name of await readdir(claim.folder))
      if (!name.startsWith(LOCK)) await rm(join(claim.folder, name), { recursive: true, force: true });
  } catch (error) {
    await claim.release();
    throw error;
  }
  return claim;
}

async function lockOf(folder: string): Promise<Lock | string | undefined> {
  try {
    return await takeLock(join(folder, LOCK));
  } catch (error) {
    const { code, errno } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || (await statOf(folder)) === undefined) return undefined;
    // Not every file system has locks and maps files; there is nobody to be kept out then.
    if (NO_LOCKS.has(code ?? errno)) return { leave: async () => {} };
    throw error;
  }
}

async function makeOne(folder: string): Promise<{ folder: string; info: BigIntStats } | undefined> {
  try {
    await mkdir(folder, MODE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
  const info = await statOf(folder);
  return info && { folder, info };
}

/** A folder, no link to one, which its owner alone can use, and that is us. */
function isOurs(info: BigIntStats): boolean {
  if (!info.isDirectory()) return false;
  // Windows has neither.
  const user = process.geteuid?.();
  return user === undefined || (info.uid === BigInt(user) && (info.mode & 0o77n) === 0n);
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  return lstat(path, { bigint: true }).catch(() => undefined);
}

function inUse(folder: string, who: string): HeadwaterError {
  const cause = Object.assign(new Error('another receiver of it saves them there'), { code: 'EBUSY' });
  return new HeadwaterError(
    'FILE',
    `file: expected a folder that no other receiver saves these files to, got ${folder}, which ${who} has in use`,
    { cause },
  );
}

/** Each file of its begins so. */
const LOCK = '.lock';
const MODE = 0o700;
const ATTEMPTS = 8;
const { errno } = constants;
const NO_LOCKS: ReadonlySet<unknown> = new Set([
  errno.ENODEV,
  errno.EINVAL,
  errno.ENOLCK,
  errno.ENOSYS,
  errno.ENOTSUP,
  errno.EOPNOTSUPP,
]);
