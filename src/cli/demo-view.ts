/** What the demo shows: a live bar for each member on a terminal, a line a second elsewhere, and the summary. */
import { MultiBar, type SingleBar } from 'cli-progress';
import type { Child } from './child.js';
import { formatBytes, formatPercent, note, print } from './io.js';
import { COLUMNS, columnsOf, NARROW_TITLE, wrap } from './terminal/terminal.js';

/** The part of a member's JSON status that the demo reads. */
interface MemberStatus {
  objects: { seq: number; neededSymbols: number }[];
  peers: { name: string; reachable: boolean; inboundLossShare: number }[];
  metrics: { sentBytes: number; receivedBytes: number; usefulSymbols: number; drops: Record<string, number> };
}

export interface DemoMember {
  name: string;
  index: number;
  isMute: boolean;
  willBeKilled: boolean;
  state: 'starting' | 'waiting' | 'receiving' | 'saved' | 'killed' | 'sent';
  child?: Child;
  status?: MemberStatus;
  startedAt?: number;
  savedAt?: number;
  path?: string;
  intact?: boolean;
  /** By part of the file that has been on its way: the symbols that it takes. */
  needed: Map<number, number>;
}

export interface Summary {
  ok: boolean;
  nodes: number;
  lossPercent: number;
  delayMs: number;
  /** Mbit/s of each direction of each link. */
  linkRateMbit: number;
  file: { path: string; bytes: number; sha256: string };
  seconds: number;
  goodputMbit: number;
  /**
   * `linkMbit`: datagram bytes delivered on each of the origin's links; `linkShare`: of what its rate and loss leave;
   * `linkShareOfMost`: the same until 95 % of them were delivered, so without the wait for the last reports; both null for
   * links without a limit, or that lose everything.
   */
  sender: {
    bytes: number;
    ratio: number;
    linkMbit: number;
    linkShare: number | null;
    linkShareOfMost: number | null;
  };
  network: { sent: number; delivered: number; lost: number; queueDropped: number };
  members: DemoMember[];
}

/** Follows the members until `stop`. */
export function createDemoView(members: readonly DemoMember[], quiet: boolean): { stop(): void } {
  const receivers = members.slice(1);
  const bars = !quiet && process.stderr.isTTY ? startBars(receivers) : undefined;
  const started = performance.now();
  const timer = setInterval(
    () => {
      receivers.forEach((member, i) => {
        const needed = neededBy(member);
        bars?.[i].update(heldOf(member), { ...columns(member), needed: needed || '?' });
        if (needed > 0) bars?.[i].setTotal(needed);
      });
      if (bars || quiet) return;
      const shares = receivers.map(
        (member) => `${member.name} ${member.state === 'killed' ? 'killed' : shareOf(member)}`,
      );
      note(`${((performance.now() - started) / 1000).toFixed(0).padStart(3)} s  ${shares.join('  ')}`);
    },
    bars || quiet ? 100 : 1000,
  );
  return {
    stop() {
      clearInterval(timer);
      if (!bars) return;
      receivers.forEach((member, i) => {
        bars[i].update(heldOf(member), { ...columns(member), needed: neededBy(member) || '?' });
      });
      bars.multi.stop();
    },
  };
}

/** Symbols that the file takes, as far as it has begun to come. */
export function neededBy({ needed }: DemoMember): number {
  return [...needed.values()].reduce((sum, symbols) => sum + symbols, 0);
}

/** Whether a member holds this share of the symbols that it needs. */
export function holdsShare(member: DemoMember, share: number): boolean {
  const needed = neededBy(member);
  return needed > 0 && (member.status?.metrics.usefulSymbols ?? 0) >= share * needed;
}

export const printSummary = {
  json({ members, ...summary }: Summary) {
    const [origin, ...receivers] = members;
    return {
      ...summary,
      members: receivers.map((member) => ({
        name: member.name,
        state: member.state,
        mute: member.isMute,
        intact: member.intact === true,
        seconds: member.savedAt === undefined ? null : (member.savedAt - origin.startedAt!) / 1000,
        symbolsNeeded: neededBy(member) || null,
        symbolsUsed: member.status?.metrics.usefulSymbols ?? 0,
        receivedBytes: member.status?.metrics.receivedBytes ?? 0,
        lossSeen: lossSeen(member),
        drops: member.status?.metrics.drops ?? {},
      })),
      senderDrops: origin.status?.metrics.drops ?? {},
    };
  },

  table({ members, ...summary }: Summary) {
    const { file, seconds, goodputMbit, sender, network } = summary;
    const [origin, ...receivers] = members;
    const title = `${formatBytes(file.bytes)} to ${receivers.length} members at ${summary.lossPercent} % loss, ${summary.delayMs} ms one way, ${linkRate(summary.linkRateMbit)}`;
    for (const line of wrap('', title, columnsOf(), 0)) print(line);
    print('');
    const isWide = columnsOf() >= COLUMNS;
    print(
      isWide
        ? 'member    state        time      used/needed  loss     received/file  sha256'
        : 'member    state        time      sha256',
      'bold',
    );
    for (const member of receivers) {
      const { status } = member;
      const time =
        member.savedAt === undefined ? '-' : `${((member.savedAt - origin.startedAt!) / 1000).toFixed(2)} s`;
      const used = `${status?.metrics.usefulSymbols ?? 0}/${neededBy(member) || '-'}`;
      const received = ((status?.metrics.receivedBytes ?? 0) / file.bytes).toFixed(2);
      const state = member.state + (member.isMute ? ', mute' : '');
      const verdict = member.intact ? 'ok' : member.state === 'killed' ? '-' : 'WRONG';
      const cells = [
        state.padEnd(12),
        time.padEnd(9),
        used.padEnd(12),
        formatPercent(lossSeen(member)).padEnd(8),
      ];
      const shown = isWide ? [...cells, received.padEnd(14)] : cells.slice(0, 2);
      print(
        `${member.name.padEnd(9)} ${shown.join(' ')} ${verdict}`,
        verdict === 'WRONG' ? 'red' : undefined,
      );
    }
    print('');
    const share =
      sender.linkShare === null
        ? ''
        : `, ${formatPercent(sender.linkShare)} of what rate and loss leave (${formatPercent(sender.linkShareOfMost ?? 0)} without the last 5 %)`;
    for (const [title, text] of [
      ['time', `${seconds.toFixed(2)} s until the last live member had the file`],
      ['goodput', `${goodputMbit.toFixed(1)} Mbit/s to each member`],
      [
        'sender',
        `sent ${formatBytes(sender.bytes)}, ${sender.ratio.toFixed(2)} times the file (${receivers.length} copies would be ${receivers.length})`,
      ],
      ['links', `the sender's delivered ${sender.linkMbit.toFixed(1)} Mbit/s each${share}`],
      [
        'network',
        `${network.sent} datagrams, ${formatPercent(network.lost / Math.max(1, network.sent))} lost on the way`,
      ],
    ])
      for (const line of wrap(title, text, columnsOf(), NARROW_TITLE)) print(line);
  },
};

function linkRate(mbit: number): string {
  return mbit === 0 ? 'links without a limit' : `${mbit} Mbit/s links`;
}

function startBars(receivers: readonly DemoMember[]): SingleBar[] & { multi: MultiBar } {
  const multi = new MultiBar({
    // With so short a bar a line fits into 80 columns, also of a mute member and a large file.
    format:
      columnsOf(process.stderr) < COLUMNS
        ? '{name} {percentage}%  {state}'
        : '{name} [{bar}] {percentage}%  {held}/{needed} symbols  loss {loss}  {state}',
    stream: process.stderr,
    hideCursor: true,
    barsize: 10,
  });
  const bars = receivers.map((member) => multi.create(1, 0, { ...columns(member), needed: '?' }));
  return Object.assign(bars, { multi });
}

function columns(member: DemoMember) {
  const used = member.status?.metrics.usefulSymbols ?? 0;
  return {
    name: member.name.padEnd(8),
    held: used,
    loss: formatPercent(lossSeen(member)),
    state: member.state + (member.isMute ? ' (mute)' : ''),
  };
}

function heldOf(member: DemoMember): number {
  const needed = neededBy(member);
  if (member.state === 'saved') return needed || 1;
  return Math.min(member.status?.metrics.usefulSymbols ?? 0, needed);
}

function shareOf(member: DemoMember): string {
  return `${Math.floor((100 * heldOf(member)) / (neededBy(member) || 1))} %`;
}

/** Mean over the peers that are there. */
function lossSeen({ status }: DemoMember): number {
  const losses = (status?.peers ?? []).filter((peer) => peer.reachable).map((peer) => peer.inboundLossShare);
  return losses.length === 0 ? 0 : losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}
