/**
 * A role of the loopback benchmark in a process of its own. In: the role's name and options. Out: `ask`, which sends one
 * word and waits for its answer. A child ends by itself when its parent does, or after LIFETIME.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Role {
  /** One word at a time. */
  ask<Answer>(word: string): Promise<Answer>;
  stop(): Promise<void>;
}

/** What a role answers: by word. */
export type Answers = Record<string, () => unknown>;

/** Starts `module`, a file beside this one, with `options` as its first argument, `flags` for Node itself and `env` beside ours. */
export function startRole(
  module: string,
  options: object,
  { flags = [], env = {} }: { flags?: readonly string[]; env?: Record<string, string> } = {},
): Role {
  const file = fileURLToPath(new URL(`${module}.js`, import.meta.url));
  const child = fork(file, [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [...flags],
    env: { ...process.env, ...env },
  });
  let waiting: { resolve(answer: unknown): void; reject(error: Error): void } | undefined;
  child.on('message', (answer) => waiting?.resolve(answer));
  child.on('exit', (code) =>
    waiting?.reject(new Error(`${module}: expected an answer, got exit code ${code}`)),
  );
  return {
    async ask(word) {
      const answer = new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
      child.send(word);
      return (await answer) as never;
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      waiting = undefined;
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

/** Milliseconds. */
const LIFETIME = 1_800_000;
