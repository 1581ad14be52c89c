/** Records of where members are: whose are taken, what is told to whom and when, and where we are ourselves. */
import { describe, expect, test } from 'vitest';
import type { Drops } from '../../src/core/drops.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup } from '../../src/group/group.js';
import {
  type LocatorDrop,
  RECORD_AHEAD,
  RECORD_CHECKS,
  RECORD_LIFE,
  RENEWAL_BURST,
} from '../../src/locators/book.js';
import { Locators } from '../../src/locators/locators.js';
import { signRecord } from '../../src/locators/record.js';
import type { LocatorRecord } from '../../src/wire/frames/locators/locators.js';
import type { Frame } from '../../src/wire/frames.js';

const KEYS = [1, 2, 3, 4].map((byte) => keyPair(new Uint8Array(32).fill(byte)));
KEYS.sort((a, b) => Buffer.compare(a.publicKey, b.publicKey));
const GROUP = createGroup({
  name: 'records',
  members: KEYS.map(({ publicKey }, i) => ({ publicKey, locator: `192.0.2.${i + 1}:7000` })),
});
const [SELF, A, B, C] = [0, 1, 2, 3];
const EPOCH = 1_800_000_000_000;
const ROOM = 512;

function recordOf(member: number, changes: Partial<LocatorRecord> = {}, signer = member): LocatorRecord {
  const said = { member, incarnation: 5, number: 1, time: EPOCH, addresses: ['198.51.100.7:9'], ...changes };
  return signRecord(KEYS[signer], GROUP.id, said);
}

class Bench {
  readonly drops: Drops<LocatorDrop> = {};
  readonly learned = new Map<number, readonly string[]>();
  /** Where each peer is. */
  readonly at = new Map([A, B, C].map((peer) => [peer, `192.0.2.${peer + 1}:7000`]));
  readonly locators = new Locators({
    ...{ group: GROUP, self: SELF, keys: KEYS[SELF], incarnation: 9, epoch: EPOCH },
    counters: this,
    addressOf: (peer) => this.at.get(peer),
    learn: (member, addresses) => this.learned.set(member, addresses),
    notify: () => {},
  });

  constructor(sessions = [A, B, C]) {
    for (const peer of sessions) this.locators.onSession(0, peer);
  }

  /** What a peer is told now: kinds, and of which member. */
  told(now: Micros, peer: number): string[] {
    return this.frames(now, peer).map((frame) =>
      frame.kind === 'locators'
        ? `record of ${frame.member}`
        : frame.kind === 'locators-heard'
          ? `holds ${frame.records.map(({ member }) => member)}`
          : frame.kind,
    );
  }

  frames(now: Micros, peer: number): Frame[] {
    if (this.locators.nextTimeout() <= now) this.locators.handleTimeout(now);
    return this.locators.take(now, peer, ROOM).filter(({ kind }) => kind !== 'observed-address');
  }
}

describe('a record', () => {
  test('of a member, told by any other, says where to try', () => {
    const bench = new Bench();
    bench.locators.handleRecord(0, A, recordOf(B));
    expect([bench.learned.get(B), bench.drops]).toEqual([['198.51.100.7:9'], {}]);
  });

  test('counts in place of one of a lower incarnation, or number, and of no other', () => {
    const bench = new Bench();
    const numbers: [number, number][] = [
      [5, 2],
      [5, 1],
      [5, 2],
      [6, 1],
      [5, 9],
      [6, 2],
    ];
    const learned = numbers.map(([incarnation, number]) => {
      const addresses = [`198.51.100.${incarnation}:${number}`];
      bench.locators.handleRecord(0, A, recordOf(B, { incarnation, number, addresses }));
      return bench.learned.get(B)?.[0];
    });
    expect(learned).toEqual(['5:2', '5:2', '5:2', '6:1', '6:1', '6:2'].map((end) => `198.51.100.${end}`));
    expect(bench.drops).toEqual({ 'record-old': 3 });
  });

  test.each([
    ['signed by another member', recordOf(B, {}, C), 'record-forged'],
    ['changed on its way', { ...recordOf(B), addresses: ['203.0.113.1:53'] }, 'record-forged'],
    ['of ourselves', recordOf(SELF, {}, A), 'record-forged'],
    ['of ourselves, signed by us', recordOf(SELF), 'record-forged'],
    ['of nobody', recordOf(7, {}, A), 'record-forged'],
    ['from the future', recordOf(B, { time: EPOCH + RECORD_AHEAD / MILLISECOND + 1 }), 'record-ahead'],
    ['too old', recordOf(B, { time: EPOCH - RECORD_LIFE / MILLISECOND - 1 }), 'record-old'],
  ])('%s is counted, and changes nothing', (_, record, reason) => {
    const bench = new Bench();
    bench.locators.handleRecord(0, A, record);
    expect([bench.drops, bench.learned.size]).toEqual([{ [reason]: 1 }, 0]);
  });

  test('with addresses of loopback says nothing to who is not told it there', () => {
    const addresses = ['127.0.0.1:7', '[::1]:7', '198.51.100.7:9'];
    const far = new Bench();
    far.locators.handleRecord(0, A, recordOf(B, { addresses }));
    const near = new Bench();
    near.at.set(A, '127.0.0.1:7001');
    near.locators.handleRecord(0, A, recordOf(B, { addresses }));
    expect([far.learned.get(B), near.learned.get(B)]).toEqual([['198.51.100.7:9'], addresses]);
  });

  test('that is old gives way to one of a lower number: clocks go back', () => {
    const bench = new Bench();
    bench.locators.handleRecord(0, A, recordOf(B, { incarnation: 99 }));
    const later = RECORD_LIFE + SECOND;
    const renewed = recordOf(B, { time: EPOCH + later / MILLISECOND, addresses: ['198.51.100.8:9'] });
    bench.locators.handleRecord(later, A, renewed);
    expect(bench.learned.get(B)).toEqual(['198.51.100.8:9']);
  });

  test('of one member is taken so often, and of what one tells so many signatures are checked', () => {
    const bench = new Bench();
    for (let number = 1; number <= 20; number++) bench.locators.handleRecord(0, A, recordOf(B, { number }));
    expect(bench.drops).toEqual({ 'record-budget': 20 - RENEWAL_BURST });

    const forged = recordOf(C, {}, A);
    const flooded = new Bench();
    for (let i = 0; i < 1000; i++) flooded.locators.handleRecord(0, A, forged);
    expect(flooded.drops['record-forged']).toBeLessThan(RECORD_CHECKS);
    // What another one tells is checked all the same.
    flooded.locators.handleRecord(0, B, recordOf(C));
    expect(flooded.learned.has(C)).toBe(true);
  });
});

describe('what is told', () => {
  test('our own record goes to all at once, and again ever less often until they say that they have it', () => {
    const bench = new Bench();
    bench.locators.handleBound(0, '192.0.2.1:7000');
    const times = Array.from({ length: 100 }, (_, i) => i * 100 * MILLISECOND);
    const sent = times.filter((now) => bench.told(now, A).includes('record of 0'));
    expect(sent.map((now) => now / SECOND)).toEqual([0.1, 1.1, 3.1, 7.1]);

    const [record] = bench.frames(20 * SECOND, A) as LocatorRecord[];
    bench.locators.handleHeard(20 * SECOND, A, [record]);
    expect(bench.told(300 * SECOND, A)).toEqual([]);
  });

  test('another’s goes on after a second, to who has not said by then that it has it', () => {
    const bench = new Bench();
    const record = recordOf(A);
    bench.locators.handleRecord(0, A, record);
    bench.locators.handleHeard(500 * MILLISECOND, B, [record]);
    const later = [100 * MILLISECOND, SECOND].map((now) => [A, B, C].map((peer) => bench.told(now, peer)));
    expect(later).toEqual([
      [['holds 1'], ['holds 1'], ['holds 1']],
      [[], [], ['record of 1']],
    ]);
  });

  test('who tells an older record gets the newer one', () => {
    const bench = new Bench();
    bench.locators.handleRecord(0, A, recordOf(A, { number: 2 }));
    bench.locators.handleRecord(0, B, recordOf(A, { number: 1 }));
    expect(bench.told(0, B)).toEqual(['record of 1']);
  });

  test('a new session hears all that we hold', () => {
    const bench = new Bench([A]);
    bench.locators.handleRecord(0, A, recordOf(A));
    bench.locators.onSession(5 * SECOND, C);
    expect(bench.told(5 * SECOND + 100 * MILLISECOND, C)).toEqual(['holds 1']);
    expect(bench.told(6 * SECOND, C)).toEqual(['record of 1']);
  });

  test('nothing to who has no session, and no more than there is room for', () => {
    const bench = new Bench([A, B]);
    bench.locators.handleRecord(0, A, recordOf(A));
    expect([bench.locators.nextControl(C), bench.told(SECOND, C)]).toEqual([Number.POSITIVE_INFINITY, []]);
    expect(bench.locators.take(SECOND, B, 20)).toEqual([
      { kind: 'observed-address', address: '192.0.2.3:7000' },
    ]);
  });

  test('where we see a peer, when that changes and now and then', () => {
    const bench = new Bench();
    const seen = (now: Micros) =>
      bench.locators.take(now, A, ROOM).map((frame) => 'address' in frame && frame.address);
    expect([seen(0), seen(0), seen(SECOND)]).toEqual([['192.0.2.2:7000'], [], ['192.0.2.2:7000']]);
    bench.at.set(A, '203.0.113.9:1234');
    expect(seen(SECOND)).toEqual(['203.0.113.9:1234']);
    bench.at.set(A, 'a-name.example:7000');
    expect(seen(SECOND)).toEqual([]);
  });
});

describe('where we are', () => {
  const ownOf = (bench: Bench, now: Micros) => {
    bench.locators.handleTimeout(now);
    return bench.locators.status(now).told;
  };

  test('is where the socket is bound, and then where others see us, what most say first', () => {
    const bench = new Bench();
    bench.locators.handleBound(0, '192.0.2.1:7000');
    for (const [peer, address] of [
      [A, '203.0.113.1:1'],
      [B, '203.0.113.2:2'],
      [C, '203.0.113.2:2'],
    ] as const)
      bench.locators.handleObserved(0, peer, address);
    expect(ownOf(bench, SECOND)).toEqual(['192.0.2.1:7000', '203.0.113.2:2', '203.0.113.1:1']);
    expect(bench.locators.status(SECOND).seen[0]).toEqual({ address: '203.0.113.2:2', by: [B, C] });
  });

  test('is not known of who listens on all interfaces until somebody says so', () => {
    const bench = new Bench();
    bench.locators.handleBound(0, '0.0.0.0:7000');
    const before = ownOf(bench, SECOND);
    bench.locators.handleObserved(2 * SECOND, A, '203.0.113.1:1');
    expect([before, ownOf(bench, 3 * SECOND)]).toEqual([[], ['203.0.113.1:1']]);
  });

  test('is said anew before the record is too old, however little changes, and not more often than others take it', () => {
    const bench = new Bench();
    bench.locators.handleBound(0, '192.0.2.1:7000');
    const numbers = new Set<number>();
    for (let now = 0; now < 2 * RECORD_LIFE; now += 600 * SECOND)
      for (const frame of bench.frames(now, A)) if (frame.kind === 'locators') numbers.add(frame.number);
    expect(numbers.size).toBe(8);

    const moving = new Bench();
    moving.locators.handleBound(0, '0.0.0.0:7000');
    let made = 0;
    for (let i = 0; i < 600; i++) {
      moving.locators.handleObserved(i * 100 * MILLISECOND, A, `203.0.113.1:${i + 1}`);
      const [record] = moving.frames(i * 100 * MILLISECOND, B) as LocatorRecord[];
      made = Math.max(made, record?.number ?? 0);
    }
    expect(made).toBeLessThan(12);
  });
});

describe('where we may be', () => {
  const NEARBY = ['192.168.1.5:7000', '10.9.0.1:7000', '172.17.0.1:7000'];

  test('for who does not reach us yet is in networks of this machine, too, which no record tells', () => {
    const bench = new Bench();
    bench.locators.handleBound(0, '0.0.0.0:7000', ['[fe80::1]:7000', ...NEARBY]);
    bench.locators.handleObserved(0, A, '203.0.113.1:40000');
    expect(bench.locators.candidates).toEqual([...NEARBY.slice(0, 2), '203.0.113.1:40000']);
    bench.locators.handleTimeout(SECOND);
    expect(bench.locators.status(SECOND).told).toEqual(['203.0.113.1:40000']);
  });

  test('is where the socket is, if that is at one address', () => {
    const bench = new Bench();
    bench.locators.handleBound(0, '192.168.1.5:7000');
    expect(bench.locators.candidates).toEqual(['192.168.1.5:7000']);
  });
});
