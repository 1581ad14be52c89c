/**
 * The program named `etcd` as a hydra-node starts it: found on the PATH, with its nine flags, in a process group of its own.
 * In: addresses and a folder. Out: a handle to stop or kill it, what it reports, and how it ended.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

export interface EtcdChildOptions {
  /** The hydra-node's folder. */
  directory: string;
  dataDirectory: 'one' | 'by cluster';
  /** Where it listens, and where others reach it, `host:port`. */
  listen: string;
  advertise: string;
  /** Of the others, in the operator's order. */
  peers: readonly string[];
  /** A folder that comes first on the PATH. Default: none. */
  path?: string | undefined;
  /** Added to the environment. */
  env?: NodeJS.ProcessEnv | undefined;
  /** Killed when we end, however that is; a hydra-node's is not. */
  tied?: boolean | undefined;
  onLine(line: EtcdLine): void;
  /** It has ended, asked or not. */
  onExit(reason: string): void;
}

/** A line of its log. One that is not JSON has only `raw`. */
export interface EtcdLine {
  level?: string;
  msg?: string;
  raw: string;
}

export interface EtcdChild {
  readonly pid: number;
  /** SIGINT to the group, SIGTERM five seconds later. */
  stop(): Promise<void>;
  /** SIGKILL to the group. */
  kill(): Promise<void>;
  readonly ended: Promise<void>;
}

/** `host:port` of its gRPC, by the port that a hydra-node listens on. */
export function clientAddress(listen: string): string {
  const port = Number(listen.slice(listen.lastIndexOf(':') + 1));
  return `127.0.0.1:${(FIRST_CLIENT_PORT + port - FIRST_PORT) & 0xffff}`;
}

/** As `--initial-cluster` has it, our own first. */
export function clusterOf(advertise: string, peers: readonly string[]): string {
  return [advertise, ...peers].map((peer) => `${peer}=http://${peer}`).join(',');
}

/** The argv and the environment, all of them from the one of a hydra-node. */
export function etcdCommand(options: Omit<EtcdChildOptions, 'onLine' | 'onExit'>): {
  argv: string[];
  env: NodeJS.ProcessEnv;
} {
  const { listen, advertise, peers, path } = options;
  const client = `http://${clientAddress(listen)}`;
  const env: NodeJS.ProcessEnv = {
    ETCD_AUTO_COMPACTION_MODE: 'revision',
    ETCD_AUTO_COMPACTION_RETENTION: '1000',
    ...process.env,
    ...options.env,
    PATH: [path, process.env.PATH].filter(Boolean).join(delimiter),
  };
  const flags: [string, string][] = [
    ['--name', advertise],
    ['--data-dir', dataFolder(options)],
    ['--listen-peer-urls', `http://${listen}`],
    ['--initial-advertise-peer-urls', `http://${advertise}`],
    ['--listen-client-urls', client],
    ['--listen-client-http-urls', 'http://localhost:0'],
    ['--advertise-client-urls', client],
    ['--initial-cluster-token', 'hydra-network-1'],
    ['--initial-cluster', clusterOf(advertise, peers)],
  ];
  return { argv: flags.filter(([flag]) => isKnown(flag, env)).flat(), env };
}

export function startEtcdChild({ onLine, onExit, ...options }: EtcdChildOptions): EtcdChild {
  mkdirSync(dataFolder(options), { recursive: true, mode: 0o700 });
  const { argv, env } = etcdCommand(options);
  const [program, ...rest] = [...(options.tied ? TIED_TO_US : []), 'etcd', ...argv];
  const child = spawn(program, rest, { stdio: ['inherit', 'inherit', 'pipe'], env, detached: true });
  createInterface({ input: child.stderr! }).on('line', (raw) => {
    let fields: Partial<EtcdLine> = {};
    try {
      fields = JSON.parse(raw);
    } catch {
      // Only kept.
    }
    onLine({ ...fields, raw });
  });
  const ended = new Promise<void>((done) => {
    child.once('error', (error) => {
      onExit(`Sub-process etcd could not be started: ${error.message}`);
      done();
    });
    child.once('close', (code, signal) => {
      onExit(`Sub-process etcd exited with: ${code ?? signal}`);
      done();
    });
  });
  const signal = (name: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // It has ended.
    }
  };
  return {
    pid: child.pid ?? 0,
    ended,
    async stop() {
      signal('SIGINT');
      const insist = setTimeout(() => signal('SIGTERM'), GRACE_MS);
      const force = setTimeout(() => signal('SIGKILL'), 2 * GRACE_MS);
      await ended;
      clearTimeout(insist);
      clearTimeout(force);
    },
    async kill() {
      signal('SIGKILL');
      await ended;
    },
  };
}

function dataFolder({
  directory,
  dataDirectory,
  advertise,
  peers,
}: Pick<EtcdChildOptions, 'directory' | 'dataDirectory' | 'advertise' | 'peers'>): string {
  const folder = join(directory, 'etcd');
  if (dataDirectory === 'one') return folder;
  return join(
    folder,
    createHash('sha256')
      .update([advertise, ...peers].sort().join(','))
      .digest('hex'),
  );
}

/** The one of the nine that etcd before 3.5 has not, and would refuse. */
function isKnown(flag: string, env: NodeJS.ProcessEnv): boolean {
  if (flag !== '--listen-client-http-urls') return true;
  const path = env.PATH!;
  let known = knows.get(path);
  if (known === undefined) {
    known = !/etcd Version: 3\.[0-4]\./.test(execFileSync('etcd', ['--version'], { env, encoding: 'utf8' }));
    knows.set(path, known);
  }
  return known;
}

/** A command prefix. */
const TIED_TO_US = ['setpriv', '--pdeathsig', 'KILL'];
const knows = new Map<string, boolean>();
/** hydra-node's own port, and etcd's for clients, by default. */
const FIRST_PORT = 5001;
const FIRST_CLIENT_PORT = 2379;
const GRACE_MS = 5000;
