/**
 * Few bytes that make a member hold many: PULLs for objects that it must read, objects of which all but the last symbols come.
 * Stopped by: what is served is read when its turn comes, and what one member has open is bounded in bytes (PROTOCOL 11).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parcel } from '../forge.js';
import { processes } from '../processes.js';
import type { Siege } from '../siege.js';

const MIB = 2 ** 20;
const ignorePulls = (siege: Siege) =>
  siege.tamper({
    hear: (_now, _peer, { frames, symbol }) => ({
      frames: frames.filter(({ kind }) => kind !== 'pull'),
      symbol,
    }),
  });

export const pulls = processes({
  name: 'one datagram of PULLs for 320 MiB, and no acknowledgements',
  severe: true,
  loadAfter: true,
  allow: { memory: 250, disk: 500, cores: 1 },
  attack: async (siege) => {
    ignorePulls(siege);
    for (let seq = 0; seq < 20; seq++)
      await siege.serve(siege.forge(parcel([new Uint8Array(16 * MIB).fill(seq)]), seq), [0], 50);
    await sleep(1000);
    siege.tamper({ frames: (_now, _peer, frames) => frames.filter(({ kind }) => kind !== 'ack') });
    siege.say(
      0,
      Array.from({ length: 20 }, (_, seq) => ({
        kind: 'pull' as const,
        id: { origin: siege.liar, incarnation: siege.incarnation, seq },
        missing: [],
      })),
    );
    await sleep(2000);
  },
});

export const nearlyWhole = processes({
  name: 'four objects of 100 MiB, each but for its last symbols',
  loadAfter: true,
  allow: { memory: 330, disk: 64, cores: 1 },
  attack: async (siege) => {
    ignorePulls(siege);
    for (let i = 0; i < 4; i++) {
      const forged = siege.forge(parcel([new Uint8Array(100 * MIB)]), 0, {
        incarnation: siege.incarnation + i,
      });
      let left = 1600;
      for (const body of forged.served(60_000)) {
        if (left-- === 0) break;
        siege.say(0, [], body);
        if (left % 16 === 0) await sleep(20);
      }
    }
  },
});
