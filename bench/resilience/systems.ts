/** The systems of the resilience table: how a node of each is started, and why it could not be. */
import { join } from 'node:path';
import type { Group } from '../../src/group/group.js';
import { createNetwork } from '../../src/network/create.js';
import type { Network, NetworkCallback } from '../../src/network/network.js';
import { createEtcdNetwork } from '../../tools/lab/etcd/network.js';
import { etcdUnavailable } from '../../tools/lab/etcd/server.js';
import { labUnavailable } from '../../tools/lab/lab.js';

export interface NodeConfig {
  group: Group;
  /** Our member index. */
  self: number;
  secretKey: Uint8Array;
  /** Where it listens, `host:port`. */
  bind: string;
  /** What the node has to remember it keeps here. */
  directory: string;
}

type Open = (config: NodeConfig, callback: NetworkCallback<Uint8Array>) => Promise<Network<Uint8Array>>;

export type SystemName = 'headwater' | 'etcd';

export const SYSTEMS: Record<SystemName, Open> = {
  headwater: ({ group, secretKey, bind, directory }, callback) =>
    createNetwork({ group, secretKey, bind, storePath: join(directory, 'store') }, callback),
  // Each node is alone on its loopback.
  etcd: ({ group, self, directory }, callback) =>
    createEtcdNetwork({ group, self, directory, clientPort: 2379 }, callback),
};

/** Why a system cannot run here, in one line; undefined if it can. */
export const UNAVAILABLE: Record<SystemName, () => string | undefined> = {
  headwater: () => undefined,
  etcd: () => labUnavailable() ?? etcdUnavailable(),
};
