/** A trace as the page plays it: also one that was cut off, or has lines that are none. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { readRecording } from '../../src/cli/page/recording.js';
import type { Sight } from '../../src/node/status/sight.js';
import { eventLine, sightLine, traceHeader } from '../../src/node/trace.js';
import { cleanup, tempFolder } from '../e2e/cli.js';

afterEach(cleanup);

const sight: Sight = { name: 'anna', warnings: [], peers: [], streams: [], objects: [], over: [] };

/** Four looks, a second apart, and that ben came after the second. */
function trace(): string {
  const looks = [0, 1, 2, 3].map((second) => sightLine(second * 1_000_000, sight));
  const came = eventLine(1_500_000, 'anna', { type: 'peer', member: 'ben', reachable: true } as {
    type: string;
  });
  looks.splice(2, 0, came);
  return traceHeader('anna', 0) + looks.join('');
}

async function read(text: string) {
  const file = join(await tempFolder(), 'a.qlog');
  writeFileSync(file, text);
  return readRecording([file]);
}

test('has what its member saw and what happened to it', async () => {
  const { ticks, members, left } = await read(trace());
  expect(ticks.map(({ sights, events }) => [sights.length, events.length])).toEqual([
    [1, 0],
    [1, 0],
    [0, 1],
    [1, 0],
    [1, 0],
  ]);
  expect([members, left]).toEqual([['anna'], 0]);
});

test.each([1, 20, 80])(
  'that was cut off, %i bytes before its end, is played as far as it goes',
  async (bytes) => {
    const { ticks } = await read(trace().slice(0, -bytes));
    expect(ticks).toHaveLength(4);
  },
);

test('a line in the middle that is none is left out, and counted', async () => {
  const { ticks, left } = await read(trace().replace('"headwater:event"', '"headwater:event'));
  expect([ticks.length, left]).toEqual([4, 1]);
});
