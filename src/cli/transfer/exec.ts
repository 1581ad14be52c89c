/** A program of the user's that is run once files have been saved. */
import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { ReceiveEvent } from '../../file/receive.js';

/**
 * Runs a program, without a shell: its arguments are the absolute paths of what was saved, so that none is taken for an option, and
 * no name can be more than a name. What it prints goes to our stderr.
 *
 * @returns undefined once it has ended with 0; else what became of it
 */
export function runAfter(
  program: string,
  { paths, root, bytes, from }: Extract<ReceiveEvent, { type: 'saved' }>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const env = {
    ...process.env,
    HEADWATER_FROM: from.name,
    HEADWATER_ROOT: root,
    HEADWATER_BYTES: String(bytes),
  };
  return new Promise((done) => {
    let child: ChildProcess;
    try {
      child = spawn(
        program,
        paths.map((path) => resolve(path)),
        // Data of ours goes to stdout.
        { env, stdio: ['ignore', 2, 2], shell: false, signal, killSignal: 'SIGTERM' },
      );
    } catch (error) {
      // Not all that is wrong is told by an event: more names than the system takes are not.
      const { code, message } = error as NodeJS.ErrnoException;
      return done(
        code === 'E2BIG' ? `${paths.length} names, more than the system takes (E2BIG)` : (code ?? message),
      );
    }
    child.once('error', (error: NodeJS.ErrnoException) =>
      done(error.name === 'AbortError' ? 'interrupted' : (error.code ?? error.message)),
    );
    child.once('exit', (code, by) =>
      done(code === 0 ? undefined : code === null ? String(by) : `exit code ${code}`),
    );
  });
}
