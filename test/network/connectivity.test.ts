/** Connectivity as a Hydra node is told of it, from what the node below knows. */
import { describe, expect, test } from 'vitest';
import type { Group } from '../../src/group/group.js';
import { ConnectivityTracker } from '../../src/network/connectivity.js';
import type { Connectivity } from '../../src/network/network.js';
import { paperGroup } from './members.js';

const VERSION = 3;

function track(members: number) {
  const group = paperGroup(members);
  const tracker = new ConnectivityTracker(group, VERSION);
  const events = briefly(tracker.start());
  const peer = (index: number, reachable: boolean) =>
    briefly(tracker.on({ type: 'peer', member: group.members[index], reachable }));
  return {
    group,
    tracker,
    started: events,
    comes: (i: number) => peer(i, true),
    goes: (i: number) => peer(i, false),
  };
}

const briefly = (events: readonly Connectivity[]) =>
  events.map((event) => ('peer' in event && event.peer ? `${event.type} ${event.peer.index}` : event.type));

describe('the network', () => {
  test('of one is connected from the start', () => {
    expect(track(1).started).toEqual(['NetworkConnected']);
  });

  test('of several is not, and says nothing until a quorum is within reach', () => {
    const { started, comes } = track(5);
    expect([started, comes(1)]).toEqual([[], []]);
  });

  test('is connected with the peer that makes a quorum, and tells of all that are there', () => {
    const { comes } = track(5);
    comes(1);
    expect(comes(2)).toEqual(['NetworkConnected', 'PeerConnected 1', 'PeerConnected 2']);
  });

  test('is disconnected with the peer that takes the quorum away, and says nothing else', () => {
    const { comes, goes } = track(3);
    comes(1);
    expect(goes(1)).toEqual(['NetworkDisconnected']);
  });

  test('tells of all peers anew when it is back', () => {
    const { comes, goes } = track(5);
    for (const peer of [1, 2]) comes(peer);
    goes(1);
    expect(comes(3)).toEqual(['NetworkConnected', 'PeerConnected 2', 'PeerConnected 3']);
  });
});

describe('a peer', () => {
  test('that comes to or goes from a connected network is told of', () => {
    const { comes, goes } = track(3);
    comes(1);
    expect([comes(2), goes(2)]).toEqual([['PeerConnected 2'], ['PeerDisconnected 2']]);
  });

  test('that goes while there is no quorum is not', () => {
    const { comes, goes } = track(5);
    comes(1);
    expect(goes(1)).toEqual([]);
  });
});

describe('a member that is not as we are', () => {
  const PROTOCOL = { ours: { lowest: 3, highest: 3 }, theirs: { lowest: 9, highest: 9 } };
  const otherVersion = (group: Group, version: number) =>
    ({ type: 'other-version', member: group.members[1], version }) as const;

  test('has another version: told with both', () => {
    const { group, tracker } = track(2);
    expect(tracker.on(otherVersion(group, 4))).toEqual([
      { type: 'VersionMismatch', ours: VERSION, theirs: 4, peer: group.members[1] },
    ]);
  });

  test.each([
    ['another version', (group: Group) => otherVersion(group, 4)],
    [
      'another protocol',
      ({ members }: Group) => ({ type: 'foreign-version', member: members[1], ...PROTOCOL }) as const,
    ],
    ['another group', ({ members }: Group) => ({ type: 'foreign-group', member: members[1] }) as const],
  ])('%s is told of once, until the member has gone and come back', (_, eventOf) => {
    const { group, tracker, comes, goes } = track(2);
    const tell = () => tracker.on(eventOf(group)).length;
    const counts = [tell(), tell()];
    comes(1);
    counts.push(tell());
    goes(1);
    counts.push(tell());
    expect(counts).toEqual([1, 0, 0, 1]);
  });

  test('speaks another version of the protocol: which messages it would send cannot be told', () => {
    const { group, tracker } = track(2);
    const [event] = tracker.on({ type: 'foreign-version', member: group.members[1], ...PROTOCOL });
    expect(event).toEqual({
      type: 'VersionMismatch',
      ours: VERSION,
      peer: group.members[1],
      protocol: PROTOCOL,
    });
  });

  test('has another list of members: told with ours', () => {
    const { group, tracker } = track(2);
    expect(tracker.on({ type: 'foreign-group', member: group.members[1] })).toEqual([
      // In the order of their keys.
      { type: 'ClusterIDMismatch', clusterPeers: 'b=10.0.0.2:7000,a=10.0.0.1:7000' },
    ]);
  });

  test('is nobody that we know: told once as well', () => {
    const { tracker } = track(2);
    const tell = () => tracker.on({ type: 'foreign-group', member: undefined }).length;
    expect([tell(), tell()]).toEqual([1, 0]);
  });
});

test('what is not about connectivity says nothing of it', () => {
  expect(track(2).tracker.on({ type: 'store-full', full: true })).toEqual([]);
});
