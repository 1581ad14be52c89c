/** The checks of a symbol that has come, against their list in docs/PROTOCOL.md, section 8.2. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CHECKS, RELAYED } from '../../../src/broadcast/spread/intake.js';

const protocol = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8');
const section = protocol.slice(protocol.indexOf('### 8.2'), protocol.indexOf('*Policy of room'));

/** Of each numbered item: its number, and the reasons that it names. */
const items = [...section.matchAll(/^([0-9]+)\. ((?:.+\n)(?: {3,}.+\n)*)/gm)].map(([, number, text]) => ({
  number: Number(number),
  drops: [...new Set([...text.matchAll(/`([a-z-]+)`/g)].map(([, reason]) => reason))].sort(),
}));

test('are made in the order of the protocol, for the same reasons', () => {
  const checks = CHECKS.map(({ drops }, i) => ({ number: i + 1, drops: [...drops].sort() }));
  expect(checks).toEqual(items);
});

test('what fails one of the last two is relayed all the same', () => {
  const before = section.slice(0, section.indexOf('is relayed if it is ours to relay'));
  const last = Math.max(...[...before.matchAll(/^([0-9]+)\. /gm)].map(([, number]) => Number(number)));
  expect(RELAYED).toBe(last);
});
