/**
 * A group of four of which one has an address. The others know their own key, the group's id and that address: they are told who the
 * members are, check that against the id, hear where the others are, and each says hello to all.
 *
 *   node examples/one-address.mjs [HOST:PORT]
 */
import { randomBytes } from 'node:crypto';
import { argv, stdout } from 'node:process';
import { createGroup, createNetwork, fetchGroup, keyPair } from 'headwater';

const address = argv[2] ?? '127.0.0.1:7841';
const names = ['anna', 'ben', 'cleo', 'dora'];
const seeds = names.map(() => Uint8Array.from(randomBytes(32)));

// Anna makes the group out of public keys, and gives the others its id.
const group = createGroup({
  name: 'one address',
  members: names.map((name, i) => ({
    name,
    publicKey: keyPair(seeds[i]).publicKey,
    locators: i === 0 ? [address] : [],
  })),
});

const print = (line) => stdout.write(`${line}\n`);
const networks = [];
const heard = names.map(() => new Set());
const start = async (i, known) => {
  const deliver = (msg, from) => {
    heard[i].add(msg);
    if (i === 3) print(`${names[i]} hears ${from.name}: ${msg}`);
  };
  networks[i] = await createNetwork({ group: known, secretKey: seeds[i] }, { deliver });
};
await start(0, group);
for (const i of [1, 2, 3])
  await start(i, await fetchGroup({ groupId: group.id, secretKey: seeds[i], peers: [address] }));

for (const [i, name] of names.entries()) await networks[i].broadcast(`hello from ${name}`);
const isDone = () => heard.every(({ size }) => size === names.length);
const areJoined = () => networks.every((network) => network.status().quorum.have === names.length);
while (!isDone() || !areJoined()) await new Promise((done) => setTimeout(done, 50));

const { peers } = networks[3].status();
for (const peer of peers)
  print(`dora reaches ${peer.name}${peer.name === 'anna' ? ` at ${peer.address}` : ''}`);
await Promise.all(networks.map((network) => network.close()));
