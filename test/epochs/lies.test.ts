/** What a member says of epochs to no end: it is bounded, counted for who says it, and hides nothing that another one says. */
import { expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { Change } from '../../src/epochs/change.js';
import { Epochs } from '../../src/epochs/epochs.js';
import { type Chain, MAX_EPOCHS } from '../../src/group/epochs/chain.js';
import { propose, sign } from '../../src/group/epochs/propose.js';
import { groupOfChain } from '../../src/group/epochs/view.js';
import { EPOCH_ID_SIZE, MAX_LISTED } from '../../src/wire/frames/epochs/epoch.js';
import { begun, operator } from './lab.js';

const changed = (pessimism: number) => sign(propose(begun, { pessimism }), operator);
const markOf = (chain: Chain, has = chain.length - 1) => ({
  ...{ has, active: has },
  id: chain[has].hash.slice(0, EPOCH_ID_SIZE),
});
const foreign = (has: number) => ({ has, active: has, id: new Uint8Array(EPOCH_ID_SIZE) });

test('epochs that there are not are told a bounded number of times, and do not hide the next one', () => {
  const epochs = new Epochs(groupOfChain(begun), 0, undefined);
  for (const has of [1, 5, 5, 3, MAX_EPOCHS, 2 ** 32 - 1]) epochs.handleMark(1, foreign(has));
  expect(epochs.events.splice(0)).toEqual([
    { type: 'epoch-unknown', member: 1, epoch: 1 },
    { type: 'epoch-unknown', member: 1, epoch: 5 },
  ]);
  for (let has = 0; has < 3 * MAX_EPOCHS; has++) epochs.handleMark(1, foreign(has));
  expect(epochs.events.splice(0)).toHaveLength(MAX_EPOCHS - 6);
  // Another member knows the one that there is.
  expect(epochs.handleMark(2, markOf(changed(3)))).toEqual({ isOurs: false, isNews: false });
  expect(epochs.events).toEqual([{ type: 'epoch-unknown', member: 2, epoch: 1 }]);
});

test('another descriptor in the place of ours counts for nothing, and is told once', () => {
  const epochs = new Epochs(groupOfChain(changed(3)), 0, undefined);
  for (let i = 0; i < 10; i++) {
    const said = epochs.handleMark(1, markOf(changed(4)));
    expect(said).toEqual({ isOurs: false, isNews: false });
  }
  expect(epochs.events).toEqual([{ type: 'epoch-unknown', member: 1, epoch: 1 }]);
  expect(epochs.change.markOf(1)).toBeUndefined();
  expect(epochs.handleMark(1, markOf(changed(3)))).toEqual({ isOurs: true, isNews: true });
});

test('of each member so many streams are remembered, and those that it goes on to name', () => {
  const [{ hash, members }] = begun;
  const view = { id: toHex(hash), slots: members.map(({ slot }) => slot) };
  const change = new Change(0, [view], { has: 0, active: 0, seals: [], starts: new Map() });
  const mark = { has: 0, active: 0 };
  change.handleMark(1, mark);
  change.handleEntry(1, mark, 'real', { count: 1, base: 0 });
  change.handleEntry(2, mark, 'real', { count: 7, base: 0 });
  for (let i = 0; i < 3 * MAX_LISTED; i++) {
    change.handleEntry(1, mark, `made up ${i}`, { count: 1, base: 0 });
    if (i % 1000 === 0) change.handleEntry(1, mark, 'real', { count: 2 + i, base: 0 });
  }
  const sizes = [change['words'].get(1)!.streams.size, change['before'].get(1)!.size];
  expect(sizes).toEqual([MAX_LISTED, MAX_LISTED]);
  // Its own are forgotten, none of another's; and not what it has named since.
  expect(change.stable('real')).toBe(7);
  expect(change.stable('made up 0')).toBe(0);
});
