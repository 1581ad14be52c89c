/** Test vectors of what a receiver must refuse, and of what looks odd and must be taken. In: nothing. Out: plain values, bytes as hex. */
import { toHex } from '../../src/core/bytes.js';
import { handshakeVectors } from './handshakes.js';
import { frameVectors, objectVectors } from './objects.js';

/** 'malformed': the whole text is dropped, and not acknowledged. 'taken': it is acknowledged, and has so many frames. */
interface Text {
  name: string;
  verdict: 'malformed' | 'taken';
  frames?: number;
  text: string;
}

export function refusedVectors(): unknown {
  return { handshakes: handshakeVectors(), texts: texts(), symbols: symbols(), parcels: parcels() };
}

const u = (bytes: number, value: number) => value.toString(16).padStart(2 * bytes, '0');
const STREAM = `0002${u(6, 0x0190_0000_0003)}`;
const OBJECT = `${STREAM}${u(4, 77)}`;
const DIGEST = 'c1'.repeat(32);

function texts(): Text[] {
  const ack = (rest: string, largest = 1000) =>
    `02${rest.slice(0, 2)}${u(6, largest)}${u(3, 0)}${u(6, 5)}${rest.slice(2)}`;
  const vector = (entry: string, version = 1) => `03${u(4, version)}${u(4, 0)}${u(4, 0)}0001${entry}`;
  const entry = (base: number, count: number, flags: number, rest: string) =>
    `${STREAM}${u(4, base)}${u(4, count)}${DIGEST}${u(1, flags)}${rest}`;
  const progress = (z: number, bitmap: string, deficits: string) =>
    `04${OBJECT}${u(1, z)}${bitmap}${deficits}`;
  const whole = (frameVectors() as { name: string; text: string }[]).find(
    ({ name }) => name === 'GONE',
  )!.text;
  const malformed: [string, string][] = [
    ['frame type 16', '10'],
    ['PART: half 2', '0f00010200'],
    ['PART: 715 bytes', `0f000101${'00'.repeat(715)}`],
    ['frame type 63', '3f0000'],
    ['frame type 255 after a PING, without its length', '05ff00'],
    ['frame type 64: of no bytes', '400000'],
    ['frame type 64: a size below 1232', `400002${u(2, 1231)}`],
    ['frame type 200: longer than the text', 'c8000401'],
    ['ROUTES: 65 members lacked', `48${u(2, 136)}${u(4, 1)}41${'0001'.repeat(65)}00`],
    ['ROUTES: 65 ways', `48${u(2, 396)}${u(4, 1)}0041${'000101000a00'.repeat(65)}`],
    ['ROUTES: a way in no session', `48${u(2, 12)}${u(4, 1)}0001000100000a00`],
    ['ROUTES: a way in 9 sessions', `48${u(2, 12)}${u(4, 1)}0001000109000a00`],
    ['FORWARD: of no bytes', `49${u(2, 5)}0001000208`],
    ['FORWARD: of 1233 bytes', `49${u(2, 5 + 1233)}0001000208${'34'.repeat(1233)}`],
    ['FORWARD: in no session', `49${u(2, 6)}000100020034`],
    ['FORWARD: in 9 sessions', `49${u(2, 6)}000100020934`],
    ['ACK: form 2', ack('020000')],
    ['ACK, ranges: none', ack('000000')],
    ['ACK, ranges: 5 in two bytes', ack('0000018005')],
    ['ACK, ranges: below 0', ack('00000107', 6)],
    ['ACK, ranges: back by 4096', ack('0000019000', 10_000)],
    ['ACK, bitmap: the last byte is zero', ack('010002ff00')],
    ['ACK, bitmap: 513 bytes', ack(`010201${'ff'.repeat(513)}`, 100_000)],
    ['ACK, bitmap: below 0', ack('01000181', 4)],
    ['VECTOR: base above count', vector(entry(9, 8, 0, '00'))],
    ['VECTOR: READY for none', vector(entry(3, 8, 1, '0000000000'))],
    ['VECTOR: READY for more than count', vector(entry(3, 8, 1, '0000000900'))],
    ['VECTOR: a bitmap of 33 bytes', vector(entry(3, 8, 0, `21${'01'.repeat(33)}`))],
    ['VECTOR: flag 16', vector(entry(3, 8, 16, '00'))],
    ['VECTOR: FIRST without ENDED', vector(entry(3, 8, 8, '00'))],
    ['VECTOR: OVER without ENDED', vector(entry(8, 8, 4, '00'))],
    ['VECTOR: OVER with FIRST', vector(entry(8, 8, 14, '00'))],
    ['VECTOR: OVER with READY', vector(entry(8, 8, 7, '0000000800'))],
    ['VECTOR: OVER with a base below count', vector(entry(7, 8, 6, '00'))],
    ['VECTOR: OVER with a bitmap', vector(entry(8, 8, 6, '0101'))],
    ['VECTOR: 33 entries of one stream', `03${u(4, 1)}${u(8, 0)}0021${entry(3, 8, 0, '00').repeat(33)}`],
    ['VECTOR: one entry less than it says', `03${u(4, 1)}${u(8, 0)}0002${entry(3, 8, 0, '00')}`],
    ['PROGRESS: a deficit of block Z', progress(2, '00', '01020005')],
    ['PROGRESS: 65 deficits', progress(255, '00'.repeat(32), `41${'010001'.repeat(65)}`)],
    ['PROGRESS: a bitmap that is cut short', `04${OBJECT}0900`],
    ['PULL: a deficit of block 255', `09${OBJECT}01ff0001`],
    ['PULL: 65 deficits', `09${OBJECT}41${'010001'.repeat(65)}`],
    ['GONE: a digest of 20 bytes', whole.slice(0, -24)],
    ['SIZED_SYMBOL: longer than the text', '0b000401'],
    ...manifests(),
    ['LISTED: longer than the text', '0d000100000401'],
    ['SERVED: cut in its ESI', '0e00010000'],
  ];
  const taken: [string, number, string][] = [
    ['no frame at all', 0, ''],
    ['PADDING that is not zero', 1, '0500ff'],
    ['ACK, bitmap of no bytes', 1, ack('010000')],
    ['ACK, ranges: back by 4095', 1, ack('0000018fff', 10_000)],
    ['VECTOR: version 0 with an entry, which counts for nothing', 1, vector(entry(3, 8, 0, '00'), 0)],
    ['VECTOR: version 999 without entries', 1, `03${u(4, 999)}${u(8, 0)}0000`],
    ['VECTOR: a bitmap that ends in zeros', 1, vector(entry(3, 8, 0, '020100'))],
    ['VECTOR: OVER of an empty stream', 1, vector(entry(0, 0, 6, '00'))],
    ['PROGRESS: of no blocks', 1, progress(0, '', '00')],
    ['PROGRESS: bits of blocks that there are not', 1, progress(2, 'ff', '00')],
    ['PROGRESS: a deficit of 0, and one block twice', 1, progress(2, '00', '02010000010001')],
    ['PULL: a deficit of 0', 1, `09${OBJECT}01040000`],
    ['PART of no bytes', 1, '0f000100'],
    ['frame type 64: with bytes that we do not know', 1, `400005${u(2, 1452)}010203`],
    ['frame type 255 after a PING, which is skipped, and another PING', 3, '05ff0002010205'],
    ['SYMBOL of no bytes: it does not parse, which is the body’s affair', 0, '01'],
  ];
  return [
    ...malformed.map(([name, text]) => ({ name, verdict: 'malformed' as const, text })),
    ...taken.map(([name, frames, text]) => ({ name, verdict: 'taken' as const, frames, text })),
  ];
}

/** MANIFESTs, each a good one with something put in place of a part. */
function manifests(): [string, string][] {
  const { objects } = objectVectors() as {
    objects: { shares: { manifest: string }[]; run: { manifest: string } }[];
  };
  const [{ manifest }] = objects[1].shares;
  const put = (at: number, hex: string, of = manifest) =>
    of.slice(0, 2 * at) + hex + of.slice(2 * at + hex.length);
  // Behind type and number: descriptor at 3, depth at 55, position at 120, count at 121, SBN at 122, ESI at 123.
  return [
    ['MANIFEST: F is 0', put(3 + 12, u(5, 0))],
    ['MANIFEST: depth 9', put(55, '09')],
    ['MANIFEST: no symbols', put(121, '00')],
    ['MANIFEST: 33 symbols', put(121, '21', put(55, '08'))],
    ['MANIFEST: more symbols than places', put(55, '00')],
    ['MANIFEST: a position between those of shares', put(120, '01')],
    ['MANIFEST: SBN is Z', put(122, '01')],
    ['MANIFEST: ESIs beyond 24 bits', put(123, 'ffffff')],
    ['MANIFEST: cut by one byte', manifest.slice(0, -2)],
    ['MANIFEST of what is served: cut in its root', objects[1].run.manifest.slice(0, -2)],
  ];
}

/** Bodies of SYMBOL, each one good one with something put in place of a part. Their datagram is acknowledged. */
function symbols(): unknown {
  const { objects } = objectVectors() as {
    objects: { served: { body: string }; batch: { bodies: string[] } }[];
  };
  const signed = objects[1].batch.bodies[1];
  const { body: served } = objects[1].served;
  const put = (body: string, at: number, hex: string) =>
    body.slice(0, 2 * at) + hex + body.slice(2 * at + hex.length);
  // In a descriptor: F at 12, T at 17, Z at 19. Behind it: depth at 52, index at 53.
  const signedLeaf = 52 + 2 + 64 + 16 * Number.parseInt(signed.slice(104, 106), 16);
  const malformed: [string, string][] = [
    ['empty', ''],
    ['F is 0', put(signed, 12, u(5, 0))],
    ['T is 0', put(signed, 17, u(2, 0))],
    ['T is 24, no multiple of 16', put(signed, 17, u(2, 24))],
    ['T is 1424, more than a datagram carries', put(signed, 17, u(2, 1424))],
    ['Z is 0', put(signed, 19, '00')],
    ['Z is more than there are symbols', put(signed, 19, '04')],
    ['one block of 513 symbols', put(put(signed, 12, u(5, 513 * 976)), 17, `${u(2, 976)}01`)],
    ['depth 9', put(signed, 52, '09')],
    ['index 2^depth', put(signed, 53, u(1, 2 ** Number.parseInt(signed.slice(104, 106), 16)))],
    ['SBN is Z', put(signed, signedLeaf, '01')],
    ['cut by one byte', signed.slice(0, -2)],
    ['one byte more', `${signed}00`],
    ['served: index says two symbols, there is one', put(served, 53, '01')],
  ];
  const taken: [string, string][] = [
    ['signed', signed],
    ['served', served],
    [
      'served: two symbols',
      `${put(served, 53, '01')}${'00'.repeat(Number.parseInt(served.slice(34, 38), 16))}`,
    ],
  ];
  return [
    ...malformed.map(([name, body]) => ({ name, verdict: 'malformed', body })),
    ...taken.map(([name, body]) => ({ name, verdict: 'taken', body })),
  ];
}

/** Bytes of objects of member 1 of three, stream incarnation 7: delivered as nothing, and reported. */
function parcels(): unknown {
  const dependency = (origin: number, incarnation: number, count: number) =>
    `${u(2, origin)}${u(6, incarnation)}${u(4, count)}`;
  const one = `${u(4, 1)}${toHex(Uint8Array.of(0x61))}`;
  const malformed: [string, string][] = [
    ['version 0', `000000${one}`],
    ['a message longer than the object', `010000${u(4, 2)}61`],
    ['dependencies: one less than it says', `010002${dependency(0, 5, 1)}`],
    ['dependencies: one stream twice', `010002${dependency(0, 5, 1)}${dependency(0, 5, 2)}${one}`],
    ['dependencies: not in order', `010002${dependency(2, 5, 1)}${dependency(0, 5, 1)}${one}`],
    ['dependencies: of a member that there is not', `010001${dependency(3, 5, 1)}${one}`],
    ['dependencies: its own stream', `010001${dependency(1, 7, 1)}${one}`],
  ];
  const taken: [string, string][] = [
    ['one message', `010000${one}`],
    ['an empty message', `010000${u(4, 0)}`],
    ['dependencies: an earlier stream of its own origin', `010001${dependency(1, 6, 1)}${one}`],
  ];
  return {
    origin: 1,
    incarnation: 7,
    members: 3,
    bytes: [
      ...malformed.map(([name, bytes]) => ({ name, verdict: 'malformed', bytes })),
      ...taken.map(([name, bytes]) => ({ name, verdict: 'taken', bytes })),
    ],
  };
}
