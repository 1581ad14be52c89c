/**
 * Where one transfer is measured: a lab, folders, a file to send, and processes whose processor time and memory are counted. In: a case.
 * Out: a way to start processes; all of them end with it.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { compiled, type Lab } from '../../tools/lab/lab.js';
import type { Case } from './cases.js';

export interface Process {
  child: ChildProcess;
  /** Resolves with the first line that it writes and that `read` makes something of; rejects once it has ended without. */
  until<T>(read: (line: string) => T | undefined): Promise<T>;
  /** Resolves with its exit code. */
  ended: Promise<number>;
  /** Rejects once it has ended with another exit code than 0. */
  failed: Promise<never>;
  /** The last lines that it has written, to either stream. */
  lastWords(): string;
}

/** What all processes have used together; memory is the largest one's. */
export interface Usage {
  cpuSeconds: number;
  maxRssMiB: number;
}

export interface Ground {
  lab: Lab;
  case: Case;
  /** What is to be sent. */
  file: string;
  fileName: string;
  /** A folder for a node, empty at first. Node 0 sends, 1 to `receivers` receive. */
  folder(node: number): string;
  start(node: number, command: string, args: readonly string[], options?: { cwd?: string }): Process;
  /** Ends all processes. */
  stop(): Promise<Usage>;
}

export async function openGround(
  lab: Lab,
  { kase, file, realTime }: { kase: Case; file: string; realTime: boolean },
): Promise<Ground & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'headwater-links-'));
  const folder = (node: number) => join(root, String(node));
  for (let node = 0; node <= kase.receivers; node++) await mkdir(folder(node));
  const processes: { process: Process; used: Promise<Usage> }[] = [];
  return {
    lab,
    case: kase,
    file,
    fileName: basename(file),
    folder,
    start(node, command, args, { cwd } = {}) {
      const child = lab.spawn(node, compiled('usage'), [command, ...args], {
        stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
        realTime,
        cwd,
      });
      const process = processOf(child);
      processes.push({ process, used: usageOf(child) });
      return process;
    },
    async stop() {
      const stopped = await Promise.all(processes.splice(0).map(stop));
      return {
        cpuSeconds: stopped.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
        maxRssMiB: Math.max(0, ...stopped.map(({ maxRssMiB }) => maxRssMiB)),
      };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map(stop));
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Waits until a port is bound in the network of a process; rejects once that has ended. */
export async function listening(
  { child, failed, ended }: Process,
  port: number,
  protocol: 'udp' | 'tcp' = 'udp',
): Promise<void> {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  const over = Promise.race([
    failed,
    ended.then((code) => Promise.reject(new Error(`it ended with ${code}`))),
  ]);
  over.catch(() => {});
  while (!(await readFile(`/proc/${child.pid}/net/${protocol}`, 'utf8').catch(() => '')).includes(hex))
    await Promise.race([sleep(POLL_MS), over]);
}

/** Politely first: some tell what they have got when they are asked to end. */
async function stop({ process, used }: { process: Process; used: Promise<Usage> }): Promise<Usage> {
  const { child, ended } = process;
  if (child.exitCode === null) child.kill('SIGTERM');
  await Promise.race([ended, sleep(GRACE_MS, undefined, { ref: false })]);
  if (child.exitCode === null) child.kill('SIGINT');
  await ended;
  return used;
}

function processOf(child: ChildProcess): Process {
  const lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  for (const input of [child.stdout!, child.stderr!])
    createInterface({ input }).on('line', (line) => {
      lines.push(line);
      if (lines.length > KEPT_LINES) lines.shift();
      for (const listener of listeners) listener(line);
    });
  const ended = new Promise<number>((done) => {
    child.once('error', () => done(127));
    child.once('close', (code) => done(code ?? 128));
  });
  const lastWords = () => lines.join(' | ').slice(-300);
  const failed = new Promise<never>((_, reject) => {
    void ended.then((code) => {
      if (code !== 0) reject(new Error(`it ended with ${code}: ${lastWords()}`));
    });
  });
  failed.catch(() => {}); // Not everyone waits for it.
  return {
    child,
    ended,
    failed,
    lastWords,
    until: <T>(read: (line: string) => T | undefined) =>
      new Promise<T>((resolve, reject) => {
        const look = (line: string) => {
          const found = read(line);
          if (found === undefined) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        for (const line of lines) look(line);
        void ended.then((code) => reject(new Error(`it ended with ${code}: ${lastWords()}`)));
      }),
  };
}

async function usageOf(child: ChildProcess): Promise<Usage> {
  let text = '';
  for await (const chunk of child.stdio[3] as NodeJS.ReadableStream) text += chunk;
  if (text === '') return { cpuSeconds: 0, maxRssMiB: 0 };
  const { cpuSeconds, maxRssKiB } = JSON.parse(text) as { cpuSeconds: number; maxRssKiB: number };
  return { cpuSeconds, maxRssMiB: maxRssKiB / 1024 };
}

const POLL_MS = 20;
const KEPT_LINES = 200;
const GRACE_MS = 1500;
