/** What calls itself `etcd` in the etcd bench: the one that is installed, and ours as it is built. */
import { etcdUnavailable } from '../../tools/lab/etcd/server.js';
import { gatewayPath } from '../../tools/lab/hydra/gateway.js';
import { labUnavailable } from '../../tools/lab/lab.js';

export interface System {
  name: 'headwater' | 'etcd';
  /** Why it cannot run here, in one line; undefined if it can. */
  unavailable(): string | undefined;
  /** A folder with it; without it the one on the PATH is meant. */
  path?(): string;
}

export const SYSTEMS: readonly System[] = [
  { name: 'headwater', unavailable: () => labUnavailable(), path: gatewayPath },
  { name: 'etcd', unavailable: () => labUnavailable() ?? etcdUnavailable() },
];
