/** Debian's etcdctl: a client that is neither ours nor a hydra-node's. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Why there is none here, in one line; undefined if there is. */
export function etcdctlUnavailable(): string | undefined {
  try {
    execFileSync('etcdctl', ['version'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return "no etcdctl: it is not installed (Debian's package etcd-client)";
  }
}

/** Runs it against the etcd at `address`; its standard output. Rejects with what it says if it fails. */
export async function etcdctl(address: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('etcdctl', ['--endpoints', address, ...args], {
    env: { ...process.env, ETCDCTL_API: '3' },
  });
  return stdout;
}
