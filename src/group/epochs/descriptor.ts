/**
 * A state of a group that changes, as operators sign it: who its members are, how many of them may fail, and who may sign the next one.
 * In: the fields. Out: the bytes that stand for them, their hash, which names this descriptor and all before it, and whether signatures hold.
 */
import { equalBytes, toHex, Writer } from '../../core/bytes.js';
import { defaultProvider } from '../../crypto/ed25519.js';
import { sha256 } from '../../crypto/hash.js';
import type { KeyPair } from '../../crypto/keys.js';

/** A member in an epoch. */
export interface SlotMember {
  /** Its number, which it keeps in all epochs, and which is never given to another key. */
  slot: number;
  /** For people. */
  name: string;
  /** 32 bytes. */
  publicKey: Uint8Array;
  /** Where it can be reached. No part of what is signed: members move. */
  locators: readonly string[];
}

/** The signature of an operator. */
export interface OperatorSignature {
  /** 32 bytes: the operator's public key. */
  operator: Uint8Array;
  /** 64 bytes. */
  signature: Uint8Array;
}

/** What operators sign: all of an epoch but its number and its place behind the others, which the chain gives it. */
export interface Descriptor {
  /** Of the group: the same in all epochs. */
  name: string;
  /** In the order of their slots. */
  members: readonly SlotMember[];
  /** k. */
  faulty: number;
  /** Cp. */
  pessimism: number;
  /** Public keys of those who may sign the next descriptor. */
  operators: readonly Uint8Array[];
  /** How many of them must. */
  needed: number;
  /** By operators of the descriptor before it; none of the first, which its own hash stands for. */
  signatures: readonly OperatorSignature[];
}

/** A descriptor at its place. */
export interface Epoch extends Descriptor {
  /** Its number, from 0. */
  epoch: number;
  /** 32 bytes: its hash. */
  hash: Uint8Array;
}

/** @param before the epoch that it follows; none if it is the first */
export function epochOf(descriptor: Descriptor, before?: Epoch): Epoch {
  const epoch = before ? before.epoch + 1 : 0;
  return { ...descriptor, epoch, hash: sha256(bytesOf(descriptor, epoch, before?.hash ?? NO_HASH)) };
}

/** Signs it as this operator. */
export function signEpoch({ hash }: Epoch, operator: KeyPair): OperatorSignature {
  return { operator: operator.publicKey, signature: operator.sign(signedBytes(hash)) };
}

/** Operators of the epoch before that have signed this one, each counted once. */
export function signersOf({ hash, signatures }: Epoch, { operators }: Pick<Descriptor, 'operators'>): number {
  const message = signedBytes(hash);
  return operators.filter((key) =>
    signatures.some(
      ({ operator, signature }) =>
        equalBytes(operator, key) && defaultProvider().verify(key, message, signature),
    ),
  ).length;
}

/** Of so many: any two sets of that size have one in common. */
export function majority(members: number): number {
  return Math.floor(members / 2) + 1;
}

/** For people: the number and the beginning of the hash. */
export function epochName({ epoch, hash }: Pick<Epoch, 'epoch' | 'hash'>): string {
  return `epoch ${epoch} (${toHex(hash.subarray(0, 8))})`;
}

function signedBytes(hash: Uint8Array): Uint8Array {
  return new Writer(SIGNED_DOMAIN.length + hash.length).put(SIGNED_DOMAIN).put(hash).finish();
}

function bytesOf(descriptor: Descriptor, epoch: number, before: Uint8Array): Uint8Array {
  const { members, operators } = descriptor;
  const name = UTF8.encode(descriptor.name);
  const names = members.map((member) => UTF8.encode(member.name));
  const size =
    HASHED_DOMAIN.length +
    4 +
    32 +
    2 +
    name.length +
    2 +
    2 +
    1 +
    1 +
    32 * operators.length +
    2 +
    names.reduce((sum, each) => sum + 2 + 32 + 2 + each.length, 0);
  const writer = new Writer(size).put(HASHED_DOMAIN).u32(epoch).put(before).u16(name.length).put(name);
  writer.u16(descriptor.faulty).u16(descriptor.pessimism).u8(descriptor.needed).u8(operators.length);
  for (const key of operators) writer.put(key);
  writer.u16(members.length);
  members.forEach(({ slot, publicKey }, i) => {
    writer.u16(slot).put(publicKey).u16(names[i].length).put(names[i]);
  });
  return writer.finish();
}

const UTF8 = new TextEncoder();
const HASHED_DOMAIN = UTF8.encode('headwater descriptor v1\0');
const SIGNED_DOMAIN = UTF8.encode('headwater descriptor signature v1\0');
const NO_HASH = new Uint8Array(32);
