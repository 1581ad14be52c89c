/**
 * Datagrams that no honest member sends, from a socket of nobody, to a member that runs. Each must show up under its
 * reason in the `end` event, and the group must still work.
 *
 *   anna ---> tap ---> ben (real port)      the tap keeps anna's genuine datagrams
 *     ^---- tap <------- ben
 *   nobody -----------> ben
 */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { keyPair } from '../../src/crypto/keys.js';
import { type Control, parseControl, writeControl } from '../../src/wire/control.js';
import { datagramOf, type Header, parseHeader } from '../../src/wire/header.js';
import { DATAGRAM_SIZE, HEADER_SIZE, MAX_DATAGRAM } from '../../src/wire/limits.js';
import { type Cli, cleanup, headwater, tempFolder } from './cli.js';
import { createLab, inject, type Lab, openTap, type Tap } from './lab.js';

let lab: Lab;
let anna: Cli;
let ben: Cli;
/** What goes to ben and to anna. */
let taps: { ben: Tap; anna: Tap };
let target: string;

beforeEach(async () => {
  taps = { ben: await openTap(), anna: await openTap() };
  lab = await createLab(await tempFolder(), ['anna', 'ben'], [taps.anna.address, taps.ben.address]);
  ben = headwater(['node', ...lab.as('ben'), '--bind', '127.0.0.1:0', '--json']);
  anna = headwater(['node', ...lab.as('anna'), '--bind', '127.0.0.1:0', '--json']);
  target = String((await ben.first('ready')).address);
  taps.ben.target = target;
  taps.anna.target = String((await anna.first('ready')).address);
  await ben.first('peer');
  await anna.first('peer');
  anna.say('before');
  await delivered('before');
});

afterEach(async () => {
  await Promise.all([taps.ben.close(), taps.anna.close()]);
  await cleanup();
});

test('garbage and truncated datagrams are malformed', async () => {
  const control = genuine('control');
  const symbol = genuine('symbol');
  // The signature is cut off with the end, so what stays must be too short for the fixed fields.
  const cut = [0, 1, 2, 9, 15, HEADER_SIZE].flatMap((size) =>
    [control, symbol].map((whole) => whole.subarray(0, size)),
  );
  const garbage = [randomBytes(1), randomBytes(20), randomBytes(DATAGRAM_SIZE)].map((bytes) =>
    changed(bytes, 0, 0xee),
  );
  const otherVersion = changed(control, 0, 2);
  const otherType = changed(control, 1, 3);
  const longSymbol = Buffer.concat([symbol, randomBytes(1)]);
  const shortSymbol = symbol.subarray(0, -1);
  const huge = Buffer.concat([control, Buffer.alloc(MAX_DATAGRAM)]);
  const all = [...cut, ...garbage, otherVersion, otherType, longSymbol, shortSymbol, huge];
  await inject(target, all);
  expect(await dropsAtEnd()).toMatchObject({ malformed: all.length });
});

test('datagrams of other groups, members and receivers', async () => {
  const control = genuine('control');
  const symbol = genuine('symbol');
  const foreign = [control, symbol].map((bytes) => changed(bytes, 5, bytes[5] ^ 1));
  const strangers = [control, symbol].flatMap((bytes) =>
    [99, indexOf('ben')].map((sender) => withSender(bytes, sender)),
  );
  const misdirected = forge(parseHeader(control), { ...parseControl(control), receiver: indexOf('anna') });
  await inject(target, [...foreign, ...strangers, misdirected]);
  expect(await dropsAtEnd()).toMatchObject({ 'foreign-group': 2, 'unknown-member': 4, misdirected: 1 });
});

test('forged and corrupted datagrams have bad signatures', async () => {
  const control = genuine('control');
  const symbol = genuine('symbol');
  const header = { ...parseHeader(control), packetNumber: 1_000_000 };
  const forged = forge(header, { ...parseControl(control), incarnation: Date.now() * 2 });
  const flipped = [HEADER_SIZE + 3, control.length - 70, control.length - 1].map((at) =>
    changed(control, at, control[at] ^ 4),
  );
  // An object that ben does not know, so that its signature is looked at: seq is at 8 in the body.
  const unknownObject = changed(symbol, HEADER_SIZE + 11, symbol[HEADER_SIZE + 11] ^ 64);
  await inject(target, [forged, ...flipped, unknownObject]);
  expect(await dropsAtEnd()).toMatchObject({ 'bad-signature': 5 });
});

test('exact replays are told from news, and deliver nothing twice', async () => {
  const control = genuine('control');
  const symbol = genuine('symbol');
  await inject(target, [control, symbol, control, symbol, control]);
  const { replayed, late = 0, stale = 0 } = await dropsAtEnd();
  expect(replayed).toBe(3);
  // A symbol of a finished object is late, and stale once the object is forgotten. Honest top-ups may be late too.
  expect(late + stale).toBeGreaterThanOrEqual(2);
  expect(ben.events('deliver').map(({ text }) => text)).toEqual(['before', 'after']);
});

test('a thousand mutations of genuine datagrams: all are accounted for, and nothing else happens', async () => {
  const rng = new Rng('hostile');
  const sources = taps.ben.seen.slice();
  const mutations = Array.from({ length: 1000 }, () => {
    const bytes = Buffer.from(rng.pick(sources));
    // Version, type and group are left alone, so that most come as far as the parsers behind them.
    for (let flips = rng.integer(1, 4); flips > 0; flips--)
      bytes[rng.integer(HEADER_SIZE, bytes.length - 1)] ^= 1 << rng.integer(0, 7);
    return rng.chance(0.2) ? bytes.subarray(0, rng.integer(0, bytes.length)) : bytes;
  });
  // In parts that fit the socket's buffer, however busy ben is.
  for (let i = 0; i < mutations.length; i += 100) {
    await inject(target, mutations.slice(i, i + 100));
    anna.say(`part ${i}`);
    await delivered(`part ${i}`);
  }
  expect(sum(await dropsAtEnd())).toBeGreaterThanOrEqual(mutations.length);
  expect(ben.events('misbehaviour')).toEqual([]);
  expect(ben.stderr).toBe('');
});

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

/** The first datagram of this type that anna sent to ben and ben took. */
function genuine(type: Header['type']): Buffer {
  const found = taps.ben.seen.find((bytes) => parseHeader(bytes).type === type);
  if (!found) throw new Error(`expected a ${type} datagram from anna, got none`);
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

function withSender(datagram: Uint8Array, sender: number): Uint8Array {
  return datagramOf({ ...parseHeader(datagram), sender }, datagram.subarray(HEADER_SIZE));
}

/** A control datagram in anna's name under a key that is not hers. */
function forge(header: Header, control: Control): Uint8Array {
  const { sign } = keyPair(randomBytes(32));
  return writeControl(header, control, sign);
}
