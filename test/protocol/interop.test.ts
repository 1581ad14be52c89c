/**
 * A member made of the second implementation alone, in a group with an endpoint: it comes up from either side, gets an
 * object symbol by symbol, confirms it, and broadcasts one of its own.
 *
 *   endpoint                                  stranger, by the book
 *   | <--------------- INITIATION              |   or the other way round
 *   | RESPONSE -------------->                 |
 *   | <--------------- DATA: PING              |
 *   | DATA: SYMBOL, SYMBOL ... ->              |   rebuilt from source symbols
 *   | <--------------- DATA: VECTOR            |   a quorum: delivered
 */
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';
import * as reference from './reference.js';
import * as objects from './reference-objects.js';

const { hex, join, uint } = reference;
const { group, keys } = smallGroup(3);
const SELF = 0;
const STRANGER = 1;
const INCARNATION = 77;
/** As a later build: it knows version 4 as well, another feature, and has more to say. */
const SPOKEN = { lowest: 3, highest: 4, features: '0000000000000080', more: Buffer.alloc(20, 7) };

class Stranger {
  readonly seed = [1, 2, 3]
    .map((number) => Buffer.alloc(32, number))
    .find((seed) => hex(reference.identityOf(seed)) === toHex(keys[STRANGER].publicKey))!;
  private readonly bench: Bench;
  private readonly locator = group.members[STRANGER].locator;
  private readonly index = 0x5eed;
  private readonly ephemeralSecret = Buffer.alloc(32, 0x99);
  private ours: Buffer = Buffer.alloc(0);
  private theirs: Buffer = Buffer.alloc(0);
  private receiver = 0;
  private nextNumber = 1;

  constructor(bench: Bench) {
    this.bench = bench;
  }

  initiate(): void {
    const { seed, ephemeralSecret, index } = this;
    const responder = group.members[SELF].publicKey;
    const said = { incarnation: INCARNATION, counter: 0, nextNumber: 1, version: 0, ...SPOKEN };
    const initiator = reference.initiate({
      ...said,
      groupId: group.id,
      seed,
      responder,
      ephemeralSecret,
      index,
    });
    this.give(initiator.datagram);
    const answer = initiator.readResponse(this.take(0x32)[0]);
    expect(answer).toMatchObject({
      incarnation: 5,
      nextNumber: 1,
      version: 0,
      lowest: 3,
      highest: 3,
      chosen: 3,
    });
    this.ours = answer.initiatorSends;
    this.theirs = answer.responderSends;
    this.receiver = answer.index;
  }

  respond(): void {
    const { seed, ephemeralSecret, index } = this;
    const initiation = this.take(0x31)[0];
    const said = { incarnation: INCARNATION, nextNumber: 1, version: 0, ...SPOKEN, chosen: 3 };
    const made = reference.respond(initiation, {
      ...said,
      groupId: group.id,
      seed,
      ephemeralSecret,
      index,
    });
    this.ours = made.keys.responderSends;
    this.theirs = made.keys.initiatorSends;
    this.receiver = initiation.readUInt32BE(1);
    this.give(made.datagram);
    // The first that it hears under the new keys is a CHALLENGE.
    const challenge = reference.unprotect(this.theirs, 0, this.take(0x35)[0]);
    expect(challenge[0]).toBe(1);
    const answer = join(Buffer.of(2), challenge.subarray(1));
    this.give(reference.protect(0x35, this.ours, this.receiver, 0, answer));
  }

  send(...frames: Buffer[]): void {
    const { ours, receiver } = this;
    this.give(reference.protect(0x34, ours, receiver, this.nextNumber++, join(...frames)));
  }

  /** Texts of the DATA that it was sent since this was last asked. */
  texts(): Buffer[] {
    return this.take(0x34).map((datagram) => {
      expect(datagram.readUInt32BE(1)).toBe(this.index);
      return reference.unprotect(this.theirs, datagram.readUInt32BE(5), datagram);
    });
  }

  private give(datagram: Buffer): void {
    // As the socket does: the `slice` of a Buffer is no copy.
    this.bench.give(this.locator, new Uint8Array(datagram));
  }

  /** Datagrams of one kind; what else there is stays. */
  private take(kind: number): Buffer[] {
    this.bench.settle();
    const { stray } = this.bench;
    const isMine = ({ to, bytes }: { to: string; bytes: Uint8Array }) =>
      to === this.locator && bytes[0] === kind;
    const taken = stray.filter(isMine).map(({ bytes }) => Buffer.from(bytes));
    const kept = stray.filter((datagram) => !isMine(datagram));
    stray.splice(0, stray.length, ...kept);
    return taken;
  }
}

function meet(how: 'initiate' | 'respond'): { bench: Bench; stranger: Stranger } {
  const bench = new Bench({ group, keys, self: SELF });
  bench.peers.fill(undefined);
  const stranger = new Stranger(bench);
  stranger[how]();
  stranger.send(objects.frame({ kind: 'ping' }));
  return { bench, stranger };
}

/** What a manifest says of the symbols that it lists. */
interface Listing {
  descriptor: Buffer;
  /** Of the leaf at a place: its header, and its hash. */
  leaves: { index: number; header: Buffer; hash: Buffer }[];
}

/** Where frames of these types end. */
const SKIPPED: Record<number, ((text: Buffer) => number) | undefined> = {
  2(text) {
    let end = 19;
    for (let left = 2 * text.readUInt16BE(17) - 1; left > 0; left--) end += text[end] < 128 ? 1 : 2;
    return end;
  },
  3(text) {
    let end = 15;
    for (let left = text.readUInt16BE(13); left > 0; left--) {
      end += text[end + 48] & 1 ? 53 : 49;
      end += 1 + text[end];
    }
    return end;
  },
  6: () => 6,
};

/** Takes the symbols of a text, by ESI, that has nothing else but ACK, VECTOR and ACK_POLICY; manifests by number. */
function take(text: Buffer, manifests: Map<number, Listing>, symbols: Map<number, Buffer>): void {
  const end = SKIPPED[text[0]]?.(text);
  if (end !== undefined) return take(text.subarray(end), manifests, symbols);
  const rest = text;
  if (rest[0] === 12) {
    const [depth, position, count] = [rest[55], rest[120], rest[121]];
    const hashes = Array.from({ length: count }, (_, i) => rest.subarray(128 + 16 * i, 144 + 16 * i));
    const proofAt = 128 + 16 * count;
    const end = proofAt + 16 * (depth - Math.ceil(Math.log2(count)));
    const root = objects.rootOfShare(hashes, position, rest.subarray(proofAt, end));
    const descriptor = rest.subarray(3, 55);
    const signed = objects.batchText(group.id, descriptor, root);
    expect(reference.holds(group.members[SELF].publicKey, signed, rest.subarray(56, 120))).toBe(true);
    const leaves = hashes.map((hash, i) => {
      const esi = rest.readUIntBE(123, 3) + i;
      return {
        index: position + i,
        hash,
        header: join(rest.subarray(122, 123), uint(esi, 3), rest.subarray(126, 128)),
      };
    });
    manifests.set(rest.readUInt16BE(1), { descriptor, leaves });
    take(rest.subarray(end), manifests, symbols);
  } else if (rest[0] === 13) {
    const end = 6 + rest.readUInt16BE(4);
    const { index, header, hash } = manifests.get(rest.readUInt16BE(1))!.leaves[rest[3]];
    const symbol = rest.subarray(6, end);
    expect(hex(reference.hash(uint(0, 1), uint(index, 1), header, symbol).subarray(0, 16))).toBe(hex(hash));
    symbols.set(header.readUIntBE(1, 3), symbol);
    take(rest.subarray(end), manifests, symbols);
  }
}

function vector(version: number, origin: number, incarnation: number, hashes: Buffer[]): Buffer {
  const chain = hex(objects.digests(hashes)[hashes.length]);
  const entries = [
    {
      origin,
      incarnation,
      base: 0,
      count: hashes.length,
      ready: 0,
      ended: false,
      first: false,
      over: false,
      chain,
      ahead: '',
    },
  ];
  return objects.frame({ kind: 'vector', version, heard: 0, heardBefore: 0, entries });
}

describe.each(['initiate', 'respond'] as const)('a member by the document, first to %s', (how) => {
  test('has its DATA acknowledged', () => {
    const { stranger } = meet(how);
    const acked = objects.frame({ kind: 'ack', ack: { ranges: [1, 1], delay: 0, received: 1 } });
    expect(stranger.texts().filter((text) => text.includes(acked))).toHaveLength(1);
  });

  test('rebuilds what it is sent, and its claim makes a quorum', () => {
    const { bench, stranger } = meet(how);
    const message = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
    bench.submit(message);
    const manifests = new Map<number, Listing>();
    const symbols = new Map<number, Buffer>();
    for (const text of stranger.texts()) take(text, manifests, symbols);
    const [{ descriptor }] = manifests.values();
    const length = descriptor.readUIntBE(12, 5);
    const k = Math.ceil(length / descriptor.readUInt16BE(17));
    const object = join(...Array.from({ length: k }, (_, esi) => symbols.get(esi)!)).subarray(0, length);
    const hash = reference.hash(object);
    expect(hex(hash)).toBe(hex(descriptor.subarray(20, 52)));
    expect(objects.messagesOf(object)).toEqual([message]);

    expect(bench.eventsOf('deliver')).toEqual([]);
    stranger.send(vector(1, SELF, 1, [hash]));
    expect(bench.eventsOf('deliver').map(({ bytes }) => Buffer.from(bytes))).toEqual([message]);
  });

  test('broadcasts an object, which is confirmed with its digest and delivered', () => {
    const { bench, stranger } = meet(how);
    const message = Buffer.from('by the book');
    const object = objects.parcel([], [message]);
    const hash = reference.hash(object);
    const { symbolSize, sourceBlocks } = objects.cut(object.length);
    const id = { origin: STRANGER, incarnation: INCARNATION, seq: 0 };
    const described = objects.descriptor({ ...id, length: object.length, symbolSize, sourceBlocks }, hash);
    const root = Buffer.alloc(20);
    const signature = reference.signed(stranger.seed, objects.batchText(group.id, described, root));
    const symbol = objects.sourceSymbol(object, symbolSize, 0);
    const leaf = objects.leaf({ sbn: 0, esi: 0, firstHop: 0xffff }, symbol);
    stranger.texts();
    stranger.send(uint(1, 1), objects.symbolBody(described, 0xff, 0, signature, root, leaf));

    expect(bench.eventsOf('deliver')).toEqual([
      { type: 'deliver', id: { ...id, index: 0 }, bytes: new Uint8Array(message) },
    ]);
    bench.run(5_000);
    const entry = vector(1, STRANGER, INCARNATION, [hash]).subarray(15);
    expect(stranger.texts().some((text) => text.includes(entry))).toBe(true);
  });
});
