/** Trace files: qlog lines of real paths, errors that are told, and a path's metrics in a node's status. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
import { Node } from '../../src/node/node.js';
import { openTrace } from '../../src/node/trace.js';
import type { PathEvent } from '../../src/path/observer.js';
import { freePorts } from '../e2e/cli.js';

interface TraceLine {
  time: number;
  name: string;
  group_id: string;
  data: Record<string, number | string>;
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-trace-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('trace file', () => {
  test('a broadcast leaves measurements of the path to each peer, in order of time', async () => {
    const path = join(folder, 'a.qlog');
    await broadcastOnce(path);
    const [header, ...lines] = await readTrace(path);
    expect(header).toMatchObject({ qlog_format: 'NDJSON', trace: { vantage_point: { name: 'a' } } });
    const metrics = lines.filter(({ name }) => name === 'recovery:metrics_updated');
    expect(metrics.length).toBeGreaterThan(5);
    expect(new Set(metrics.map(({ group_id }) => group_id))).toEqual(new Set(['b']));
    const times = lines.map(({ time }) => time);
    expect(times).toEqual([...times].sort((x, y) => x - y));
    expect(metrics.at(-1)!.data.min_rtt).toBeGreaterThan(0);
    expect(metrics.at(-1)!.data.delivered_bytes).toBeGreaterThan(SIZE / 2);
  });

  test('a status has the window, rates, round-trip times and state of each path', async () => {
    const { peers } = await broadcastOnce();
    expect(peers).toHaveLength(1);
    const { path, rttMs, minRttMs } = peers[0];
    expect(path).toMatchObject({
      controller: 'bbr',
      state: expect.any(String),
      lossFloorShare: expect.any(Number),
    });
    for (const value of [rttMs, minRttMs, path.deliveryBytesPerSecond, path.windowBytes])
      expect(value).toBeGreaterThan(0);
  });

  test('a file that cannot be written is an error at the start, and leaves no socket behind', async () => {
    const { start } = await pair();
    await expect(start('a', join(folder, 'missing', 'a.qlog'))).rejects.toMatchObject({ code: 'FILE' });
    await using node = await start('a');
    expect(node.self.name).toBe('a');
  });

  test('a trace takes the place of a trace, or of an empty file, and of nothing else', async () => {
    const path = join(folder, 'again.qlog');
    await writeFile(path, '');
    for (let run = 0; run < 2; run++) await openTrace(path, 'a', 1e12).close();
    expect(await readTrace(path)).toHaveLength(1);
    const key = join(folder, 'a.key');
    await writeFile(key, 'secret');
    expect(() => openTrace(key, 'a', 1e12)).toThrow(
      `trace: expected a trace of headwater, or nothing yet, at ${key}, got a file of another kind; it is left as it is`,
    );
    expect(await readFile(key, 'utf8')).toBe('secret');
  });

  test('rates are bits per second, times milliseconds, and what is not known is left out', async () => {
    const path = join(folder, 'unit.qlog');
    const trace = openTrace(path, 'a', 1e12);
    trace.write(1500, 'b', METRICS);
    await trace.close();
    const [, line] = await readTrace(path);
    expect(line).toMatchObject({ time: 1.5, data: { latest_rtt: 20, min_rtt: 10, pacing_rate: 8000 } });
    expect(Object.keys(line.data)).not.toContain('congestion_window');
  });

  test('at most one measurement of a path in a millisecond; losses all', async () => {
    const path = join(folder, 'many.qlog');
    const trace = openTrace(path, 'a', 0);
    for (let now = 0; now < 10_000; now += 100) {
      trace.write(now, 'b', METRICS);
      trace.write(now, 'b', { type: 'lost', number: now, bytes: 1232, trigger: 'time' });
    }
    await trace.close();
    const names = (await readTrace(path)).slice(1).map(({ name }) => name);
    expect(names.filter((name) => name === 'recovery:metrics_updated')).toHaveLength(10);
    expect(names.filter((name) => name === 'recovery:packet_lost')).toHaveLength(100);
  });
});

async function readTrace(path: string): Promise<TraceLine[]> {
  const text = await readFile(path, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TraceLine);
}

async function pair() {
  const ports = await freePorts(2);
  const seeds = { a: new Uint8Array(32).fill(1), b: new Uint8Array(32).fill(2) };
  const members = Object.entries(seeds).map(([name, seed], i) => ({
    name,
    publicKey: keyPair(seed).publicKey,
    locator: `127.0.0.1:${ports[i]}`,
  }));
  const group = createGroup({ name: 'trace', members });
  return {
    start: (name: 'a' | 'b', trace?: string) => Node.start({ group, secretKey: seeds[name], trace }),
  };
}

async function broadcastOnce(trace?: string) {
  const { start } = await pair();
  await using _peer = await start('b');
  await using node = await start('a', trace);
  await node.reach(1);
  await node.broadcast(new Uint8Array(SIZE).fill(7));
  return node.status();
}

const SIZE = 300_000;
const METRICS: PathEvent = {
  type: 'metrics',
  metrics: {
    latestRtt: 20_000,
    smoothedRtt: 15_000,
    rttVariation: 1000,
    minRtt: 10_000,
    bytesInFlight: 0,
    deliveryRate: 0,
    deliveredBytes: 0,
    sentPackets: 1,
    ackedPackets: 1,
    lostPackets: 0,
    probeCount: 0,
    controller: { name: 'fixed', state: 'fixed', window: Number.POSITIVE_INFINITY, pacingRate: 1000 },
  },
};
