/**
 * The processes of the TCP comparison, one role each, until they are killed:
 *   member INDEX ADDRESS,ADDRESS CONTROLLER [TRACE]   a member of a group of two; the first broadcasts objects without a pause
 *   source ADDRESS   one TCP connection that sends without a pause
 *   sink ADDRESS   reads what comes
 * The first member says 'ready' once it has reached the other, and begins at the first line from its standard input.
 */
import { createConnection, createServer } from 'node:net';
import { argv, exit, stdin, stdout } from 'node:process';
import type { ControllerName } from '../../src/congestion/index.js';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
import { Node } from '../../src/node/node.js';

const PORT = 7000;
const OBJECT = 4 * 1024 * 1024;
/** While the end of one is being confirmed, the next ones keep the path busy. */
const UNDER_WAY = 3;

const [role, ...args] = argv.slice(2);
if (role === 'member') await member(Number(args[0]), args[1].split(','), args[2] as ControllerName, args[3]);
else if (role === 'source') source(args[0]);
else sink(args[0]);

async function member(
  index: number,
  addresses: string[],
  controller: ControllerName,
  trace?: string,
): Promise<void> {
  const secrets = addresses.map((_, i) => new Uint8Array(32).fill(i + 1));
  const group = createGroup({
    name: 'tcp',
    members: addresses.map((address, i) => ({
      name: ['sender', 'receiver'][i],
      publicKey: keyPair(secrets[i]).publicKey,
      locator: `${address}:${PORT}`,
    })),
  });
  const node = await Node.start({ group, secretKey: secrets[index], controller, trace });
  if (index > 0) return;
  await node.reach(1);
  stdout.write('ready\n');
  await new Promise((done) => stdin.once('data', done));
  const object = new Uint8Array(OBJECT);
  const keepSending = async () => {
    for (;;) await node.broadcast(object);
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, keepSending));
}

function source(address: string): void {
  const chunk = Buffer.alloc(65_536);
  const socket = createConnection({ host: address, port: PORT }, () => {
    const fill = () => {
      while (socket.write(chunk));
    };
    socket.on('drain', fill);
    socket.on('error', () => exit()); // The sink has ended before us.
    fill();
  });
}

function sink(address: string): void {
  createServer((socket) => socket.on('error', () => {}).resume()).listen(PORT, address, () =>
    stdout.write('ready\n'),
  );
}
