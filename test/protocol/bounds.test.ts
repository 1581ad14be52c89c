/** The table of bounds in docs/PROTOCOL.md, section 11, against the constants that the code goes by, and the tests that hold them. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Bound {
  what: string;
  of: string;
  value: string;
  file: string;
  constant: string;
  beyond: string;
  test: string;
}

const root = new URL('../../', import.meta.url);
const UNITS: Record<string, number> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, ms: 1e3, s: 1e6 };

/** Where layers declare why they drop something. */
const DECLARING = [
  'broadcast/agreement/streams.ts',
  'broadcast/metrics.ts',
  'broadcast/spread/drops.ts',
  'locators/book.ts',
  'member/carrier.ts',
  'forwarding/punching.ts',
  'member/endpoint.ts',
  'session/events.ts',
];

const bounds = boundsOf(readFileSync(new URL('docs/PROTOCOL.md', root), 'utf8'));

test('there are some', () => {
  expect(bounds.length).toBeGreaterThan(40);
});

test.each(bounds)('$what, of $of: $value', async ({ file, constant, value }) => {
  const code: Record<string, unknown> = await import(new URL(`src/${file}`, root).href);
  expect(code[constant]).toBe(numberOf(value));
});

test.each(bounds)('$what: says of whom, what happens beyond, and $test is there to hold it', (bound) => {
  expect([bound.of, bound.beyond].every((cell) => cell.length > 0)).toBe(true);
  expect(existsSync(new URL(`test/${bound.test}`, root))).toBe(true);
});

/** Each constant once: no second copy of a value could differ from the one in the table. */
test.each([...new Map(bounds.map((bound) => [bound.constant, bound])).values()])(
  '$constant is declared in $file alone',
  ({ file, constant }) => {
    const source = readFileSync(new URL(`src/${file}`, root), 'utf8');
    expect(source.match(new RegExp(`export const ${constant}\\b`, 'g'))).toHaveLength(1);
  },
);

test('what is dropped beyond a bound is counted under a reason that a layer declares, each of one bound', () => {
  const declared = new Set(
    DECLARING.flatMap((file) =>
      [...readFileSync(new URL(`src/${file}`, root), 'utf8').matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(
        ([, reason]) => reason,
      ),
    ),
  );
  const quotas = bounds.flatMap(({ beyond }) => /^`([a-z-]+)`$/.exec(beyond)?.[1] ?? []);
  expect(quotas.filter((reason) => !declared.has(reason))).toEqual([]);
  const split = ['stream-quota', 'beyond-window', 'open-quota', 'store-quota', 'pull-quota', 'serve-quota'];
  expect(quotas.filter((reason) => /quota|window/.test(reason)).sort()).toEqual(split.sort());
});

/** The rows of the table: | what | of whom | value | `file` CONSTANT | beyond | `test` |. */
function boundsOf(text: string): Bound[] {
  const section = text.slice(text.indexOf('## 11.'), text.indexOf('## 12.'));
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| bound '))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      const [, what, of, value, code, beyond, test] = cells;
      const [, file, constant] = /^`(.+)` ([A-Z_]+)$/.exec(code) ?? [];
      return { what, of, value, file, constant, beyond, test: test.replaceAll('`', '') };
    });
}

/** '64 MiB', '3 s' (in microseconds), '512 symbols', '4 GiB / n' of a group of one. */
function numberOf(value: string): number {
  const [, digits, unit] = /^([0-9]+) ?([A-Za-z]*)/.exec(value) ?? [];
  return Number(digits) * (UNITS[unit] ?? 1);
}
