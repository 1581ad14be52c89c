/** Test vectors of datagrams to multicast groups: one of each kind, sealed under a fixed key. */
import { signShares } from '../../src/broadcast/proof/batch.js';
import { toHex } from '../../src/core/bytes.js';
import { defaultAead } from '../../src/crypto/aead.js';
import { sha256 } from '../../src/crypto/hash.js';
import { keyPair } from '../../src/crypto/keys.js';
import { castListed, castManifests, castProbe, nameOf, sealCast } from '../../src/wire/cast.js';
import { TRANSFER_BIT, writeDescriptor } from '../../src/wire/symbol.js';
import { seedOf, vectorGroup } from './sessions.js';

export function castVectors(): unknown {
  const group = vectorGroup('vectors', [1, 2, 3]);
  const keys = keyPair(seedOf(2));
  const origin = group.members.findIndex(({ publicKey }) => toHex(publicKey) === toHex(keys.publicKey));
  const symbols = [0, 1, 2].map((i) => new Uint8Array(16).fill(0xd0 + i));
  const descriptor = writeDescriptor({
    ...{ origin, incarnation: TRANSFER_BIT + 77, seq: 1 },
    ...{ length: 48, symbolSize: 16, sourceBlocks: 1, hash: sha256(Buffer.concat(symbols)) },
  });
  const shares = [{ sbn: 0, esi: 0, firstHop: origin, symbols }];
  const [listed] = signShares(group, descriptor, shares, keys.sign);
  const { manifest } = listed[0];
  const key = seedOf(9);
  const cipher = defaultAead().cipher(key);
  const sealed = (name: string, number: number, datagram: Uint8Array) => {
    const text = toHex(datagram.slice(7, -16));
    return { name, number, text, datagram: toHex(sealCast(cipher, number, datagram)) };
  };
  return {
    key: toHex(key),
    manifestName: nameOf(manifest),
    datagrams: [
      sealed('a probe of 40 bytes', 1, castProbe(40)),
      sealed('the manifest of three symbols', 2 ** 32 + 5, castManifests([manifest])),
      sealed('the second of them', 2 ** 32 + 6, castListed(nameOf(manifest), listed[1])),
    ],
  };
}
