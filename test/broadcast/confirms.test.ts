/** Confirms: who is counted for which hash, who must still be told, and when that is over. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Confirms } from '../../src/broadcast/confirms.js';
import { Bitset, bitAt } from '../../src/core/bitset.js';
import { MILLISECOND, NEVER, SECOND } from '../../src/core/time.js';
import type { ConfirmFrame } from '../../src/wire/frames.js';
import { holds } from '../wire/holds.js';

const SELF = 1;
const MEMBERS = 5;
const OTHERS = [0, 2, 3, 4];
const id = { origin: 0, incarnation: 1, seq: 7 };
const hash = new Uint8Array(32).fill(1);
const otherHash = new Uint8Array(32).fill(2);

describe('counting', () => {
  test('goes by hash', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    confirms.add(SELF, hash);
    confirms.onFrame(2, confirm());
    confirms.onFrame(3, confirm({ hash: otherHash }));
    expect([confirms.count(hash), confirms.count(otherHash)]).toEqual([2, 1]);
    expect([0, 1, 2, 3, 4].map((member) => confirms.has(member))).toEqual([false, true, true, true, false]);
  });

  test('takes one confirm of each member: its first', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    for (const each of [hash, otherHash]) confirms.onFrame(2, confirm({ hash: each }));
    expect([confirms.count(hash), confirms.count(otherHash)]).toEqual([1, 0]);
  });

  test('does not count hearsay', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    confirms.onFrame(2, confirm({ knows: [0, 1, 2, 3, 4] }));
    expect(confirms.count(hash)).toBe(1);
  });

  test('keeps no view of the datagram that a confirm came in', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    const datagram = hash.slice();
    confirms.onFrame(2, confirm({ hash: datagram }));
    datagram.fill(0);
    expect(confirms.count(hash)).toBe(1);
  });
});

describe('what a peer is told', () => {
  test('is nothing while we do not hold the object ourselves', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    confirms.onFrame(0, confirm());
    expect(confirms.frameFor(0)).toBeUndefined();
  });

  test('is our hash and whose confirms we have', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    confirms.add(SELF, hash);
    confirms.onFrame(3, confirm());
    const frame = confirms.frameFor(0)!;
    expect(frame).toMatchObject({ kind: 'confirm', id, hash });
    expect([0, 1, 2, 3, 4].filter((member) => bitAt(frame.confirmed, member))).toEqual([SELF, 3]);
  });

  test('asks for an acknowledgement until that peer has shown that it has our confirm', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    confirms.add(SELF, hash);
    confirms.onFrame(3, confirm({ knows: [3] }));
    expect(confirms.frameFor(3)!.wantsAck).toBe(true);
    confirms.onFrame(3, confirm({ knows: [SELF, 3] }));
    expect([confirms.frameFor(3)!.wantsAck, confirms.frameFor(2)!.wantsAck]).toEqual([false, true]);
  });
});

describe('repeats', () => {
  test('do not begin before there is something to announce', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    expect(confirms.repeatAt).toBe(NEVER);
    expect(confirms.takeRepeats(SECOND, 0)).toEqual([]);
  });

  test('go to those that are not known to have our confirm, until there is none', () => {
    const confirms = announced();
    expect(round(confirms)).toEqual(OTHERS);
    confirms.onFrame(2, confirm({ knows: [SELF] }));
    confirms.onFrame(3, confirm({ knows: [2, 3, 4] }));
    expect(round(confirms)).toEqual([0, 3, 4]);
    for (const member of [0, 3, 4]) confirms.onFrame(member, confirm({ knows: [SELF] }));
    expect(round(confirms)).toEqual([]);
    expect(confirms.repeatAt).toBe(NEVER);
  });

  test('are due at their time and not before', () => {
    const confirms = announced();
    confirms.takeRepeats(0, 0);
    expect(confirms.takeRepeats(confirms.repeatAt - 1, 0)).toEqual([]);
    expect(confirms.takeRepeats(confirms.repeatAt, 0)).toEqual(OTHERS);
  });

  test('wait 20 ms, then twice as long each time, then a second', () => {
    expect(waits(announced(), 0, 8).map((wait) => wait / MILLISECOND)).toEqual([
      20, 40, 80, 160, 320, 640, 1000, 1000,
    ]);
  });

  test('leave a path the time that it needs: one and a half round trips at first', () => {
    expect(waits(announced(), 100 * MILLISECOND, 4).map((wait) => wait / MILLISECOND)).toEqual([
      150, 300, 600, 1000,
    ]);
  });

  test('never wait less than 20 ms or more than a second, nor less than the time before', () =>
    holds(
      'confirm backoff',
      fc.property(fc.nat(100 * SECOND), (rtt) => {
        const all = waits(announced(), rtt, 40);
        for (const wait of all) expect(wait >= 20 * MILLISECOND && wait <= SECOND).toBe(true);
        expect(all).toEqual(all.toSorted((a, b) => a - b));
      }),
    ));

  test('begin anew with a new announcement', () => {
    const confirms = announced();
    waits(confirms, 0, 8);
    confirms.announce(confirms.repeatAt);
    expect(waits(confirms, 0, 2)).toEqual([20 * MILLISECOND, 40 * MILLISECOND]);
  });
});

describe('an object is settled', () => {
  test('once all have confirmed and all know that we have, and not one step before', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    const steps = [
      () => confirms.add(SELF, hash),
      ...OTHERS.map((member) => () => confirms.onFrame(member, confirm())),
      ...OTHERS.map((member) => () => confirms.onFrame(member, confirm({ knows: [SELF] }))),
    ];
    const settled = steps.map((take) => {
      take();
      return confirms.settled;
    });
    expect(settled).toEqual([...Array(steps.length - 1).fill(false), true]);
  });

  test('not while we do not hold it ourselves, whatever the others say', () => {
    const confirms = new Confirms(id, SELF, MEMBERS);
    for (const member of OTHERS) confirms.onFrame(member, confirm({ knows: [0, 1, 2, 3, 4] }));
    expect(confirms.settled).toBe(false);
  });

  test('at once in a group of one', () => {
    const confirms = new Confirms(id, 0, 1);
    confirms.add(0, hash);
    expect(confirms.settled).toBe(true);
  });
});

function announced(): Confirms {
  const confirms = new Confirms(id, SELF, MEMBERS);
  confirms.add(SELF, hash);
  confirms.announce(0);
  return confirms;
}

/** One round of repeats, when it is due. */
function round(confirms: Confirms): number[] {
  return confirms.takeRepeats(confirms.repeatAt, 0);
}

/** The waits after each of `count` rounds. */
function waits(confirms: Confirms, rtt: number, count: number): number[] {
  return Array.from({ length: count }, () => {
    const at = confirms.repeatAt;
    confirms.takeRepeats(at, rtt);
    return confirms.repeatAt - at;
  });
}

function confirm({
  hash: confirmed = hash,
  knows = [],
}: {
  hash?: Uint8Array;
  knows?: number[];
} = {}): ConfirmFrame {
  const set = new Bitset();
  for (const member of knows) set.add(member);
  return { kind: 'confirm', id, hash: confirmed, wantsAck: false, confirmed: set.toBytes(MEMBERS) };
}
