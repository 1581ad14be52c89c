/** A status in words. In: a status, and how wide the terminal is. Out: lines. */
import type { NodeStatus, PeerStatus } from '../node/status/shape.js';
import { formatBytes, formatPercent } from './io.js';
import { COLUMNS, wrap as wrapped } from './terminal/terminal.js';

/** What is wrong, who is here, the store and the process. */
export function statusLines(status: NodeStatus, width = COLUMNS): string[] {
  const wrap = (title: string, text: string) => wrapped(title, text, width);
  const { quorum, group, store, host, consumer, metrics, recent, socket } = status;
  const others = byName(status.peers)
    .filter(({ name, reachable }) => reachable && !quorum.unheard.includes(name))
    .map(({ name }) => name);
  const away = quorum.away.length > 0 ? `; away: ${quorum.away.toSorted(ORDER.compare).join(', ')}` : '';
  const deaf = quorum.unheard.length > 0 ? `; not hearing us: ${quorum.unheard.join(', ')}` : '';
  const has = quorum.have >= quorum.need ? 'yes' : 'NO: nothing is delivered';
  const commits =
    store.lastCommitMs === null
      ? 'nothing written yet'
      : `the last commit took ${store.lastCommitMs.toFixed(1)} ms`;
  const isBroken = status.warnings.some(({ code }) => code === 'store-error');
  const streams = status.streams.filter(({ held, delivered }) => held > delivered);
  return [
    ...wrap(
      'member',
      `${status.name} of group ${group.name}, at ${status.address}, up ${length(status.uptimeMs)}`,
    ),
    ...(status.observed.length === 0
      ? []
      : wrap(
          'seen at',
          status.observed.map(({ address, by }) => `${address} (${by.join(', ')})`).join('; '),
        )),
    ...wrap('quorum', `${has} (${quorum.have} of ${group.members} are here, ${quorum.need} are needed)`),
    ...wrap('here', `${[status.name, ...others].join(', ')}${deaf}${away}`),
    ...warningLines(status, wrap),
    ...wrap(
      'store',
      `${formatBytes(store.storedBytes)} of ${formatBytes(store.boundBytes)}${store.full ? `, ${isBroken ? 'CANNOT BE WRITTEN' : 'FULL'}` : ''}, ${formatBytes(store.pendingBytes)} wait to be written; ${commits}`,
    ),
    ...wrap(
      'consumer',
      `${consumer.busyMs === null ? 'waits for messages' : `has had one for ${length(consumer.busyMs)}`}; ${consumer.deliveredMessages} delivered, ${consumer.waitingObjects} objects wait`,
    ),
    ...streams.flatMap(({ from, held, delivered, deliverable, waitingMs }) =>
      wrap(
        'stream',
        `of ${from}: ${held} objects held, ${deliverable} may be delivered, ${delivered} are; ${waitingMs > 0 ? `no progress for ${length(waitingMs)}` : 'moving'}`,
      ),
    ),
    ...wrap(
      'traffic',
      `${formatBytes(recent.sentBytesPerSecond)}/s out, ${formatBytes(recent.receivedBytesPerSecond)}/s in; ${formatBytes(metrics.sentBytes)} and ${formatBytes(metrics.receivedBytes)} in all`,
    ),
    ...wrap(
      'process',
      `${host.pid}, ${formatBytes(host.rssBytes)} of memory, busy ${formatPercent(host.busyShare)} of the time, up to ${host.lagMs.toFixed(0)} ms late; socket ${socket.mode}`,
    ),
  ];
}

/** Two lines for each path: how far it is, and how it is used; `lacks`: objects that are held here and not there. */
export function peerLines({ peers: all, streams }: NodeStatus, width = COLUMNS): string[] {
  const peers = byName(all);
  const lacks = (name: string) => streams.reduce((sum, { lackedBy }) => sum + (lackedBy[name] ?? 0), 0);
  if (width < COLUMNS)
    return peers.flatMap((peer) => wrapped(peer.name, inWords(peer, lacks(peer.name)), width));
  return [
    columns('peer', 'state', 'rtt', 'loss', 'in', 'size', 'address'),
    ...peers.map((peer) =>
      columns(
        peer.name,
        peer.reachable ? (peer.breaker.cause ?? 'here') : 'away',
        peer.rttMs === null ? '-' : `${peer.rttMs.toFixed(1)} ms`,
        formatPercent(peer.recentLossShare),
        formatPercent(peer.inboundLossShare),
        formatBytes(peer.datagramBytes),
        peer.address ?? '-',
      ),
    ),
    '',
    columns('peer', 'sent', 'rate', 'window', 'lacks', '', 'controller'),
    ...peers.map((peer) => pathLine(peer, lacks(peer.name))),
  ];
}

/** One line for each reason, the most frequent first. */
export function dropLines({ metrics, recent }: NodeStatus, width = COLUMNS): string[] {
  const drops = Object.entries(metrics.drops).sort(([, a], [, b]) => b - a);
  if (drops.length === 0) return ['nothing was dropped'];
  const rows = drops.map(([reason, count]) => [
    reason,
    String(count),
    String(recent.dropsPerSecond[reason] ?? 0),
  ]);
  return [['reason', 'count', 'a second now'], ...rows].map(
    ([reason, count, rate]) =>
      `${reason.padEnd(22)}${count.padStart(14)}${width < COLUMNS ? '' : rate.padStart(16)}`,
  );
}

/** For a terminal that has no room for a table. */
function inWords(peer: PeerStatus, lacks: number): string {
  const { reachable, breaker, rttMs, recentLossShare, inboundLossShare, datagramBytes, path } = peer;
  return [
    `${reachable ? (breaker.cause ?? 'here') : 'away'} at ${peer.address ?? '-'}`,
    ...(rttMs === null ? [] : [`rtt ${rttMs.toFixed(1)} ms`]),
    `loss ${formatPercent(recentLossShare)} out, ${formatPercent(inboundLossShare)} in`,
    `datagrams of ${formatBytes(datagramBytes)}`,
    `sent ${formatBytes(peer.sentBytes)}`,
    `lacks ${lacks}`,
    `${path.controller} ${path.state}`,
  ].join('; ');
}

function pathLine({ name, sentBytes, path }: PeerStatus, lacks: number): string {
  const { windowBytes, controller, state } = path;
  return columns(
    name,
    formatBytes(sentBytes),
    rateOf(path),
    windowBytes === null ? '-' : formatBytes(windowBytes),
    String(lacks),
    '',
    `${controller} ${state}`,
  );
}

/** Before enough has gone there the rate is a guess from the first window, which may be a thousand times too high. */
function rateOf({ pacingBytesPerSecond, deliveredBytes }: PeerStatus['path']): string {
  if (pacingBytesPerSecond === null) return '-';
  return deliveredBytes < ENOUGH_TO_RATE ? 'unknown' : `${formatBytes(pacingBytesPerSecond)}/s`;
}

/** Members stand in a group by their keys, which nobody knows by heart. */
function byName<T extends { name: string }>(members: readonly T[]): T[] {
  return members.toSorted((a, b) => ORDER.compare(a.name, b.name));
}

function warningLines({ warnings }: NodeStatus, wrap: (title: string, text: string) => string[]): string[] {
  if (warnings.length === 0) return wrap('warnings', 'none');
  return warnings.flatMap(({ code, text, since }) =>
    wrap(`! ${code}`, `${text} (since ${since.slice(11, 19)})`),
  );
}

function columns(...cells: string[]): string {
  const line = cells.map((cell, i) => (i < WIDTHS.length ? cell.padEnd(WIDTHS[i]) : cell)).join('');
  return line.trimEnd();
}

/** A length of time for people. */
function length(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** Some ten first windows. */
const ENOUGH_TO_RATE = 256 * 1024;
const ORDER = new Intl.Collator('en', { numeric: true });
const WIDTHS = [11, 10, 11, 10, 9, 8];
