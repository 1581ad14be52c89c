/**
 * One member as a program of a user of the library: `createNetwork` with its default codec. In: group file, key file and store as
 * arguments, texts to broadcast as lines on stdin. Out: on stdout the events that `headwater node --json` prints of deliveries and peers.
 */
import { readFileSync } from 'node:fs';
import { argv, stdin } from 'node:process';
import { createInterface } from 'node:readline';
import { createNetwork, parseGroup, parseSecretKey } from '../../../src/index.js';

const [groupFile, keyFile, storePath] = argv.slice(2);
const network = await createNetwork<unknown>(
  {
    group: parseGroup(readFileSync(groupFile, 'utf8')),
    secretKey: parseSecretKey(readFileSync(keyFile, 'utf8')).seed,
    storePath,
  },
  {
    deliver: (msg, from) => {
      if (typeof msg === 'string')
        console.log(JSON.stringify({ event: 'deliver', from: from.name, text: msg }));
    },
    onConnectivity: (event) => {
      if (event.type !== 'PeerConnected') return;
      console.log(JSON.stringify({ event: 'peer', member: event.peer.name, reachable: true }));
    },
  },
);
for await (const line of createInterface({ input: stdin })) network.broadcast(line).catch(() => {});
