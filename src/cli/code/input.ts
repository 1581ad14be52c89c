/** What `send` is given to send: paths, or stdin under a name. */
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HeadwaterError } from '../../errors.js';
import { temporaryFolder } from '../io.js';

/** What is sent in place of stdin is kept in a file: it is read twice, and its hashes go first. */
export async function inputOf(paths: string[], name: string | undefined, signal: AbortSignal) {
  if (!paths.includes('-'))
    return { paths, files: name === undefined ? paths : [name], async [Symbol.asyncDispose]() {} };
  if (paths.length > 1)
    throw new HeadwaterError('INVALID_ARGUMENT', '-: expected stdin alone, got other paths beside it');
  if (name === undefined)
    throw new HeadwaterError('INVALID_ARGUMENT', '-: expected --name FILE, as stdin has no name, got none');
  const folder = await temporaryFolder('headwater-stdin-');
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, 'stdin');
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }), { signal });
    return { paths: [path], files: [name], [Symbol.asyncDispose]: remove };
  } catch (cause) {
    await remove();
    if (signal.aborted) throw new HeadwaterError('ABORTED', 'interrupted');
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeadwaterError('FILE', `stdin: expected to read and to keep it in ${folder}, got ${code}`, {
      cause,
    });
  }
}
