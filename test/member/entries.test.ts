/** The way of a datagram through a member is short: each layer is a room that it enters once. */
import { expect, test } from 'vitest';
import { SECOND } from '../../src/core/time.js';
import { createCluster } from '../../src/sim/cluster.js';

/** What only asks what there is to do, whatever has come. */
const QUESTIONS = ['nextTimeout', 'pollTransmit', 'status', 'dispose'];

/** Notes each call of a method of `object` from outside, by name. */
function follow(object: object, calls: string[]): void {
  const prototype = Object.getPrototypeOf(object);
  let isInside = false;
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    if (typeof value !== 'function' || name === 'constructor') continue;
    Object.defineProperty(object, name, {
      value: (...args: unknown[]) => {
        if (isInside) return value.apply(object, args);
        isInside = true;
        const result = value.apply(object, args);
        isInside = false;
        // A poll that had nothing was not for this datagram.
        if (QUESTIONS.includes(name)) return result;
        if (result !== undefined || !name.startsWith('poll')) calls.push(name);
        return result;
      },
    });
  }
}

test('a datagram enters the endpoint at most three times on its way to the consumer', () => {
  const cluster = createCluster({ seed: 'entries', members: 2 });
  const { world, members } = cluster;
  const [, receiver] = members;
  world.runUntil(SECOND);
  cluster.broadcast(0, new Uint8Array(10));
  const calls: string[] = [];
  const { handleDatagram } = receiver;
  receiver.handleDatagram = (now, from, bytes) => {
    // Of the datagrams before nothing has come.
    if (receiver.status(now).objects.length === 0) calls.length = 0;
    handleDatagram.call(receiver, now, from, bytes);
  };
  follow(receiver.endpoint, calls);
  world.runUntil(() => receiver.delivered.length > 0, world.now + SECOND);
  cluster.dispose();
  expect(receiver.delivered.length).toBe(1);
  expect(calls).toEqual(['handleDatagram', 'pollEvent']);
});
