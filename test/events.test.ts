/** Events name members in one way inside and in another outside, and are otherwise the same. */
import { expect, test } from 'vitest';
import { type MemberEvent, mapWho } from '../src/events.js';

const names = ['ann', 'ben', 'cleo'];
const nameOf = (index: number) => names[index];

test('every member in an event gets its other name, the rest stays', () => {
  const event: MemberEvent<number> = { type: 'overflow', member: 0, incarnation: 7, to: 3, lacking: [1, 2] };
  expect(mapWho(event, nameOf)).toEqual({ ...event, member: 'ann', lacking: ['ben', 'cleo'] });
});

test('so do members that it is told against', () => {
  const event: MemberEvent<number> = {
    type: 'disagreement',
    member: 2,
    incarnation: 7,
    seq: 1,
    against: [0],
  };
  expect(mapWho(event, nameOf)).toEqual({ ...event, member: 'cleo', against: ['ann'] });
});

test('nobody stays nobody', () => {
  expect(mapWho({ type: 'foreign-group', member: undefined }, nameOf)).toEqual({
    type: 'foreign-group',
    member: undefined,
  });
  expect(mapWho({ type: 'store-full', full: true }, nameOf)).toEqual({ type: 'store-full', full: true });
});
