/**
 * The processes of `bench busy`, one role each, until they are killed or their input ends:
 *   member INDEX SIZE ADDRESS,ADDRESS,...   of a group; the first broadcasts one object of SIZE bytes
 *   source ADDRESS SIZE   one TCP connection that sends so many bytes
 *   sink ADDRESS SIZE   reads them
 *   loop   keeps a core busy
 * Each says 'ready'. Who sends begins at the first line of its standard input and says when, `{ at }`; who has got all says that.
 * `at` is on the clock that all processes of a machine share, in milliseconds.
 */
import { createConnection, createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { argv, exit, stdin, stdout } from 'node:process';
import { createGroup, keyPair, Node } from '../../src/index.js';

const PORT = 7000;
const [role, ...args] = argv.slice(2);
stdin.on('end', () => exit());
const begun = new Promise((done) => stdin.once('data', done));
if (role === 'member') await member(Number(args[0]), Number(args[1]), args[2].split(','));
else if (role === 'source') await source(args[0], Number(args[1]));
else if (role === 'sink') sink(args[0], Number(args[1]));
else loop();

function tell(): void {
  stdout.write(`${JSON.stringify({ at: performance.timeOrigin + performance.now() })}\n`);
}

async function member(index: number, size: number, addresses: string[]): Promise<void> {
  const secrets = addresses.map((_, i) => new Uint8Array(32).fill(i + 1));
  const group = createGroup({
    name: 'busy',
    members: addresses.map((address, i) => ({
      name: `m${i}`,
      publicKey: keyPair(secrets[i]).publicKey,
      locator: `${address}:${PORT}`,
    })),
  });
  const node = await Node.start({ group, secretKey: secrets[index], deliver: () => tell() });
  await node.reach(addresses.length - 1);
  stdout.write('ready\n');
  if (index > 0) return;
  const object = new Uint8Array(size).map((_, i) => i * 31 + (i >>> 8));
  await begun;
  tell();
  await node.broadcast(object);
}

async function source(address: string, size: number): Promise<void> {
  const chunk = Buffer.alloc(65_536);
  stdout.write('ready\n');
  await begun;
  tell();
  const socket = createConnection({ host: address, port: PORT }, () => {
    let left = size;
    const fill = () => {
      for (let taken = true; taken && left > 0; left -= chunk.length) taken = socket.write(chunk);
    };
    socket.on('drain', fill);
    socket.on('error', () => exit()); // The sink has ended before us.
    fill();
  });
}

function sink(address: string, size: number): void {
  let received = 0;
  createServer((socket) =>
    socket
      .on('error', () => {})
      .on('data', ({ length }) => {
        if (received < size && received + length >= size) tell();
        received += length;
      }),
  ).listen(PORT, address, () => stdout.write('ready\n'));
}

/** In turns, so that it notices when its input ends. */
function loop(): void {
  const end = performance.now() + LOOP_TURN_MS;
  while (performance.now() < end);
  setImmediate(loop);
}

const LOOP_TURN_MS = 50;
