/** Test vectors of keys, group ids and sessions. In: fixed seeds. Out: plain values, bytes as hex. */

import { toHex, Writer } from '../../src/core/bytes.js';
import { Rng } from '../../src/core/rng.js';
import { defaultAead } from '../../src/crypto/aead.js';
import { keyPair } from '../../src/crypto/keys.js';
import { defaultSuite, type Established } from '../../src/crypto/noise.js';
import { agreementKeyOf } from '../../src/crypto/x25519.js';
import { createGroup, type Group } from '../../src/group/group.js';
import { HandshakeGuard, macKeyOf, readCookie, writeMacs } from '../../src/session/handshake/guard.js';
import {
  type Identity,
  openInitiation,
  openResponse,
  writeInitiation,
} from '../../src/session/handshake/messages.js';
import { DEFAULT_LIMITS } from '../../src/session/limits.js';
import { Transport } from '../../src/session/transport.js';
import {
  CHALLENGE_BYTES,
  CONTROL_SIZE,
  FRAME_ANSWER,
  FRAME_CHALLENGE,
  PROTECTED_HEADER,
  PROTECTED_OVERHEAD,
} from '../../src/session/wire.js';
import { DIALECT, DIALECT_SIZE, type Dialect, writeDialect } from '../../src/wire/dialect.js';

/** The seed of the member called `number`: 32 times that byte. */
export function seedOf(number: number): Uint8Array {
  return new Uint8Array(32).fill(number);
}

export function vectorGroup(name: string, seeds: readonly number[], byzantine = 0): Group {
  const members = seeds.map((number) => ({
    publicKey: keyPair(seedOf(number)).publicKey,
    locator: `192.0.2.${number}:7001`,
    name: `m${number}`,
  }));
  return createGroup({ name, members, byzantine });
}

export function groupVectors(): unknown {
  const numbers = [1, 2, 3, 4];
  const describe = (group: Group, seeds: readonly number[]) => ({
    name: group.name,
    faulty: group.faulty,
    byzantine: group.byzantine,
    pessimism: group.pessimism,
    quorum: group.quorum,
    listed: seeds.map((number) => toHex(keyPair(seedOf(number)).publicKey)),
    sorted: group.members.map(({ publicKey }) => toHex(publicKey)),
    id: toHex(group.id),
  });
  return {
    keys: numbers.map((number) => {
      const { publicKey, exchangeKeys } = keyPair(seedOf(number));
      const { secret, publicKey: static_ } = exchangeKeys();
      return {
        seed: toHex(seedOf(number)),
        identity: toHex(publicKey),
        staticSecret: toHex(secret),
        static: toHex(static_),
      };
    }),
    groups: [
      describe(vectorGroup('vectors', [1, 2, 3]), [1, 2, 3]),
      describe(vectorGroup('größer', numbers, 1), numbers),
      describe(vectorGroup('one', [1]), [1]),
    ],
  };
}

/** Two members of a group that speak different ranges of versions, and what the first knows of it. */
export function parties() {
  const group = vectorGroup('vectors', [1, 2, 3]);
  const suite = defaultSuite();
  const identityOf = (number: number, incarnation: number, version: number, dialect: Dialect): Identity => {
    const keys = keyPair(seedOf(number)).exchangeKeys();
    return { suite, keys, groupId: group.id, incarnation, version, dialect };
  };
  // Features that have come since change no vectors: others rely on them.
  const features: Dialect['features'] = new Set(['path-size']);
  const alice = identityOf(1, 0x0190_0000_0001, 3, { ...DIALECT, features });
  const bob = identityOf(2, 0x0190_0000_0002, 4, { versions: { lowest: 2, highest: 5 }, features });
  const remote = agreementKeyOf(keyPair(seedOf(2)).publicKey)!;
  const shared = suite.agreement.agree(alice.keys.secret, remote)!;
  return { group, alice, bob, remote, shared };
}

export function sessionVectors(): unknown {
  const { group, alice, bob, remote, shared } = parties();
  const { suite } = alice;

  const initiation = {
    index: 0x01020304,
    ephemeral: seedOf(0xe1),
    payload: {
      incarnation: alice.incarnation,
      counter: 5,
      nextNumber: 1,
      version: alice.version,
      dialect: alice.dialect,
    },
  };
  const { datagram: first, initiator } = writeInitiation(
    alice,
    { static: remote, shared },
    initiation.index,
    initiation.ephemeral,
    initiation.payload,
  )!;
  writeMacs(first, macKeyOf(remote), undefined);

  const guard = new HandshakeGuard({
    entropy: new Rng('vectors'),
    aead: suite.aead,
    ownStatic: remote,
    limits: DEFAULT_LIMITS,
  });
  const cookieReply = guard.cookieReply(0, '192.0.2.1:7001', first);
  const cookie = readCookie(suite.aead, remote, first, cookieReply)!;
  const withCookie = first.slice();
  writeMacs(withCookie, macKeyOf(remote), cookie);

  const response = {
    index: 0xa1a2a3a4,
    ephemeral: seedOf(0xe2),
    // Beyond 32 bits, of which the wire shows the lower ones.
    payload: {
      incarnation: bob.incarnation,
      nextNumber: 0x1_0000_0005,
      version: bob.version,
      counting: alice.incarnation,
      dialect: bob.dialect,
      chosen: 3,
    },
  };
  const opened = openInitiation(bob, first, (key) => suite.agreement.agree(bob.keys.secret, key))!;
  const answered = opened.respond(response.ephemeral, response.index, response.payload)!;
  const { established } = openResponse(alice, initiator, answered.datagram)!;

  const transport = (keys: Established, isInitiator: boolean) =>
    new Transport<undefined>({
      owner: undefined,
      aead: defaultAead(),
      established: keys,
      localIndex: isInitiator ? initiation.index : response.index,
      remoteIndex: isInitiator ? response.index : initiation.index,
      initiator: isInitiator,
      incarnation: 0,
      agreed: { version: 3, features: bob.dialect.features },
      peerNext: isInitiator ? response.payload.nextNumber : initiation.payload.nextNumber,
      now: 0,
      rekeyAt: 0,
      rejectAt: 0,
    });
  const [ours, theirs] = [transport(established, true), transport(answered.established, false)];
  const text = Uint8Array.of(5, 0, 0, 0);
  const data = (from: typeof ours, number: number) => {
    const datagram = new Uint8Array(PROTECTED_OVERHEAD + text.length);
    datagram.set(text, PROTECTED_HEADER);
    from.sealData(datagram, number);
    return { packetNumber: number, text: toHex(text), datagram: toHex(datagram) };
  };
  const control = (from: typeof ours, frame: number) => {
    const datagram = new Uint8Array(CONTROL_SIZE);
    datagram.fill(0xc4, PROTECTED_HEADER, PROTECTED_HEADER + 1 + CHALLENGE_BYTES);
    datagram[PROTECTED_HEADER] = frame;
    const textHex = toHex(datagram.subarray(PROTECTED_HEADER, PROTECTED_HEADER + 1 + CHALLENGE_BYTES));
    from.sealControl(datagram);
    return { packetNumber: 0, text: textHex, datagram: toHex(datagram) };
  };
  return {
    groupId: toHex(group.id),
    initiatorSeed: toHex(seedOf(1)),
    responderSeed: toHex(seedOf(2)),
    initiation: {
      index: initiation.index,
      ephemeralSecret: toHex(initiation.ephemeral),
      ...plain(initiation.payload),
      datagram: toHex(first),
    },
    cookie: { cookie: toHex(cookie), datagram: toHex(cookieReply), initiation: toHex(withCookie) },
    response: {
      index: response.index,
      ephemeralSecret: toHex(response.ephemeral),
      ...plain(response.payload),
      datagram: toHex(answered.datagram),
    },
    keys: {
      initiatorSends: toHex(established.sendKey),
      responderSends: toHex(established.receiveKey),
      handshakeHash: toHex(established.handshakeHash),
    },
    dataFromInitiator: data(ours, 1),
    dataFromResponder: data(theirs, 0x1_0000_0007),
    challengeFromInitiator: control(ours, FRAME_CHALLENGE),
    answerFromResponder: control(theirs, FRAME_ANSWER),
  };
}

/** With the features as their 8 bytes. */
function plain<P extends { dialect: Dialect }>({ dialect, ...payload }: P) {
  const { versions } = dialect;
  const features = writeDialect(new Writer(DIALECT_SIZE), dialect).finish().subarray(2);
  return { ...payload, ...versions, features: toHex(features) };
}
