/** The application gets its messages one at a time, and one that it throws at until it takes it. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Consumer } from '../../src/node/consumer.js';
import { DeadLetters } from '../../src/node/dead-letters.js';
import type { Delivery } from '../../src/node/delivery.js';
import { memoryStore } from '../../src/store/memory.js';
import { smallGroup } from '../broadcast/small-group.js';

const { group } = smallGroup(3);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function messageOf(byte: number): Delivery {
  return {
    from: group.members[1],
    id: { origin: 1, incarnation: 7, seq: 0, index: byte },
    bytes: Uint8Array.of(byte),
  };
}

function setUp(deliver?: (delivery: Delivery) => void | Promise<void>) {
  const told: string[] = [];
  const consumer = new Consumer({
    letters: new DeadLetters(memoryStore(1), group, deliver ?? (() => {})),
    deliver,
    onError: (_error, { bytes }, attempt) => told.push(`error ${bytes[0]} ${attempt}`),
    onDone: () => told.push('done'),
  });
  return { consumer, told };
}

test('a message at which the application throws comes again, later each time, until it is taken', async () => {
  const at: number[] = [];
  const start = Date.now();
  const { consumer, told } = setUp(() => {
    at.push(Date.now() - start);
    if (at.length < 4) throw new Error('not now');
  });
  consumer.give(messageOf(1));
  await vi.advanceTimersByTimeAsync(1000);
  expect({ at, told }).toEqual({
    at: [0, 10, 30, 70],
    told: ['error 1 1', 'error 1 2', 'error 1 3', 'done'],
  });
});

test('an application that wants none has done with each at once', async () => {
  const { consumer, told } = setUp();
  consumer.give(messageOf(1));
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(['done']);
});

test('each attempt has bytes of its own', async () => {
  const seen: number[] = [];
  const { consumer } = setUp(({ bytes }) => {
    seen.push(bytes[0]++);
    if (seen.length < 2) throw new Error('not now');
  });
  consumer.give(messageOf(1));
  await vi.advanceTimersByTimeAsync(1000);
  expect(seen).toEqual([1, 1]);
});

test('nothing comes again after the end, and what was under way is not told', async () => {
  let attempts = 0;
  const { consumer, told } = setUp(async () => {
    attempts++;
    throw new Error('never');
  });
  consumer.give(messageOf(1));
  consumer.close();
  await vi.advanceTimersByTimeAsync(1000);
  expect({ attempts, told }).toEqual({ attempts: 1, told: [] });
});
