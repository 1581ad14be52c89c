/** Runs that went wrong once, as small as they could be made, and what went wrong in them. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { iid } from '../../src/sim/net/loss.js';
import { runScenario } from '../../src/sim/run.js';
import { MUTATIONS } from './mutations.js';
import { quietScenario } from './quiet.js';

const message = (origin: number, at: number) => ({ origin, at: at * MILLISECOND, size: 20 });

/** Member 2 misses what is said since the copy; member 1, which does not, is away when it is put back. */
const putBack = quietScenario({
  faulty: 1,
  messages: [message(0, 10), message(0, 400), message(0, 900)],
  faults: [
    { type: 'restore', member: 0, at: 200 * MILLISECOND, back: 750 * MILLISECOND, down: 50 * MILLISECOND },
    { type: 'cut', from: [2], at: 300 * MILLISECOND, until: 810 * MILLISECOND, oneWay: false },
    { type: 'crash', members: [1], when: { at: 690 * MILLISECOND }, down: 5 * SECOND, hit: false },
  ],
  healAt: 6 * SECOND,
});

describe('a member that is put back to a copy of its store', () => {
  test('says nothing under a name that it has used since', () => {
    expect(runScenario(putBack).violation).toBeUndefined();
  });

  test('would, if it went on with the stream in it', () => {
    const undo = MUTATIONS['take a copy of a store for the store']();
    try {
      expect(runScenario(putBack).violation).toBeDefined();
    } finally {
      undo();
    }
  });
});

describe('a run that went wrong once goes well', () => {
  test('a message that waits while the disk is full does not keep the member busy', () => {
    const full = { type: 'full' as const, member: 0, at: 0, until: 1500 * MILLISECOND };
    const run = quietScenario({
      messages: [message(0, 10), message(0, 12)],
      faults: [full],
      healAt: 2 * SECOND,
    });
    expect(runScenario(run).violation).toBeUndefined();
  });

  test('the only member of a group delivers after a restart what it had stored before', () => {
    const crash = {
      type: 'crash' as const,
      members: [0],
      when: { on: 'durable' as const, count: 1 },
      down: 10 * MILLISECOND,
      hit: false,
    };
    const run = quietScenario({ members: 1, messages: [message(0, 0)], faults: [crash] });
    expect(runScenario(run).violation).toBeUndefined();
  });

  test('a member that has pruned, and starts again while another is gone, does not hang', () => {
    const crash = (member: number, at: number, down: number | undefined) => ({
      type: 'crash' as const,
      members: [member],
      when: { at: at * MILLISECOND },
      down,
      hit: false,
    });
    const run = quietScenario({
      faulty: 1,
      messages: [message(0, 0), message(0, 3000)],
      faults: [crash(2, 2500, undefined), crash(1, 2600, 100 * MILLISECOND)],
      healAt: 6 * SECOND,
    });
    expect(runScenario(run).violation).toBeUndefined();
  });

  test('an origin that says its objects are gone, and in its claims that it keeps them, is not believed (f 0)', () => {
    const crash = (
      member: number,
      when: { on: 'committed'; count: number } | { at: number },
      down: number,
    ) => ({
      ...{ type: 'crash' as const, members: [member], when, down: down * MILLISECOND, hit: false },
    });
    const run = quietScenario({
      seed: '130431815576',
      faulty: 1,
      links: { delay: 15 * MILLISECOND, loss: iid(0), rate: 50e6, overhead: 28 },
      disk: { delay: 0, rate: 1e9 },
      messages: [2, 1, 1].map((origin, i) => ({ origin, at: i === 2 ? 490_500 : 0, size: 8 })),
      faults: [
        { type: 'liar', member: 1, lies: ['gone'] },
        crash(1, { on: 'committed', count: 1 }, 359),
        crash(0, { at: 739_315 }, 277),
      ],
      healAt: 1_981_000,
    });
    expect(runScenario(run).violation).toBeUndefined();
  });

  test('an answer from within the consumer comes after what it answers', () => {
    // Only what is consumed slowly is answered before the consumer is done with it.
    for (let seed = 0; seed < 20; seed++) {
      const run = quietScenario({
        seed: `answer-${seed}`,
        members: 4,
        order: 'causal',
        links: { delay: 5 * MILLISECOND, jitter: 30 * MILLISECOND, reorder: 0.2, loss: iid(0.3) },
        consume: 20 * MILLISECOND,
        messages: [0, 1, 2].map((origin) => message(origin, 0)),
        replies: 6,
      });
      expect(runScenario(run).violation, `seed ${seed}`).toBeUndefined();
    }
  });

  test('who waits for what another gets first is not waited for by that one', () => {
    // 0-3-2 and 2-{1,4}: 2 asks 3 in vain while they are cut off, and then 1 and 4 wait for what 2 gets.
    const links = ['0-3', '2-3', '1-2', '2-4'];
    const pairs = [0, 1, 2, 3, 4].flatMap((a) => [a + 1, a + 2, a + 3, a + 4].map((b) => [a, b] as const));
    const run = quietScenario({
      seed: '8834500001292',
      members: 5,
      faulty: 1,
      byzantine: 1,
      links: { delay: 40 * MILLISECOND, loss: iid(0), overhead: 28 },
      disk: { delay: 0 },
      messages: [{ origin: 0, at: 34_647, size: 8 }],
      faults: [{ type: 'cut', from: [0, 3], at: 226_986, until: 2_362_986, oneWay: false }],
      healAt: 2_362_986,
      apart: pairs.filter(([a, b]) => b < 5 && !links.includes(`${a}-${b}`)),
    });
    expect(runScenario(run).violation).toBeUndefined();
  });

  test('an agreement on one object is found behind a disagreement on the next', () => {
    for (let seed = 0; seed < 20; seed++) {
      const run = quietScenario({
        seed: `behind-${seed}`,
        members: 5,
        byzantine: 1,
        links: { delay: 30 * MILLISECOND, loss: iid(0) },
        messages: [0, 20, 40, 60, 80].map((at) => message(1, at)),
        faults: [{ type: 'liar', member: 1, lies: ['equivocate'] }],
      });
      expect(runScenario(run).violation, `seed ${seed}`).toBeUndefined();
    }
  });

  test('who serves an object is not blamed for symbols that its origin has signed', () => {
    const at = [6_653, 52_590, 185_363, 341_594];
    const sizes = [8, 2358, 8, 2165];
    const run = quietScenario({
      seed: '13375',
      members: 5,
      byzantine: 1,
      links: { delay: 29 * MILLISECOND, loss: iid(0.27833579239775447), overhead: 28 },
      disk: { delay: 0, rate: 100e6 },
      messages: at.map((time, i) => ({ origin: 3, at: time, size: sizes[i] })),
      faults: [
        { type: 'stall', member: 1, at: 806_253, until: 1_835_253 },
        { type: 'liar', member: 3, lies: ['mismatch'] },
      ],
      healAt: 1_835_253,
    });
    expect(runScenario(run).violation).toBeUndefined();
  });

  test('an origin that goes on sending wrong copies does not keep a member from asking others', () => {
    const run = quietScenario({
      seed: '301055',
      members: 5,
      byzantine: 1,
      links: { delay: 0, loss: iid(0), rate: 36e6, overhead: 28 },
      disk: { delay: 3 * MILLISECOND, rate: 100e6 },
      messages: [{ origin: 4, at: 0, size: 92 }],
      faults: [{ type: 'liar', member: 4, lies: ['serve'] }],
    });
    expect(runScenario(run).violation).toBeUndefined();
  });

  test.each(['0', '9', '40', '53'])(
    'where much is lost, an object is finished from one member that serves it slowly (seed %s)',
    (seed) => {
      const run = quietScenario({
        seed,
        members: 4,
        byzantine: 1,
        controller: 'bbr',
        links: { delay: 10 * MILLISECOND, loss: iid(0.375) },
        messages: [{ origin: 0, at: 310 * MILLISECOND, size: 47_954 }, message(1, 310), message(1, 620)],
        faults: [{ type: 'liar', member: 0, lies: ['serve'] }],
      });
      expect(runScenario(run).standstill).toBeLessThan(0.5);
    },
  );

  test('what members have differed on is kept for one that starts over', () => {
    // Without that, each of these ends with a member that can get no more of the stream.
    for (const seed of [24, 27, 34]) {
      const run = quietScenario({
        seed: `kept-${seed}`,
        members: 4,
        byzantine: 1,
        links: { delay: 38 * MILLISECOND, loss: iid(0.33) },
        disk: { delay: 0 },
        messages: Array.from({ length: 14 }, (_, i) => message(2, 50 * i)),
        faults: [
          { type: 'liar', member: 2, lies: ['equivocate'] },
          { type: 'crash', members: [0], when: { on: 'deliver', count: 26 }, down: SECOND, hit: true },
        ],
        healAt: 2 * SECOND,
      });
      expect(runScenario(run).violation, `seed ${seed}`).toBeUndefined();
    }
  });

  test('a member that was misled hears the same from one that has started again as from the others', () => {
    const messages = [
      [0, 15_231, 26],
      [1, 20_802, 44],
      [1, 24_155, 95],
      [3, 59_513, 100],
      [1, 87_505, 36],
      [1, 90_474, 20],
      [3, 174_847, 52],
      [1, 313_153, 13],
      [1, 319_126, 65],
      [1, 403_002, 74],
    ];
    const run = quietScenario({
      seed: '7310194',
      members: 4,
      byzantine: 1,
      order: 'causal',
      controller: 'bbr',
      links: { delay: 3000, loss: iid(0.28331026863979647), reorder: 0.21362712189840008, overhead: 28 },
      disk: { delay: 1000, rate: 100e6, slow: 0, slowTime: 500_000, slowFactor: 30 },
      consume: 13_000,
      messages: messages.map(([origin, at, size]) => ({ origin, at, size })),
      faults: [
        { type: 'stall', member: 2, at: 208_495, until: 1_693_495 },
        { type: 'crash', members: [2], when: { at: 510_738 }, down: 387_000, hit: false },
        { type: 'crash', members: [], when: { on: 'commit', count: 24 }, down: 368_000, hit: false },
        { type: 'liar', member: 1, lies: ['confirm', 'equivocate'] },
      ],
      healAt: 1_693_495,
    });
    expect(runScenario(run).violation).toBeUndefined();
  });
});

test('who loses its store is given nothing before what it comes after, though what said so has been let go of', () => {
  const run = quietScenario({
    seed: '7300210004953',
    faulty: 1,
    order: 'causal',
    links: { delay: 39_000, loss: iid(0.05291104428429838), reorder: 0.24036922262108243, overhead: 28 },
    disk: { delay: 0, rate: 1e9 },
    messages: [
      { origin: 0, at: 16_325, size: 29 },
      { origin: 0, at: 35_224, size: 63 },
      { origin: 0, at: 98_311, size: 1100 },
      { origin: 0, at: 134_765, size: 8 },
    ],
    replies: 8,
    faults: [{ type: 'store', member: 2, at: 208_446, down: 564_000, back: undefined, clock: 'right' }],
    healAt: 772_446,
  });
  expect(runScenario(run).violation).toBeUndefined();
});

test('who is told of a later stream of its own while the others start again says nothing twice', () => {
  const messages = [
    [0, 4737, 87],
    [1, 27_497, 8],
    [0, 35_829, 1362],
    [2, 36_031, 33],
    [0, 42_694, 2847],
    [2, 49_752, 88],
    [2, 69_157, 62],
    [0, 76_856, 64],
  ];
  const run = quietScenario({
    seed: '6630410019596',
    faulty: 1,
    links: {
      delay: 22_000,
      loss: iid(0.2776159862578421),
      duplicate: 0.2652366762145493,
      rate: 13e6,
      overhead: 28,
    },
    disk: { delay: 6000, rate: 100e6, slow: 0.05, slowTime: 500_000, slowFactor: 30 },
    consume: 29_000,
    messages: messages.map(([origin, at, size]) => ({ origin, at, size })),
    replies: 2,
    faults: [
      { type: 'liar', member: 0, lies: ['phantom'] },
      { type: 'crash', members: [2, 0], when: { at: 139_794 }, down: 998_000, hit: false },
    ],
    healAt: 1_139_794,
  });
  expect(runScenario(run).violation).toBeUndefined();
});

test('of a stream that is over nothing is said, to who asks for it either, before the store says so', () => {
  const run = quietScenario({
    seed: '8812340019859',
    members: 6,
    faulty: 2,
    links: { delay: 10_000, loss: iid(0), overhead: 28 },
    disk: { delay: 3000, rate: 100e6, slow: 0, slowTime: 500_000, slowFactor: 30 },
    messages: [{ origin: 5, at: 35_837, size: 8 }],
    replies: 7,
    faults: [
      { type: 'store', member: 2, at: 355_607, down: 58_000, back: undefined, clock: 'right' },
      { type: 'liar', member: 0, lies: ['pulls'] },
      { type: 'crash', members: [], when: { on: 'deliver', count: 23 }, down: 663_000, hit: false },
    ],
    healAt: 1_970_000,
  });
  expect(runScenario(run).violation).toBeUndefined();
});

test('who goes on behind what nobody keeps does not say so before its store does: a crash would lose it what comes next', () => {
  const run = quietScenario({
    seed: '9153270003911',
    faulty: 1,
    disk: { delay: 0, rate: 100e6, slow: 0.05, slowTime: 500_000, slowFactor: 30 },
    messages: [0, 275_000, 275_000, 550_000].map((at) => ({ origin: 0, at, size: 8 })),
    faults: [
      { type: 'store', member: 2, at: 194_214, down: 96_000, back: undefined, clock: 'right' },
      { type: 'stall', member: 2, at: 369_571, until: 2_338_571 },
      { type: 'crash', members: [2], when: { on: 'committed', count: 25 }, down: 1_284_000, hit: false },
    ],
    healAt: 2_338_571,
  });
  expect(runScenario(run).violation).toBeUndefined();
});

test('a member that starts over keeps what the others have let go of on its word', () => {
  const run = quietScenario({
    seed: 'streams-4',
    members: 4,
    byzantine: 1,
    controller: 'cubic',
    links: {
      ...{ delay: 33 * MILLISECOND, loss: iid(0.32195761974016807), overhead: 28 },
      ...{ jitter: 0, reorder: 0, duplicate: 0, corrupt: 0, rate: 0 },
    },
    disk: { delay: 6 * MILLISECOND, rate: 100e6, slow: 0.05, slowTime: 500 * MILLISECOND, slowFactor: 30 },
    messages: [
      { origin: 1, at: 137_298, size: 87 },
      { origin: 2, at: 173_016, size: 8 },
      { origin: 1, at: 208_517, size: 8 },
    ],
    faults: [{ type: 'liar', member: 1, lies: ['streams', 'equivocate'] }],
    healAt: 208_517,
  });
  expect(runScenario(run).violation).toBeUndefined();
});

test('a member that only serves finds soon that its path has become narrow, though the origin is gone', () => {
  const run = quietScenario({
    seed: '3391750015600',
    faulty: 1,
    maxDatagram: 8952,
    disk: { delay: 0, rate: 1e9 },
    messages: [{ origin: 2, at: 1_076_667, size: 1164 }],
    faults: [
      { type: 'crash', members: [2], when: { at: 1_358_615 }, down: undefined, hit: false },
      { type: 'narrow', between: [1, 0], at: 836_846 },
      { type: 'narrow', between: [2, 1], at: 751_625 },
    ],
    healAt: 2_358_615,
  });
  expect(runScenario(run).violation).toBeUndefined();
});

test('heartbeats and news fill the window to a member that is seconds away, and symbols go all the same', () => {
  const run = quietScenario({
    seed: '3391750006213',
    faulty: 1,
    controller: 'newreno',
    links: { delay: 9000, loss: iid(0.35), overhead: 28 },
    slow: { member: 0, delay: 1_902_000 },
    messages: Array.from({ length: 30 }, (_, i) => message(1 + (i % 2), 1000 * i)),
    healAt: 30 * SECOND,
  });
  const { violation, time } = runScenario(run);
  // The last is there within three round trips of its member's: it is said, asked for, and served.
  expect([violation, time < 29 * SECOND + 3 * 3_804_000]).toEqual([undefined, true]);
});
