/** What the level `debug` says of a second: drops by who sent them, and what became of paths. */
import { expect, test } from 'vitest';
import { closeLines } from '../../src/cli/logging/closely.js';
import { levelOf } from '../../src/cli/logging/level.js';
import type { NodeEvent } from '../../src/node/node.js';
import type { NodeStatus, PeerStatus } from '../../src/node/status/shape.js';
import { DropWatch } from '../../src/node/status/watch/drops.js';

const ADDRESS = '10.0.0.2:7801';

function peer(rest: object = {}): PeerStatus {
  return {
    name: 'ben',
    address: ADDRESS,
    protocol: 1,
    datagramBytes: 1232,
    ackedDatagrams: 100,
    lostDatagrams: 5,
    breaker: { cause: null, trips: 0 },
    path: { probeTimeouts: 0 },
    ...rest,
  } as unknown as PeerStatus;
}

function status(of: PeerStatus, drops: Record<string, number> = {}): NodeStatus {
  return { peers: [of], metrics: { drops } } as unknown as NodeStatus;
}

const texts = (...of: Parameters<typeof closeLines>) =>
  closeLines(...of).map(({ topic, text }) => `${topic} ${text}`);

test('a second without news has no line', () => {
  expect(texts(status(peer()), status(peer({ ackedDatagrams: 900 })), new Map())).toEqual([]);
});

test.each<[string, object, object, string]>([
  ['opens', { protocol: null }, {}, `open by ${ADDRESS}, version 1 of the protocol`],
  ['closes', {}, { protocol: null }, 'closed'],
  ['has another address', {}, { address: '10.0.0.9:1' }, `now by 10.0.0.9:1, before by ${ADDRESS}`],
  ['carries more', {}, { datagramBytes: 1452 }, 'datagrams of up to 1452 bytes, before 1232'],
  ['is held back', {}, { breaker: { cause: 'loss' } }, 'held back to a trickle: loss'],
  ['is held back no longer', { breaker: { cause: 'loss' } }, {}, 'no longer held back'],
  ['is silent', {}, { path: { probeTimeouts: 3 } }, '3 probes in a row are not acknowledged'],
  ['loses', {}, { ackedDatagrams: 190, lostDatagrams: 15 }, '10 of 100 datagrams lost'],
])('a path that %s', (_, before, after, text) => {
  expect(texts(status(peer(before)), status(peer(after)), new Map())).toEqual([`path to ben: ${text}`]);
});

test('drops are told by who sent them, and what is left by nobody', () => {
  const bySender = new Map([
    [ADDRESS, { stale: 2 }],
    ['192.0.2.7:9', { 'bad-mac': 4 }],
  ]);
  const after = status(peer(), { stale: 5, 'bad-mac': 4, 'mail-overflow': 1 });
  expect(texts(status(peer(), { stale: 3 }), after, bySender)).toEqual([
    `drops from ben (${ADDRESS}): stale 2`,
    'drops from 192.0.2.7:9: bad-mac 4',
    'drops here: mail-overflow 1',
  ]);
});

test('a flood from everywhere is no flood of lines', () => {
  const bySender = new Map(Array.from({ length: 1000 }, (_, i) => [`192.0.2.7:${i}`, { 'bad-mac': 1 }]));
  const lines = texts(status(peer()), status(peer(), { 'bad-mac': 1000 }), bySender);
  expect(lines).toHaveLength(33);
  expect(lines[32]).toContain('and 968 more lines');
});

test('who looks gets drops by sender since the last look, of strangers without number together', () => {
  const drops: Record<string, number> = { stale: 7 };
  const watch = new DropWatch(() => ({ ...drops }));
  const drop = (from: string, reason: string) => {
    watch.begin();
    drops[reason] = (drops[reason] ?? 0) + 1;
    watch.end(from);
  };
  drop('before', 'stale');
  expect(watch.take().size).toBe(0);
  drop('a', 'stale');
  drop('a', 'stale');
  for (let i = 0; i < 100; i++) drop(`stranger ${i}`, 'bad-mac');
  const taken = watch.take();
  expect([taken.get('a'), taken.size, taken.get('others')]).toEqual([{ stale: 2 }, 65, { 'bad-mac': 37 }]);
  expect(watch.take().size).toBe(0);
});

test.each<[string, object]>([
  ['error', { type: 'lost' }],
  ['error', { type: 'warning', code: 'no-quorum' }],
  ['warning', { type: 'warning', code: 'lossy-path' }],
  ['warning', { type: 'misbehaviour' }],
  ['info', { type: 'peer' }],
])('%s: %j', (level, event) => {
  expect(levelOf(event as NodeEvent)).toBe(level);
});
