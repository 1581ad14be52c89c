/**
 * The benchmark of lossy links, on one small case: rows of what succeeds, of what does not, and of another file than was sent; skipped without a
 * lab. And its report in a browser without a screen, with a picture of it in build/page; skipped without a Chromium.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Case, capacityBits } from '../../bench/links/cases.js';
import { hashOf, measure, type Row, type Source } from '../../bench/links/measure.js';
import { keepRows, summarize } from '../../bench/links/report.js';
import { SYSTEMS } from '../../bench/links/systems/all.js';
import type { System } from '../../bench/links/systems/system.js';
import { tcp } from '../../bench/links/systems/tcp.js';
import { findChromium, startChromium } from '../../tools/browser/chromium.js';
import { labUnavailable } from '../../tools/lab/lab.js';
import { cleanup, tempFolder } from '../e2e/cli.js';

const reason = labUnavailable();
if (reason !== undefined) process.stderr.write(`skipped: ${reason}\n`);

const PICTURES = new URL('../../build/page/', import.meta.url);
const ROW: Row = {
  ...{
    group: 'loss',
    system: 'headwater',
    mode: 'unicast',
    receivers: 1,
    lossPercent: 0,
    pathLossPercent: 0,
  },
  ...{ burstPackets: null, rttMs: 40, mbit: 100, queueBdp: 1, policedMbit: null, steps: null, beside: false },
  ...{ bytes: 1e7, success: true, reason: null, seconds: 1, goodputMbit: 80, share: 0.8, sentRatio: 1.1 },
  ...{ originRatio: 1.1, cpuSecondsPerGiB: 20, maxRssMiB: 90, tcpShare: null, machineBusy: 0.5, pausedMs: 0 },
};
const SLOW: Partial<Row> = {
  success: false,
  reason: 'not done',
  goodputMbit: 0.5,
  share: 0.005,
  sentRatio: null,
};

const CASE: Case = {
  group: 'loss',
  receivers: 2,
  lossPercent: 1,
  rttMs: 4,
  mbit: 100,
  queueBdp: 4,
  bytes: 400_000,
};

describe.skipIf(reason !== undefined)('bench links', () => {
  let source: Source;
  beforeEach(async () => {
    const file = join(await tempFolder(), 'file.bin');
    await writeFile(file, randomBytes(CASE.bytes));
    source = { file, sha256: await hashOf(file) };
  });
  afterEach(cleanup);

  const run = (system: System, limitSeconds = 60) =>
    measure(system, CASE, { source, limitSeconds, realTime: false, seed: 1 });
  const named = (name: string, mode: string) =>
    SYSTEMS.find((system) => system.name === name && system.mode === mode)!;

  test.each([
    ['headwater', 'overlay'],
    ['tcp', 'cubic'],
  ])('%s %s brings the file to both, and what it took is counted', async (name, mode) => {
    const row = await run(named(name, mode));
    expect(row).toMatchObject({ system: name, mode, success: true, reason: null, pathLossPercent: 1.99 });
    expect(row.goodputMbit).toBeCloseTo((CASE.bytes * 8e-6) / row.seconds!, 1);
    expect(row.share).toBeGreaterThan(0);
    expect(row.sentRatio).toBeGreaterThan(1);
    expect(row.cpuSecondsPerGiB).toBeGreaterThan(0);
    expect(row.maxRssMiB).toBeGreaterThan(0.5);
  });

  test('a controller that is not the one asked for is a failure', async () => {
    const row = await run(tcp('none-such'));
    expect([row.success, row.reason]).toEqual([false, expect.stringMatching(/none-such/)]);
  });

  test('who sends nothing, something else, or fails, has a row that says so', async () => {
    const idle: System = {
      name: 'idle',
      mode: 'none',
      prepare: async () => ({ send: () => new Promise(() => {}), result: () => '/none' }),
    };
    const other: System = {
      ...idle,
      prepare: async (ground) => ({
        send: () => writeFile(join(ground.folder(1), 'x'), Buffer.alloc(CASE.bytes)),
        result: () => join(ground.folder(1), 'x'),
      }),
    };
    const broken: System = {
      ...idle,
      prepare: async (ground) => ({ send: () => ground.start(0, 'false', []).failed, result: () => '/none' }),
    };
    const rows = [await run(idle, 0.2), await run(other), await run(broken)];
    expect(rows.map(({ success }) => success)).toEqual([false, false, false]);
    expect(rows.map((row) => row.reason)).toEqual([
      'not done after 0 s',
      'receiver 1 has other bytes than were sent',
      'it ended with 1: ',
    ]);
  });
});

describe('the report', () => {
  const chromium = findChromium();
  const row = (change: Partial<Row>): Row => ({ ...ROW, ...change });
  const rows = [0, 5, 10].flatMap((lossPercent) => [
    ...[80, 90, 85].map((goodputMbit) => row({ lossPercent, goodputMbit, share: goodputMbit / 100 })),
    row({ lossPercent, success: false, goodputMbit: 40 }),
    row({ lossPercent, system: 'tcp', mode: 'cubic', ...(lossPercent > 0 ? SLOW : {}) }),
    row({ group: 'bursts', lossPercent, burstPackets: 5, system: 'uftp', mode: '</script><b>' }),
  ]);

  test('counts the median of the runs that succeeded, and how many failed', () => {
    const [first] = summarize(rows);
    expect(first).toMatchObject({ goodputMbit: 85, share: 0.85, runs: 4, failed: 1, success: true });
    expect(summarize(rows)).toHaveLength(9);
  });

  test('opens from disk, asks for nothing, and draws all', async (context) => {
    if (!chromium) return context.skip();
    const folder = await tempFolder();
    const page = keepRows(folder, rows);
    const browser = startChromium(chromium);
    try {
      const tab = await browser.open({ width: 1440, height: 1500 });
      await tab.goto(pathToFileURL(page).href);
      await tab.until('the table', `document.querySelectorAll('#rows tr').length === 10`);
      mkdirSync(PICTURES, { recursive: true });
      writeFileSync(new URL('links.png', PICTURES), await tab.picture());
      expect(await tab.evaluate(`document.querySelectorAll('.figures canvas').length`)).toBe(4);
      expect(await tab.evaluate(`document.getElementById('count').innerText`)).toBe(
        '9 cases, 2 of them not done',
      );
      expect(tab.complaints).toEqual([]);
      expect(tab.requests.filter((url) => !/^(file|data):/.test(url))).toEqual([]);
    } finally {
      await browser.close();
      await cleanup();
    }
  });
});

test('what links of changing rate carry is counted over their rounds', () => {
  const steps = [
    { mbit: 100, seconds: 3 },
    { mbit: 20, seconds: 2 },
  ];
  expect(capacityBits({ ...CASE, steps }, 12)).toBe((2 * 340 + 200) * 1e6);
  expect(capacityBits({ ...CASE, policedMbit: 20 }, 2)).toBe(40e6);
  expect(capacityBits({ ...CASE, mbit: undefined }, 2)).toBeUndefined();
});
