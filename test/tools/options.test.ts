/** Options of our tools: what is none is told in a sentence, and --help lists those that are. */
import process from 'node:process';
import { afterEach, expect, test, vi } from 'vitest';
import { readOptions } from '../../tools/options.js';

afterEach(() => vi.restoreAllMocks());

const options = { seeds: { type: 'string', default: '1000' }, json: { type: 'boolean' } } as const;

test.each([
  [['--help'], 0, 'options:\n  --seeds VALUE (default: 1000)\n  --json\n', ''],
  [['--sedes', '5'], 2, '', "Unknown option '--sedes' (see --help)\n"],
  [['5'], 2, '', "Unexpected argument '5' (see --help)\n"],
])('%j', (args, code, stdout, stderr) => {
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += text;
      return true;
    });
  vi.spyOn(process, 'exit').mockImplementation((status) => {
    throw new Error(`exit ${status}`);
  });
  expect(() => readOptions({ args, options })).toThrow(`exit ${code}`);
  expect(said).toEqual({ stdout, stderr });
});

test('what is given is read', () => {
  expect(readOptions({ args: ['--seeds', '5'], options }).values.seeds).toBe('5');
});
