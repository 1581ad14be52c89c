/**
 * What does a session cost per datagram? Protects and opens datagrams of 1232 bytes in place, with either provider, and
 * makes whole handshakes. Run: npx vitest bench --run bench/session.bench.ts
 */
import { bench, describe } from 'vitest';
import { Rng } from '../src/core/rng.js';
import { nodeAead, sodiumAead } from '../src/crypto/aead.js';
import { keyPair } from '../src/crypto/keys.js';
import { nodeAgreement, sodiumAgreement } from '../src/crypto/x25519.js';
import { SessionTable } from '../src/session/table.js';

const SIZE = 1232;
const BATCH = 64;

describe.each([
  { name: 'sodium-native', suite: { agreement: sodiumAgreement()!, aead: sodiumAead()! } },
  { name: 'node:crypto', suite: { agreement: nodeAgreement(), aead: nodeAead() } },
])('$name', ({ suite }) => {
  const rng = new Rng('bench');
  const keys = [keyPair(rng.bytes(32)), keyPair(rng.bytes(32))];
  const make = (index: number) =>
    new SessionTable({
      groupId: new Uint8Array(32),
      keys: keys[index].exchangeKeys(),
      incarnation: 1,
      entropy: rng,
      peers: keys.map(({ publicKey }, i) => (i === index ? undefined : { publicKey, locators: [`m${i}:1`] })),
      suite,
    });
  const exchange = (a: SessionTable, b: SessionTable) => {
    a.connect(0, 1);
    for (let round = 0; round < 3; round++) {
      for (let out = a.pollTransmit(); out; out = a.pollTransmit()) b.handleDatagram(0, 'm0:1', out.bytes);
      for (let out = b.pollTransmit(); out; out = b.pollTransmit()) a.handleDatagram(0, 'm1:1', out.bytes);
    }
  };
  const [a, b] = [make(0), make(1)];
  exchange(a, b);
  const datagrams = Array.from({ length: BATCH }, () => new Uint8Array(SIZE));

  bench(`protect ${BATCH} datagrams in place`, () => {
    for (const datagram of datagrams) a.protectInPlace(0, 1, datagram);
  });
  bench(`protect and open ${BATCH} datagrams in place`, () => {
    for (const datagram of datagrams) {
      a.protectInPlace(0, 1, datagram);
      if (!b.handleDatagram(0, 'm0:1', datagram)) throw new Error('expected a genuine datagram');
    }
  });
  bench('a handshake, both sides', () => {
    exchange(make(0), make(1));
  });
});
