/** HEADWATER_DEBUG and `--debug`: lines on stderr, each with the time; stdout is as ever. */
import { afterEach, expect, test } from 'vitest';
import { cleanup, headwater, tempFolder } from './cli.js';
import { createLab } from './lab.js';

afterEach(cleanup);

test('what becomes of objects is told where it is asked for, by either way', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const anna = headwater(['node', ...lab.as('anna')], { debug: 'objects' });
  const ben = headwater(['node', ...lab.as('ben'), '--debug', 'objects,pulls']);
  anna.say('hello');

  const line = (state: string) =>
    new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z objects anna \\d+/0 ${state}$`, 'm');
  await anna.until('its own object', ({ stderr }) => line('sending').test(stderr));
  await ben.until('the object', ({ stderr }) => line('delivered').test(stderr));
  expect(ben.stderr).toMatch(line('begun'));
  await ben.until('the line', ({ stdout }) => stdout === 'anna: hello\n');
});

test('what is no topic is refused before anything begins', async () => {
  const lab = await createLab(await tempFolder(), ['anna', 'ben']);
  const anna = headwater(['node', ...lab.as('anna')], { debug: 'packets' });
  expect(await anna.exit()).toBe(2);
  expect(anna.stderr).toContain("got 'packets'");
});
