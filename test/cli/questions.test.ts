/** docs/TROUBLESHOOTING.md goes by what people see, docs/FAQ.md by what was measured: both are compared with where that comes from. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');

test('TROUBLESHOOTING names texts that the program has', () => {
  const sources = readdirSync(new URL('../../src', import.meta.url), {
    recursive: true,
    encoding: 'utf8',
  }).filter((name) => name.endsWith('.ts') && !name.includes('generated'));
  // Texts that are cut for the line's sake are one.
  const lines = sources.flatMap((name) =>
    read(`src/${name}`)
      .replace(/[`'] \+\n\s*[`']/g, '')
      .split('\n'),
  );
  const symptoms = [...read('docs/TROUBLESHOOTING.md').matchAll(/^### `(.*)`$/gm)].map(
    ([, symptom]) => symptom,
  );
  const unknown = symptoms.filter((symptom) => !lines.some((line) => holds(line, symptom.split('…'))));

  expect(symptoms.length).toBeGreaterThan(20);
  expect(unknown).toEqual([]);
});

test('TROUBLESHOOTING links to headings that OPERATING has', () => {
  const linked = [...read('docs/TROUBLESHOOTING.md').matchAll(/OPERATING\.md#([\w-]+)/g)].map(([, to]) => to);
  const headings = [...read('docs/OPERATING.md').matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title.toLowerCase().replace(/[`'’]/g, '').replaceAll(' ', '-'),
  );

  expect(linked.filter((to) => !headings.includes(to))).toEqual([]);
});

test('FAQ has numbers from MEASURING alone', () => {
  const measured = new Set(numbersIn(read('docs/MEASURING.md')));
  const own = numbersIn(read('docs/FAQ.md').replace(/version 0\.1\.0/, ''));

  expect(own.filter((number) => !measured.has(number))).toEqual([]);
});

/** Numbers with a unit or of several digits, without the commas of thousands. */
function numbersIn(text: string): string[] {
  return [...text.matchAll(/\d[\d,]*(?:\.\d+)?/g)].map(([number]) => number.replaceAll(',', ''));
}

/** Whether the pieces stand in the line, one after the other: what differs is between them. */
function holds(line: string, pieces: readonly string[]): boolean {
  let at = 0;
  return pieces.every((piece) => {
    const found = line.indexOf(piece, at);
    at = found + piece.length;
    return found >= 0;
  });
}
