/** The committed test vectors: the code still makes them, and so does the second implementation of the document. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseParcel } from '../../src/broadcast/delivery/parcel.js';
import { keyPair } from '../../src/crypto/keys.js';
import { SessionTable } from '../../src/session/index.js';
import { parseContents } from '../../src/wire/datagram.js';
import { DIALECT } from '../../src/wire/dialect.js';
import { parseSymbol } from '../../src/wire/symbol.js';
import { makeVectors } from '../../tools/vectors/make.js';
import { seedOf, vectorGroup } from '../../tools/vectors/sessions.js';
import * as reference from './reference.js';
import * as objects from './reference-objects.js';

const { hex, unhex } = reference;
const MALFORMED = expect.objectContaining({ code: 'MALFORMED' });
const read = (name: string) => JSON.parse(readFileSync(`test/vectors/${name}`, 'utf8'));

describe('the code makes the committed vectors', () => {
  for (const [name, made] of Object.entries(makeVectors()))
    test(name, () => expect(JSON.parse(JSON.stringify(made))).toEqual(read(name)));
});

describe('the document describes them: keys and groups', () => {
  const { keys, groups } = read('protocol-group.json');

  test.each(keys as Record<string, string>[])(
    'keys of seed $seed',
    ({ seed, identity, staticSecret, ...rest }) => {
      expect(hex(reference.identityOf(unhex(seed)))).toBe(identity);
      expect(hex(reference.staticSecretOf(unhex(seed)))).toBe(staticSecret);
      expect(hex(reference.staticKeyOf(unhex(identity)))).toBe(rest.static);
      expect(hex(reference.exchangePublic(unhex(staticSecret)))).toBe(rest.static);
    },
  );

  test.each(groups as Record<string, never>[])('id, order and quorum of group "$name"', (group) => {
    const { name, faulty, byzantine, quorum, listed, sorted, id } = group as unknown as {
      name: string;
      faulty: number;
      byzantine: number;
      quorum: number;
      listed: string[];
      sorted: string[];
      id: string;
    };
    expect(hex(reference.groupId(name, faulty, byzantine, listed.map(unhex)))).toBe(id);
    expect([...listed].sort()).toEqual(sorted);
    expect(Math.floor((listed.length + byzantine) / 2) + 1).toBe(quorum);
  });
});

describe('the document describes them: a group file that is told', () => {
  const { groupId, askerSeed, tellerSeed, nonce, file, refusal, pieces } = read('protocol-join.json');
  const identity = reference.identityOf(unhex(askerSeed));
  const bytes = Buffer.from(file, 'utf8');

  test.each(pieces as { piece: number; salt: string; question: string; answer: string }[])(
    'piece $piece, as its maker and as its reader',
    ({ piece, salt, question, answer }) => {
      const asked = { nonce: unhex(nonce), groupId: unhex(groupId), identity, piece };
      const part = bytes.subarray(1024 * piece, 1024 * (piece + 1));
      const text = Buffer.concat([reference.uint(pieces.length, 2), part]);
      expect(hex(reference.descriptorAsk(asked))).toBe(question);
      expect(hex(reference.descriptor(asked, unhex(tellerSeed), unhex(salt), pieces.length, part))).toBe(
        answer,
      );
      expect(hex(reference.openDescriptor(asked, unhex(askerSeed), unhex(answer)))).toBe(hex(text));
    },
  );

  test('and the refusal of who is no member', () => {
    expect(refusal).toBe(`3d${nonce}01`);
  });
});

describe('the document describes them: sessions', () => {
  const vectors = read('protocol-session.json');
  const groupId = unhex(vectors.groupId);
  const initiatorSeed = unhex(vectors.initiatorSeed);
  const responderSeed = unhex(vectors.responderSeed);
  const responder = reference.identityOf(responderSeed);
  const initiation = {
    ...vectors.initiation,
    groupId,
    seed: initiatorSeed,
    responder,
    ephemeralSecret: unhex(vectors.initiation.ephemeralSecret),
  };
  const response = {
    ...vectors.response,
    groupId,
    seed: responderSeed,
    ephemeralSecret: unhex(vectors.response.ephemeralSecret),
  };

  test('INITIATION', () => {
    expect(hex(reference.initiate(initiation).datagram)).toBe(vectors.initiation.datagram);
  });

  test('COOKIE, and the INITIATION that comes back with it', () => {
    const cookie = reference.readCookie(
      responder,
      unhex(vectors.initiation.datagram),
      unhex(vectors.cookie.datagram),
    );
    expect(hex(cookie)).toBe(vectors.cookie.cookie);
    expect(hex(reference.initiate({ ...initiation, cookie }).datagram)).toBe(vectors.cookie.initiation);
  });

  test('RESPONSE, as its maker and as its reader', () => {
    const made = reference.respond(unhex(vectors.initiation.datagram), response);
    expect(hex(made.datagram)).toBe(vectors.response.datagram);
    const said = reference.initiate(initiation).readResponse(unhex(vectors.response.datagram));
    const { index, incarnation, nextNumber, version, lowest, highest, features, chosen } = vectors.response;
    expect(said).toMatchObject({ index, incarnation, nextNumber, version });
    expect(said).toMatchObject({ lowest, highest, features, chosen });
  });

  test('keys at both ends', () => {
    const ends = [
      reference.initiate(initiation).readResponse(unhex(vectors.response.datagram)),
      reference.respond(unhex(vectors.initiation.datagram), response).keys,
    ];
    for (const { initiatorSends, responderSends, handshakeHash } of ends)
      expect({
        initiatorSends: hex(initiatorSends),
        responderSends: hex(responderSends),
        handshakeHash: hex(handshakeHash),
      }).toEqual(vectors.keys);
  });

  test.each([
    ['dataFromInitiator', 0x34, 'initiatorSends', vectors.response.index],
    ['dataFromResponder', 0x34, 'responderSends', vectors.initiation.index],
    ['challengeFromInitiator', 0x35, 'initiatorSends', vectors.response.index],
    ['answerFromResponder', 0x35, 'responderSends', vectors.initiation.index],
  ])('%s', (name, kind, key, receiver) => {
    const { packetNumber, text, datagram } = vectors[name];
    const made = reference.protect(kind, unhex(vectors.keys[key]), receiver, packetNumber, unhex(text));
    expect(hex(made)).toBe(datagram);
  });
});

describe('the document describes them: frames', () => {
  const vectors = read('protocol-frames.json') as {
    name: string;
    frame: objects.FrameFields;
    text: string;
  }[];

  test.each(vectors)('$name', ({ frame, text }) => expect(hex(objects.frame(frame))).toBe(text));

  test('every type of frame but those around symbols and PADDING', () => {
    const types = new Set(vectors.map(({ text }) => Number.parseInt(text.slice(0, 2), 16)));
    expect([...types].sort((a, b) => a - b)).toEqual([
      2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 200,
    ]);
  });

  test('a record of where a member is, signed by it', () => {
    const fields = vectors.map(({ frame }) => frame).find(({ kind }) => kind === 'locators');
    const record = fields as Extract<objects.FrameFields, { kind: 'locators' }>;
    const { groupId, sorted } = read('protocol-group.json').groups.map(
      ({ id, sorted }: { id: string; sorted: string[] }) => ({ groupId: id, sorted }),
    )[0];
    const signed = Buffer.concat([
      reference.ascii('headwater locators v1\0'),
      unhex(groupId),
      objects.locatorRecord(record),
    ]);
    expect(reference.holds(unhex(sorted[record.member]), signed, unhex(record.signature))).toBe(true);
  });
});

describe('what must be refused, and what must not', () => {
  const { handshakes, texts, symbols, parcels } = read('protocol-refused.json');

  test.each(handshakes as Record<string, string>[])(
    '$kind: $name: $verdict',
    ({ kind, datagram, verdict }) => {
      expect(takeHandshake(kind, unhex(datagram))).toBe(verdict);
    },
  );

  test.each(texts as Record<string, string>[])('text: $name: $verdict', ({ text, verdict, frames }) => {
    const bytes = unhex(text);
    if (verdict === 'malformed') expect(() => parseContents(bytes)).toThrow(MALFORMED);
    else expect(parseContents(bytes).frames).toHaveLength(Number(frames));
  });

  test.each(symbols as Record<string, string>[])('symbol: $name: $verdict', ({ body, verdict }) => {
    const bytes = unhex(body);
    if (verdict === 'malformed') expect(() => parseSymbol(bytes)).toThrow(MALFORMED);
    else expect(parseSymbol(bytes).leaf.symbol.length).toBeGreaterThan(0);
  });

  test.each(parcels.bytes as Record<string, string>[])('parcel: $name: $verdict', ({ bytes, verdict }) => {
    const { members, ...stream } = parcels;
    if (verdict === 'malformed') expect(() => parseParcel(unhex(bytes), stream, members)).toThrow(MALFORMED);
    else expect(parseParcel(unhex(bytes), stream, members).messages.length).toBe(1);
  });
});

test('section 13 names every file of vectors', () => {
  const text = readFileSync('docs/PROTOCOL.md', 'utf8');
  const section = text.slice(text.indexOf('## 13.'));
  const named = [...section.matchAll(/^\| `(.+?\.json)` \|/gm)].map(([, name]) => name);

  expect(named.sort()).toEqual(readdirSync('test/vectors').sort());
});

describe('the document describes them: objects', () => {
  const vectors = read('protocol-objects.json');
  const groupId = unhex(vectors.groupId);
  const seed = unhex(vectors.seed);

  // biome-ignore lint/suspicious/noExplicitAny: a tree of JSON, compared leaf by leaf below
  describe.each(vectors.objects as any[])('object $descriptor.seq', ({ parcel, descriptor, ...rest }) => {
    const { certificate, batch, served, shares, run } = rest;
    const bytes = unhex(parcel.bytes);
    const descriptorBytes = unhex(descriptor.bytes);

    test('parcel', () => {
      expect(hex(objects.parcel(parcel.dependencies, parcel.messages.map(unhex)))).toBe(parcel.bytes);
      expect(objects.messagesOf(bytes).map(hex)).toEqual(parcel.messages);
    });

    test('descriptor, with the T and Z of this implementation', () => {
      expect(hex(objects.descriptor(descriptor, reference.hash(bytes)))).toBe(descriptor.bytes);
      const { length, symbolSize, sourceBlocks } = descriptor;
      expect(length).toBe(bytes.length);
      expect({ symbolSize, sourceBlocks }).toEqual(objects.cut(length));
    });

    test('certificate', () => {
      const signed = objects.batchText(groupId, descriptorBytes, Buffer.alloc(20));
      expect(hex(signed)).toBe(certificate.signed);
      expect(certificate.bytes).toBe(
        descriptor.bytes + '00'.repeat(20) + hex(reference.signed(seed, signed)),
      );
    });

    test('source symbols, padded, and repair symbols only of K > 1', () => {
      const k = Math.ceil(descriptor.length / descriptor.symbolSize);
      for (const { esi, symbol } of batch.leaves)
        if (esi < k) expect(symbol).toBe(hex(objects.sourceSymbol(bytes, descriptor.symbolSize, esi)));
      const esis = batch.leaves.map(({ esi }: { esi: number }) => esi);
      expect(esis).toEqual(k === 1 ? [0] : [...Array(k + 2).keys()]);
    });

    test('batch: tree, proofs, signature, symbol bodies', () => {
      const leaves = batch.leaves.map(
        (fields: { sbn: number; esi: number; firstHop: number; symbol: string }) =>
          objects.leaf(fields, unhex(fields.symbol)),
      );
      const levels = objects.merkle(leaves);
      expect(levels.length - 1).toBe(batch.depth);
      expect(hex(objects.root(levels))).toBe(batch.root);
      const signature = reference.signed(
        seed,
        objects.batchText(groupId, descriptorBytes, unhex(batch.root)),
      );
      leaves.forEach((leafBytes: Buffer, index: number) => {
        const proof = objects.proof(levels, index);
        expect(hex(objects.rootOf(leafBytes, index, proof))).toBe(batch.root);
        const body = objects.symbolBody(descriptorBytes, batch.depth, index, signature, proof, leafBytes);
        expect(hex(body)).toBe(batch.bodies[index]);
      });
    });

    test('served symbol', () => {
      const leafBytes = objects.leaf(served, unhex(served.symbol));
      const bytesOfCertificate = unhex(certificate.bytes);
      const [root, signature] = [bytesOfCertificate.subarray(52, 72), bytesOfCertificate.subarray(72)];
      const body = objects.symbolBody(descriptorBytes, 0xff, 0, signature, root, leafBytes);
      expect(hex(body)).toBe(served.body);
    });

    test('shares: one signature, a manifest for each, and the last symbol that it lists', () => {
      const leaves: (Buffer | undefined)[] = [];
      const symbolOf = (esi: number) =>
        unhex(batch.leaves.find((leaf: { esi: number }) => leaf.esi === esi).symbol);
      for (const { sbn, esi, firstHop, position, count } of shares as objects.Share[]) {
        expect(position).toBe(leaves.length);
        for (let i = 0; i < count; i++)
          leaves.push(objects.leaf({ sbn, esi: esi + i, firstHop }, symbolOf(esi + i)));
        while (leaves.length < position + 2 ** Math.ceil(Math.log2(count))) leaves.push(undefined);
      }
      const levels = objects.merkle(leaves);
      const root = objects.root(levels);
      const signature = reference.signed(seed, objects.batchText(groupId, descriptorBytes, root));
      shares.forEach((share: objects.Share & { root: string; manifest: string; last: string }, i: number) => {
        expect(share.root).toBe(hex(root));
        const head = { descriptor: descriptorBytes, signature };
        expect(hex(objects.manifest(7 + i, head, share, levels))).toBe(share.manifest);
        const place = share.count - 1;
        expect(hex(objects.listed(7 + i, place, symbolOf(share.esi + place)))).toBe(share.last);
      });
    });

    test('a run of served symbols and its manifest', () => {
      expect(hex(objects.servedManifest(0xfffe, unhex(certificate.bytes)))).toBe(run.manifest);
      expect(hex(objects.served(0xfffe, 0, 0, unhex(batch.leaves[0].symbol)))).toBe(run.text);
    });
  });

  test('digests of the stream', () => {
    const hashes = vectors.objects.map(({ parcel }: { parcel: { bytes: string } }) =>
      reference.hash(unhex(parcel.bytes)),
    );
    expect(objects.digests(hashes).map(hex)).toEqual(vectors.digests);
  });

  test('datagrams with symbols', () => {
    const body = vectors.objects[0].served.body;
    const size = (body.length / 2).toString(16).padStart(4, '0');
    expect(vectors.datagrams.map(({ text }: { text: string }) => text)).toEqual([
      `0501${body}`,
      `0b${size}${body}01${body}`,
    ]);
  });

  test.each(vectors.cuts as Record<string, number>[])(
    'cut of $length bytes',
    ({ length, firstK, lastK, mostK, ...made }) => {
      expect(objects.cut(length)).toEqual(made);
      expect(objects.blockSizes(length, made.symbolSize, made.sourceBlocks)).toEqual([firstK, lastK]);
      expect(objects.largestBlock(length)).toBe(mostK);
    },
  );

  test.each(vectors.shares as Record<string, number>[])(
    'b of K = $k, n = $members, k = $faulty',
    ({ k, members, faulty, pessimism, each }) =>
      expect(objects.share(k, members, faulty, pessimism)).toBe(each),
  );
});

/** What a member makes of the RESPONSE to its INITIATION, or of the INITIATION: why it is dropped, or that it is not. */
function takeHandshake(kind: string, datagram: Buffer): string {
  const { initiation, response } = read('protocol-session.json');
  const secrets = kind === 'INITIATION' ? response : initiation;
  const random = [uint(secrets.index), unhex(secrets.ephemeralSecret)];
  const group = vectorGroup('vectors', [1, 2, 3]);
  const self = seedOf(kind === 'INITIATION' ? 2 : 1);
  const keys = keyPair(self);
  const peers = group.members.map(({ publicKey, locators }) =>
    hex(publicKey) === hex(keys.publicKey) ? undefined : { publicKey, locators },
  );
  const other = peers.findIndex(
    (peer) => peer?.locators[0] === `192.0.2.${kind === 'INITIATION' ? 1 : 2}:7001`,
  );
  const { incarnation, version } = secrets;
  const table = new SessionTable({
    groupId: group.id,
    keys: keys.exchangeKeys(),
    incarnation,
    version,
    // Features that have come since change no vectors.
    dialect: { ...DIALECT, features: new Set(['path-size']) },
    entropy: {
      bytes: (length) => random.find(({ length: has }) => has === length) ?? new Uint8Array(length),
    },
    peers,
  });
  if (kind === 'RESPONSE') table.connect(0, other);
  table.handleDatagram(0, peers[other]!.locators[0], new Uint8Array(datagram));
  return Object.keys(table.metrics.drops)[0] ?? 'taken';
}

const uint = (value: number) => reference.uint(value, 4);
