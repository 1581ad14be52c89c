/**
 * All at once, on real sockets: strangers, malformed text, phantoms, GONE, PULLs; then all restart with what is in their stores.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { entryOf } from '../forge.js';
import { processes } from '../processes.js';

export const strangers = processes({
  name: 'strangers on real sockets: 4,000 datagrams a second from twenty addresses',
  seconds: 3,
  attack: async (siege) => {
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => siege.stranger(`127.0.0.${i + 2}`)));
    for (let i = 0; i < 300; i++) {
      for (const [j, stranger] of all.entries())
        for (const to of [0, 1]) {
          const bytes = randomBytes(j % 2 === 0 ? 161 : 60);
          bytes[0] = (bytes[0] & 7) | 0x30;
          stranger.send(to, bytes);
        }
      await sleep(10);
    }
    for (const stranger of all) stranger.close();
  },
});

export const everything = processes({
  name: 'phantoms, GONE, PULLs and rubbish at once, then all restart',
  severe: true,
  loadAfter: true,
  attack: async (siege) => {
    for (let i = 0; i < 100; i++) {
      for (const { index: peer } of siege.honest) {
        const victims = siege.honest.filter(({ index }) => index !== peer);
        siege.vector(
          peer,
          victims.map(({ index }) => entryOf({ origin: index, incarnation: 2 ** 48 - 1 - i }, 1 + i)),
        );
        siege.say(peer, [
          {
            kind: 'gone',
            origin: victims[0].index,
            incarnation: siege.incarnation,
            base: 2 ** 31,
            chain: new Uint8Array(32),
          },
          { kind: 'pull', id: { origin: peer, incarnation: siege.incarnation + i, seq: i }, missing: [] },
          { kind: 'sized-symbol', body: new Uint8Array(randomBytes(200)) },
        ]);
      }
      await sleep(10);
    }
    await siege.restartAll();
  },
});
