/** The systems of the resilience table: how a node of each is started, and why it could not be. */
import type { Group } from '../../src/broadcast/group.js';
import type { Network, NetworkCallback } from '../../src/network/network.js';
import { createEtcdNetwork } from '../etcd/network.js';
import { etcdUnavailable } from '../etcd/server.js';

export interface NodeConfig {
  group: Group;
  /** Our member index. */
  self: number;
  secretKey: Uint8Array;
  /** What the node has to remember it keeps here. */
  directory: string;
}

type Open = (config: NodeConfig, callback: NetworkCallback<Uint8Array>) => Promise<Network<Uint8Array>>;

export type SystemName = 'etcd';

export const SYSTEMS: Record<SystemName, Open> = {
  // Each node is alone on its loopback.
  etcd: ({ group, self, directory }, callback) =>
    createEtcdNetwork({ group, self, directory, clientPort: 2379 }, callback),
};

/** Why a system cannot run here, in one line; undefined if it can. */
export const UNAVAILABLE: Record<SystemName, () => string | undefined> = { etcd: etcdUnavailable };
