/** A status as a screen that is drawn again and again. In: a status, the size of the terminal. Out: lines that fit. */
import type { NodeStatus, ObjectStatus, PeerStatus } from '../../node/status/shape.js';
import { formatBytes, formatPercent } from '../io.js';
import { wrap } from './terminal.js';

/** One line of the screen: how it is meant, for who has colours. */
export interface ScreenLine {
  text: string;
  kind?: 'head' | 'title' | 'warning' | 'away' | 'wrong';
}

/** A column of a table: as many as fit are shown, the first ones first. */
interface Column<T> {
  title: string;
  width: number;
  of(row: T): string;
}

export function topScreen(
  status: NodeStatus,
  { columns, rows, time }: { columns: number; rows: number; time: string },
): ScreenLine[] {
  const { quorum, recent, host, store, consumer, warnings, objects } = status;
  const isQuorate = quorum.have >= quorum.need;
  const facts = [
    `${formatBytes(recent.sentBytesPerSecond)}/s out`,
    `${formatBytes(recent.receivedBytesPerSecond)}/s in`,
    `${recent.deliveredMessagesPerSecond} messages/s`,
    `${consumer.waitingObjects} waiting`,
    `store ${formatBytes(store.storedBytes)} of ${formatBytes(store.boundBytes)}`,
    `busy ${formatPercent(host.busyShare)}`,
    `${host.lagMs.toFixed(0)} ms late`,
    formatBytes(host.rssBytes),
  ];
  const lines: ScreenLine[] = [
    { text: spread(`${status.name} of ${status.group.name}`, time, columns), kind: 'head' },
    {
      text: `quorum ${isQuorate ? 'yes' : 'NO'}: ${quorum.have} here, ${quorum.need} needed`,
      ...(isQuorate ? {} : { kind: 'wrong' as const }),
    },
    ...flowed(facts, columns).map((text) => ({ text })),
    ...warnings.flatMap(({ code, text }) =>
      wrap('', `! ${code}: ${text}`, columns, 0).map((line) => ({ text: line, kind: 'warning' as const })),
    ),
    { text: '' },
  ];
  const peers = status.peers.toSorted((a, b) => Number(a.reachable) - Number(b.reachable));
  // Of many peers those that are away come first, and objects keep some lines.
  const forObjects = objects.length > 0 ? Math.min(objects.length + 2, Math.floor(rows / 3)) : 0;
  const forPeers = Math.max(2, rows - lines.length - forObjects);
  lines.push(...table(peers, peerColumns(status), columns, forPeers, (peer) => !peer.reachable));
  if (forObjects > 2) {
    lines.push({ text: '' });
    const newest = objects.toReversed().toSorted((a, b) => Number(a.complete) - Number(b.complete));
    lines.push(...table(newest, OBJECT_COLUMNS, columns, rows - lines.length, () => false));
  }
  return lines.slice(0, rows).map((line) => ({ ...line, text: line.text.slice(0, columns) }));
}

function table<T>(
  all: readonly T[],
  columns: readonly Column<T>[],
  width: number,
  height: number,
  isAway: (row: T) => boolean,
): ScreenLine[] {
  let used = 0;
  const shown = columns.filter((column) => {
    used += column.width;
    return used <= width;
  });
  const line = (cell: (column: Column<T>) => string) =>
    shown.map((column) => fitted(cell(column), column.width)).join('');
  const fits = all.length < height ? all : all.slice(0, Math.max(0, height - 2));
  const more = all.length - fits.length;
  return [
    { text: line(({ title }) => title).trimEnd(), kind: 'title' },
    ...fits.map(
      (row): ScreenLine => ({
        text: line((column) => column.of(row)).trimEnd(),
        ...(isAway(row) ? { kind: 'away' } : {}),
      }),
    ),
    ...(more > 0 ? [{ text: `and ${more} more` }] : []),
  ];
}

function peerColumns({ streams }: NodeStatus): Column<PeerStatus>[] {
  const lacks = (name: string) => streams.reduce((sum, { lackedBy }) => sum + (lackedBy[name] ?? 0), 0);
  const known = (value: number | null, words: (value: number) => string) =>
    value === null ? '-' : words(value);
  return [
    { title: 'peer', width: 12, of: ({ name }) => name },
    {
      title: 'state',
      width: 9,
      of: ({ reachable, breaker }) => (reachable ? (breaker.cause ?? 'here') : 'away'),
    },
    { title: 'rtt', width: 10, of: ({ rttMs }) => known(rttMs, (ms) => `${ms.toFixed(1)} ms`) },
    { title: 'loss', width: 8, of: ({ recentLossShare }) => formatPercent(recentLossShare) },
    { title: 'in', width: 8, of: ({ inboundLossShare }) => formatPercent(inboundLossShare) },
    { title: 'rate', width: 12, of: ({ path }) => `${formatBytes(path.deliveryBytesPerSecond)}/s` },
    { title: 'window', width: 10, of: ({ path }) => known(path.windowBytes, formatBytes) },
    { title: 'lacks', width: 7, of: ({ name }) => String(lacks(name)) },
  ];
}

const OBJECT_COLUMNS: Column<ObjectStatus>[] = [
  { title: 'object', width: 17, of: ({ from, seq }) => `${from} #${seq}` },
  { title: 'symbols', width: 14, of: ({ heldSymbols, neededSymbols }) => `${heldSymbols}/${neededSymbols}` },
  { title: 'held by', width: 9, of: ({ confirmedMembers }) => String(confirmedMembers) },
  { title: '', width: 24, of: bar },
  { title: 'size', width: 10, of: ({ lengthBytes }) => formatBytes(lengthBytes) },
];

function bar({ complete, heldSymbols, neededSymbols }: ObjectStatus): string {
  const share = complete ? 1 : Math.min(1, heldSymbols / Math.max(1, neededSymbols));
  const full = Math.round(share * BAR);
  return `${'#'.repeat(full)}${'.'.repeat(BAR - full)}`;
}

/** With at least one blank behind it. */
function fitted(text: string, width: number): string {
  return text.length < width ? text.padEnd(width) : `${text.slice(0, width - 2)}~ `;
}

function spread(left: string, right: string, columns: number): string {
  const room = columns - right.length - 1;
  return room < 8 ? left : `${left.slice(0, room).padEnd(room)} ${right}`;
}

/** Facts side by side, as many in a line as fit. */
function flowed(facts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + 2 + fact.length <= columns)
      lines[lines.length - 1] = `${last}, ${fact}`;
    else lines.push(fact);
  }
  return lines;
}

const BAR = 20;
