/**
 * A valid object of nothing but empty messages: four bytes on the wire each became a view of some eighty. Stopped by: messages
 * of an object are read one by one, and their number is bounded (PROTOCOL 7.1).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parcel } from '../forge.js';
import { processes } from '../processes.js';
import type { Siege } from '../siege.js';

const MIB = 2 ** 20;

async function poison(siege: Siege, mebibytes: number): Promise<void> {
  const bytes = new Uint8Array(3 + mebibytes * MIB);
  bytes.set(parcel([]));
  await siege.serve(siege.forge(bytes));
  await sleep(2000);
}

export const emptyMessages = processes({
  name: 'an object of eight million empty messages',
  severe: true,
  heap: 512,
  loadAfter: true,
  allow: { memory: 300, disk: 64 },
  attack: (siege) => poison(siege, 32),
});
