/**
 * Symbols that are signed, or served, and do not give the object. Stopped by: wrong bytes are found by the object's hash, and
 * asked for anew of one member at a time, so that the liar is named and left out (PROTOCOL 8.2).
 */

import { writeCertificate } from '../../../../src/broadcast/proof/certificate.js';
import { rootFromHashes, rootFromProof } from '../../../../src/crypto/merkle.js';
import type { Contents } from '../../../../src/wire/datagram.js';
import type { Manifest } from '../../../../src/wire/manifest.js';
import {
  type Descriptor,
  objectKey,
  parseSymbol,
  SERVED,
  SERVED_OVERHEAD,
  type SymbolFrame,
  writeServed,
} from '../../../../src/wire/symbol.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

/** What the liar hears of objects: their descriptors, with certificates. */
function heardOf({ frames, symbol }: Contents): { descriptor: Descriptor; certificate: Uint8Array }[] {
  return [
    ...frames.flatMap((frame) => {
      if (frame.kind === 'sized-symbol') return [ofSymbol(parseSymbol(frame.body))];
      return frame.kind === 'manifest' ? [ofManifest(frame.manifest)] : [];
    }),
    ...(symbol ? [ofSymbol(parseSymbol(symbol))] : []),
  ];
}

function ofSymbol(frame: SymbolFrame) {
  const { descriptor, depth, proof, leafBytes, index, descriptorBytes, signature } = frame;
  const root = depth === SERVED ? proof : rootFromProof(leafBytes, index, depth, proof);
  return { descriptor, certificate: writeCertificate(descriptorBytes.slice(), root, signature.slice()) };
}

function ofManifest(manifest: Manifest) {
  const { descriptor, depth, hashes, position, proof, descriptorBytes, signature } = manifest;
  const root = depth === SERVED ? proof : rootFromHashes(hashes, position, proof);
  return { descriptor, certificate: writeCertificate(descriptorBytes.slice(), root, signature.slice()) };
}

/** Wrong symbols of whatever the liar hears of, to the others, before they can have it whole. */
const pollute = (arena: Arena) => {
  const seen = new Set<string>();
  arena.tamper({
    hear: (_now, peer, contents) => {
      if (arena.now < ATTACK_AT * 1e6) return contents;
      for (const { descriptor, certificate } of heardOf(contents)) {
        if (descriptor.origin !== peer || seen.has(objectKey(descriptor))) continue;
        seen.add(objectKey(descriptor));
        for (let sbn = 0; sbn < descriptor.sourceBlocks; sbn++) {
          const wrong = new Uint8Array(SERVED_OVERHEAD + descriptor.symbolSize).fill(0xa5);
          writeServed(wrong, certificate, { sbn, esi: 0, count: 1 });
          for (const to of arena.honest) if (to !== peer) arena.say(to, [], wrong);
        }
      }
      return contents;
    },
  });
};

export const served = virtual({
  name: 'wrong served symbols of each object that it hears of',
  severe: true,
  attack: pollute,
});

export const faster = virtual({
  name: 'wrong served symbols that come before the origin’s own',
  links: (from, to) => ({ delay: from === '10.0.0.3:7000' || to === '10.0.0.3:7000' ? 2000 : 20_000 }),
  attack: pollute,
});

export const signed = virtual({
  name: 'signs symbols of its own that do not give the object',
  attack: (arena) =>
    arena.each(ATTACK_AT, 9, 200_000, (i) => {
      const forged = arena.forge(new Uint8Array(20_000), i, { hash: new Uint8Array(32).fill(1) });
      const leaves = Array.from({ length: 24 }, (_, esi) => ({ esi, firstHop: esi % 3 }));
      for (const body of forged.signed(leaves)) for (const peer of arena.honest) arena.say(peer, [], body);
    }),
});
