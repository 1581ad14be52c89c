/** A status in words: members in an order that people know, and no rate before there is one. */
import { expect, test } from 'vitest';
import { peerLines } from '../../src/cli/status-view.js';
import type { NodeStatus, PeerStatus } from '../../src/node/status/shape.js';

const peer = (name: string, deliveredBytes: number) =>
  ({
    ...{ name, reachable: true, breaker: { cause: null }, rttMs: 1, recentLossShare: 0, inboundLossShare: 0 },
    ...{ datagramBytes: 1232, address: '10.0.0.1:7800', sentBytes: 4000 },
    path: {
      ...{ deliveredBytes, pacingBytesPerSecond: 75e6, windowBytes: 64_000 },
      ...{ controller: 'bbr', state: 'startup' },
    },
  }) as PeerStatus;

const linesOf = (...peers: PeerStatus[]) => peerLines({ peers, streams: [] as object[] } as NodeStatus);

test('peers stand in the order of their names, whatever their keys are', () => {
  const names = linesOf(peer('m10', 0), peer('m2', 0), peer('m1', 0)).map((line) => line.split(' ')[0]);
  expect(names).toEqual(['peer', 'm1', 'm2', 'm10', '', 'peer', 'm1', 'm2', 'm10']);
});

test('the rate of a path that has carried next to nothing is unknown', () => {
  const [fresh, used] = linesOf(peer('a', 4000), peer('b', 9e6)).slice(-2);
  expect([fresh, used]).toEqual([expect.stringMatching(/ unknown /), expect.stringMatching(/ 75\.0 MB\/s /)]);
});
