/** The table of options in docs/GUIDE.md against the one that the code goes by. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SETTINGS, withDefaults } from '../../src/options.js';

const guide = readFileSync(new URL('../../docs/GUIDE.md', import.meta.url), 'utf8');

test('GUIDE names every option, with its default', () => {
  const defaults = Object.entries(SETTINGS).map(([name, setting]) => [name, String(setting.default)]);
  expect(optionsOf(guide)).toEqual(defaults);
});

test('every default is a value that its check takes', () => {
  for (const [name, setting] of Object.entries(SETTINGS)) setting.check(name, setting.default);
});

test('what is left out or undefined has its default, and what is given stays', () => {
  const settings = withDefaults({ order: 'fifo', maxRate: undefined });
  expect(settings).toEqual({ ...withDefaults(), order: 'fifo' });
});

/** The rows: | `option` | `default` | what it is |. */
function optionsOf(text: string): string[][] {
  const section = text.slice(text.indexOf('## What may be set'), text.indexOf('## Exactly once'));
  return [...section.matchAll(/^\| `(\w+)` \| `([^`]+)` \|/gm)].map(([, name, value]) => [name, value]);
}
