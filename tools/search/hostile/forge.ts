/**
 * What a member with a key of the group can forge: objects of its own with any descriptor, entries of VECTORs about
 * anyone. In: its key, the lie. Out: SYMBOL bodies, entries and frames to be said.
 */
import { signBatch } from '../../../src/broadcast/proof/batch.js';
import { servedBody, signCertificate } from '../../../src/broadcast/proof/certificate.js';
import { cutObject } from '../../../src/broadcast/spread/plan.js';
import { Encoder } from '../../../src/codec/index.js';
import { sha256 } from '../../../src/crypto/hash.js';
import type { KeyPair } from '../../../src/crypto/keys.js';
import type { Group } from '../../../src/group/group.js';
import type { VectorEntry, VectorFrame } from '../../../src/wire/frames/vector.js';
import { HASH_SIZE } from '../../../src/wire/limits.js';
import {
  type Descriptor,
  MAX_SERVED,
  SERVED_OVERHEAD,
  type StreamId,
  writeDescriptor,
} from '../../../src/wire/symbol.js';

export interface Forger {
  group: Group;
  self: number;
  keys: KeyPair;
}

/** An object under the forger's signature, true or not. */
export class Forged {
  readonly descriptor: Descriptor;
  readonly certificate: Uint8Array;
  private readonly forger: Forger;
  private readonly bytes: Uint8Array;
  private readonly descriptorBytes: Uint8Array;

  /** @param changes to the descriptor that is true of `bytes` */
  constructor(
    forger: Forger,
    { incarnation, seq }: { incarnation: number; seq: number },
    bytes: Uint8Array,
    changes: Partial<Descriptor> = {},
  ) {
    this.forger = forger;
    this.bytes = bytes;
    const { self: origin, group, keys } = forger;
    const length = bytes.length;
    this.descriptor = {
      ...{ origin, incarnation, seq, length, hash: sha256(bytes), ...cutObject(length) },
      ...changes,
    };
    this.descriptorBytes = writeDescriptor(this.descriptor);
    this.certificate = signCertificate(group, this.descriptorBytes, keys.sign);
  }

  get stream(): StreamId {
    const { origin, incarnation } = this.descriptor;
    return { origin, incarnation };
  }

  /** Signed symbols of whatever bytes, under one signature; at most 32. */
  signed(leaves: { sbn?: number; esi: number; firstHop: number; symbol?: Uint8Array }[]): Uint8Array[] {
    const { group, keys } = this.forger;
    const all = leaves.map(({ sbn = 0, esi, firstHop, symbol }) => ({
      sbn,
      esi,
      firstHop,
      symbol: symbol ?? new Uint8Array(this.descriptor.symbolSize),
    }));
    return signBatch(group, this.descriptorBytes, all, keys.sign);
  }

  /** All source symbols, as if they had been asked for, in bodies of at most `room` bytes, or one symbol; `extra` symbols more of each block. */
  *served(room: number, extra = 0): Generator<Uint8Array> {
    const { symbolSize, sourceBlocks } = this.descriptor;
    const encoder = new Encoder(this.bytes, { symbolSize, sourceBlocks });
    try {
      const fitting = Math.max(1, Math.floor((room - SERVED_OVERHEAD) / symbolSize));
      for (let sbn = 0; sbn < sourceBlocks; sbn++) {
        const most = encoder.oti.blockSymbols(sbn) + extra;
        // Repair symbols of K = 1 are all the same.
        const together = encoder.oti.blockSymbols(sbn) === 1 ? 1 : Math.min(fitting, MAX_SERVED);
        for (let esi = 0; esi < most; esi += together)
          yield servedBody(this.certificate, encoder, { sbn, esi, most: Math.min(together, most - esi) });
      }
    } finally {
      encoder.dispose();
    }
  }
}

/** An entry of a VECTOR: what somebody is said to hold of a stream, with a digest of nothing that there is. */
export function entryOf(stream: StreamId, count: number, changes: Partial<VectorEntry> = {}): VectorEntry {
  const { origin, incarnation } = stream;
  const entry = {
    ...{ origin, incarnation, base: 0, count, ready: 0, ended: false, first: false, over: false },
    ...{ chain: new Uint8Array(DIGEST_SIZE).fill(0x5a), ahead: new Uint8Array(0) },
  };
  return { ...entry, ...changes } as VectorEntry;
}

/** A VECTOR to be numbered by the endpoint that says it. */
export function vectorOf(entries: VectorEntry[]): VectorFrame {
  return { kind: 'vector', version: 0, heard: 0, heardBefore: 0, entries };
}

/** The bytes of an object with these messages, and dependencies if any, whatever they are. */
export function parcel(
  messages: readonly Uint8Array[],
  dependencies: readonly (StreamId & { count: number })[] = [],
): Uint8Array {
  const size = 3 + 12 * dependencies.length + messages.reduce((sum, each) => sum + 4 + each.length, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint16(1, dependencies.length);
  let at = 3;
  for (const { origin, incarnation, count } of dependencies) {
    view.setUint16(at, origin);
    view.setUint16(at + 2, Math.floor(incarnation / 2 ** 32));
    view.setUint32(at + 4, incarnation % 2 ** 32);
    view.setUint32(at + 8, count);
    at += 12;
  }
  for (const message of messages) {
    view.setUint32(at, message.length);
    bytes.set(message, at + 4);
    at += 4 + message.length;
  }
  return bytes;
}

/** Of a stream, in an entry. */
const DIGEST_SIZE = HASH_SIZE;
