/**
 * Datagrams that no honest member sends, from a socket of nobody, to a member that runs. Each must show up under its
 * reason in the `end` event, nobody must learn anything, and the group must still work.
 *
 *   anna ---> tap --\ /--> ben (real port)     the taps keep all that anna and ben say to each other
 *   anna <---------/  \-- tap <--- ben
 *   nobody ------------------------> ben
 */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { type KeyPair, keyPair } from '../../src/crypto/keys.js';
import { SessionTable } from '../../src/session/index.js';
import { DATAGRAM_SIZE, MAX_DATAGRAM, PROTECTED_OVERHEAD } from '../../src/wire/limits.js';
import { type Cli, cleanup, headwater, tempFolder } from './cli.js';
import { createLab, type Lab, type Nobody, openNobody, openWire, type Wire } from './lab.js';

/** First bytes: version 2 and kind. */
const INITIATION = 0x31;
const RESPONSE = 0x32;
const COOKIE = 0x33;
const DATA = 0x34;
const CONTROL = 0x35;

let lab: Lab;
let anna: Cli;
let ben: Cli;
let wire: Wire;
/** What goes to ben and to anna. */
let seen: { ben: Buffer[]; anna: Buffer[] };
let nobody: Nobody;

beforeEach(async () => {
  wire = await openWire();
  const [toAnna, toBen] = wire.taps;
  seen = { anna: toAnna.seen, ben: toBen.seen };
  lab = await createLab(await tempFolder(), ['anna', 'ben'], [toAnna.address, toBen.address]);
  ben = headwater(['node', ...lab.as('ben'), '--bind', '127.0.0.1:0', '--json']);
  anna = headwater(['node', ...lab.as('anna'), '--bind', '127.0.0.1:0', '--json']);
  toBen.target = String((await ben.first('ready')).address);
  toAnna.target = String((await anna.first('ready')).address);
  nobody = await openNobody(toBen.target);
  await ben.first('peer');
  await anna.first('peer');
  anna.say('before');
  await delivered('before');
});

afterEach(async () => {
  await Promise.all([wire.close(), nobody.close()]);
  await cleanup();
});

test('garbage, truncated and oversized datagrams are malformed, those of other versions foreign', async () => {
  const cut = [DATA, CONTROL].flatMap((kind) =>
    [1, 5, 9, PROTECTED_OVERHEAD - 1].map((size) => genuine(kind).subarray(0, size)),
  );
  const handshakes = handshakesToBen().flatMap((whole) => [
    whole.subarray(0, 1),
    whole.subarray(0, -1),
    Buffer.concat([whole, Buffer.alloc(DATAGRAM_SIZE)]),
  ]);
  const otherKinds = [0, 6, 15].map((kind) => changed(genuine(DATA), 0, 0x30 | kind));
  const huge = Buffer.concat([genuine(DATA), Buffer.alloc(MAX_DATAGRAM)]).subarray(0, MAX_DATAGRAM + 1);
  const malformed = [Buffer.alloc(0), ...cut, ...handshakes, ...otherKinds, huge];
  const garbage = [1, 20, DATAGRAM_SIZE, MAX_DATAGRAM].map((size) => changed(randomBytes(size), 0, 0xee));
  const otherVersions = [0x01, 0x14, 0x24].map((first) => changed(genuine(DATA), 0, first));
  const foreign = [...garbage, ...otherVersions];
  await nobody.send([...malformed, ...foreign]);
  expect(await dropsAtEnd()).toMatchObject({
    malformed: malformed.length,
    'foreign-version': foreign.length,
  });
});

test('strangers, members of other groups and those who do not know our key get no session and no answer', async () => {
  const groupId = lab.group.id;
  const benKey = lab.group.members[indexOf('ben')].publicKey;
  const stranger = firstMessage({ groupId, benKey });
  const otherGroup = firstMessage({ groupId: new Uint8Array(32).fill(7), benKey });
  const wrongKey = firstMessage({ groupId, benKey: keyPair(randomBytes(32)).publicKey });
  await nobody.send([stranger, otherGroup, wrongKey]);
  expect(await dropsAtEnd()).toMatchObject({ 'unknown-key': 1, 'handshake-mismatch': 1, 'bad-mac': 1 });
  expect(nobody.heard).toEqual([]);
});

test('a flood of first messages is answered with cookies, a third of their size, and members still get through', async () => {
  const groupId = lab.group.id;
  const benKey = lab.group.members[indexOf('ben')].publicKey;
  const flood = Array<Uint8Array>(500).fill(firstMessage({ groupId, benKey }));
  await nobody.send(flood);
  const drops = await dropsAtEnd();
  expect((drops['unknown-key'] ?? 0) + (drops['cookie-required'] ?? 0)).toBe(flood.length);
  expect(drops['cookie-required']).toBeGreaterThan(0);
  expect(nobody.heard).toHaveLength(drops['cookie-required']);
  for (const bytes of nobody.heard) expect([bytes[0], bytes.length]).toEqual([COOKIE, 53]);
});

test('a member whose address changes goes on, to it and from it', async () => {
  await wire.move();
  anna.say('from elsewhere');
  await delivered('from elsewhere');
  ben.say('still there?');
  await anna.until('an answer', (cli) => cli.events('deliver').some(({ text }) => text === 'still there?'));
  const drops = await dropsAtEnd();
  expect(drops).not.toHaveProperty('bad-tag');
  expect(ben.events('peer').every(({ reachable }) => reachable)).toBe(true);
});

test('corrupted datagrams do not open, and those for no session are not even tried', async () => {
  const data = genuine(DATA);
  const control = genuine(CONTROL);
  const tampered = [9, -20, -1].flatMap((at) => [data, control].map((bytes) => flipped(bytes, at, 4)));
  const shorter = data.subarray(0, -1);
  const longer = Buffer.concat([data, randomBytes(1)]);
  // Their numbers have been seen, which is looked at first; so once more with numbers that are still to come.
  const seenBefore = [...tampered, shorter, longer];
  const toCome = [data, control, ...seenBefore].map((bytes) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt32BE(1_000_000, 5);
    return copy;
  });
  const otherIndex = [1, 4].map((at) => flipped(data, at, 4));
  await nobody.send([...seenBefore, ...toCome, ...otherIndex]);
  const drops = await dropsAtEnd();
  expect(drops.replayed).toBe(seenBefore.length);
  expect(drops['bad-tag']).toBe(toCome.length);
  expect(drops['unknown-index']).toBe(otherIndex.length);
  expect(nobody.heard).toEqual([]);
});

test('exact replays are told from news, and deliver nothing twice', async () => {
  // Where both open at once, a handshake of their own may have been refused at the start.
  const before = await dropsSoFar();
  const data = genuine(DATA);
  const control = genuine(CONTROL);
  const handshakes = handshakesToBen();
  await nobody.send([data, control, data, control, data, ...handshakes]);
  const drops = await dropsAtEnd();
  expect(drops.replayed).toBe(5);
  expect(ben.events('deliver').map(({ text }) => text)).toEqual(['before', 'after']);
  // A first message may be answered as it was before, in case the answer was lost; nothing follows from that.
  const refused = ['stale-handshake', 'bad-response', 'handshake-budget'].reduce(
    (sum, why) => sum + (drops[why] ?? 0) - (before[why] ?? 0),
    0,
  );
  expect(refused + nobody.heard.length).toBe(handshakes.length);
  for (const bytes of nobody.heard) expect([bytes[0], bytes.length]).toEqual([RESPONSE, 92]);
});

test('everything that was ever said, once more and backwards: nothing is delivered twice', async () => {
  const all = seen.ben.slice();
  await nobody.send(all.toReversed());
  // And what ben said, to ben.
  await nobody.send(seen.anna.slice());
  const drops = await dropsAtEnd();
  expect(sum(drops)).toBeGreaterThanOrEqual(all.length);
  expect(ben.events('deliver').map(({ text }) => text)).toEqual(['before', 'after']);
  expect(ben.events('misbehaviour')).toEqual([]);
});

test('a thousand mutations of genuine datagrams: all are accounted for, and nothing else happens', async () => {
  const rng = new Rng('hostile');
  // The end of a first message is for cookies and unread while none is asked for: one that differs only there is a repeat, which
  // is answered once more and not dropped.
  const sources = seen.ben.filter((bytes) => bytes[0] !== INITIATION);
  const mutations = Array.from({ length: 1000 }, () => {
    const bytes = Buffer.from(rng.pick(sources));
    // Version and kind are left alone, so that most come as far as the keys.
    for (let flips = rng.integer(1, 4); flips > 0; flips--)
      bytes[rng.integer(1, bytes.length - 1)] ^= 1 << rng.integer(0, 7);
    return rng.chance(0.2) ? bytes.subarray(0, rng.integer(0, bytes.length)) : bytes;
  });
  // In parts that fit the socket's buffer, however busy ben is.
  for (let i = 0; i < mutations.length; i += 100) {
    await nobody.send(mutations.slice(i, i + 100));
    anna.say(`part ${i}`);
    await delivered(`part ${i}`);
  }
  expect(sum(await dropsAtEnd())).toBeGreaterThanOrEqual(mutations.length);
  expect(ben.events('misbehaviour')).toEqual([]);
  expect(ben.stderr).toBe('');
});

test('who listens learns nothing of what is said', async () => {
  const secret = 'what only members may read '.repeat(3);
  anna.say(secret);
  await delivered(secret);
  await dropsAtEnd();
  const needles = [
    secret.slice(0, 8),
    ...lab.group.members.map((m) => Buffer.from(m.publicKey.subarray(0, 8))),
  ];
  const all = [...seen.ben, ...seen.anna];
  expect(all.length).toBeGreaterThan(10);
  for (const needle of needles) expect(all.filter((bytes) => bytes.includes(needle))).toEqual([]);
});

/** As of a status that is told from now on. */
async function dropsSoFar(): Promise<Record<string, number>> {
  const told = ben.events('status').length;
  const status = await ben.until('status', (cli) => cli.events('status')[told]);
  return status.metrics?.drops ?? {};
}

/** Sees that the group still works, which also means that ben has read all that came before; ends ben; gives its count. */
async function dropsAtEnd(): Promise<Record<string, number>> {
  anna.say('after');
  await delivered('after');
  ben.child.kill('SIGINT');
  expect(await ben.exit()).toBe(0);
  const [end] = ben.events('end');
  return end.metrics?.drops ?? {};
}

function delivered(text: string): Promise<boolean> {
  return ben.until(text, (cli) =>
    cli.events('deliver').some((event) => event.text === text && event.from === 'anna'),
  );
}

function sum(drops: Record<string, number>): number {
  return Object.values(drops).reduce((total, count) => total + count, 0);
}

/** The first datagram of this kind that anna sent to ben. */
function genuine(kind: number): Buffer {
  const found = seen.ben.find((bytes) => bytes[0] === kind);
  if (!found) throw new Error(`expected a datagram of kind ${kind} from anna, got none`);
  return found;
}

/** Either side may have begun: ben was sent a first message, or an answer, or both. */
function handshakesToBen(): Buffer[] {
  const found = seen.ben.filter((bytes) => bytes[0] === INITIATION || bytes[0] === RESPONSE);
  expect(found.length).toBeGreaterThan(0);
  return found;
}

function indexOf(name: string): number {
  return lab.group.members.findIndex((member) => member.name === name);
}

function changed(datagram: Uint8Array, at: number, value: number): Buffer {
  const copy = Buffer.from(datagram);
  copy[at] = value;
  return copy;
}

/** With some bits of one byte changed; negative places count from the end. */
function flipped(datagram: Uint8Array, at: number, bits: number): Buffer {
  const place = at < 0 ? datagram.length + at : at;
  return changed(datagram, place, datagram[place] ^ bits);
}

/** The first message of somebody with new keys to whom it believes to be ben. */
function firstMessage({ groupId, benKey }: { groupId: Uint8Array; benKey: Uint8Array }): Uint8Array {
  const keys: KeyPair = keyPair(randomBytes(32));
  const table = new SessionTable({
    groupId,
    keys: keys.exchangeKeys(),
    incarnation: Date.now(),
    entropy: { bytes: (length) => Uint8Array.from(randomBytes(length)) },
    peers: [{ publicKey: benKey, locators: ['ben:1'] }],
  });
  table.connect(0, 0);
  return table.pollTransmit()!.bytes;
}
