/** npm run vectors: writes test/vectors/protocol-*.json anew. Only for a new version of the protocol: others rely on them. */
import { writeFileSync } from 'node:fs';
import { makeVectors } from './make.js';

for (const [name, value] of Object.entries(makeVectors()))
  writeFileSync(`test/vectors/${name}`, `${JSON.stringify(value, null, 2)}\n`);
