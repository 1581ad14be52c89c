/** The checks of a symbol that has come, against their list in docs/PROTOCOL.md, section 8.2. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../../src/broadcast/metrics.js';
import { signBatch } from '../../../src/broadcast/proof/batch.js';
import { CHECKS, Intake, RELAYED } from '../../../src/broadcast/spread/intake.js';
import { Objects } from '../../../src/broadcast/spread/objects.js';
import { Rng } from '../../../src/core/rng.js';
import { type Descriptor, parseSymbol, writeDescriptor } from '../../../src/wire/symbol.js';
import { descriptorOf, servedSymbol, storedObject } from '../objects.js';
import { smallGroup } from '../small-group.js';
import { type Shelf, Shelves } from './shelf.js';

const protocol = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8');
const section = protocol.slice(protocol.indexOf('### 8.2'), protocol.indexOf('*Policy of room'));

/** Of each numbered item: its number, and the reasons that it names. */
const items = [...section.matchAll(/^([0-9]+)\. ((?:.+\n)(?: {3,}.+\n)*)/gm)].map(([, number, text]) => ({
  number: Number(number),
  drops: [...new Set([...text.matchAll(/`([a-z-]+)`/g)].map(([, reason]) => reason))].sort(),
}));

test('are made in the order of the protocol, for the same reasons', () => {
  const checks = CHECKS.map(({ drops }, i) => ({ number: i + 1, drops: [...drops].sort() }));
  expect(checks).toEqual(items);
});

test('what fails one of the last two is relayed all the same', () => {
  const before = section.slice(0, section.indexOf('is relayed if it is ours to relay'));
  const last = Math.max(...[...before.matchAll(/^([0-9]+)\. /gm)].map(([, number]) => Number(number)));
  expect(RELAYED).toBe(last);
});

describe('a symbol', () => {
  const [SELF, ORIGIN, PEER] = [0, 1, 2];
  const small = smallGroup(4);
  const id = { origin: ORIGIN, incarnation: 7, seq: 0 };
  const bytes = new Rng('object').bytes(3000);
  const descriptor = descriptorOf(id, bytes);
  const { symbolSize } = descriptor;

  /** Signed by its origin, of an object described so, for this first hop. */
  function signed(firstHop = SELF, changes: Partial<Descriptor> = {}, esi = 0) {
    const described = { ...descriptor, ...changes };
    const leaf = { sbn: 0, esi, firstHop, symbol: bytes.subarray(0, described.symbolSize) };
    const { sign } = small.keys[ORIGIN];
    return parseSymbol(signBatch(small.group, writeDescriptor(described), [leaf], sign)[0]);
  }

  function served() {
    const { certificate } = storedObject(id, bytes, small);
    return parseSymbol(servedSymbol(certificate, { sbn: 0, esi: 0 }, bytes.subarray(0, symbolSize)));
  }

  function newIntake(change: { busy?: boolean; held?: boolean; asked?: boolean; vouched?: boolean } = {}) {
    const shelves = new Shelves(SELF, 4);
    const shelf = shelves.signed(id);
    if (change.held) shelf.holders[SELF].add(0);
    if (change.vouched)
      for (const holders of shelf.holders) if (holders !== shelf.holders[SELF]) holders.add(0);
    shelf.keepers.mayServe = () => change.asked === true;
    const options = {
      ...{ group: small.group, self: SELF, relay: true, maxObjectSize: 5000, maxStoredBytes: 1e6 },
      isStoreBusy: () => change.busy === true,
    };
    return new Intake<Shelf>(options, createMetrics(), shelves, new Objects());
  }

  test.each([
    ['while the store is busy', { busy: true }, signed(), 'store-busy'],
    ['of a member that is not there', {}, signed(SELF, { origin: 4 }), 'unknown-member'],
    ['that says it is ours', {}, signed(SELF, { origin: SELF }), 'unknown-member'],
    ['of an object above the limit', {}, signed(SELF, { length: 6000, sourceBlocks: 1 }), 'too-large'],
    ['that nobody was asked for', {}, served(), 'unasked'],
    ['of an object that is held', { held: true }, signed(), 'stale'],
    ['far beyond what is delivered', {}, signed(SELF, { seq: 4096 }), 'beyond-window'],
    ['that somebody else has signed', {}, signed(SELF, { origin: PEER }), 'bad-signature'],
    ['with a number that is never sent', {}, signed(SELF, {}, 300_000), 'absurd-esi'],
  ] as const)('%s is neither relayed nor added', (_, state, frame, drop) => {
    const { relay, add, drop: found } = newIntake(state).examine(0, PEER, frame);
    expect({ relay, add, drop: found }).toEqual({ relay: false, add: false, drop });
  });

  test.each([
    ['of which we are the first hop is relayed and added', signed(), true],
    ['that another one relays is added', signed(PEER), false],
  ] as const)('%s', (_, frame, relays) => {
    const { relay, add, drop, isFirst } = newIntake().examine(0, ORIGIN, frame);
    expect({ relay, add, drop, isFirst }).toEqual({
      relay: relays,
      add: true,
      drop: undefined,
      isFirst: true,
    });
  });

  test('that we asked for is added', () => {
    expect(newIntake({ asked: true }).examine(0, PEER, served()).add).toBe(true);
  });

  test('of what more than may lie hold besides its origin is added though the store is busy', () => {
    expect(newIntake({ busy: true, asked: true }).examine(0, PEER, served()).drop).toBe('store-busy');
    expect(newIntake({ busy: true, asked: true, vouched: true }).examine(0, PEER, served()).add).toBe(true);
  });

  test('that is held and ours to relay is relayed all the same', () => {
    const intake = newIntake();
    intake.examine(0, PEER, signed(PEER)).object!.incoming!.add(signed(PEER).leaf);
    const { relay, add, drop } = intake.examine(0, ORIGIN, signed());
    expect({ relay, add, drop }).toEqual({ relay: true, add: false, drop: 'duplicate' });
  });

  test('of a second object under one name shows both certificates', () => {
    const intake = newIntake();
    intake.examine(0, ORIGIN, signed());
    const { drop, arrival } = intake.examine(0, ORIGIN, signed(SELF, { length: 2999 }));
    expect([drop, arrival?.type]).toEqual(['equivocation', 'equivocation']);
  });
});
