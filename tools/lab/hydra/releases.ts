/**
 * Lines of hydra-node's releases by how they use etcd: one of each, with what it puts, how it connects and what it survives.
 * Read from the sources of the tags; `next` is what comes after 2.3.0.
 */
import { status } from '@grpc/grpc-js';
import type { FloodLimits } from './frames.js';

export type ReleaseName = '0.21.0' | '0.22.0' | '2.1.0' | '2.3.0' | 'next';

export interface Release {
  /** Of what its messages are put by: blindly, or on condition that the key is as it was left. */
  write: 'put' | 'txn';
  /** Messages of one put. */
  batches: boolean;
  /** After so many puts it opens another connection for them. */
  putsPerConnection: number;
  /** A put is given up after that. */
  putTimeoutMs?: number;
  /** Where its folder of state is below the node's: one for all clusters, or one for each. */
  dataDirectory: 'one' | 'by cluster';
  protocolVersion: number;
  keepAliveMs: number;
  /** gRPC statuses after which it tries again a second later; with any other it ends. */
  survives: { put: readonly status[]; lease: readonly status[]; watch: readonly status[] };
  /** A lost connection is an error like those. */
  survivesLostConnection: boolean;
  /** What it asked for is no longer kept: it goes on with the first that is. */
  survivesCompaction: boolean;
  floodLimits: FloodLimits;
}

const { UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, NOT_FOUND } = status;
const RETRIED = [UNAVAILABLE, DEADLINE_EXCEEDED];
const RETRIED_LATER = [...RETRIED, CANCELLED, NOT_FOUND];
/** The http2 library's, but for PING, which all of them have lifted. */
const FLOOD_LIMITS: FloodLimits = { SETTINGS: 4, RST_STREAM: 4, empty: 4 };

const OLDEST: Release = {
  write: 'put',
  batches: false,
  putsPerConnection: Number.POSITIVE_INFINITY,
  dataDirectory: 'one',
  protocolVersion: 1,
  keepAliveMs: 1500,
  survives: { put: RETRIED, lease: RETRIED, watch: [] },
  survivesLostConnection: false,
  survivesCompaction: false,
  floodLimits: FLOOD_LIMITS,
};
const BY_CLUSTER: Release = { ...OLDEST, dataDirectory: 'by cluster', keepAliveMs: 1000 };
const BY_CONNECTION: Release = {
  ...BY_CLUSTER,
  putsPerConnection: 1,
  putTimeoutMs: 3000,
  survives: { put: RETRIED, lease: [...RETRIED, CANCELLED], watch: [] },
  survivesCompaction: true,
};
const BY_TRANSACTION: Release = {
  ...BY_CONNECTION,
  write: 'txn',
  survives: { put: RETRIED_LATER, lease: RETRIED_LATER, watch: [] },
};

export const RELEASES: Record<ReleaseName, Release> = {
  '0.21.0': OLDEST,
  '0.22.0': BY_CLUSTER,
  '2.1.0': BY_CONNECTION,
  '2.3.0': BY_TRANSACTION,
  next: {
    ...BY_TRANSACTION,
    batches: true,
    putsPerConnection: 1000,
    protocolVersion: 2,
    survives: { put: RETRIED_LATER, lease: RETRIED_LATER, watch: RETRIED_LATER },
    survivesLostConnection: true,
    floodLimits: { RST_STREAM: 4, empty: 4 },
  },
};

export const RELEASE_NAMES = Object.keys(RELEASES) as ReleaseName[];
