/**
 * The live page in a browser without a screen: a demo on a lossy network, a simulated partition, a recorded run that is cut off, and many
 * members with many objects. Pictures go to build/page. Without a Chromium (Debian: chromium-headless-shell) it is skipped.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Feed } from '../../src/cli/page/feed.js';
import type { PageServer, servePage } from '../../src/cli/page/server.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import type { ObjectSight, Sight, Tick } from '../../src/node/status/sight.js';
import { iid } from '../../src/sim/net/loss.js';
import type { Scenario } from '../../src/sim/scenario.js';
import { type Browser, findChromium, startChromium, type Tab } from '../../tools/browser/chromium.js';
import { recordScenario } from '../../tools/search/sim/recording.js';
import { cleanup, headwater, tempFolder } from '../e2e/cli.js';

const chromium = findChromium();
const PICTURES = new URL('../../build/page/', import.meta.url);

/** Seven members on links that lose 4 %; two of them are cut off for ten seconds. */
const PARTITION: Scenario = {
  seed: 'partition',
  members: 7,
  faulty: 3,
  byzantine: 0,
  order: 'fifo',
  controller: 'bbr',
  maxDatagram: 1232,
  links: { delay: 18 * MILLISECOND, rate: 1.5e6, loss: iid(0.04) },
  disk: { delay: 2 * MILLISECOND, rate: 100e6 },
  consume: 0,
  clocks: {},
  messages: Array.from({ length: 44 }, (_, i) => ({
    origin: [0, 3, 5][i % 3],
    at: 200 * MILLISECOND + i * 250 * MILLISECOND,
    size: 30_000 + ((i * 37) % 11) * 14_000,
  })),
  replies: 0,
  faults: [{ type: 'cut', from: [1, 4], at: 2 * SECOND, until: 12 * SECOND, oneWay: false }],
  healAt: 12 * SECOND,
};

let browser: Browser;
let tab: Tab;
beforeAll(() => {
  mkdirSync(PICTURES, { recursive: true });
  if (chromium) browser = startChromium(chromium);
});
afterAll(() => browser?.close());
beforeEach(async (context) => {
  if (!chromium) return context.skip();
  tab = await browser.open();
});
afterEach(cleanup);

/** After what changes has been drawn, charts and words too. */
async function picture(name: string): Promise<void> {
  await new Promise((done) => setTimeout(done, 700));
  writeFileSync(new URL(name, PICTURES), await tab.picture());
}

/** What is drawn on a canvas: so many of its pixels are not empty. */
function painted(id: string): Promise<number> {
  return tab.evaluate(`(() => {
    const canvas = document.getElementById('${id}');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 0) count++;
    return count;
  })()`);
}

const textOf = (id: string) => tab.evaluate<string>(`document.getElementById('${id}').innerText`);

async function view(...files: string[]) {
  const cli = headwater(['view', ...files]);
  const url = await cli.until('its address', ({ stdout }) => /^(http:.*)\n/.exec(stdout)?.[1]);
  await tab.goto(url);
  return cli;
}

test('a demo at 10 % loss: who holds what, until all hold all', async () => {
  const demo = headwater(['demo', '--page', '127.0.0.1:0', '--size', '6']);
  await tab.setDark(true);
  await tab.goto(await demo.until('its address', ({ stderr }) => /the page: (\S+);/.exec(stderr)?.[1]));
  await tab.until(
    'symbols that have come',
    `Number.parseInt(document.getElementById('times-words').innerText) > 8`,
  );
  await picture('demo-dark.png');
  await demo.until('its end', ({ stderr }) => stderr.includes('the page stays'));
  await tab.until('its end', `document.getElementById('state').innerText === 'over'`);
  await tab.setDark(false);
  await tab.until(
    'the last words',
    `document.getElementById('events').innerText.includes('all within reach have the file')`,
  );
  await picture('demo-light.png');

  expect(await textOf('tile-held')).toBe('100 %');
  expect(await textOf('times-words')).toMatch(/^\d+ in all · half within/);
  expect(await textOf('events')).toMatch(/peer-4\s+has saved the file/);
  expect(await painted('topology')).toBeGreaterThan(5000);
  expect(tab.complaints).toEqual([]);
  expect(tab.requests.filter((url) => new URL(url).hostname !== '127.0.0.1')).toEqual([]);
  demo.child.kill('SIGINT');
  expect(await demo.exit()).toBe(0);
});

describe('a recorded simulation', () => {
  let recorded: ReturnType<typeof recordScenario>;
  let file: string;
  beforeAll(() => {
    if (chromium) recorded = recordScenario(PARTITION);
  });
  beforeEach(async () => {
    file = join(await tempFolder(), 'partition.qlog');
    expect(recorded.report.violation).toBeUndefined();
    writeFileSync(file, recorded.lines.join(''));
  });

  const wind = (share: number) =>
    tab.evaluate(`(() => {
      const moment = document.getElementById('moment');
      moment.value = ${share} * moment.max;
      moment.dispatchEvent(new Event('input'));
    })()`);

  test('of a partition: who is cut off is away, and has all once it is back', async () => {
    await view(file);
    await tab.setDark(true);
    await tab.until('all of it', `Number(document.getElementById('moment').max) > 10_000`);
    await tab.evaluate(`document.getElementById('play').click()`);
    await wind(0.62);
    await tab.until(
      'the cut',
      `document.getElementById('events').innerText.includes('cut off from the others')`,
    );
    await tab.until('who is away', `document.getElementById('events').innerText.includes('is gone')`);
    await picture('partition.png');
    const held = Number.parseFloat(await textOf('tile-held'));
    await wind(1);
    await tab.until('the end', `document.getElementById('tile-held').innerText === '100 %'`);
    await tab.setDark(false);
    await tab.until('day', `getComputedStyle(document.body).backgroundColor === 'rgb(238, 242, 245)'`);
    await picture('recording-light.png');

    expect(held).toBeLessThan(60);
    expect(tab.complaints).toEqual([]);
  });

  test('with no room for the picture: it is drawn once there is some', async () => {
    await view(file);
    await tab.until('objects', `Number(document.getElementById('tile-objects').innerText) > 3`);
    const room = `document.getElementById('topology').parentElement.style`;
    await tab.evaluate(`${room}.display = 'none'; let left = 10; globalThis.drawn = false;
      requestAnimationFrame(function next() { if (left-- > 0) requestAnimationFrame(next); else drawn = true; });`);
    await tab.until('frames without room', 'drawn');
    const complaints = [...tab.complaints];
    await tab.evaluate(`${room}.display = ''`);
    await tab.until('room', `document.getElementById('topology').getBoundingClientRect().width > 0`);
    await picture('room-again.png');

    expect(complaints).toEqual([]);
    expect(await painted('topology')).toBeGreaterThan(1000);
  });

  test('that was cut off in the middle of a line: what is there is shown', async () => {
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, Math.floor(text.length / 2) - 7));
    await view(file);
    await tab.until('objects', `Number(document.getElementById('tile-objects').innerText) > 3`);

    expect(tab.complaints).toEqual([]);
  });
});

describe('a page that is served here', () => {
  let server: PageServer;
  let feed: Feed;
  beforeEach(async () => {
    // As built: the browser's part of it is compiled.
    const built = (name: string) => import(new URL(`../../dist/cli/page/${name}.js`, import.meta.url).href);
    const serve = (await built('server')).servePage as typeof servePage;
    const FeedClass = (await built('feed')).Feed as typeof Feed;
    feed = new FeedClass({ title: 'many', kind: 'live', members: MANY.map((i) => `member-${i}`) });
    server = await serve({ host: '127.0.0.1', port: 0 }, (response) => feed.watch(response));
    await tab.goto(server.url);
  });
  afterEach(() => server?.close());

  test('without any data says so', async () => {
    await tab.until('words', `!document.getElementById('nothing').hidden`);
    expect(await textOf('nothing')).toMatch(/^No data yet/);
    await picture('nothing.png');
    expect(tab.complaints).toEqual([]);
  });

  test('draws 16 members and 1,000 objects in time for 30 frames a second, while five ticks a second come', async () => {
    await tab.setDark(true);
    let step = 0;
    const push = () => feed.push(manyAt(step++));
    await tab.evaluate(
      `globalThis.drawn = []; (function next(at) { drawn.push(at); requestAnimationFrame(next); })(performance.now())`,
    );
    push();
    const timer = setInterval(push, 200);
    await tab.until('all objects', `document.getElementById('tile-objects').innerText === '1000'`);
    const counts = async () => ({
      frames: await tab.evaluate<number>('drawn.length'),
      cpu: await tab.cpuSeconds(),
      ticks: step,
    });
    const [before, first] = [
      await counts(),
      await tab.evaluate<number>(`drawn.filter((at) => at < drawn[0] + 1000).length`),
    ];
    await new Promise((done) => setTimeout(done, 5000));
    const after = await counts();
    clearInterval(timer);
    await picture('many.png');
    const [frames, ticks] = [after.frames - before.frames, after.ticks - before.ticks];
    const told = { first, framesPerSecond: frames / 5, cpuSeconds: after.cpu - before.cpu, frames, ticks };
    writeFileSync(new URL('frames-per-second.json', PICTURES), `${JSON.stringify(told)}\n`);

    // Processor time: what a machine that is busy with other tests gives is no claim. A tick may take a fifth of what is between two.
    expect(frames).toBeGreaterThan(0);
    expect(told.cpuSeconds).toBeLessThan(frames / 30 + 0.04 * ticks);
    expect(await painted('objects')).toBeGreaterThan(100_000);
    expect(tab.complaints).toEqual([]);
  });

  /** Everyone's view of 1,000 objects, of which 150 are on their way at a time. */
  function manyAt(step: number): Tick {
    const front = (Math.max(0, step - 1) * 15) % 1000;
    const sights = MANY.map((me): Sight => {
      const objects = Array.from({ length: step === 0 ? 1000 : 150 }, (_, i): ObjectSight => {
        const seq = step === 0 ? i : (front + i) % 1000;
        const from = seq % 16;
        const held = step === 0 ? 0 : Math.min(64, Math.floor((64 * (150 - i + ((me * 29) % 40))) / 170));
        return {
          name: `member-${from} 1/${seq}`,
          from: `member-${from}`,
          lengthBytes: 64_000,
          neededSymbols: 64,
          heldSymbols: held,
          complete: held === 64,
          delivered: held === 64 && i < 40,
        };
      });
      const peers = MANY.filter((peer) => peer !== me).map((peer) => ({
        name: `member-${peer}`,
        reachable: !(peer === 11 && step % 40 > 20),
        rttMs: 20 + ((me * 7 + peer * 13) % 30) + 3 * Math.sin(step / 5 + peer),
        minRttMs: 20,
        recentLossShare: ((me * 5 + peer * 3) % 17) / 100,
        inboundLossShare: 0.05,
        sentBytes: step * 250_000,
        windowBytes: 60_000 + 5000 * peer + 9000 * Math.sin(step / 9 + me),
        inFlightBytes: 40_000,
        deliveredBytes: step * (40_000 + 9000 * ((me + peer) % 9)),
        lossFloorShare: ((me * 5 + peer * 3) % 17) / 120,
        state: 'probe-bw',
      }));
      const quorum = { have: 15, need: 9 };
      return { name: `member-${me}`, quorum, warnings: [], peers, streams: [], objects, over: [] };
    });
    return { at: 1_800_000_000_000 + step * 200, sights, events: [] };
  }
});

const MANY = Array.from({ length: 16 }, (_, i) => i);

describe('view', () => {
  const tell = async (name: string, text: string | undefined, ...more: string[]) => {
    const file = join(await tempFolder(), name);
    if (text !== undefined) writeFileSync(file, text);
    const cli = headwater(['view', file, ...more]);
    return { code: await cli.exit(), stderr: cli.stderr, file };
  };

  test('says what it expected of a file that is no trace, or holds nothing to draw', async () => {
    const header = readFileSync(new URL(import.meta.url), 'utf8');
    const none = await tell('none.qlog', undefined);
    const text = await tell('text.qlog', header);
    const empty = await tell('empty.qlog', '');
    const common = { common_fields: { time_format: 'relative', reference_time: 0 } };
    const bare = await tell('bare.qlog', `${JSON.stringify({ qlog_format: 'NDJSON', trace: common })}\n`);

    expect([none.code, text.code, empty.code, bare.code]).toEqual([1, 1, 1, 1]);
    expect(none.stderr).toMatch(/trace: expected a readable file, got ENOENT for/);
    expect(text.stderr).toMatch(/expected a qlog header with NDJSON in line 1, got '\/\*\*'/);
    expect(empty.stderr).toMatch(/expected a trace, got an empty file/);
    expect(bare.stderr).toMatch(/expected at least one headwater:status in it, got none in 1 lines/);
  });
});
