/** Group files that others give to a running member: what does not go on from its own is not taken, and its file stays. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { adopt } from '../../src/cli/lifecycle/adopt.js';
import type { Chain } from '../../src/group/epochs/chain.js';
import { formatChain, parseChain } from '../../src/group/epochs/file.js';
import { propose, sign } from '../../src/group/epochs/propose.js';
import { groupOfChain } from '../../src/group/epochs/view.js';
import { begun, operator } from './lab.js';

const folder = mkdtempSync(join(tmpdir(), 'headwater-adopt-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'group.json');
const next = (chain: Chain, pessimism: number) => sign(propose(chain, { pessimism }), operator);

/** A member with `chain` is given `text`: what it says, and whether its file has become that. */
function give(chain: Chain, text: string): { error: string; isTaken: boolean } {
  writeFileSync(path, formatChain(chain));
  let error = '';
  try {
    adopt(path, groupOfChain(chain), parseChain(text));
  } catch (caught) {
    error = (caught as Error).message;
  }
  return { error, isTaken: readFileSync(path, 'utf8') !== formatChain(chain) };
}

test('one that goes on from its own is taken', () => {
  const taken = give(begun, formatChain(next(next(begun, 3), 4)));
  expect(taken).toEqual({ error: '', isTaken: true });
});

test('one that no operator has signed, or with the signature of another one, is not', () => {
  const unsigned = propose(begun, { pessimism: 3 });
  expect(give(begun, formatChain(unsigned))).toEqual({
    error: expect.stringMatching(/expected signatures of 1 of the operators/),
    isTaken: false,
  });
  const [first, last] = [unsigned[0], next(begun, 4)[1]];
  const forged = formatChain([first, { ...unsigned[1], signatures: last.signatures }]);
  expect(give(begun, forged)).toEqual({ error: expect.stringMatching(/got 0/), isTaken: false });
});

test('an older one, the same once more, and one that competes with its own are not', () => {
  const own = next(begun, 3);
  const refused: [Chain, RegExp][] = [
    [begun, /expected more epochs than 2, which this member has, got 1/],
    [own, /got as many/],
    [next(begun, 4), /another change in the place of one of its own/],
    [next(next(begun, 4), 5), /another change in the place of one of its own/],
  ];
  for (const [chain, error] of refused)
    expect(give(own, formatChain(chain))).toEqual({ error: expect.stringMatching(error), isTaken: false });
});
