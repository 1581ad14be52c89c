/** One object on its way: when it is forgotten, when a report of it is due, and who holds it. */
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import type { Incoming } from '../../../src/broadcast/spread/incoming.js';
import { ObjectUnderWay } from '../../../src/broadcast/spread/objects.js';
import type { Outgoing } from '../../../src/broadcast/spread/outgoing/outgoing.js';
import { MILLISECOND, NEVER, SECOND } from '../../../src/core/time.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { boundsOf } from '../bounds.js';

const [SELF, ORIGIN, MEMBERS] = [0, 1, 4];
const START = 7 * SECOND;
const HASH = sha256(new Uint8Array(1));

function newRecord() {
  const stream = new Stream({ origin: ORIGIN, incarnation: 7 }, boundsOf(SELF, MEMBERS));
  const record = new ObjectUnderWay(stream, 0, START);
  const held = { heldSymbols: 0, blocks: 0 };
  record.incoming = {
    get heldSymbols() {
      return held.heldSymbols;
    },
    completeBlocks: () => held.blocks,
    neededSymbols: 9,
    descriptor: { length: 1000 },
    dispose: () => {},
  } as unknown as Incoming;
  return { stream, record, held };
}

test('while nothing of it comes reports are twice as far apart each time, up to a second', () => {
  const { record } = newRecord();
  const waits = Array.from({ length: 9 }, () => {
    record.onProgressReported(START);
    return (record.nextTimeout() - START) / MILLISECOND;
  });
  expect(waits).toEqual([40, 80, 160, 320, 640, 1000, 1000, 1000, 1000]);
});

test('once something has come of it the next report is soon again', () => {
  const { record, held } = newRecord();
  for (let i = 0; i < 9; i++) record.onProgressReported(START);
  held.heldSymbols = 1;
  record.onProgressReported(START);
  expect(record.progressAt - START).toBe(20 * MILLISECOND);
});

test('a symbol brings the report forward, and never puts it off', () => {
  const { record } = newRecord();
  record.scheduleProgress(START);
  record.scheduleProgress(START + 5 * MILLISECOND);
  expect(record.nextTimeout() - START).toBe(10 * MILLISECOND);
});

test('it tells once that it was begun, and that blocks have become complete', () => {
  const { record, held } = newRecord();
  const told = [record.takeBlockChange(), record.takeBlockChange()];
  held.blocks = 2;
  told.push(record.takeBlockChange(), record.takeBlockChange());
  expect(told).toEqual([true, false, true, false]);
});

test.each<[string, (record: ObjectUnderWay<Stream>) => void, number]>([
  ['that stands still is given up after a minute', () => {}, START + 60 * SECOND],
  ['that is held is relayed for three seconds', ({ stream }) => stream.hold(0, HASH), START + 3 * SECOND],
  [
    'of which something happened, later',
    (record) => {
      record.touchedAt += SECOND;
    },
    START + 61 * SECOND,
  ],
  [
    'that is being stored is not given up',
    (record) => {
      record.storing = true;
    },
    NEVER,
  ],
  [
    'that we send is not given up, and wakes us when that is due',
    (record) => {
      record.outgoing = { nextTimeout: () => START + 5 } as Outgoing;
    },
    START + 5,
  ],
])('one %s', (_, act, deadline) => {
  const { record } = newRecord();
  act(record);
  expect(record.nextTimeout()).toBe(deadline);
});

test('it tells who holds it: its origin, ourselves once we do, and whoever says so', () => {
  const { stream, record } = newRecord();
  const speaker = new Stream({ origin: ORIGIN, incarnation: 7 }, boundsOf(2, MEMBERS));
  const before = record.status(MEMBERS, SELF).confirmed;
  for (const each of [stream, speaker]) each.hold(0, HASH);
  stream.onClaim(2, speaker.telling.entry());
  expect([before, record.status(MEMBERS, SELF)]).toMatchObject([
    1,
    { confirmed: 3, complete: true, delivered: false, needed: 9, held: 0, length: 1000 },
  ]);
});

test('of one that is disposed of nothing is due', () => {
  const { record } = newRecord();
  let freed = 0;
  record.outgoing = { nextTimeout: () => START, dispose: () => freed++ } as unknown as Outgoing;
  record.scheduleProgress(START);
  record.dispose();
  expect([freed, record.outgoing, record.progressAt]).toEqual([1, undefined, NEVER]);
});

test('a member that has served too little for long gives way to another, and may take twice as long the next time', () => {
  const { record, held } = newRecord();
  const { incoming } = record;
  held.heldSymbols = 1;
  const triesOf = (server: number) => {
    record.beginAnew(server);
    record.incoming = incoming;
    let tries = 0;
    for (; record.unfinishedServer === server; tries++) record.onAskedOn();
    return tries;
  };
  expect([triesOf(2), triesOf(3), triesOf(2), triesOf(2), triesOf(3)]).toEqual([8, 8, 16, 32, 16]);
});

describe('when another object comes under its name, what is held of it', () => {
  test.each([
    ['from its origin alone gives way to what another member serves', { isServed: true, from: ORIGIN }, 2, 2],
    ['signed gives way to what another member serves', { isServed: false, from: 3 }, 2, 2],
    ['from a member stays, and is finished from that', { isServed: true, from: 3 }, 2, 3],
    ['never gives way to its origin', { isServed: true, from: ORIGIN }, ORIGIN, undefined],
  ])('%s', (_what, { isServed, from }, hop, onlyFrom) => {
    const { record, held } = newRecord();
    held.heldSymbols = 1;
    record.onUseful(START, from, isServed);
    expect([record.giveWayTo(hop), record.onlyFrom]).toEqual([hop === onlyFrom, onlyFrom]);
  });

  test.each([
    ['of the one member that serves it stays', 3, 1, 2, false],
    ['though nothing, gives way to the one member that serves', 3, 0, 3, true],
    ['though nothing, waits for the one member that is to serve', 3, 0, 2, false],
    ['of its origin alone gives way', ORIGIN, 1, 2, true],
  ])('and was suspect before, %s', (_what, server, symbols, hop, isGiven) => {
    const { record, held } = newRecord();
    const { incoming } = record;
    record.beginAnew(server);
    record.incoming = incoming;
    held.heldSymbols = symbols;
    expect(record.giveWayTo(hop)).toBe(isGiven);
  });
});

describe('of a suspect object symbols are taken', () => {
  const suspect = (...chosen: number[]) => {
    const { record, held } = newRecord();
    const { incoming } = record;
    for (const server of chosen) record.beginAnew(server);
    record.incoming = incoming;
    return { record, held };
  };

  test('of whoever was chosen and begins first, though another was chosen since: it may only be far away', () => {
    const { record, held } = suspect(2, 3);
    expect(record.takesFrom(2)).toBe(true);
    held.heldSymbols = 1;
    expect([record.takesFrom(3), record.takesFrom(2)]).toEqual([false, true]);
  });

  test('once of who gave up midway, until it is chosen again', () => {
    const { record, held } = suspect(2);
    const { incoming } = record;
    record.takesFrom(2);
    record.beginAnew(3);
    record.incoming = incoming;
    held.heldSymbols = 0;
    expect([record.takesFrom(2), record.takesFrom(3)]).toEqual([false, true]);
  });

  test.each([
    ['was never chosen', (_: ObjectUnderWay<Stream>) => {}],
    [
      'gave wrong ones',
      (record: ObjectUnderWay<Stream>) => {
        record.beginAnew(2);
        record.beginAnew(3);
        record.distrusted.add(2);
      },
    ],
  ])('not of a member that %s', (_what, act) => {
    const { record } = suspect(3);
    const { incoming } = record;
    act(record);
    record.incoming = incoming;
    expect(record.takesFrom(2)).toBe(false);
  });
});
