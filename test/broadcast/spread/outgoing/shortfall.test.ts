import { expect, test } from 'vitest';
import { Shortfall } from '../../../../src/broadcast/spread/outgoing/shortfall.js';

/** 159 symbols to three peers, of which a twentieth is lost on each path: 145 should come. */
const DEALT = { peers: 3, arrival: 0.95 };

test('a relay whose share has not come is not planned with', () => {
  const shortfall = new Shortfall(1);
  shortfall.onShort(98, 159, DEALT);
  expect(shortfall.take()).toBe(1);
});

test('bad luck is no relay that brings nothing', () => {
  const shortfall = new Shortfall(1);
  shortfall.onShort(138, 159, DEALT);
  expect(shortfall.take()).toBe(0);
});

test('whether all relay again is seen after eight blocks, and if not, after sixteen more', () => {
  const shortfall = new Shortfall(1);
  const planned = () => Array.from({ length: 20 }, () => shortfall.take()).indexOf(0);
  shortfall.onShort(98, 159, DEALT);
  const first = Array.from({ length: 9 }, () => shortfall.take()).indexOf(0);
  shortfall.onShort(98, 159, DEALT);
  expect([first, planned()]).toEqual([8, 16]);
});

test('not more than k are planned for', () => {
  const shortfall = new Shortfall(1);
  shortfall.onShort(0, 159, { peers: 6, arrival: 0.95 });
  expect(shortfall.take()).toBe(1);
});
