/**
 * The two handshake messages as datagrams: Noise IK with our payloads, bound to wire version, group and header by its
 * prologue. In: keys, numbers, ephemeral secrets. Out: datagrams without macs, or what a valid one says.
 */
import { Reader, Writer } from '../../core/bytes.js';
import {
  type Established,
  type Initiator,
  initiate,
  readInitiation,
  type Suite,
} from '../../crypto/noise.js';
import type { StaticKeys } from '../../crypto/x25519.js';
import { type Agreed, agree, type Dialect, readDialect, writeDialect } from '../../wire/dialect.js';
import {
  INITIATION,
  INITIATION_HEADER,
  INITIATION_PAYLOAD,
  INITIATION_SIZE,
  mac1At,
  RESPONSE,
  RESPONSE_HEADER,
  RESPONSE_PAYLOAD,
  RESPONSE_SIZE,
  SESSION_VERSION,
} from '../wire.js';

/** What this member is in every handshake. */
export interface Identity {
  readonly suite: Suite;
  readonly keys: StaticKeys;
  /** 32 bytes: another group's handshakes do not hold. */
  readonly groupId: Uint8Array;
  /** Greater than at any earlier start with the same key; 48 bits. */
  readonly incarnation: number;
  /** Of the application that runs over it; 16 bits. */
  readonly version: number;
  /** What of the protocol it speaks. */
  readonly dialect: Dialect;
}

/** What the initiator says of itself. */
export interface InitiationPayload {
  incarnation: number;
  /** Rises with every first message of one incarnation to one peer, so that none can be replayed. */
  counter: number;
  /** The packet number of its next DATA. */
  nextNumber: number;
  version: number;
  dialect: Dialect;
}

export interface ResponsePayload {
  incarnation: number;
  nextNumber: number;
  version: number;
  /** Of the initiator, the incarnation that counts here. Above its own: it is refused, and these keys are not kept. */
  counting: number;
  dialect: Dialect;
  /** The version of the protocol that both speak; 0 if there is none, and these keys are not kept. */
  chosen: number;
}

/** A first message, its macs still zero, and what its answer is read with; undefined if the peer's key is unusable. */
export function writeInitiation(
  self: Identity,
  remote: { static: Uint8Array; shared: Uint8Array },
  index: number,
  ephemeral: Uint8Array,
  payload: InitiationPayload,
): { datagram: Uint8Array; initiator: Initiator } | undefined {
  const writer = new Writer(INITIATION_SIZE).u8(INITIATION).u32(index);
  const initiator = initiate({
    suite: self.suite,
    prologue: prologueOf(self.groupId, writer.bytes),
    keys: self.keys,
    remoteStatic: remote.static,
    sharedStatic: remote.shared,
    ephemeral,
    payload: writeDialect(
      new Writer(INITIATION_PAYLOAD)
        .u48(payload.incarnation)
        .u32(payload.counter)
        .u48(payload.nextNumber)
        .u16(payload.version),
      payload.dialect,
    ).finish(),
  });
  if (!initiator) return undefined;
  writer.put(initiator.message);
  return { datagram: writer.bytes, initiator };
}

/** A first message that holds. */
export interface OpenedInitiation {
  /** `dialect`: undefined if it is impossible. */
  readonly payload: Omit<InitiationPayload, 'dialect'> & { dialect: Dialect | undefined };
  /** What both sides speak; undefined if they have no version in common. */
  readonly agreed: Agreed | undefined;
  /** The answer and its keys; undefined if the other side's ephemeral key is unusable. */
  respond(
    ephemeral: Uint8Array,
    index: number,
    payload: ResponsePayload,
  ): { datagram: Uint8Array; established: Established } | undefined;
  /** The sender's index: where to address DATA. */
  readonly remoteIndex: number;
}

/**
 * Reads an INITIATION of a possible length whose mac1 has been checked.
 *
 * @param sharedStatic see `readInitiation` of crypto/noise.ts
 */
export function openInitiation(
  self: Identity,
  datagram: Uint8Array,
  sharedStatic: (remoteStatic: Uint8Array) => Uint8Array | undefined,
): OpenedInitiation | undefined {
  const responder = readInitiation({
    suite: self.suite,
    prologue: prologueOf(self.groupId, datagram),
    keys: self.keys,
    message: datagram.subarray(INITIATION_HEADER, mac1At(datagram)),
    sharedStatic,
  });
  if (!responder) return undefined;
  const reader = new Reader(responder.payload);
  const payload = {
    incarnation: reader.u48('incarnation'),
    counter: reader.u32('counter'),
    nextNumber: reader.u48('next number'),
    version: reader.u16('version'),
    // What stands behind it is of a later build.
    dialect: readDialect(reader),
  };
  const remoteIndex = new Reader(datagram, 1).u32('sender index');
  return {
    payload,
    agreed: payload.dialect && agree(self.dialect, payload.dialect),
    remoteIndex,
    respond(ephemeral, index, answer) {
      const text = new Writer(RESPONSE_PAYLOAD)
        .u48(answer.incarnation)
        .u48(answer.nextNumber)
        .u32(index)
        .u16(answer.version)
        .u48(answer.counting);
      const made = responder.respond(
        ephemeral,
        writeDialect(text, answer.dialect).u8(answer.chosen).finish(),
      );
      if (!made) return undefined;
      const response = new Writer(RESPONSE_SIZE).u8(RESPONSE).u32(index).u32(remoteIndex).put(made.message);
      return { datagram: response.finish(), established: made.established };
    },
  };
}

/** Reads a RESPONSE of a possible length to the handshake that it names; undefined if it does not hold. */
export function openResponse(
  self: Identity,
  initiator: Initiator,
  datagram: Uint8Array,
):
  | {
      payload: ResponsePayload;
      agreed: Agreed | undefined;
      remoteIndex: number;
      established: Established;
    }
  | undefined {
  const result = initiator.readResponse(datagram.subarray(RESPONSE_HEADER));
  if (!result) return undefined;
  const reader = new Reader(result.payload);
  const [incarnation, nextNumber] = [reader.u48('incarnation'), reader.u48('next number')];
  const remoteIndex = reader.u32('sender index');
  const version = reader.u16('version');
  const counting = reader.u48('counting');
  const dialect = readDialect(reader);
  const chosen = reader.u8('chosen version');
  const agreed = dialect && agree(self.dialect, dialect);
  if (!dialect || chosen !== (agreed?.version ?? 0)) return undefined;
  const payload = { incarnation, nextNumber, version, counting, dialect, chosen };
  // The header stands outside the transcript of message 2, so the index is said twice.
  if (remoteIndex !== new Reader(datagram, 1).u32('sender index')) return undefined;
  return { payload, agreed, remoteIndex, established: result.established };
}

function prologueOf(groupId: Uint8Array, datagram: Uint8Array): Uint8Array {
  return new Writer(PROLOGUE_LABEL.length + 1 + groupId.length + INITIATION_HEADER)
    .put(PROLOGUE_LABEL)
    .u8(SESSION_VERSION)
    .put(groupId)
    .put(datagram.subarray(0, INITIATION_HEADER))
    .finish();
}

const PROLOGUE_LABEL = new TextEncoder().encode('headwater session\0');
