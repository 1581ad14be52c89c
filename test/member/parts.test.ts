/** Texts that a path does not carry in one piece: halves that come late, twice, alone, or never. */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MAX_PARTS, Parts } from '../../src/member/parts.js';
import { writeDatagram } from '../../src/wire/datagram.js';
import type { PartFrame } from '../../src/wire/frames/path/part.js';
import type { Frame } from '../../src/wire/frames.js';
import { PROTECTED_HEADER, PROTECTED_TAG } from '../../src/wire/limits.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';

const text = new Rng('parts').bytes(1427);

describe('a text in two halves', () => {
  test.each([0, 1, 2, 77, 1427])('of %i bytes is whole again, whichever half comes first', (length) => {
    const whole = text.subarray(0, length);
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const [sender, receiver] = [new Parts(), new Parts()];
      const halves = sender.split(whole);
      expect(receiver.join(halves[order[0]])).toBe('waiting');
      expect(receiver.join(halves[order[1]])).toEqual(whole);
    }
  });

  test('is taken once: a half that comes twice waits anew', () => {
    const receiver = new Parts();
    const [first, second] = new Parts().split(text);
    expect([receiver.join(first), receiver.join(first)]).toEqual(['waiting', 'waiting']);
    expect(receiver.join(second)).toEqual(text);
    expect(receiver.join(second)).toBe('waiting');
  });

  test('is kept until sixteen others wait, and no longer', () => {
    const [sender, receiver] = [new Parts(), new Parts()];
    const texts = Array.from({ length: MAX_PARTS + 1 }, () => sender.split(text));
    const said = texts.map(([first]) => receiver.join(first));
    expect(said).toEqual([...Array(MAX_PARTS).fill('waiting'), 'alone']);
    expect(receiver.join(texts[1][1])).toEqual(text);
    expect(receiver.join(texts[0][1])).toBe('waiting');
  });

  test('does not depend on memory that is used again', () => {
    const receiver = new Parts();
    const [first, second] = new Parts().split(text);
    const memory = first.bytes.slice();
    receiver.join({ ...first, bytes: memory });
    memory.fill(0);
    expect(receiver.join(second)).toEqual(text);
  });

  test('has a number that no other one has before 65536 more', () => {
    const sender = new Parts();
    const numbers = Array.from({ length: 65_537 }, () => sender.split(text)[0].number);
    expect([new Set(numbers).size, numbers[65_536]]).toEqual([65_536, numbers[0]]);
  });
});

describe('a member', () => {
  const { group, keys } = smallGroup(3);
  const bench = () => new Bench({ group, keys, self: 0 }).open();
  const textOf = (datagram: Uint8Array) => datagram.slice(PROTECTED_HEADER, datagram.length - PROTECTED_TAG);

  test('takes what came in halves as if it had come in one piece', () => {
    const one = bench();
    // Of an origin that there is not: that it is dropped shows that it was read.
    const gone: Frame = { kind: 'gone', origin: 77, incarnation: 1, base: 3, chain: new Uint8Array(32) };
    const [first, second] = new Parts().split(textOf(writeDatagram([gone, gone])));
    one.peer(1).send([second]);
    expect(one.drops()).toEqual({});
    one.peer(1).send([first]);
    expect(one.drops()).toEqual({ stale: 2 });
  });

  test('counts what it cannot use: halves that stay alone, and halves within halves', () => {
    const one = bench();
    const sender = new Parts();
    for (let i = 0; i <= MAX_PARTS; i++) one.peer(1).send([sender.split(text)[0]]);
    const [inner] = sender.split(text.subarray(0, 20));
    const nested: PartFrame[] = sender.split(textOf(writeDatagram([inner])));
    for (const half of nested) one.peer(2).send([half]);
    expect(one.drops()).toEqual({ 'part-alone': 1, malformed: 1 });
  });
});
