/** One transfer by multicast as a member hears it: which words of its origin make it join. */
import { expect, test } from 'vitest';
import { BEGUN_AGAIN, Hearing } from '../../../src/bulk/cast/hearing.js';
import { MILLISECOND, SECOND } from '../../../src/core/time.js';
import type { CastFrame } from '../../../src/wire/frames/cast/cast.js';
import { TRANSFER_BIT } from '../../../src/wire/symbol.js';
import { smallGroup } from '../../broadcast/small-group.js';

const id = { origin: 1, incarnation: TRANSFER_BIT + 1 };

function cast(port: number, open = true): CastFrame {
  const where = { key: new Uint8Array(32), port, address: new Uint8Array([239, 1, 2, 3]) };
  const rest = { source: new Uint8Array(0), sent: 0, packets: 2, delay: 25 * MILLISECOND };
  return { kind: 'cast', ...id, open, ...where, ...rest };
}

function hear(): { hearing: Hearing; joined: number[] } {
  const joined: number[] = [];
  const hearing = new Hearing(id, {
    group: smallGroup(3).group,
    self: 0,
    isAllowed: true,
    join: ({ port }) => joined.push(port),
    leave() {},
    onSymbol() {},
    onDrop() {},
    changed() {},
  });
  return { hearing, joined };
}

test.each([
  ['a port that changes with each frame', (i: number) => [cast(1000 + i)]],
  ['a group that is left and joined with each frame', () => [cast(1000, false), cast(1000)]],
])('%s makes a member join once a second', (_, framesOf) => {
  const { hearing, joined } = hear();
  for (let i = 0; i < 300; i++) for (const frame of framesOf(i)) hearing.onFrame(i * 10 * MILLISECOND, frame);
  expect(joined).toHaveLength((3 * SECOND) / BEGUN_AGAIN);
});

test('another group is joined when its origin says it again a second later', () => {
  const { hearing, joined } = hear();
  hearing.onFrame(0, cast(1000));
  for (const at of [100, 500, 1100]) hearing.onFrame(at * MILLISECOND, cast(2000));
  expect(joined).toEqual([1000, 2000]);
});
