/** The debug log: what it says of an object that comes, and why one does not. */
import { afterEach, expect, test } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
import { DEBUG_TOPICS } from '../../src/node/debug.js';
import { Node, type NodeOptions } from '../../src/node/node.js';
import { freePorts } from '../e2e/cli.js';
import { until } from '../network/members.js';

const nodes: Node[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.close();
});

test('an object that a receiver refuses is explained at both ends', async () => {
  const { start } = await pair();
  const log = { a: [] as string[], b: [] as string[] };
  const a = await start('a', { debug: { write: (line) => log.a.push(line) } });
  await start('b', { maxMessageSize: 1000, debug: { write: (line) => log.b.push(line) } });
  await a.reach(1);
  await a.submit(new Uint8Array(100_000));

  await until(
    () => log.b.some((line) => line.includes('dropped')) && log.a.some((line) => line.startsWith('top-ups')),
  );
  expect(log.a).toContainEqual(expect.stringMatching(/^objects a \d+\/0 sending$/));
  expect(log.a).toContainEqual(expect.stringMatching(/^top-ups a \d+\/0 block 0: \d+ symbols for b$/));
  expect(log.b).toContainEqual(
    expect.stringMatching(/^symbols from a: a \d+\/0 block 0 ESI \d+ dropped: too-large$/),
  );
  expect(log.b.filter((line) => /^objects a .* (begun|held)$/.test(line))).toEqual([]);
});

test('an object that comes is followed from its first symbol to the consumer, by the topics asked for alone', async () => {
  const { start } = await pair();
  const lines: string[] = [];
  const delivered: number[] = [];
  const a = await start('a');
  await start('b', {
    debug: { topics: ['objects'], write: (line) => lines.push(line.replace(/\d+\//, '')) },
    deliver: ({ bytes }) => void delivered.push(bytes.length),
  });
  await a.reach(1);
  await a.submit(new Uint8Array(5000));
  await until(() => delivered.length === 1);

  expect(lines).toEqual(['begun', 'rebuilt', 'held', 'delivered'].map((state) => `objects a 0 ${state}`));
});

test('what is no topic is refused', async () => {
  const { start } = await pair();
  const debug = { topics: ['packets' as 'frames'], write: () => {} };
  await expect(start('a', { debug })).rejects.toThrow(
    `debug.topics: expected ${DEBUG_TOPICS.join(' or ')}, got "packets"`,
  );
});

async function pair() {
  const names = ['a', 'b'] as const;
  const secrets = names.map((_, i) => new Uint8Array(32).fill(i + 1));
  const ports = await freePorts(2);
  const members = secrets.map((secret, i) => ({
    publicKey: keyPair(secret).publicKey,
    name: names[i],
    locator: `127.0.0.1:${ports[i]}`,
  }));
  const group = createGroup({ name: 'debug', members, faulty: 0 });
  const start = async (name: 'a' | 'b', options: Partial<NodeOptions> = {}) => {
    const node = await Node.start({ group, secretKey: secrets[names.indexOf(name)], ...options });
    nodes.push(node);
    return node;
  };
  return { start };
}
