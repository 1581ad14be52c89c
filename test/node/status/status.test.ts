/** The status of a running member: one documented shape, which is JSON, with units that are true. */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { keyPair } from '../../../src/crypto/keys.js';
import { createGroup } from '../../../src/group/group.js';
import { Node, type NodeOptions } from '../../../src/node/node.js';
import type { NodeStatus } from '../../../src/node/status/shape.js';
import { freePorts } from '../../e2e/cli.js';

const guide = readFileSync(new URL('../../../docs/GUIDE.md', import.meta.url), 'utf8');
const nodes: Node[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

async function groupOf(count: number) {
  const ports = await freePorts(count);
  const seeds = ports.map((_, i) => new Uint8Array(32).fill(i + 1));
  const names = 'abc';
  const members = seeds.map((seed, i) => ({
    name: names[i],
    publicKey: keyPair(seed).publicKey,
    locator: `127.0.0.1:${ports[i]}`,
  }));
  const group = createGroup({ name: 'status', members });
  return async (i: number, options: Partial<NodeOptions> = {}) => {
    const node = await Node.start({ group, secretKey: seeds[i], ...options });
    nodes.push(node);
    return node;
  };
}

const text = new TextEncoder().encode('hello');

/** Two members of three, with a message that waits for its consumer and is kept for the third. */
async function statusWithEverything(): Promise<NodeStatus> {
  const start = await groupOf(3);
  const a = await start(0, { deliver: () => new Promise(() => {}) });
  await start(1);
  await a.reach(1);
  await a.submit(text);
  await vi.waitUntil(() => a.status().consumer.busyMs !== null && a.status().streams.length > 0, 5000);
  return a.status();
}

/** All members of it by name; of records and lists what they hold stands for all. */
function fieldsOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.length > 0 ? fieldsOf(value[0], `${path}[]`) : [`${path}[]`];
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, each]) => fieldsOf(each, path === '' ? key : `${path}.${key}`));
}

test('GUIDE names each field that there is, and no other', async () => {
  const status = await statusWithEverything();
  const section = guide.slice(guide.indexOf('### Status'), guide.indexOf('### Drops'));
  const documented = [...section.matchAll(/^\| `([\w.[\]]+)` \|/gm)].map(([, name]) => name);
  // By name of a member, or by reason; not there without a cause.
  const open = /^(streams\[\]\.lackedBy|metrics\.drops|metrics\.refused|recent\.dropsPerSecond)(\.|$)/;
  const actual = fieldsOf({
    ...status,
    warnings: [{ code: 'no-quorum', member: null, text: '', since: '' }],
  }).map((name) => open.exec(name)?.[1] ?? name);
  const empty = ['streams[].lackedBy', 'metrics.drops', 'metrics.refused', 'recent.dropsPerSecond'];
  const optional = [
    ...['told[]', 'observed[].address', 'observed[].by[]', 'peers[].told[]'],
    'socket.reason',
    'peers[].features[]',
    'objects[].lackedBy',
    // Of groups that change.
    ...['newest', 'known', 'active', 'members', 'leaving[]', 'over', 'lackingStreams'].map(
      (name) => `group.epoch.${name}`,
    ),
  ];
  const listed = (names: string[]) =>
    [...new Set(names)].filter((name) => !optional.includes(name)).toSorted();

  expect(listed(documented)).toEqual(listed([...actual, ...empty]));
});

test('it is the same as JSON', async () => {
  const status = await statusWithEverything();
  expect(JSON.parse(JSON.stringify(status))).toEqual(status);
});

test('it says who is here, who lacks what, and what waits for whom', async () => {
  const status = await statusWithEverything();
  expect(status).toMatchObject({
    name: 'a',
    group: { name: 'status', members: 3 },
    quorum: { have: 2, need: 2, away: ['c'], unheard: [] },
    consumer: { deliveredMessages: 0, waitingObjects: 1 },
    streams: [{ from: 'a', held: 1, delivered: 0, deliverable: 1, lackedBy: { c: 1 } }],
    store: { boundBytes: 4294967296, full: false },
  });
  expect(status.peers.map(({ name, reachable }) => [name, reachable])).toEqual(
    expect.arrayContaining([
      ['b', true],
      ['c', false],
    ]),
  );
});

test('in detail it says what each member lacks of each object; else nobody counts that', async () => {
  const start = await groupOf(3);
  const a = await start(0);
  const [before] = (await a.submit(text)) && a.status({ detail: true }).objects;
  expect(before).toMatchObject({ from: 'a', neededSymbols: 1, lackedBy: { b: 1, c: 1 } });
  expect(a.status().objects[0].lackedBy).toBeUndefined();

  await start(1);
  await vi.waitUntil(() => a.status().objects[0].confirmedMembers === 2, 5000);
  expect(a.status({ detail: true }).objects[0].lackedBy).toEqual({ c: 1 });
});

test('round trips are in milliseconds: those of loopback are less than seconds and more than nothing', async () => {
  const { peers } = await statusWithEverything();
  const { rttMs, minRttMs } = peers.find(({ name }) => name === 'b')!;
  expect(minRttMs).toBeGreaterThan(0);
  expect(rttMs).toBeLessThan(1000);
});

test('a node that is closed hears nobody, and still has a status', async () => {
  const start = await groupOf(2);
  const a = await start(0);
  await start(1);
  await a.reach(1);
  await a.close();
  expect(a.status().quorum).toEqual({ have: 1, need: 2, away: ['b'], unheard: [] });
});

test('without a quorum there is a warning that says who is missing, and it is over when they are back', async () => {
  const start = await groupOf(2);
  const told: unknown[] = [];
  const a = await start(0, {
    onEvent: (event) => event.type === 'warning' && told.push([event.code, event.state]),
  });
  await vi.waitUntil(() => told.length > 0, 15_000);
  expect(a.status().warnings.filter(({ code }) => code === 'no-quorum')).toMatchObject([
    { code: 'no-quorum', member: null, text: expect.stringContaining(': b') },
  ]);
  await start(1);
  await vi.waitUntil(() => told.some((each) => String(each) === 'no-quorum,over'), 20_000);
  expect(told).toEqual(
    expect.arrayContaining([
      ['no-quorum', 'begun'],
      ['no-quorum', 'over'],
    ]),
  );
}, 40_000);
