/** Staged faults: what is broken, and which warning the status of member `a` has to name it by. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { getuid } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { WarningCode } from '../../src/node/status/warnings.js';
import type { LinkOptions } from '../../src/sim/net/link.js';
import { iid } from '../../src/sim/net/loss.js';
import { NAMES, type Name, type Yard } from './yard.js';

export interface Fault {
  name: string;
  /** What the links do, from the beginning. */
  link?: (from: Name, to: Name) => LinkOptions;
  /** Breaks it. What is measured begins when it returns. */
  stage(yard: Yard): Promise<void>;
  /** What the status has to say. */
  says: WarningCode;
  /** The member that it has to name. */
  of?: Name;
  /** Why it cannot be staged here. */
  skip?: string | false;
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'member down',
    async stage(yard) {
      const [, , c] = await all(yard);
      await yard.kill(c);
    },
    says: 'member-away',
    of: 'c',
  },
  {
    name: 'no quorum',
    async stage(yard) {
      const [, b, c] = await all(yard);
      await Promise.all([yard.kill(b), yard.kill(c)]);
    },
    says: 'no-quorum',
  },
  {
    name: 'one-way firewall',
    link: (from, to) => ({ blocked: from === 'a' && to === 'c' }),
    stage: async (yard) => void (await all(yard)),
    says: 'unheard',
    of: 'c',
  },
  {
    name: 'wrong group file',
    async stage(yard) {
      yard.writeGroup('other.json', 'another');
      await yard.start('a');
      await yard.start('b');
      await yard.start('c', { group: 'other.json' });
    },
    says: 'other-group',
    of: 'c',
  },
  {
    name: 'clock behind, store lost',
    async stage(yard) {
      const [, , c] = await all(yard);
      await yard.kill(c);
      await yard.start('c', { store: 'new.store', preload: CLOCK_A_DAY_BACK });
    },
    says: 'clock-behind',
    of: 'c',
  },
  {
    name: 'duplicate key',
    async stage(yard) {
      // The emulated network would hear the later one alone.
      const addresses = await freeAddresses(3);
      yard.writeGroup('direct.json', 'drill', addresses);
      const at = (i: number) => ({ group: 'direct.json', bind: `127.0.0.1:${addresses[i].port}` });
      await yard.start('a', at(0));
      await yard.start('b', at(1));
      await yard.start('c', at(2));
      await sleep(2000);
      await yard.start('c', { group: 'direct.json', bind: '127.0.0.1:0', store: 'copy.store' });
    },
    says: 'same-key',
    of: 'c',
  },
  {
    name: 'full disk',
    skip: getuid?.() !== 0 && 'mounting a small disk takes root',
    async stage(yard) {
      mkdirSync(yard.at('disk'));
      const mount = `mount -t tmpfs -o size=600k tmpfs ${yard.at('disk')} && exec "$@"`;
      const a = await yard.start('a', {
        store: 'disk/a.store',
        by: ['unshare', '-m', 'sh', '-c', mount, 'sh'],
      });
      await yard.start('b');
      await yard.start('c');
      for (let i = 0; i < 40; i++) a.stdin!.write(`${'x'.repeat(30_000)}\n`);
    },
    says: 'store-full',
  },
  {
    name: 'slow consumer',
    async stage(yard) {
      await yard.start('a', { isRead: false });
      const b = await yard.start('b');
      await yard.start('c');
      for (let i = 0; i < 100; i++) b.stdin!.write(`${'x'.repeat(10_000)}\n`);
    },
    says: 'slow-consumer',
  },
  {
    name: 'slow disk',
    async stage(yard) {
      const a = await yard.start('a', { program: [BAD_DISK, '--slow'] });
      await yard.start('b');
      await yard.start('c');
      void chatter(a);
    },
    says: 'slow-disk',
  },
  {
    name: 'failing disk',
    async stage(yard) {
      const a = await yard.start('a', { program: [BAD_DISK] });
      await yard.start('b');
      await yard.start('c');
      void chatter(a);
    },
    says: 'store-error',
  },
  {
    name: 'no route',
    async stage(yard) {
      // TEST-NET-1 of RFC 5737 cannot be reached from a loopback address.
      const elsewhere = NAMES.map((_, i) => ({ host: `192.0.2.${i + 1}`, port: 7801 }));
      yard.writeGroup('elsewhere.json', 'drill', elsewhere);
      await yard.start('a', { group: 'elsewhere.json', bind: '127.0.0.1:0' });
    },
    says: 'cannot-send',
  },
  {
    name: '30 % loss',
    link: (from, to) => ({ loss: iid(from === 'a' && to === 'c' ? 0.3 : 0) }),
    async stage(yard) {
      const [a] = await all(yard);
      void chatter(a);
    },
    says: 'lossy-path',
    of: 'c',
  },
  {
    name: 'saturated host',
    async stage(yard) {
      await yard.start('a', { preload: BUSY });
      await yard.start('b');
      await yard.start('c');
    },
    says: 'busy-host',
  },
  {
    name: 'MTU hole',
    link: (from, to) => ({ mtu: from === 'c' || to === 'c' ? 1290 : undefined }),
    stage: async (yard) => void (await all(yard)),
    says: 'narrow-path',
    of: 'c',
  },
];

/** Ports of loopback that are free now. */
async function freeAddresses(count: number) {
  const sockets = Array.from({ length: count }, () => createSocket('udp4').bind(0, '127.0.0.1'));
  await Promise.all(sockets.map((socket) => once(socket, 'listening')));
  const ports = sockets.map((socket) => socket.address().port);
  await Promise.all(sockets.map((socket) => new Promise<void>((done) => void socket.close(done))));
  return ports.map((port) => ({ host: '127.0.0.1', port }));
}

/** All three, once they see each other. */
async function all(yard: Yard) {
  const members = [await yard.start('a'), await yard.start('b'), await yard.start('c')] as const;
  for (let i = 0; i < 50; i++) {
    const { quorum } = await yard.status('a.store');
    if (quorum.have >= 2 && (quorum.have === 3 || i > 10)) return members;
    await sleep(200);
  }
  throw new Error('expected three members that see each other, got fewer');
}

/** Lines on its stdin, until it ends. */
async function chatter(member: Awaited<ReturnType<Yard['start']>>): Promise<void> {
  for (let i = 0; member.exitCode === null && member.signalCode === null; i++) {
    member.stdin!.write(`${i} ${'x'.repeat(500)}\n`);
    await sleep(50);
  }
}

const CLOCK_A_DAY_BACK = 'const now = Date.now; Date.now = () => now() - 86_400_000;';
/** As a loop that does not get the processor: a third of a second at a time. */
const BUSY =
  'setInterval(() => { for (const end = performance.now() + 300; performance.now() < end; ); }, 500).unref();';
const BAD_DISK = fileURLToPath(new URL('./bad-disk.js', import.meta.url));
