import { expect, test } from 'vitest';
import { Reach } from '../../src/gateway/reach.js';
import { SECOND } from './seat.js';

function begin() {
  const here = new Set<number>();
  const reach = new Reach([1, 2], (member, isReachable) => {
    if (isReachable) here.add(member);
    else here.delete(member);
  });
  reach.onStart(0);
  for (const member of [1, 2]) reach.onPeer(member, true);
  reach.handleTimeout(3 * SECOND);
  return { reach, here };
}

test('a start alone takes nobody away', () => {
  const { reach, here } = begin();
  reach.onStart(10 * SECOND);
  reach.handleTimeout(12 * SECOND);
  expect([...here]).toEqual([1, 2]);
});

test('whoever has not come again since the start is gone', () => {
  const { reach, here } = begin();
  reach.onStart(10 * SECOND);
  reach.onPeer(2, true);
  reach.handleTimeout(13 * SECOND);
  expect([...here]).toEqual([2]);
});

test('whoever has come stays, however late it is heard of just then', () => {
  const { reach, here } = begin();
  reach.handleTimeout(60 * SECOND);
  expect([...here]).toEqual([1, 2]);
});

test('a second start has its own time', () => {
  const { reach, here } = begin();
  reach.onStart(10 * SECOND);
  reach.onStart(12 * SECOND);
  reach.handleTimeout(13 * SECOND);
  expect([...here]).toEqual([1, 2]);
  expect(reach.nextTimeout()).toBe(15 * SECOND);
});
