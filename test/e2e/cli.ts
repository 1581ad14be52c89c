/**
 * The built command (`npm run build`) as a child process: arguments in; stdout, stderr, JSON events and exit code out.
 * `cleanup` belongs into every file's afterEach (afterAll where tests run side by side): it ends what still runs and
 * removes the temporary folders.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A JSON line of any command: the fields that tests look at. */
export interface CliEvent {
  event?: string;
  address?: string;
  addresses?: string[];
  name?: string;
  from?: string;
  incarnation?: number;
  seq?: number;
  index?: number;
  text?: string;
  file?: string;
  bytes?: number;
  path?: string;
  sha256?: string;
  publicKey?: string;
  saved?: number;
  failed?: number;
  confirmed?: string[];
  missing?: string[];
  member?: string;
  reachable?: boolean;
  peers?: { name: string; reachable: boolean }[];
  objects?: object[];
  moved?: string;
  mode?: string;
  code?: string;
  metrics?: { receivedDatagrams: number; sentBytes: number; drops: Record<string, number> };
}

export interface Cli {
  readonly child: ChildProcess;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout, parsed. */
  events(name?: string): CliEvent[];
  /** The exit code, or the name of the signal that ended it. */
  exit(): Promise<number | string>;
  /** Waits for output for which `probe` gives something. Rejects with all output if the process ends before. */
  until<T>(what: string, probe: (cli: Cli) => T | undefined | false): Promise<T>;
  /** The first JSON event of this name. */
  first(name: string): Promise<CliEvent>;
  /** A line on its stdin. */
  say(line: string): void;
}

/** Starts `headwater ...args`; `tmp` is where it may put temporary files, `by` a command that runs it. */
export function headwater(
  args: readonly string[],
  { tmp, debug, code, by }: { tmp?: string; debug?: string; code?: string; by?: readonly string[] } = {},
): Cli {
  const env = {
    ...process.env,
    HEADWATER_LOG_FORMAT: 'plain',
    ...(code === undefined ? {} : { HEADWATER_CODE: code }),
    ...(tmp === undefined ? {} : { TMPDIR: tmp }),
    ...(debug === undefined ? {} : { HEADWATER_DEBUG: debug }),
  };
  return program(MAIN, args, env, by);
}

/** Starts a script, as `headwater` starts the command. */
export function program(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  by: readonly string[] = [],
): Cli {
  const [command, ...rest] = [...by, process.execPath, script, ...args];
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'], env });
  running.add(child);
  let stdout = '';
  let stderr = '';
  let code: number | string | undefined;
  const waiters = new Set<() => void>();
  const wake = () => {
    for (const waiter of [...waiters]) waiter();
  };
  child.stdin.on('error', () => {}); // It may be gone before it has read all.
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    wake();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    wake();
  });
  child.once('close', (status, signal) => {
    running.delete(child);
    code = status ?? signal ?? 'unknown';
    wake();
  });

  const describe = () =>
    `${script === MAIN ? 'headwater' : script} ${args.join(' ')}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`;
  const wait = <T>(what: string, probe: () => T | undefined | false): Promise<T> =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        waiters.delete(check);
        clearTimeout(timer);
        act();
      };
      const check = () => {
        const found = probe();
        if (found !== undefined && found !== false) settle(() => resolve(found));
        else if (code !== undefined)
          settle(() => reject(new Error(`expected ${what}, got exit ${code}: ${describe()}`)));
      };
      // Far above what it takes on a busy machine: its use is the output in the message.
      const timer = setTimeout(
        () => settle(() => reject(new Error(`expected ${what}, got nothing of it: ${describe()}`))),
        PATIENCE,
      );
      waiters.add(check);
      check();
    });
  const cli: Cli = {
    child,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    events: (name) =>
      linesOf(stdout.slice(0, stdout.lastIndexOf('\n') + 1))
        .map((line) => JSON.parse(line) as CliEvent)
        .filter(({ event }) => name === undefined || event === name),
    exit: () => wait('its end', () => code),
    until: (what, probe) => wait(what, () => probe(cli)),
    first: (name) => wait(`event ${name}`, () => cli.events(name)[0]),
    say: (line) => child.stdin.write(`${line}\n`),
  };
  return cli;
}

/** Ends all processes that still run, and removes all folders of `tempFolder`. */
export async function cleanup(): Promise<void> {
  const ended = [...running].map((child) => new Promise((done) => child.once('close', done)));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ended);
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
}

export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-e2e-'));
  folders.push(folder);
  return folder;
}

/**
 * UDP ports that are free now, below the range from which the system serves requests for any port: so no other process
 * is given one of them before we bind it.
 */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await canBind(port, host)) ports.push(port);
  }
  return ports;
}

export async function canBind(port: number, host: string): Promise<boolean> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const bound = await new Promise<boolean>((done) => {
    socket.once('error', () => done(false));
    socket.bind(port, host, () => done(true));
  });
  await new Promise<void>((done) => socket.close(() => done()));
  return bound;
}

export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const PATIENCE = 60_000;
const running = new Set<ChildProcess>();
const folders: string[] = [];
const handedOut = new Set<number>();
