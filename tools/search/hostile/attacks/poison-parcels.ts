/**
 * Valid objects that grow when they are read: nothing but empty messages, of which each became a view of some eighty bytes; an array
 * of empty maps for the default codec; arrays in arrays. All members died, and again at each start. Stopped by: messages are read one by
 * one, their number and that of decoded values is bounded (PROTOCOL 7.1).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parcel } from '../forge.js';
import { processes } from '../processes.js';
import type { Siege } from '../siege.js';

const MIB = 2 ** 20;

async function restarted(siege: Siege): Promise<void> {
  await sleep(3000);
  // What was not delivered yet is delivered again.
  await siege.restartAll();
}

export const emptyMessages = processes({
  name: 'an object of eight million empty messages',
  severe: true,
  heap: 256,
  loadAfter: true,
  allow: { memory: 300, disk: 64 },
  attack: async (siege) => {
    const bytes = new Uint8Array(3 + 32 * MIB);
    bytes.set(parcel([]));
    await siege.serve(siege.forge(bytes));
    await restarted(siege);
  },
});

export const emptyMaps = processes({
  name: 'a message that decodes to ten million empty maps',
  severe: true,
  library: true,
  heap: 256,
  loadAfter: true,
  allow: { memory: 300, disk: 64 },
  attack: async (siege) => {
    const message = new Uint8Array(5 + 10 * MIB).fill(0x80);
    // array 32
    message.set([0xdd, 0, 0xa0, 0, 0]);
    await siege.broadcast(message);
    await restarted(siege);
  },
});

export const nested = processes({
  name: 'a message of ten million nested arrays, and other shapes of MessagePack',
  library: true,
  heap: 256,
  loadAfter: true,
  allow: { memory: 300, disk: 64 },
  attack: async (siege) => {
    await siege.broadcast(new Uint8Array(10 * MIB).fill(0x91));
    // map 32 and string 32 of lengths that are not there, extensions, and nothing at all.
    for (const bytes of [
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xdb, 0xff, 0xff, 0xff, 0xff],
      [0xd6, 0x69, 1, 2, 3, 4],
      [0xc9, 0, 0, 0, 1, 0x74, 0x91],
      [],
    ])
      await siege.broadcast(new Uint8Array(bytes));
    await restarted(siege);
  },
});
