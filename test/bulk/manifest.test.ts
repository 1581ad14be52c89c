/** Manifests of strangers: what goes in comes out, trees that lead out of themselves or name one file twice are refused. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Layout } from '../../src/bulk/layout.js';
import { diskSize, type Entry, parseManifest, sliceLength, writeManifest } from '../../src/bulk/manifest.js';
import { HASH_SIZE } from '../../src/wire/limits.js';
import { holds } from '../wire/holds.js';

const SLICE = 64 * 1024;

const file = (path: string, size = 0): Entry => ({ kind: 'file', path, mode: 0o644, modified: 5, size });
const folder = (path: string): Entry => ({ ...file(path), kind: 'folder', mode: 0o755 });

function manifestOf(entries: readonly Entry[]): Uint8Array {
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  const hashes = new Uint8Array(Math.ceil(total / SLICE) * HASH_SIZE).fill(7);
  return writeManifest({ entries, sliceSize: SLICE, hashes });
}

test('what goes in comes out', () => {
  const entries = [folder('t'), file('t/ä ❤️', 100_000), folder('t/b'), file('t/b/c', 31_072), file('u')];
  expect(parseManifest(manifestOf(entries))).toMatchObject({ entries, bytes: 131_072, slices: 2 });
});

test('what it takes on a disk counts folders and empty files, and whole blocks', () => {
  expect(diskSize({ entries: [file('a', 4096)] })).toBe(4096);
  expect(diskSize({ entries: [folder('t'), file('t/none'), file('t/a', 4097)] })).toBe(4 * 4096);
});

test.each([
  ['a path out of it', [folder('..'), file('../a')]],
  ['a path from the root', [file('/a')]],
  ['a path to where it is', [file('./a')]],
  ['an empty name', [folder('a'), file('a//b')]],
  ['no path', [file('')]],
  ['a path with a zero byte', [file('a\0b')]],
  ['a path in no folder', [file('a/b')]],
  ['a path in a file', [file('a'), file('a/b')]],
  ['a folder behind what is in it', [file('a/b'), folder('a')]],
  ['a path twice', [file('a'), file('a')]],
  ['paths that differ in case', [file('Straße'), file('STRASSE'.replace('SS', 'ß'))]],
  ['paths that differ in how a letter is composed', [file('\u00e9'), file('e\u0301')]],
  ['a folder with content', [{ ...folder('a'), size: 5 }]],
  ['a mode that sets the user', [{ ...file('a'), mode: 0o4755 }]],
  ['a path of many names', [file('a'), folder(Array.from({ length: 65 }, () => 'a').join('/'))]],
  ['nothing', []],
] as [string, Entry[]][])('%s is refused', (_what, entries) => {
  expect(() => parseManifest(manifestOf(entries))).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
});

test('one that is cut anywhere, or has more behind it, is refused', () => {
  const bytes = manifestOf([folder('t'), file('t/a', 100_000)]);
  for (let length = 0; length < bytes.length; length++)
    expect(() => parseManifest(bytes.subarray(0, length))).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    );
  expect(() => parseManifest(Uint8Array.from([...bytes, 0]))).toThrow(
    expect.objectContaining({ code: 'MALFORMED' }),
  );
});

test('any bytes give a manifest or MALFORMED', () =>
  holds(
    'arbitrary manifests',
    fc.property(fc.uint8Array({ maxLength: 80 }), (rest) => {
      try {
        parseManifest(Uint8Array.from([1, 0, 1, 0, 0, 0, 0, 0, 1, ...rest]));
      } catch (error) {
        expect(error).toMatchObject({ code: 'MALFORMED' });
      }
    }),
    1000,
  ));

test('the pieces of all slices are all bytes of all files, each once and in order', () =>
  holds(
    'layout',
    fc.property(fc.array(fc.nat(200_000), { minLength: 1, maxLength: 20 }), (sizes) => {
      const manifest = parseManifest(manifestOf(sizes.map((size, i) => file(`f${i}`, size))));
      const layout = new Layout(manifest);
      const done = sizes.map(() => 0);
      for (let slice = 0; slice < manifest.slices; slice++) {
        let from = 0;
        for (const piece of layout.pieces(slice)) {
          expect([piece.at, piece.from]).toEqual([done[piece.entry], from]);
          done[piece.entry] += piece.length;
          from += piece.length;
        }
        expect(from).toBe(sliceLength(manifest, slice));
      }
      expect(done).toEqual(sizes);
    }),
  ));
