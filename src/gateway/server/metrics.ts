/**
 * What is measured of a gateway, as Prometheus reads it. Names are etcd's where the meaning is, so that its dashboards work. In: the
 * parts of a running gateway. Out: text, and a small HTTP server for it.
 */
import { createServer, type Server } from 'node:http';
import { HeadwaterError } from '../../errors.js';
import type { NodeStatus } from '../../node/status/shape.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Gateway } from '../gateway.js';

/** Counts of durations, by upper bounds that double from the lowest on. */
export class Histogram {
  private readonly bounds: readonly number[];
  private readonly counts: number[];
  private sum = 0;
  private count = 0;

  /** @param lowest seconds */
  constructor(lowest: number, bounds: number) {
    this.bounds = Array.from({ length: bounds }, (_, i) => lowest * 2 ** i);
    this.counts = this.bounds.map(() => 0);
  }

  observe(seconds: number): void {
    this.sum += seconds;
    this.count++;
    const at = this.bounds.findIndex((bound) => seconds <= bound);
    if (at >= 0) this.counts[at]++;
  }

  lines(name: string, labels = ''): string[] {
    let total = 0;
    const more = labels && `${labels},`;
    const buckets = this.bounds.map((bound, i) => {
      total += this.counts[i];
      return `${name}_bucket{${more}le="${bound}"} ${total}`;
    });
    const own = labels && `{${labels}}`;
    return [
      ...buckets,
      `${name}_bucket{${more}le="+Inf"} ${this.count}`,
      `${name}_sum${own} ${this.sum}`,
      `${name}_count${own} ${this.count}`,
    ];
  }
}

/** The times that are taken, with etcd's buckets. */
export class Durations {
  /** Of what a put waits for before it is sent: a commit of the group's store. */
  readonly sync = new Histogram(0.001, 14);
  /** Of the log of revisions. */
  readonly commit = new Histogram(0.001, 14);
  /** By name. */
  private readonly rtts = new Map<string, Histogram>();

  /** To be called now and then, with what is known. */
  sample({ peers }: NodeStatus): void {
    for (const { name, rttMs, reachable } of peers) {
      if (!reachable || rttMs === null) continue;
      const histogram = this.rtts.get(name) ?? new Histogram(0.0001, 16);
      this.rtts.set(name, histogram);
      histogram.observe(rttMs / 1000);
    }
  }

  peers(): [string, Histogram][] {
    return [...this.rtts];
  }
}

export interface MetricsSources {
  gateway: Gateway;
  cluster: Cluster;
  durations: Durations;
  version: string;
  startedAt: number;
  status(): NodeStatus | undefined;
  size(): { file: number; used: number };
  grpc(): { calls: number; sessions: number; accepted: number } | undefined;
  watchStreams(): number;
}

export function metricsText(sources: MetricsSources): string {
  const { gateway, durations, cluster, version, startedAt } = sources;
  const { state } = gateway;
  const { file, used } = sources.size();
  const status = sources.status();
  const grpc = sources.grpc();
  const { user, system } = process.cpuUsage();
  const text = new Text();
  text.one('etcd_server_has_leader', 'gauge', 'Whether a quorum is within reach.', Number(gateway.hasQuorum));
  text.many('etcd_server_version', 'gauge', 'Which version is running.', [
    [`server_version="${version}"`, 1],
  ]);
  text.one('etcd_server_proposals_pending', 'gauge', 'Changes under way.', gateway.proposals);
  text.one('etcd_debugging_mvcc_current_revision', 'gauge', 'The last revision.', state.revision);
  text.one('etcd_debugging_mvcc_compact_revision', 'gauge', 'The first that is kept.', state.compacted);
  text.one('etcd_debugging_mvcc_keys_total', 'gauge', 'Keys.', state.keyspace.size);
  text.one('etcd_debugging_mvcc_watch_stream_total', 'gauge', 'Streams of watches.', sources.watchStreams());
  text.one('etcd_mvcc_db_total_size_in_bytes', 'gauge', 'Of the log of revisions.', file);
  text.one('etcd_mvcc_db_total_size_in_use_in_bytes', 'gauge', 'Of that what is in use.', used);
  const sync = 'etcd_disk_wal_fsync_duration_seconds';
  text.histogram(sync, 'Commits of the group’s store.', durations.sync.lines(sync));
  const commit = 'etcd_disk_backend_commit_duration_seconds';
  text.histogram(commit, 'Commits of the log of revisions.', durations.commit.lines(commit));
  const ids = new Map(cluster.members.map(({ name, id }) => [name, id.toString(16)]));
  const to = (name: string) => `To="${ids.get(name)}"`;
  const rtt = 'etcd_network_peer_round_trip_time_seconds';
  const rtts = durations.peers().flatMap(([name, histogram]) => histogram.lines(rtt, to(name)));
  text.histogram(rtt, 'Round trips to other members, sampled.', rtts);
  const peers = status?.peers ?? [];
  const byPeer = (value: (peer: (typeof peers)[number]) => number): [string, number][] =>
    peers.map((peer) => [to(peer.name), value(peer)]);
  text.many(
    'etcd_network_active_peers',
    'gauge',
    'Whether the member is within reach.',
    byPeer(({ reachable }) => Number(reachable)),
  );
  text.many(
    'etcd_network_peer_sent_bytes_total',
    'counter',
    'UDP payload.',
    byPeer(({ sentBytes }) => sentBytes),
  );
  text.many(
    'headwater_peer_lost_ratio',
    'gauge',
    'Share of our datagrams that are lost on the way.',
    byPeer(({ recentLossShare }) => recentLossShare),
  );
  text.one(
    'headwater_malformed_messages_total',
    'counter',
    'Messages that are no changes.',
    gateway.malformed,
  );
  text.one('headwater_client_connections', 'gauge', 'Open now.', grpc?.sessions ?? 0);
  text.one('headwater_client_connections_total', 'counter', 'Since the start.', grpc?.accepted ?? 0);
  text.one('headwater_calls_pending', 'gauge', 'Unary calls that wait.', grpc?.calls ?? 0);
  text.one('process_resident_memory_bytes', 'gauge', 'Memory.', process.memoryUsage.rss());
  text.one('process_cpu_seconds_total', 'counter', 'CPU.', (user + system) / 1e6);
  text.one('process_start_time_seconds', 'gauge', 'Since 1970.', startedAt / 1000);
  return text.finish();
}

/** Serves `/metrics` and `/health`. @throws HeadwaterError NETWORK */
export async function serveMetrics(host: string, port: number, sources: MetricsSources): Promise<Server> {
  const server = createServer((request, response) => {
    const { url } = request;
    if (url === '/metrics') {
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      response.end(metricsText(sources));
    } else if (url === '/health') {
      const isWell = sources.gateway.hasQuorum;
      response.writeHead(isWell ? 200 : 503, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ health: String(isWell), reason: isWell ? '' : 'no quorum' }));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) =>
      reject(new HeadwaterError('NETWORK', `listen tcp ${host}:${port}: bind: ${cause.code}`, { cause })),
    );
    server.listen({ host, port }, resolve);
  });
  return server;
}

class Text {
  private readonly lines: string[] = [];

  one(name: string, type: string, help: string, value: number): void {
    this.many(name, type, help, [['', value]]);
  }

  many(name: string, type: string, help: string, values: readonly [labels: string, value: number][]): void {
    this.head(name, type, help);
    for (const [labels, value] of values) this.lines.push(`${name}${labels && `{${labels}}`} ${value}`);
  }

  histogram(name: string, help: string, lines: readonly string[]): void {
    this.head(name, 'histogram', help);
    this.lines.push(...lines);
  }

  finish(): string {
    return `${this.lines.join('\n')}\n`;
  }

  private head(name: string, type: string, help: string): void {
    this.lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }
}
