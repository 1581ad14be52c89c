/** The screen of `headwater top`: it fits the terminal, and what is wrong is on it. */
import { describe, expect, test } from 'vitest';
import { topScreen } from '../../src/cli/terminal/top.js';
import type { NodeStatus, PeerStatus } from '../../src/node/status/shape.js';

const peer = (name: string, reachable = true): PeerStatus => ({
  name,
  reachable,
  reachableSince: '2026-01-01T00:00:00.000Z',
  address: '10.0.0.1:7800',
  told: [],
  failOvers: 0,
  rttMs: reachable ? 20.25 : null,
  minRttMs: 20,
  rttVariationMs: 1,
  recentLossShare: 0.1,
  lossShare: 0.1,
  inboundLossShare: 0.099,
  sentBytes: 1e6,
  sentDatagrams: 1000,
  ackedDatagrams: 900,
  lostDatagrams: 100,
  datagramBytes: 1232,
  breaker: { cause: null, trips: 0 },
  protocol: 1,
  features: [],
  path: {
    inFlightBytes: 0,
    deliveryBytesPerSecond: 1.2e6,
    deliveredBytes: 1e6,
    probeTimeouts: 0,
    controller: 'bbr',
    state: 'probe-bw',
    windowBytes: 64_000,
    pacingBytesPerSecond: 2e6,
    bandwidthBytesPerSecond: 2e6,
    lossFloorShare: 0.1,
  },
});

function status(changes: Partial<NodeStatus> = {}): NodeStatus {
  return {
    name: 'anna',
    group: { name: 'lab', id: 'ff', members: 4 },
    quorum: { have: 3, need: 3, away: ['dora'], unheard: [] },
    warnings: [],
    peers: [peer('ben'), peer('cleo'), peer('dora', false)],
    streams: [
      {
        from: 'anna',
        incarnation: 1,
        keptFrom: 0,
        delivered: 2,
        deliverable: 3,
        held: 3,
        waitingMs: 0,
        lackedBy: { dora: 3 },
      },
    ],
    objects: [
      {
        from: 'ben',
        incarnation: 1,
        seq: 7,
        lengthBytes: 2e6,
        neededSymbols: 1490,
        heldSymbols: 745,
        complete: false,
        delivered: false,
        confirmedMembers: 1,
      },
    ],
    consumer: { busyMs: null, deliveredMessages: 5, waitingObjects: 1 },
    store: {
      storedBytes: 12e6,
      boundBytes: 4e9,
      pendingBytes: 0,
      full: false,
      commits: 1,
      lastCommitAt: null,
      lastCommitMs: null,
    },
    host: { pid: 1, lagMs: 3, busyShare: 0.12, rssBytes: 9e7, kernelDrops: 0 },
    recent: {
      windowMs: 5000,
      sentBytesPerSecond: 1.2e6,
      receivedBytesPerSecond: 3.4e6,
      deliveredMessagesPerSecond: 150,
      dropsPerSecond: {},
    },
    ...changes,
  } as NodeStatus;
}

const screen = (of: NodeStatus, columns: number, rows = 24) =>
  topScreen(of, { columns, rows, time: '21:40:02' });
const texts = (...args: Parameters<typeof screen>) => screen(...args).map(({ text }) => text);
const warning = {
  code: 'busy-host',
  member: null,
  text: `the event loop came up to 200 ms late ${'x'.repeat(60)}`,
  since: '',
} as const;

test('a screen of 80 columns has all of each path, and each object on its way', () => {
  const lines = texts(status(), 80);

  expect(lines[0]).toMatch(/^anna of lab +21:40:02$/);
  expect(lines).toContain('peer        state    rtt       loss    in      rate        window    lacks');
  expect(lines).toContain('ben         here     20.3 ms   10.0 %  9.9 %   1.2 MB/s    64.0 kB   0');
  expect(lines).toContain('ben #7           745/1490      1        ##########..........    2.0 MB');
});

test('who is away stands before those that are here', () => {
  const away = screen(status(), 80).find(({ kind }) => kind === 'away');
  const lines = texts(status(), 80);

  expect(away?.text).toMatch(/^dora +away +- /);
  expect(lines.findIndex((line) => line.startsWith('dora'))).toBeLessThan(
    lines.findIndex((line) => line.startsWith('ben ')),
  );
});

test('without a quorum that is said, and meant as wrong', () => {
  const lines = screen(status({ quorum: { have: 2, need: 3, away: ['cleo', 'dora'], unheard: [] } }), 80);

  expect(lines).toContainEqual({ text: 'quorum NO: 2 here, 3 needed', kind: 'wrong' });
});

describe.each([20, 40, 80])('a terminal of %i columns', (columns) => {
  test.each([6, 24])('and %i rows holds all lines', (rows) => {
    const peers = Array.from({ length: 40 }, (_, i) => peer(`a-member-with-a-long-name-${i}`));
    const lines = texts(status({ peers, warnings: [warning] }), columns, rows);

    expect(lines.length).toBeLessThanOrEqual(rows);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
  });
});

test('of more peers than there are lines it says how many are left out', () => {
  const peers = Array.from({ length: 40 }, (_, i) => peer(`p${i}`));

  expect(texts(status({ peers, objects: [] }), 80, 16).at(-1)).toMatch(/^and \d+ more$/);
});
