/** One direction of a link: delay, rate and queue to the microsecond and byte, then what chance does, by seed. */
import { expect, test } from 'vitest';
import { Rng } from '../../../src/core/rng.js';
import { Link, type LinkOptions, LinkTable } from '../../../src/sim/net/link.js';
import { iid } from '../../../src/sim/net/loss.js';
import { withSeeds } from '../../util/seed.js';

const link = (options: LinkOptions, seed = 'link') => new Link(options, new Rng(seed));
const arrivals = (of: Link, now: number, size: number) =>
  of.send(now, new Uint8Array(size)).map(({ at }) => at);

test('a plain link hands over the same bytes at once', () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const [delivery, ...more] = link({}).send(5, bytes);
  expect(delivery.at).toBe(5);
  expect(delivery.bytes).toBe(bytes);
  expect(more).toEqual([]);
});

test('delay is added exactly', () => {
  expect(arrivals(link({ delay: 20_000 }), 123, 100)).toEqual([20_123]);
});

// 1250 bytes are 10,000 bits: 1 ms at 10 Mbit/s.
//
//   t = 0     four datagrams arrive at once; the first goes to the line
//   t = 1 ms  it has left, the second starts ... t = 4 ms: the fourth has left
test('1250-byte datagrams leave a 10 Mbit/s line 1 ms apart', () => {
  const line = link({ rate: 10e6, delay: 5_000 });
  const times = [0, 0, 0, 0].flatMap((now) => arrivals(line, now, 1250));
  expect(times).toEqual([6_000, 7_000, 8_000, 9_000]);
  expect(line.counters.maxQueueDelay).toBe(3_000);
  // The line is idle again at 4 ms.
  expect(arrivals(line, 4_000, 1250)).toEqual([10_000]);
  expect(line.counters.maxQueueDelay).toBe(3_000);
});

test('overhead counts for the rate', () => {
  const line = link({ rate: 10e6, overhead: 28 });
  expect(arrivals(line, 0, 1222)).toEqual([1_000]);
  expect(line.counters).toMatchObject({ bytes: 1222, deliveredBytes: 1222 });
});

test('a rate that does not divide a microsecond is right in the long run', () => {
  const line = link({ rate: 7e6, queue: Number.POSITIVE_INFINITY });
  let last = 0;
  for (let i = 0; i < 70_000; i++) last = arrivals(line, 0, 1000)[0];
  expect(last).toBe(80_000_000);
});

test('the queue drops its tail at the byte', () => {
  const line = link({ rate: 8e6, queue: 2_500 });
  const sizes = [1_000, 1_000, 1_000, 501, 500, 1, 0];
  const dropped = sizes.map((size) => {
    line.send(0, new Uint8Array(size));
    return line.dropped;
  });
  // The first is on the line and takes no place; then 1000 + 1000 wait, 501 would be one byte too many, 500 fills it up.
  expect(dropped).toEqual([undefined, undefined, undefined, 'queue', undefined, 'queue', undefined]);
  // At 1 ms the second starts and gives up its place.
  expect(arrivals(line, 999, 1_000)).toEqual([]);
  expect(arrivals(line, 1_000, 1_000)).toEqual([4_500]);
  expect(line.counters).toMatchObject({
    sent: 9,
    delivered: 6,
    queueDropped: 3,
    tooLarge: 0,
    lost: 0,
    maxQueueDelay: 3_500,
  });
});

test('a queue of nothing passes what finds the line idle', () => {
  const line = link({ rate: 8e6, queue: 0 });
  expect([0, 0, 999, 1_000, 1_500, 2_000].flatMap((now) => arrivals(line, now, 1_000))).toEqual([
    1_000, 2_000, 3_000,
  ]);
});

test('the default queue is 100 ms of the rate, and at least 24,000 bytes', () => {
  const passed = (rate: number) => {
    const line = link({ rate });
    for (let i = 0; i < 500; i++) line.send(0, new Uint8Array(1_000));
    return line.counters.delivered;
  };
  expect(passed(8e6)).toBe(101);
  expect(passed(8e5)).toBe(25);
});

test('the queue agrees with a model that forgets nothing', () =>
  withSeeds(3, (seed) => {
    const rng = new Rng(seed);
    // 1 byte takes 1 µs, so the model needs no rounding.
    const line = link({ rate: 8e6, queue: 30_000 });
    const accepted: { start: number; size: number }[] = [];
    let free = 0;
    for (let i = 0, now = 0; i < 4_000; i++, now += rng.integer(0, 1_000)) {
      const size = rng.integer(1, 1_400);
      const start = Math.max(now, free);
      const waiting = accepted
        .filter((other) => other.start > now)
        .reduce((sum, other) => sum + other.size, 0);
      const fits = start === now || waiting + size <= 30_000;
      if (fits) {
        accepted.push({ start, size });
        free = start + size;
      }
      if (arrivals(line, now, size)[0] !== (fits ? free : undefined))
        throw new Error(`datagram ${i} differs`);
    }
    expect(line.counters.queueDropped).toBeGreaterThan(500);
  }));

test('a lost datagram has used its rate, one that the queue dropped has not', () => {
  const line = link({ rate: 8e6, loss: iid(1) });
  expect(arrivals(line, 0, 1_000)).toEqual([]);
  expect(line.dropped).toBe('loss');
  line.update({ loss: iid(0), queue: 1_000 });
  expect(arrivals(line, 0, 1_000)).toEqual([2_000]);
  expect(arrivals(line, 0, 1_000)).toEqual([]);
  expect(arrivals(line, 1_000, 1_000)).toEqual([3_000]);
  expect(line.counters).toMatchObject({ lost: 1, queueDropped: 1, delivered: 2 });
});

test('jitter stays in 0..jitter and never reorders', () =>
  withSeeds(3, (seed) => {
    const line = link({ delay: 10_000, jitter: 4_000 }, seed);
    let last = 0;
    let spread = 0;
    for (let now = 0; now < 200_000; now += 100) {
      const [at] = arrivals(line, now, 10);
      expect(at).toBeGreaterThanOrEqual(Math.max(last, now + 10_000));
      expect(at).toBeLessThanOrEqual(now + 14_000);
      spread = Math.max(spread, at - now - 10_000);
      last = at;
    }
    expect(spread).toBeGreaterThan(3_500);
  }));

test('reorder holds back the share asked for, and lets others pass', () =>
  withSeeds(3, (seed) => {
    const line = link({ delay: 1_000, reorder: 0.2, reorderDelay: 5_000 }, seed);
    let held = 0;
    let overtaken = 0;
    let latest = 0;
    for (let now = 0; now < 400_000; now += 100) {
      const [at] = arrivals(line, now, 10);
      expect(at).toBeGreaterThanOrEqual(now + 1_000);
      expect(at).toBeLessThanOrEqual(now + 6_000);
      if (at > now + 1_000) held++;
      if (at < latest) overtaken++;
      latest = Math.max(latest, at);
    }
    expect(held).toBe(line.counters.reordered);
    expect(Math.abs(held - 800)).toBeLessThan(150);
    expect(overtaken).toBeGreaterThan(400);
  }));

test('duplicates arrive as a copy, and take no rate', () => {
  const line = link({ duplicate: 1, rate: 8e6 });
  const bytes = new Uint8Array(1_000).fill(7);
  const [first, second] = line.send(0, bytes);
  expect([first.at, second.at]).toEqual([1_000, 1_000]);
  expect(second.bytes).toEqual(first.bytes);
  expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
  expect(arrivals(line, 0, 1_000)).toEqual([2_000, 2_000]);
  expect(line.counters).toMatchObject({ sent: 2, delivered: 4, duplicated: 2, deliveredBytes: 4_000 });
});

test('corruption flips one bit, of a copy, anywhere', () =>
  withSeeds(3, (seed) => {
    const line = link({ corrupt: 1 }, seed);
    const positions = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const bytes = new Uint8Array(4);
      const [delivery] = line.send(i, bytes);
      expect(bytes).toEqual(new Uint8Array(4));
      const set = Array.from({ length: 32 }, (_, bit) => bit).filter(
        (bit) => delivery.bytes[bit >> 3] & (1 << (bit & 7)),
      );
      expect(set).toHaveLength(1);
      positions.add(set[0]);
    }
    expect(positions.size).toBe(32);
    expect(line.send(500, new Uint8Array(0))).toHaveLength(1);
    expect(line.counters.corrupted).toBe(500);
  }));

test('a blocked link drops all, and what was under way keeps its time', () => {
  const line = link({ rate: 8e6 });
  expect(arrivals(line, 0, 1_000)).toEqual([1_000]);
  line.update({ blocked: true });
  expect(arrivals(line, 0, 1_000)).toEqual([]);
  expect(line.dropped).toBe('blocked');
  line.update({ blocked: false });
  expect(arrivals(line, 0, 1_000)).toEqual([2_000]);
  expect(line.counters).toMatchObject({ sent: 3, blocked: 1, delivered: 2 });
});

test('an update keeps what it does not name, and never reorders', () => {
  const line = link({ delay: 50_000, rate: 8e6 });
  expect(arrivals(line, 0, 1_000)).toEqual([51_000]);
  line.update({ delay: 1_000, jitter: undefined });
  expect(arrivals(line, 0, 1_000)).toEqual([51_000]);
  line.update({ rate: 0 });
  expect(arrivals(line, 60_000, 1_000)).toEqual([61_000]);
});

test('same seed same fate, other seed other fate', () =>
  withSeeds(3, (seed) => {
    const options = { jitter: 900, loss: iid(0.2), reorder: 0.1, duplicate: 0.1, corrupt: 0.1 };
    const fate = (of: Link) =>
      Array.from({ length: 200 }, (_, i) => of.send(i * 100, new Uint8Array([i, i])));
    expect(fate(link(options, seed))).toEqual(fate(link(options, seed)));
    expect(fate(link(options, seed))).not.toEqual(fate(link(options, `${seed}.`)));
  }));

test.each<[string, LinkOptions]>([
  ['delay', { delay: -1 }],
  ['delay', { delay: 0.5 }],
  ['jitter', { jitter: Number.NaN }],
  ['rate', { rate: -1 }],
  ['rate', { rate: Number.POSITIVE_INFINITY }],
  ['queue', { queue: -1 }],
  ['overhead', { overhead: 1.5 }],
  ['reorder', { reorder: 2 }],
  ['reorderDelay', { reorderDelay: 0 }],
  ['duplicate', { duplicate: -0.1 }],
  ['corrupt', { corrupt: Number.NaN }],
])('refuses a bad %s', (name, options) => {
  const refused = expect.objectContaining({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining(`${name}: expected`),
  });
  expect(() => link(options)).toThrowError(refused);
  expect(() => new LinkTable('seed', options)).toThrowError(refused);
  const line = link({ delay: 7 });
  expect(() => line.update({ ...options })).toThrowError(refused);
  expect(arrivals(line, 0, 10)).toEqual([7]);
});

test('a table makes each link once, by its rules in order, with a generator of its own', () => {
  const table = new LinkTable<string>('seed', { delay: 10, jitter: undefined });
  expect(table.link('a', 'b')).toBe(table.link('a', 'b'));
  table.update({ delay: 20, rate: undefined });
  table.update((from) => (from === 'a' ? { delay: 30 } : {}));
  expect(arrivals(table.link('a', 'b'), 0, 1)).toEqual([30]);
  expect(arrivals(table.link('a', 'c'), 0, 1)).toEqual([30]);
  expect(arrivals(table.link('b', 'a'), 0, 1)).toEqual([20]);
  expect(table.total()).toMatchObject({ sent: 3, delivered: 3, bytes: 3 });
  const fates = (order: string[]) => {
    const lossy = new LinkTable<string>('seed', { loss: iid(0.5) });
    for (const to of order) lossy.link('a', to);
    return Array.from({ length: 64 }, () => lossy.link('a', 'x').send(0, new Uint8Array(1)).length);
  };
  expect(fates(['y', 'x'])).toEqual(fates(['x', 'z', 'y']));
});

test('a datagram that is larger than the link carries, headers included, is dropped before it takes any rate', () => {
  const line = new Link({ rate: 1e6, mtu: 1500, overhead: 28 }, new Rng('mtu'));
  expect(line.send(0, new Uint8Array(1473))).toEqual([]);
  expect(line.dropped).toBe('mtu');
  expect(line.send(0, new Uint8Array(1472)).map(({ at }) => at)).toEqual([12_000]);
  expect(line.counters).toMatchObject({ sent: 2, tooLarge: 1, delivered: 1 });
});
