/** Test vectors of handshake messages that must be refused, and of odd ones that must be taken. In: nothing. Out: bytes as hex. */
import { toHex, Writer } from '../../src/core/bytes.js';
import { type Initiator, initiate, readInitiation } from '../../src/crypto/noise.js';
import { macKeyOf, writeMacs } from '../../src/session/handshake/guard.js';
import {
  INITIATION,
  INITIATION_HEADER,
  INITIATION_SIZE,
  mac1At,
  RESPONSE,
  RESPONSE_SIZE,
} from '../../src/session/wire.js';
import { parties, seedOf } from './sessions.js';

/** Why it is dropped, or that it is not. */
type Verdict = 'taken' | 'malformed' | 'foreign-version' | 'handshake-mismatch' | 'bad-response';

const INDEX = 0x01020304;
const EPHEMERAL = seedOf(0xe1);
const ANSWER_INDEX = 0xa1a2a3a4;
const u = (bytes: number, value: number) => value.toString(16).padStart(2 * bytes, '0');

/** INITIATIONs of member 1 to member 2, and RESPONSEs of member 2 to its first one; secrets as in protocol-session.json. */
export function handshakeVectors(): unknown {
  const { alice, bob } = parties();
  const ours = `${u(6, alice.incarnation)}${u(4, 0)}${u(6, 1)}${u(2, alice.version)}`;
  const theirs = `${u(6, bob.incarnation)}${u(6, 1)}${u(4, ANSWER_INDEX)}${u(2, bob.version)}${u(6, alice.incarnation)}`;
  const FEATURES = '0100000000000000';
  const first = initiation(`${ours}0303${FEATURES}`);
  const changed = (datagram: Uint8Array, at: number) => datagram.with(at, datagram[at] ^ 1);
  const features = INITIATION_HEADER + 32 + 48 + 18 + 2;
  const initiations: [string, Verdict, Uint8Array][] = [
    ['version 3', 'taken', first.datagram],
    ['versions 1 to 255, all features', 'taken', initiation(`${ours}01ff${'ff'.repeat(8)}`).datagram],
    ['with 5 bytes more', 'taken', initiation(`${ours}0303${FEATURES}0102030405`).datagram],
    [
      'of 1232 bytes',
      'taken',
      initiation(`${ours}0303${FEATURES}${'00'.repeat(1232 - INITIATION_SIZE)}`).datagram,
    ],
    [
      'of 1233 bytes',
      'malformed',
      initiation(`${ours}0303${FEATURES}${'00'.repeat(1233 - INITIATION_SIZE)}`).datagram,
    ],
    ['without the last bit of features', 'malformed', initiation(`${ours}0303${FEATURES.slice(2)}`).datagram],
    ['lowest version 0', 'malformed', initiation(`${ours}0003${FEATURES}`).datagram],
    ['lowest version above the highest', 'malformed', initiation(`${ours}0302${FEATURES}`).datagram],
    ['versions 4 to 9', 'foreign-version', initiation(`${ours}0409${FEATURES}`).datagram],
    ['a feature changed on the way', 'handshake-mismatch', remac(changed(first.datagram, features))],
    [
      'the first byte changed on the way',
      'handshake-mismatch',
      initiation(`${ours}0303${FEATURES}`, 0x41).datagram,
    ],
  ];
  const answer = (rest: string) => response(first.datagram, `${theirs}${rest}`);
  const good = answer(`0205${FEATURES}03`);
  const responses: [string, Verdict, Uint8Array][] = [
    ['versions 2 to 5, 3 chosen', 'taken', good],
    ['with 5 bytes more', 'taken', answer(`0205${FEATURES}030102030405`)],
    [
      'longer than the INITIATION',
      'malformed',
      answer(`0303${FEATURES}03${'00'.repeat(INITIATION_SIZE - RESPONSE_SIZE + 1)}`),
    ],
    ['versions 4 to 5, none chosen', 'foreign-version', answer(`0405${FEATURES}00`)],
    ['versions 2 to 5, 2 chosen', 'bad-response', answer(`0205${FEATURES}02`)],
    ['versions 2 to 5, none chosen', 'bad-response', answer(`0205${FEATURES}00`)],
    ['versions 4 to 5, 4 chosen', 'bad-response', answer(`0405${FEATURES}04`)],
    ['lowest version above the highest', 'bad-response', answer(`0503${FEATURES}03`)],
    ['a feature changed on the way', 'bad-response', changed(good, 9 + 32 + 26)],
  ];
  return [
    ...initiations.map(([name, verdict, datagram]) => ({
      kind: 'INITIATION',
      name,
      verdict,
      datagram: toHex(datagram),
    })),
    ...responses.map(([name, verdict, datagram]) => ({
      kind: 'RESPONSE',
      name,
      verdict,
      datagram: toHex(datagram),
    })),
  ];
}

/** With this payload; `firstByte` as the sender had it. */
function initiation(payload: string, firstByte = INITIATION): { datagram: Uint8Array; initiator: Initiator } {
  const { alice, remote, shared } = parties();
  const initiator = initiate({
    suite: alice.suite,
    prologue: prologue(firstByte),
    keys: alice.keys,
    remoteStatic: remote,
    sharedStatic: shared,
    ephemeral: EPHEMERAL,
    payload: fromHex(payload),
  })!;
  const { message } = initiator;
  const datagram = new Writer(INITIATION_HEADER + message.length + 32)
    .u8(INITIATION)
    .u32(INDEX)
    .put(message).bytes;
  return { datagram: remac(datagram), initiator };
}

function response(first: Uint8Array, payload: string): Uint8Array {
  const { alice, bob, shared } = parties();
  const responder = readInitiation({
    suite: alice.suite,
    prologue: prologue(INITIATION),
    keys: bob.keys,
    message: first.subarray(INITIATION_HEADER, mac1At(first)),
    sharedStatic: () => shared,
  })!;
  const { message } = responder.respond(seedOf(0xe2), fromHex(payload))!;
  return new Writer(9 + message.length).u8(RESPONSE).u32(ANSWER_INDEX).u32(INDEX).put(message).finish();
}

function prologue(firstByte: number): Uint8Array {
  const label = new TextEncoder().encode('headwater session\0');
  const { group } = parties();
  return new Writer(label.length + 38).put(label).u8(3).put(group.id).u8(firstByte).u32(INDEX).finish();
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

function remac(datagram: Uint8Array): Uint8Array {
  writeMacs(datagram, macKeyOf(parties().remote), undefined);
  return datagram;
}
