/** What is held of one stream: counted up to the first gap, its digests kept as far back as anyone may need them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Ledger } from '../../../src/broadcast/agreement/ledger.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { storedSize } from '../../../src/store/store.js';
import { holds } from '../../wire/holds.js';

const hashOf = (seq: number) => sha256(new TextEncoder().encode(`object ${seq}`));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

function ledgerOf(seqs: Iterable<number>, delivered = 0): Ledger {
  const ledger = new Ledger();
  for (const seq of seqs) ledger.hold(seq, hashOf(seq), 10);
  for (let i = 0; i < delivered; i++) ledger.onDelivered();
  return ledger;
}

test('objects that come in any order are counted up to the first gap', () =>
  holds(
    'ledger counting',
    fc.property(fc.uniqueArray(fc.nat(200), { maxLength: 60 }), (seqs) => {
      const ledger = ledgerOf(seqs);

      let count = 0;
      while (seqs.includes(count)) count++;
      expect([ledger.count, ledger.check()]).toEqual([count, undefined]);
      expect(range(0, 220).filter((seq) => ledger.holds(seq))).toEqual([...seqs].sort((a, b) => a - b));
    }),
    50,
  ));

test('the digest does not depend on the order in which objects came', () => {
  expect(ledgerOf([2, 0, 3, 1]).chainAt(4)).toEqual(ledgerOf([0, 1, 2, 3]).chainAt(4));
});

test('an object is another one if its hash does not lead from digest to digest', () => {
  const ledger = ledgerOf([0, 1]);
  expect([ledger.fits(1, hashOf(1)), ledger.fits(1, hashOf(5)), ledger.fits(7, hashOf(5))]).toEqual([
    true,
    false,
    true,
  ]);
});

test('only what is not consumed contradicts another digest', () => {
  const ledger = ledgerOf([0, 1, 2], 1);
  const contradicted = range(0, 5).filter((count) => ledger.contradicts({ count, chain: hashOf(9) }));
  expect(contradicted).toEqual([2, 3]);
});

test('what waits to be consumed is counted as it is stored', () => {
  const ledger = ledgerOf([0, 1, 5], 1);
  expect(ledger.backlog).toBe(2 * storedSize(10));
});

describe('pruning', () => {
  test('goes no further than what is delivered, and the digests go with it', () => {
    const ledger = ledgerOf(range(0, 9), 4);
    ledger.prune(9);
    expect([ledger.base, ledger.chainAt(3), ledger.chainAt(4)]).toEqual([4, undefined, expect.anything()]);
  });

  test('keeps of a long past each 64th digest, and stops at one of those', () => {
    const ledger = ledgerOf(range(0, 3000), 3000);
    const kept = range(0, 3001).filter((count) => ledger.chainAt(count));
    expect(kept).toEqual(range(0, 3001).filter((count) => count > 3000 - 1024 || count % 64 === 0));
    ledger.prune(1000);
    expect(ledger.base).toBe(960);
    expect(ledger.state.baseChain).toEqual(ledgerOf(range(0, 960)).chainAt(960));
  });

  test('never goes back: members that begin anew hold less than what was pruned', () => {
    const ledger = ledgerOf(range(0, 9), 4);
    ledger.prune(4);
    ledger.prune(0);
    expect(ledger.base).toBe(4);
  });
});

describe('going on beyond what is lost', () => {
  test('takes what was damaged with it', () => {
    const ledger = ledgerOf(range(0, 5), 5);
    ledger.damaged.add(3);
    ledger.skipTo(9, hashOf(9));
    expect([ledger.lacks(3), ledger.check()]).toEqual([false, undefined]);
  });

  test('counts what is held behind the gap', () => {
    const ledger = ledgerOf([0, 9, 10, 12]);
    ledger.skipTo(9, hashOf(9));
    expect([ledger.base, ledger.delivered, ledger.count, ledger.backlog]).toEqual([
      9,
      9,
      11,
      3 * storedSize(10),
    ]);
  });
});

test('starting over drops what is held from there on, and what waited of it', () => {
  const ledger = ledgerOf([0, 1, 2, 3, 7], 1);
  ledger.damaged.add(2);

  ledger.restart(2);

  expect([ledger.count, ledger.holds(7), ledger.backlog, ledger.damaged.size]).toEqual([
    2,
    false,
    storedSize(10),
    0,
  ]);
  expect(ledger.check()).toBeUndefined();
});
