/** A member's metrics: what its status says, under the names that Prometheus wants. Labels are names of members, and reasons. */
import type { Health } from './health.js';
import { exposition, type HistogramFamily, type MetricFamily } from './prometheus.js';
import type { NodeStatus, PeerStatus } from './shape.js';

export function membersMetrics(status: NodeStatus, health: Health): string {
  const { metrics, peers, store, host, quorum, consumer } = status;
  const { drops, refused } = metrics;
  const histogram = (name: string, help: string, of: Health['commitSeconds']): HistogramFamily => ({
    name,
    help,
    type: 'histogram',
    samples: [{ histogram: of }],
  });
  return exposition([
    {
      ...gauge('headwater_info', 'Always 1; its labels say which member this is.', 1),
      samples: [{ labels: { member: status.name, group: status.group.name }, value: 1 }],
    },
    gauge('headwater_uptime_seconds', 'Since the member was started.', status.uptimeMs / 1000),
    gauge('headwater_quorum_members', 'Members that have to confirm a message.', quorum.need),
    gauge('headwater_members_reachable', 'Members within reach that hear this one, and it.', quorum.have),
    gauge('headwater_peers_connected', 'Other members within reach that hear this one.', quorum.have - 1),
    ofWarnings(status),
    counter('headwater_sent_bytes_total', 'UDP payload sent.', metrics.sentBytes),
    counter('headwater_sent_datagrams_total', 'Datagrams sent.', metrics.sentDatagrams),
    counter('headwater_received_bytes_total', 'UDP payload received.', metrics.receivedBytes),
    counter('headwater_received_datagrams_total', 'Datagrams received.', metrics.receivedDatagrams),
    counter('headwater_send_errors_total', 'Datagrams that the system refused.', metrics.sendErrors),
    counter('headwater_symbols_useful_total', 'Symbols that brought something new.', metrics.usefulSymbols),
    counter('headwater_symbols_relayed_total', 'Symbols sent on to others.', metrics.relayedSymbols),
    byLabel('headwater_drops_total', 'What was thrown away.', 'reason', drops),
    byLabel('headwater_symbols_refused_total', 'Symbols beyond the part of their origin.', 'member', refused),
    counter('headwater_pulls_total', 'Objects asked for.', metrics.pulls),
    counter('headwater_objects_overflowed_total', 'Objects dropped for want of room.', metrics.overflowed),
    counter('headwater_objects_damaged_total', 'Objects that could not be read again.', metrics.damaged),
    counter('headwater_messages_delivered_total', 'Taken by the consumer.', consumer.deliveredMessages),
    gauge('headwater_objects_waiting', 'Objects that wait for the consumer.', consumer.waitingObjects),
    gauge('headwater_consumer_busy_seconds', 'With its present message.', (consumer.busyMs ?? 0) / 1000),
    gauge('headwater_pending_bytes', 'What waits for the store.', store.pendingBytes),
    gauge('headwater_store_bytes', 'What objects take in the store.', store.storedBytes),
    gauge('headwater_store_limit_bytes', 'What they may take.', store.boundBytes),
    gauge('headwater_store_full', '1 if nothing more can be stored.', store.full ? 1 : 0),
    histogram('headwater_store_commit_seconds', 'Time until a commit is durable.', health.commitSeconds),
    histogram(
      'headwater_delivery_seconds',
      'Own messages, from durable to delivered here.',
      health.deliverySeconds,
    ),
    histogram(
      'headwater_rebuild_seconds',
      'Objects of others, from the first symbol to the last that was needed.',
      health.rebuildSeconds,
    ),
    gauge('headwater_event_loop_lag_seconds', 'The longest of the last seconds.', host.lagMs / 1000),
    gauge('headwater_event_loop_busy_ratio', 'Of the last seconds.', host.busyShare),
    gauge('headwater_process_resident_memory_bytes', 'Memory of the process.', host.rssBytes),
    ofPeers('headwater_peer_reachable', '1 if it is within reach.', peers, ({ reachable }) =>
      reachable ? 1 : 0,
    ),
    ofPeers('headwater_path_rtt_seconds', 'Smoothed.', peers, ({ rttMs }) => rttMs && rttMs / 1000),
    ofPeers('headwater_path_loss_ratio', 'Of the last datagrams.', peers, (peer) => peer.recentLossShare),
    ofPeers(
      'headwater_path_inbound_loss_ratio',
      'Since the path began.',
      peers,
      (peer) => peer.inboundLossShare,
    ),
    ofPeers(
      'headwater_path_in_flight_bytes',
      'Sent, not acknowledged.',
      peers,
      ({ path }) => path.inFlightBytes,
    ),
    ofPeers('headwater_path_window_bytes', 'May be in flight.', peers, ({ path }) => path.windowBytes),
    ofPeers(
      'headwater_path_datagram_bytes',
      'The largest that arrives.',
      peers,
      (peer) => peer.datagramBytes,
    ),
    ...lackedBy(status),
  ]);
}

function gauge(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ value }] };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [{ value }] };
}

function byLabel(name: string, help: string, label: string, counts: Record<string, number>): MetricFamily {
  const samples = Object.entries(counts).map(([key, value]) => ({ labels: { [label]: key }, value }));
  return { name, help, type: 'counter', samples };
}

function ofPeers(
  name: string,
  help: string,
  peers: readonly PeerStatus[],
  value: (peer: PeerStatus) => number | null,
): MetricFamily {
  const samples = peers.flatMap((peer) => {
    const known = value(peer);
    return known === null ? [] : [{ labels: { peer: peer.name }, value: known }];
  });
  return { name, help, type: 'gauge', samples };
}

/** One warning may be about several members: they are counted. */
function ofWarnings({ warnings }: NodeStatus): MetricFamily {
  const counts = new Map<string, number>();
  for (const { code } of warnings) counts.set(code, (counts.get(code) ?? 0) + 1);
  const samples = [...counts].map(([code, value]) => ({ labels: { code }, value }));
  return { name: 'headwater_warnings', help: 'What is wrong now.', type: 'gauge', samples };
}

function lackedBy({ streams, peers }: NodeStatus): MetricFamily[] {
  const samples = peers.map(({ name }) => ({
    labels: { peer: name },
    value: streams.reduce((sum, stream) => sum + (stream.lackedBy[name] ?? 0), 0),
  }));
  return [{ name: 'headwater_objects_lacking', help: 'Held here and not there.', type: 'gauge', samples }];
}
