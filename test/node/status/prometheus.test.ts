/** The text format of Prometheus, and the names in docs/OPERATING.md against those that a member gives. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { keyPair } from '../../../src/crypto/keys.js';
import { createGroup } from '../../../src/group/group.js';
import { Node } from '../../../src/node/node.js';
import { exposition, Histogram } from '../../../src/node/status/prometheus.js';
import { freePorts } from '../../e2e/cli.js';

test('samples have their labels, with what would end them escaped', () => {
  const text = exposition([
    {
      name: 'headwater_drops_total',
      help: 'a\nb\\',
      type: 'counter',
      samples: [{ labels: { reason: 'a"b\n\\' }, value: 3 }, { value: Number.POSITIVE_INFINITY }],
    },
  ]);
  expect(text).toBe(
    [
      '# HELP headwater_drops_total a\\nb\\\\',
      '# TYPE headwater_drops_total counter',
      'headwater_drops_total{reason="a\\"b\\n\\\\"} 3',
      'headwater_drops_total +Inf',
      '',
    ].join('\n'),
  );
});

test('buckets of a histogram hold all that is below their bound', () => {
  const histogram = new Histogram([1, 2]);
  for (const value of [0.5, 1, 1.5, 9]) histogram.observe(value);
  const text = exposition([{ name: 'x_seconds', help: 'x', type: 'histogram', samples: [{ histogram }] }]);
  expect(text.split('\n').slice(2)).toEqual([
    'x_seconds_bucket{le="1"} 2',
    'x_seconds_bucket{le="2"} 3',
    'x_seconds_bucket{le="+Inf"} 4',
    'x_seconds_sum 12',
    'x_seconds_count 4',
    '',
  ]);
});

const seeds = [1, 2].map((fill) => new Uint8Array(32).fill(fill));

async function groupOfTwo() {
  const ports = await freePorts(2);
  const members = seeds.map((seed, i) => ({
    publicKey: keyPair(seed).publicKey,
    locator: `127.0.0.1:${ports[i]}`,
  }));
  return createGroup({ name: 'm', members });
}

/** Of two members, of which the second is away. */
async function metricsOfMember(): Promise<string> {
  await using node = await Node.start({ group: await groupOfTwo(), secretKey: seeds[0] });
  return node.metrics();
}

test('an object of another member counts as rebuilt once, with the time since its first symbol', async () => {
  const group = await groupOfTwo();
  await using sender = await Node.start({ group, secretKey: seeds[0], deliver: () => {} });
  await using receiver = await Node.start({ group, secretKey: seeds[1], deliver: () => {} });
  await sender.broadcast(new Uint8Array(200_000));
  const lines = receiver.metrics().split('\n');
  const sampleOf = (name: string) =>
    Number(lines.find((line) => line.startsWith(`headwater_rebuild_seconds_${name} `))!.split(' ')[1]);
  expect(sampleOf('count')).toBe(1);
  expect(sampleOf('sum')).toBeGreaterThan(0);
  expect(sender.metrics()).toMatch(/^headwater_rebuild_seconds_count 0$/m);
});

test('OPERATING names each metric, and no other', async () => {
  const text = await metricsOfMember();
  const guide = readFileSync(new URL('../../../docs/OPERATING.md', import.meta.url), 'utf8');
  const documented = [...guide.matchAll(/^\| `(headwater_\w+)` \|/gm)].map(([, name]) => name);
  const given = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name);
  expect(documented).toEqual(given.toSorted());
});

test.each(['alerts.yml', 'dashboard.json'])('ops/%s asks for metrics that there are', async (file) => {
  const text = readFileSync(new URL(`../../../ops/${file}`, import.meta.url), 'utf8');
  const given = [...(await metricsOfMember()).matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name);
  const asked = [...text.matchAll(/\bheadwater_\w+/g)].map(([name]) =>
    name.replace(/_(bucket|sum|count)$/, ''),
  );
  expect(asked.length).toBeGreaterThan(5);
  expect(asked.filter((name) => !given.includes(name))).toEqual([]);
});

test('names follow the rules: base units, counters and they alone end in _total', async () => {
  const types = [...(await metricsOfMember()).matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, ...each]) => each);
  for (const [name, type] of types)
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
  for (const [name] of types) expect(name).not.toMatch(/_(ms|milliseconds|kb|percent)(_|$)/);
});
