/**
 * What a member says at the level `debug` besides: once a second, what is otherwise only counted. In: two looks at its status, and from
 * whom came what was dropped. Out: lines, no more than a reader can follow.
 */
import type { Node } from '../../node/node.js';
import type { NodeStatus, PeerStatus } from '../../node/status/shape.js';
import { type DropCounts, newDrops } from '../../node/status/watch/drops.js';

/** One of them, with what is in it as data. */
export interface CloseLine {
  topic: 'drops' | 'path';
  /** That it is about, where it is about one. */
  member?: string;
  text: string;
  /** By reason. */
  drops?: DropCounts;
}

/** Tells lines each second, until the returned function is called. */
export function watchClosely(node: Node, tell: (line: CloseLine) => void): () => void {
  let last = node.status();
  node.drops.take();
  const timer = setInterval(() => {
    const status = node.status();
    for (const line of closeLines(last, status, node.drops.take())) tell(line);
    last = status;
  }, 1000);
  return () => {
    clearInterval(timer);
    node.drops.stop();
  };
}

/** @param bySender by address: what was dropped of it between the two looks */
export function closeLines(
  before: NodeStatus,
  after: NodeStatus,
  bySender: ReadonlyMap<string, DropCounts>,
): CloseLine[] {
  const lines = [
    ...dropLines(before, after, bySender),
    ...after.peers.flatMap((peer, i) => pathLines(before.peers[i], peer)),
  ];
  const left = lines.length - MAX_LINES;
  if (left <= 0) return lines;
  return [...lines.slice(0, MAX_LINES), { topic: 'path', text: `... and ${left} more lines in this second` }];
}

function dropLines(
  before: NodeStatus,
  after: NodeStatus,
  bySender: ReadonlyMap<string, DropCounts>,
): CloseLine[] {
  const rest = newDrops(before.metrics.drops, after.metrics.drops);
  const lines: CloseLine[] = [];
  for (const [address, drops] of bySender) {
    for (const [reason, count] of Object.entries(drops)) rest[reason] = (rest[reason] ?? 0) - count;
    const peer = after.peers.find((each) => each.address === address);
    const who = peer ? `${peer.name} (${address})` : address;
    lines.push({
      topic: 'drops',
      ...(peer && { member: peer.name }),
      text: `from ${who}: ${counted(drops)}`,
      drops,
    });
  }
  const own = newDrops({}, rest);
  if (Object.keys(own).length > 0) lines.push({ topic: 'drops', text: `here: ${counted(own)}`, drops: own });
  return lines;
}

function counted(drops: DropCounts): string {
  return Object.entries(drops)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ');
}

function pathLines(before: PeerStatus, after: PeerStatus): CloseLine[] {
  const { name } = after;
  const said: string[] = [];
  if (before.protocol === null && after.protocol !== null)
    said.push(`open by ${after.address}, version ${after.protocol} of the protocol`);
  else if (before.protocol !== null && after.protocol === null) said.push('closed');
  else if (before.address !== after.address)
    said.push(`now by ${after.address}, before by ${before.address}`);
  if (before.datagramBytes !== after.datagramBytes)
    said.push(`datagrams of up to ${after.datagramBytes} bytes, before ${before.datagramBytes}`);
  if (before.breaker.cause !== after.breaker.cause)
    said.push(
      after.breaker.cause === null ? 'no longer held back' : `held back to a trickle: ${after.breaker.cause}`,
    );
  if (before.path.probeTimeouts < SILENT_PROBES && after.path.probeTimeouts >= SILENT_PROBES)
    said.push(`${after.path.probeTimeouts} probes in a row are not acknowledged`);
  // A path that has begun anew counts from nothing.
  const lost = after.lostDatagrams - before.lostDatagrams;
  const acked = after.ackedDatagrams - before.ackedDatagrams;
  if (lost > 0 && acked >= 0) said.push(`${lost} of ${lost + acked} datagrams lost`);
  return said.map((text) => ({ topic: 'path', member: name, text: `to ${name}: ${text}` }));
}

/** Of a second. */
const MAX_LINES = 32;
const SILENT_PROBES = 3;
