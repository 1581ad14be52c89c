/**
 * One member of an etcd cluster as a child process, with the arguments that a hydra-node gives it. In: addresses, a folder.
 * Out: a handle to stop it, and what it says about foreign clusters.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface EtcdServerOptions {
  /** Keeps its state here, by cluster. */
  directory: string;
  /** The peer addresses, `host:port`, of all members, our own first. */
  peers: readonly string[];
  /** On 127.0.0.1. */
  clientPort: number;
  /** It has refused, or was refused by, a member that has another list of members. */
  onForeignCluster(): void;
}

export interface EtcdServer {
  /** Why it has ended by itself, undefined while it runs. */
  failure(): string | undefined;
  close(): Promise<void>;
}

/** Why there can be no etcd here, in one line; undefined if there can. */
export function etcdUnavailable(): string | undefined {
  try {
    const text = execFileSync(TIED_TO_US[0], [...TIED_TO_US.slice(1), 'etcd', '--version'], {
      stdio: 'pipe',
    });
    return /etcd Version: 3\./.test(text.toString()) ? undefined : `no etcd: expected version 3, got ${text}`;
  } catch {
    return "no etcd: it is not installed (Debian's package etcd-server)";
  }
}

export function startEtcd({ directory, peers, clientPort, onForeignCluster }: EtcdServerOptions): EtcdServer {
  const cluster = createHash('sha256').update(clusterName(peers)).digest('hex');
  const folder = join(directory, 'etcd', cluster);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const client = `http://127.0.0.1:${clientPort}`;
  const args = {
    name: peers[0],
    'data-dir': folder,
    'listen-peer-urls': `http://${peers[0]}`,
    'initial-advertise-peer-urls': `http://${peers[0]}`,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'initial-cluster-token': 'headwater-bench',
    'initial-cluster': peers.map((peer) => `${peer}=http://${peer}`).join(','),
    logger: 'zap',
  };
  const child = spawn(
    TIED_TO_US[0],
    [...TIED_TO_US.slice(1), 'etcd', ...Object.entries(args).flatMap(([key, value]) => [`--${key}`, value])],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ETCD_AUTO_COMPACTION_MODE: 'revision', ETCD_AUTO_COMPACTION_RETENTION: '1000' },
    },
  );
  let lastError = '';
  let failure: string | undefined;
  let closing = false;
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.includes('cluster ID mismatch')) onForeignCluster();
    if (/"level":"(error|fatal|panic)"/.test(line)) lastError = line;
  });
  const ended = new Promise<void>((done) => {
    child.once('error', (error) => {
      failure = `etcd could not be started: ${error.message}`;
      done();
    });
    child.once('close', (code, signal) => {
      if (!closing) failure ??= `etcd ended with ${signal ?? `code ${code}`}: ${lastError}`;
      done();
    });
  });
  return {
    failure: () => failure,
    close() {
      closing = true;
      return stop(child, ended);
    },
  };
}

/** The same for all members that have the same list. */
export function clusterName(peers: readonly string[]): string {
  return [...peers].sort().join(',');
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGINT');
  const force = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  await ended;
  clearTimeout(force);
}

/** A command prefix: what follows is killed when we end, however that is. */
const TIED_TO_US = ['setpriv', '--pdeathsig', 'KILL'];
/** Time to hand over leadership. Alone, a server would try that for seconds; it loses nothing when it is killed. */
const GRACE_MS = 300;
