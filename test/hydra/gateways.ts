/** Our gateway as processes without a hydra-node: started as that starts it, spoken to by a client of etcd's. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEtcd, type EtcdClient } from '../../tools/lab/etcd/client.js';
import { etcdCommand } from '../../tools/lab/hydra/child.js';
import { gatewayPath } from '../../tools/lab/hydra/gateway.js';

export interface GatewayProcess {
  readonly client: EtcdClient;
  /** Lines of its log, also of its last words. */
  readonly log: string[];
  readonly isRunning: boolean;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface GatewayPlace {
  directory: string;
  clientPort: number;
  env?: NodeJS.ProcessEnv;
}

/** @param addresses of all members, `host:port`; `self` is which of them it is */
export function startGateway(
  addresses: readonly string[],
  self: number,
  place: GatewayPlace,
): GatewayProcess {
  const { directory, clientPort } = place;
  const address = addresses[self];
  const { argv, env } = etcdCommand({
    directory,
    dataDirectory: 'one',
    listen: address,
    advertise: address,
    peers: addresses.filter((other) => other !== address),
    path: gatewayPath(),
    env: place.env,
  });
  argv[argv.indexOf('--listen-client-urls') + 1] = `http://127.0.0.1:${clientPort}`;
  const child: ChildProcess = spawn(join(gatewayPath(), 'etcd'), argv, {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log: string[] = [];
  child.stderr!.setEncoding('utf8').on('data', (text: string) => log.push(...text.split('\n')));
  const client = connectEtcd(`127.0.0.1:${clientPort}`);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    client,
    log,
    get isRunning() {
      return !hasEnded();
    },
    async kill() {
      client.close();
      child.kill('SIGKILL');
      if (!hasEnded()) await once(child, 'exit');
    },
  };
}

/** Until it no longer fails. */
export async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + PATIENCE_MS; ; )
    try {
      return await ask();
    } catch (error) {
      if (performance.now() > until) throw error;
      await sleep(100);
    }
}

/** A start syncs a dozen files, which a busy disk has taken half a minute for. */
const PATIENCE_MS = 150_000;
