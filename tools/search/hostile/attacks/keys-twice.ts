/**
 * No liar: one key used by two processes, in turn with different stores, or at once. Others must hear of all that the key's holder
 * says afterwards, nobody else may notice, nothing may be in silence. Stopped by: a member that finds a later stream of its own begins
 * one above it (PROTOCOL 10.2). Where both are there at once, the one that started later counts, until it has been silent for 10 s
 * (4.1); what the other has said meanwhile it says again 2 s later (10.2). A message is delivered if it came to either;
 * what the later one confirmed but did not deliver the former says to be lost.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE } from '../../../../src/broadcast/agreement/succession.js';
import { MILLISECOND } from '../../../../src/core/time.js';
import { RUN_SILENCE } from '../../../../src/session/limits.js';
import { processes } from '../processes.js';
import { Process, until } from '../siege.js';

/** ms that two processes are there. */
const TOGETHER = 3000;
/** ms until the former of them is let in again and says again what it said. */
const WAIT = (RUN_SILENCE + PATIENCE) / MILLISECOND;

export const inTurn = processes({
  name: 'accident: `node --store`, `send` with the same key, `node --store` again',
  severe: true,
  loadAfter: true,
  attack: async (siege) => {
    const [member] = siege.honest;
    siege.submit(0);
    await sleep(1000);
    await member.kill('SIGTERM');
    const file = join(siege.folder, 'file.txt');
    writeFileSync(file, 'something');
    const sender = new Process(0, siege.argsOf(0, ['send', file, '--timeout', '20']));
    sender.start();
    for (let i = 0; i < 200 && sender.isRunning; i++) await sleep(100);
    await sender.kill();
    member.start();
    await sleep(1500);
  },
});

export const withoutStore = processes({
  name: 'accident: `node --store`, `node` without it, `node --store` again',
  loadAfter: true,
  attack: async (siege) => {
    const [member] = siege.honest;
    siege.submit(0);
    await sleep(1000);
    await member.kill('SIGTERM');
    const other = new Process(0, siege.argsOf(0, ['node', '--json']));
    other.start();
    await sleep(2000);
    other.say('from another store');
    await sleep(1500);
    await other.kill('SIGTERM');
    member.start();
    await sleep(1500);
  },
});

export const atOnce = processes({
  name: 'accident: two processes with one key at once, for three seconds',
  allow: { latency: TOGETHER + WAIT },
  attack: async (siege) => {
    const [member] = siege.honest;
    const other = new Process(0, siege.argsOf(0, ['node', '--json', '--bind', '127.0.0.1:0']));
    other.start();
    await until(() => other.peers.size > 0, 30);
    // On a busy machine the load is over by now.
    for (let i = 0; i < 10; i++) {
      siege.submit(0);
      await sleep(TOGETHER / 10);
    }
    await other.kill();
    member.join(other);
    await until(() => isTold(member), WAIT / 1000 + 30);
  },
  more: ({ honest: [member] }) => [{ what: 'not told of it', measured: isTold(member) ? 0 : 1, must: 0 }],
});

function isTold({ events }: Process): boolean {
  return ['superseded', 'begun-anew'].every((kind) => events.some(({ event }) => event === kind));
}
