/** Real etcd, as Debian has it: what the scenarios are proven with. */
import { etcdUnavailable } from '../../tools/lab/etcd/server.js';
import { MISMATCH } from '../../tools/lab/hydra/node.js';
import type { EtcdKind } from './head.js';

export const ETCD: EtcdKind = {
  name: 'etcd',
  unavailable: etcdUnavailable(),
  // Before 3.5 it writes no JSON unless it is told to.
  env: { ETCD_LOGGER: 'zap' },
  reword: (line) => (line.msg === OLD_MISMATCH ? { ...line, level: 'error', msg: MISMATCH } : line),
  lacks: {
    large: 'it takes requests of 1.5 MiB at most',
    orphan: 'it outlives its parent',
  },
};

/** Before 3.5, with level warn. */
const OLD_MISMATCH = 'request sent was ignored by remote peer due to cluster ID mismatch';
