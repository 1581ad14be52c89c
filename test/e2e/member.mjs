/**
 * A member as a process of a build of another age: it speaks what its last argument says. Each line of stdin is a message, the
 * line '.' the end; on stdout come JSON lines: messages that are delivered, and what is spoken with whom.
 *
 * node test/e2e/member.mjs GROUP KEY STORE '{ "versions": [3, 4], "features": ["path-size"] }'
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { TEXTS } from '../../dist/cli/events.js';
import { keyPair, openStore, parseGroup, parseSecretKey } from '../../dist/index.js';
import { Node } from '../../dist/node/node.js';

const [groupFile, keyFile, storePath, dialect] = process.argv.slice(2);
const { versions, features } = JSON.parse(dialect);
const group = parseGroup(readFileSync(groupFile, 'utf8'));
const secretKey = parseSecretKey(readFileSync(keyFile, 'utf8')).seed;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const node = await Node.startAs(
  {
    group,
    secretKey,
    store: await openStore({ path: storePath, groupId: group.id, publicKey: keyPair(secretKey).publicKey }),
    deliver: ({ bytes }) => say({ delivered: new TextDecoder().decode(bytes) }),
    onEvent: (event) => process.stderr.write(`${TEXTS[event.type](event)}\n`),
  },
  { versions: { lowest: versions[0], highest: versions[1] }, features: new Set(features) },
);

let told = '';
const watch = setInterval(() => {
  const peers = Object.fromEntries(
    node
      .status()
      .peers.map(({ name, protocol, features: both, reachable }) => [
        name,
        { protocol: protocol ?? undefined, features: both, reachable },
      ]),
  );
  if (told === JSON.stringify(peers)) return;
  told = JSON.stringify(peers);
  say({ peers });
}, 50);

const pending = [];
for await (const line of createInterface({ input: process.stdin })) {
  if (line === '.') break;
  pending.push(node.submit(new TextEncoder().encode(line)));
}
clearInterval(watch);
await Promise.all(pending);
await node.close();
process.stdin.destroy();
