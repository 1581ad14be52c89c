/** The program that runs once files are saved: whatever becomes of it is told, and ends nobody. */
import { expect, test } from 'vitest';
import { runAfter } from '../../src/cli/transfer/exec.js';
import { smallGroup } from '../broadcast/small-group.js';

const { group } = smallGroup(2);
const saved = (paths: string[]) => ({
  ...{ type: 'saved' as const, transfer: '1', from: group.members[0], bytes: 0 },
  ...{ paths, root: '00', superseded: [] },
});
const never = new AbortController().signal;

test.each([
  ['0', '/bin/true', undefined],
  ['another exit code', '/bin/false', 'exit code 1'],
  ['nothing, as it is not there', '/nowhere/at-all', 'ENOENT'],
])('it ends with %s', async (_what, program, expected) => {
  expect(await runAfter(program, saved(['a']), never)).toBe(expected);
});

test('more names than the system takes are told', async () => {
  const names = Array.from({ length: 12_000 }, (_, i) => `${i}-${'x'.repeat(220)}`);
  expect(await runAfter('/bin/true', saved(names), never)).toContain('E2BIG');
});
