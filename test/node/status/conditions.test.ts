/** What a status shows to be wrong, and what not. */
import { describe, expect, test } from 'vitest';
import type { Member } from '../../../src/group/group.js';
import { quorumOf } from '../../../src/node/status/build.js';
import { conditionsOf, type Measured } from '../../../src/node/status/conditions.js';
import type { NodeStatus, PeerStatus } from '../../../src/node/status/shape.js';
import { paperGroup } from '../../network/members.js';

const group = paperGroup(3);
const [ann, ben, cleo] = group.members.map(({ name }) => name);

function peer(name: string, rest: Partial<PeerStatus> = {}): PeerStatus {
  const here = {
    reachable: true,
    address: '10.0.0.1:7001',
    datagramBytes: 1452,
    path: { probeTimeouts: 0 },
  };
  return { name, ...here, ...rest } as PeerStatus;
}

/** All is well, but for this. */
function status(rest: Partial<Record<keyof NodeStatus, unknown>> = {}): NodeStatus {
  return {
    name: ann,
    quorum: { have: 3, need: 2, away: [], unheard: [] },
    peers: [peer(ben), peer(cleo)],
    streams: [],
    consumer: { busyMs: null, waitingObjects: 0 },
    store: { storedBytes: 10, boundBytes: 100, pendingBytes: 0, full: false },
    host: { lagMs: 0 },
    ...rest,
  } as unknown as NodeStatus;
}

const calm: Measured = {
  lateSeconds: 0,
  commitMs: 5,
  committingMs: 0,
  newKernelDrops: 0,
  maxDatagram: 1452,
  lossTo: () => undefined,
  refused: 0,
  storeProblem: undefined,
};

function codes(of: NodeStatus, measured: Partial<Measured> = {}): string[] {
  return conditionsOf(of, group, { ...calm, ...measured }).map(({ code, member }) =>
    member ? `${code} ${member.name}` : code,
  );
}

test('nothing, where all is well', () => {
  expect(codes(status())).toEqual([]);
});

test('too few members for a quorum: who is missing is named', () => {
  const quorum = { have: 1, need: 2, away: [ben, cleo], unheard: [] };
  const [condition] = conditionsOf(status({ quorum }), group, calm);
  expect(condition).toMatchObject({ code: 'no-quorum', text: expect.stringContaining(`${ben}, ${cleo}`) });
});

test('who is heard and does not hear us is none of the quorum', () => {
  const [self, ...others] = group.members;
  const peers = others.map((member) => ({ member, reachable: true }));
  const quorum = quorumOf(peers, group, (member) => member !== self);
  expect(quorum).toEqual({ have: 1, need: group.quorum, away: [], unheard: [ben, cleo] });
  const [condition] = conditionsOf(status({ quorum }), group, calm);
  expect(condition).toMatchObject({
    code: 'no-quorum',
    text: expect.stringContaining(`${ben} (does not hear us)`),
  });
});

describe('a path', () => {
  test.each<[string, Partial<PeerStatus>, string[]]>([
    ['of a member that is away', { reachable: false }, [`member-away ${ben}`]],
    [
      'that nothing is acknowledged on: the losses follow from it',
      { datagramBytes: 1232, path: { probeTimeouts: 6 } as PeerStatus['path'] },
      [`unheard ${ben}`],
    ],
    ['that carries the smallest datagrams alone', { datagramBytes: 1232 }, [`narrow-path ${ben}`]],
  ])('%s', (_, rest, expected) => {
    expect(codes(status({ peers: [peer(ben, rest), peer(cleo)] }))).toEqual(expected);
  });

  test.each<[string, number | undefined, string[]]>([
    ['loses a seventh', 0.16, [`lossy-path ${ben}`]],
    ['loses a tenth', 0.1, []],
    ['has had little to lose', undefined, []],
  ])('that %s', (_, loss, expected) => {
    const lossTo = ({ name }: Member) => (name === ben ? loss : 0);
    expect(codes(status(), { lossTo })).toEqual(expected);
  });

  test('that nobody has tried to widen is none to warn of', () => {
    const peers = [peer(ben, { datagramBytes: 1232 })];
    expect(codes(status({ peers }), { maxDatagram: 1232 })).toEqual([]);
  });
});

describe('a store', () => {
  const store = { storedBytes: 80, boundBytes: 100, pendingBytes: 10, full: false };
  test('nine tenths full', () => {
    expect(codes(status({ store }))).toEqual(['store-nearly-full']);
  });

  test('that is kept for a member that lacks it', () => {
    const streams = [{ lackedBy: { [cleo]: 7 } }];
    const half = { ...store, storedBytes: 60, pendingBytes: 0 };
    expect(codes(status({ store: half, streams }))).toEqual([`held-back ${cleo}`]);
  });

  test('that is full', () => {
    expect(codes(status({ store: { ...store, storedBytes: 5, full: true } }))).toEqual(['store-full']);
  });

  test('that cannot be written for another reason, which is told', () => {
    const full = status({ store: { ...store, storedBytes: 5, full: true } });
    const [condition] = conditionsOf(full, group, { ...calm, storeProblem: 'EIO: i/o error' });
    expect(condition).toMatchObject({ code: 'store-error', text: expect.stringContaining('EIO') });
  });

  test('whose commits take long, also the one under way', () => {
    expect([codes(status(), { commitMs: 300 }), codes(status(), { committingMs: 300 })]).toEqual([
      ['slow-disk'],
      ['slow-disk'],
    ]);
  });
});

test('a consumer that has had one message for long', () => {
  expect(codes(status({ consumer: { busyMs: 10_000, waitingObjects: 3 } }))).toEqual(['slow-consumer']);
});

test('a host that is late in most seconds, and a kernel that drops', () => {
  expect(codes(status(), { lateSeconds: 3, newKernelDrops: 9 })).toEqual(['busy-host', 'small-buffer']);
});

test.each([
  ['ENETUNREACH', 'there is no route'],
  ['EPERM', 'a firewall of this machine'],
  ['EINVAL', 'from 127.0.0.1:7801, see --bind'],
])('a system that refuses to send, with %s: %s', (refusal, text) => {
  const bound = status({ socket: { refusal }, address: '127.0.0.1:7801' });
  const [condition, ...more] = conditionsOf(bound, group, { ...calm, refused: 3 });
  expect(condition).toMatchObject({ code: 'cannot-send', text: expect.stringContaining(text) });
  expect(condition.text).toContain(refusal);
  expect([more, codes(bound, { refused: 2 })]).toEqual([[], []]);
});
