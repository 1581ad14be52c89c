/**
 * What is measured of a gateway, as Prometheus reads it: etcd's names where the meaning is, so that its dashboards work, and those of the
 * member behind it. In: the parts of a running gateway. Out: text.
 */
import {
  exposition,
  Histogram,
  type HistogramFamily,
  type MetricFamily,
} from '../../node/status/prometheus.js';
import type { NodeStatus, PeerStatus } from '../../node/status/shape.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Gateway } from '../gateway.js';

/** The times that are taken, with etcd's buckets: each twice the one before. */
export class Durations {
  /** Of what a put waits for before it is sent: a commit of the group's store. */
  readonly sync = new Histogram(doubling(0.001, 14));
  /** Of the log of revisions. */
  readonly commit = new Histogram(doubling(0.001, 14));
  /** By name of the member. */
  readonly rtts = new Map<string, Histogram>();

  /** To be called now and then, with what is known. */
  sample({ peers }: NodeStatus): void {
    for (const { name, rttMs, reachable } of peers) {
      if (!reachable || rttMs === null) continue;
      const histogram = this.rtts.get(name) ?? new Histogram(doubling(0.0001, 16));
      this.rtts.set(name, histogram);
      histogram.observe(rttMs / 1000);
    }
  }
}

export interface MetricsSources {
  gateway: Gateway;
  cluster: Cluster;
  durations: Durations;
  /** Of etcd's interface. */
  version: string;
  status(): NodeStatus;
  size(): { file: number; used: number };
  grpc(): { calls: number; sessions: number; accepted: number };
  watchStreams(): number;
}

export function gatewayMetrics(sources: MetricsSources): string {
  const { gateway, durations, cluster, version } = sources;
  const { state } = gateway;
  const { file, used } = sources.size();
  const { calls, sessions, accepted } = sources.grpc();
  const { peers } = sources.status();
  const to = (name: string) => {
    const member = cluster.members.find((each) => each.name === name);
    return { To: member?.id.toString(16) ?? name };
  };
  const ofPeers = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    value: (peer: PeerStatus) => number,
  ) => ({ name, type, help, samples: peers.map((peer) => ({ labels: to(peer.name), value: value(peer) })) });
  const rtts = [...durations.rtts].map(([name, histogram]) => ({ labels: to(name), histogram }));
  return exposition([
    gauge('etcd_server_has_leader', 'Whether a quorum is within reach.', Number(gateway.hasQuorum)),
    {
      ...gauge('etcd_server_version', 'Of the interface.', 1),
      samples: [{ labels: { server_version: version }, value: 1 }],
    },
    gauge('etcd_server_proposals_pending', 'Changes under way.', gateway.proposals),
    gauge('etcd_debugging_mvcc_current_revision', 'The last revision.', state.revision),
    gauge('etcd_debugging_mvcc_compact_revision', 'The first that is kept.', state.compacted),
    gauge('etcd_debugging_mvcc_keys_total', 'Keys.', state.keyspace.size),
    gauge('etcd_debugging_mvcc_watch_stream_total', 'Streams of watches.', sources.watchStreams()),
    gauge('etcd_mvcc_db_total_size_in_bytes', 'Of the log of revisions.', file),
    gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Of that what is in use.', used),
    histogram('etcd_disk_wal_fsync_duration_seconds', 'Commits of the store.', [
      { histogram: durations.sync },
    ]),
    histogram('etcd_disk_backend_commit_duration_seconds', 'Commits of the log.', [
      { histogram: durations.commit },
    ]),
    histogram('etcd_network_peer_round_trip_time_seconds', 'Round trips, sampled each second.', rtts),
    ofPeers('etcd_network_active_peers', 'gauge', 'Whether it is within reach.', ({ reachable }) =>
      Number(reachable),
    ),
    ofPeers('etcd_network_peer_sent_bytes_total', 'counter', 'UDP payload.', ({ sentBytes }) => sentBytes),
    gauge('headwater_gateway_connections', 'Of clients, open now.', sessions),
    {
      ...gauge('headwater_gateway_connections_total', 'Of clients, since the start.', accepted),
      type: 'counter',
    },
    gauge('headwater_gateway_calls_pending', 'Unary calls that wait.', calls),
  ]);
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ value }] };
}

function histogram(name: string, help: string, samples: HistogramFamily['samples']): HistogramFamily {
  return { name, help, type: 'histogram', samples };
}

function doubling(lowest: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => lowest * 2 ** i);
}
