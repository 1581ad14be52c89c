/**
 * A role of the loopback benchmark in a process of its own. In: the role's name and options. Out: `ask`, which sends one
 * word and waits for its answer. A child ends by itself when its parent does, or after LIFETIME.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Role {
  ask<Answer>(word: string): Promise<Answer>;
  stop(): Promise<void>;
}

/** What a role answers: by word. */
export type Answers = Record<string, () => unknown>;

/** Starts `module`, a file beside this one, with `options` as its first argument. */
export function startRole(module: string, options: object): Role {
  const file = fileURLToPath(new URL(`${module}.js`, import.meta.url));
  const child = fork(file, [JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  return {
    async ask(word) {
      const answer = nextMessage(child);
      child.send(word);
      return (await answer) as never;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}

/** In the child: serves `answers`, one word at a time, until the parent lets go. */
export function serveRole(answers: Answers): void {
  process.on('message', async (word: string) => {
    process.send!(await answers[word]());
  });
  process.on('disconnect', () => process.exit(0));
  setTimeout(() => process.exit(3), LIFETIME).unref();
}

/** The options given to `startRole`. */
export function roleOptions<Options>(): Options {
  return JSON.parse(process.argv[2]) as Options;
}

async function nextMessage(child: ChildProcess): Promise<unknown> {
  const message = once(child, 'message').then(([value]) => value);
  const exit = once(child, 'exit').then(([code]) => {
    throw new Error(`role: expected an answer, got exit code ${code}`);
  });
  return Promise.race([message, exit]);
}

/** Milliseconds. */
const LIFETIME = 120_000;
