/** What is made of datagrams that wait for company, and of a kernel that takes some of them, or none. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type Micros, SECOND } from '../../../src/core/time.js';
import { EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE } from '../../../src/node/socket/kernel.js';
import { type Destination, SendBatch } from '../../../src/node/socket/send-batch.js';
import { FakeKernel } from './fake-kernel.js';

const ENOBUFS = 105;
const ENETUNREACH = 101;

let fake: FakeKernel;
let now: Micros;
/** What waits for room: length and first byte. */
let waiting: string[];
let large: string[];

beforeEach(() => {
  fake = new FakeKernel();
  now = 0;
  waiting = [];
  large = [];
});

function batch({ segments = true, unfragmented = false } = {}): SendBatch {
  const { kernel, arena } = fake;
  return new SendBatch({
    kernel,
    arena,
    fd: 3,
    segments,
    setLarge: unfragmented ? (isLarge) => large.push(`${isLarge} after ${fake.sent.length}`) : undefined,
    now: () => now,
    putOff: (_to, bytes) => waiting.push(`${bytes.length} of ${bytes[0]}`),
  });
}

function peer(port: number): Destination {
  const sockaddr = Uint8Array.of(2, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  return { sockaddr, segmentsAt: 0, batch: 0, first: -1, last: -1 };
}

const datagram = (size: number, fill = 1): Uint8Array => new Uint8Array(size).fill(fill);
const shapes = (): string[] =>
  fake.sent.map(
    ({ port, buffers, segment }) => `${port}: ${buffers.join('+')}${segment ? ` by ${segment}` : ''}`,
  );

describe('messages', () => {
  test('a run of one size to one address is one, and its last may be shorter', () => {
    const out = batch();
    const to = peer(700);
    for (const size of [1200, 1200, 1200, 90]) out.add(to, datagram(size));
    out.flush();
    expect(shapes()).toEqual(['700: 1200+1200+1200+90 by 1200']);
  });

  test('what is longer, or comes behind the shorter one, begins another', () => {
    const out = batch();
    const to = peer(700);
    for (const size of [100, 1200, 1200, 90, 1200, 1200]) out.add(to, datagram(size));
    out.flush();
    expect(shapes()).toEqual(['700: 100', '700: 1200+1200+90 by 1200', '700: 1200+1200 by 1200']);
  });

  test('those of each address go together, though they were made in turn', () => {
    const out = batch();
    const [a, b] = [peer(700), peer(701)];
    for (let i = 0; i < 3; i++) for (const to of [a, b]) out.add(to, datagram(1000, i));
    out.flush();
    expect(shapes()).toEqual(['700: 1000+1000+1000 by 1000', '701: 1000+1000+1000 by 1000']);
    expect(fake.sent[1].bytes).toEqual([0, 1, 2].flatMap((fill) => [...datagram(1000, fill)]));
  });

  test('none has more than 64 datagrams, or more bytes than one IP packet', () => {
    const out = batch();
    const [a, b] = [peer(700), peer(701)];
    for (let i = 0; i < 65; i++) out.add(a, datagram(20));
    for (let i = 0; i < 9; i++) out.add(b, datagram(8000));
    out.flush();
    expect(fake.sent.map(({ buffers }) => buffers.length)).toEqual([64, 1, 8, 1]);
  });

  test('where the kernel does not cut, each datagram is one', () => {
    const out = batch({ segments: false });
    const to = peer(700);
    for (let i = 0; i < 3; i++) out.add(to, datagram(1200));
    out.flush();
    expect(shapes()).toEqual(['700: 1200', '700: 1200', '700: 1200']);
  });

  test('more than there is room for goes out before, and nothing of it is lost', () => {
    const out = batch();
    const to = peer(700);
    for (let i = 0; i < 300; i++) out.add(to, datagram(10_000, i));
    const before = fake.sent.length;
    out.flush();
    const heard = fake.sent.flatMap(({ bytes }) => bytes.filter((_, i) => i % 10_000 === 0));
    expect(before).toBeGreaterThan(0);
    expect(heard).toEqual(Array.from({ length: 300 }, (_, i) => i & 255));
  });

  test('an empty datagram goes by itself', () => {
    const out = batch();
    const to = peer(700);
    for (const size of [0, 0, 5, 0]) out.add(to, datagram(size));
    out.flush();
    expect(shapes()).toEqual(['700: 0', '700: 0', '700: 5', '700: 0']);
  });

  test('large ones go apart, with fragmenting forbidden while they do', () => {
    const out = batch({ unfragmented: true });
    const to = peer(700);
    for (const size of [1400, 1232, 1400]) out.add(to, datagram(size));
    out.flush();
    expect(shapes()).toEqual(['700: 1232', '700: 1400+1400 by 1400']);
    expect(large).toEqual(['true after 1', 'false after 2']);
  });
});

describe('a kernel that', () => {
  test('takes a part is given the rest', () => {
    const out = batch();
    for (let port = 700; port < 705; port++) out.add(peer(port), datagram(9, port));
    fake.answers.push(
      () => 2,
      () => 1,
    );
    out.flush();
    expect(fake.sent.map(({ port }) => port)).toEqual([700, 701, 702, 703, 704]);
  });

  test('is interrupted is asked again', () => {
    const out = batch();
    out.add(peer(700), datagram(9));
    fake.answers.push(() => -EINTR);
    out.flush();
    expect([shapes(), out.errors]).toEqual([['700: 9'], 0]);
  });

  test('has no room gets the rest later, each datagram of it by itself', () => {
    const out = batch();
    out.add(peer(700), datagram(9, 7));
    const to = peer(701);
    for (let i = 0; i < 2; i++) out.add(to, datagram(1200, i));
    fake.answers.push(
      () => 1,
      () => -EAGAIN,
    );
    out.flush();
    expect([shapes(), waiting, out.errors]).toEqual([['700: 9'], ['1200 of 0', '1200 of 1'], 0]);
  });

  test.each([
    ['EINVAL', EINVAL],
    ['EMSGSIZE', EMSGSIZE],
    ['EIO', EIO],
  ])(
    'does not cut a run (%s) gets its datagrams one at a time, and for 10 s no other run to there',
    (_, errno) => {
      const out = batch();
      const [a, b] = [peer(700), peer(701)];
      const addAll = () => {
        for (const to of [a, b]) for (let i = 0; i < 2; i++) out.add(to, datagram(500));
        out.flush();
        return fake.sent.splice(0).map(({ port, segment }) => [port, segment]);
      };
      fake.answers.push(() => -errno);
      const single = [700, 0];
      expect(addAll()).toEqual([single, single, [701, 500]]);
      now = 9 * SECOND;
      expect(addAll()).toEqual([single, single, [701, 500]]);
      now = 10 * SECOND;
      expect(addAll()).toEqual([
        [700, 500],
        [701, 500],
      ]);
      expect([out.unsegmented, out.errors]).toEqual([1, 0]);
    },
  );

  test('refuses a run and then has no room gets what is left of it later', () => {
    const out = batch();
    const to = peer(700);
    for (let i = 0; i < 3; i++) out.add(to, datagram(500, i));
    fake.answers.push(
      () => -EINVAL,
      () => 1,
      () => -EAGAIN,
      () => -EAGAIN,
    );
    out.flush();
    expect([shapes(), waiting]).toEqual([['700: 500'], ['500 of 1', '500 of 2']]);
  });

  test.each([
    ['ENOBUFS', ENOBUFS],
    ['ENETUNREACH: its interface is down', ENETUNREACH],
  ])('refuses a datagram (%s) is told of the others all the same, and one error is counted', (_, errno) => {
    const out = batch();
    for (let port = 700; port < 703; port++) out.add(peer(port), datagram(9));
    fake.answers.push(
      () => 1,
      () => -errno,
    );
    out.flush();
    expect([fake.sent.map(({ port }) => port), out.errors]).toEqual([[700, 702], 1]);
  });

  test('says that a datagram is too large for the card: no error, if more than 1232 bytes were tried', () => {
    const out = batch({ unfragmented: true });
    out.add(peer(700), datagram(1400));
    out.add(peer(701), datagram(1000));
    fake.answers.push(
      () => -EMSGSIZE,
      () => -EMSGSIZE,
    );
    out.flush();
    expect([out.tooLarge, out.errors]).toEqual([1, 1]);
  });
});
