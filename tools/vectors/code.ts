/** A rendezvous under a code (PROTOCOL 15): all datagrams of one run, with what both ends chose at random. */
import { toHex } from '../../src/core/bytes.js';
import { Rng } from '../../src/core/rng.js';
import { SECOND } from '../../src/core/time.js';
import { keyPair } from '../../src/crypto/keys.js';
import { piecesOf } from '../../src/rendezvous/contents.js';
import { Guest } from '../../src/rendezvous/guest.js';
import { Host } from '../../src/rendezvous/host.js';

export function codeVectors(): unknown {
  const code = '7-clockwork-crossover';
  const chosen = { host: [] as string[], guest: [] as string[] };
  const source = (who: 'host' | 'guest') => {
    const rng = new Rng(`code vectors ${who}`);
    return (length: number) => {
      const bytes = rng.bytes(length);
      chosen[who].push(toHex(bytes));
      return bytes;
    };
  };
  const { publicKey } = keyPair(new Uint8Array(32).fill(1));
  const sender = keyPair(new Uint8Array(32).fill(2)).publicKey;
  const join = {
    ...{ publicKey, port: 9000, name: 'anna', place: new Uint8Array(16).fill(3) },
    ...{ hosts: ['10.0.0.2', 'fd00::2'], via: '192.0.2.1' },
  };
  const address = '198.51.100.2:5000';
  let now = 1000 * SECOND;
  const host = new Host({ code, number: 7, random: source('host') });
  host.setRoom(2, 2);
  const guest = new Guest(now, { code, number: 7, join: () => join, random: source('guest') });
  const datagrams: { by: string; bytes: string }[] = [];
  const introduction = { sender, group: '{"headwater":"group"}' };
  for (let i = 0; i < 4; i++) {
    const asked = guest.pollTransmit(now)!;
    datagrams.push({ by: 'guest', bytes: toHex(asked) });
    host.handleDatagram(now, address, asked);
    const [first] = host.waiting();
    const answered = host.pollTransmit()!.bytes;
    datagrams.push({ by: 'host', bytes: toHex(answered) });
    guest.handleDatagram(now, answered);
    if (first) host.introduce(first, piecesOf(introduction));
    if (i === 2) host.pollTransmit();
    now += SECOND;
  }
  return {
    ...{ code, address, hostSecretAndScalar: chosen.host, guestIdAndScalar: chosen.guest },
    join: { ...join, publicKey: toHex(publicKey), place: toHex(join.place) },
    introduction: { sender: toHex(sender), group: introduction.group },
    datagrams,
  };
}
