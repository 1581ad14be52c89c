/** Which streams there are: so many of one origin, so many on one member's word, and what is said of those that follow each other. */
import { describe, expect, test } from 'vitest';
import { FIRST_CHAIN } from '../../../src/broadcast/agreement/ledger.js';
import { MAX_RUMOURS, MAX_WORDS } from '../../../src/broadcast/agreement/streams/rumours.js';
import { MAX_STREAMS, Streams } from '../../../src/broadcast/agreement/streams.js';
import type { VectorEntry } from '../../../src/wire/frames/vector.js';
import { boundsOf } from '../bounds.js';
import { emptyStore } from '../objects.js';

const [SELF, ORIGIN, OTHER] = [0, 1, 2];
const MEMBERS = 4;
const id = (incarnation: number) => ({ origin: ORIGIN, incarnation });
const NONE = new Uint8Array(0);
const named = (incarnation: number, count = 1): VectorEntry => ({
  ...id(incarnation),
  ...{ base: 0, count, ready: 0, ended: false, first: false, over: false, chain: FIRST_CHAIN, ahead: NONE },
});
const newStreams = () => new Streams(boundsOf(SELF, MEMBERS), emptyStore());
const isRefused = (answer: unknown) => answer === 'stream-quota';

describe('on its origin’s word alone', () => {
  test('256 streams may be there at once', () => {
    const streams = newStreams();
    const refused = Array.from({ length: MAX_STREAMS + 1 }, (_, i) => isRefused(streams.signed(id(i))));
    expect(refused.indexOf(true)).toBe(MAX_STREAMS);
  });

  test('one more may, if more members than may lie hold something of it', () => {
    const streams = newStreams();
    for (let i = 0; i < MAX_STREAMS; i++) streams.signed(id(i));
    for (const member of [OTHER, 3]) {
      const rumour = streams.claimed(named(999), member);
      if (typeof rumour !== 'object') throw new Error('expected a rumour');
      rumour.onClaim(member, named(999));
    }
    expect(isRefused(streams.signed(id(999)))).toBe(false);
  });
});

describe('on the word of another member', () => {
  /** All places of `OTHER` are taken. */
  function crowded(): Streams {
    const streams = newStreams();
    for (let i = 1; i <= MAX_RUMOURS; i++) streams.claimed(named(i), OTHER);
    return streams;
  }

  test('16 may, as rumours', () => {
    const streams = newStreams();
    for (let i = 1; i <= 100; i++) streams.claimed(named(i), OTHER);
    expect([...streams]).toHaveLength(MAX_RUMOURS);
  });

  test('one more waits for a place, and begins once there is one', () => {
    const streams = crowded();
    streams.claimed(named(99, 7), OTHER);
    expect(streams.beginWaiting()).toEqual([]);

    streams.signed(id(1));

    const [begun] = streams.beginWaiting();
    expect(begun).toBe(streams.find(id(99)));
    expect(begun.claims.of(OTHER)?.count).toBe(7);
  });

  test('one more may at once if another says so, and counts what was said before there was room', () => {
    const streams = crowded();
    for (let i = 101; i <= 100 + MAX_RUMOURS; i++) streams.claimed(named(i), 3);
    for (let i = 1001; i <= 1000 + MAX_STREAMS; i++) streams.signed(id(i));
    const lower = named(99, 3);
    const ready = { ...named(99, 4), ready: 4 };
    expect(streams.claimed(named(99, 7), OTHER, [lower, ready])).toBeUndefined();

    const begun = streams.claimed(named(99, 5), 3);

    if (typeof begun !== 'object') throw new Error('expected a rumour');
    expect(begun.claims.of(OTHER)?.count).toBe(7);
    expect(begun.comparison.toldBy(OTHER).map(({ count }) => count)).toEqual([4, 7]);
    begun.onClaim(3, named(99, 5));
    expect(isRefused(streams.signed(id(99)))).toBe(false);
  });

  test('what one said in a former run does not count', () => {
    const streams = crowded();
    for (let i = 101; i <= 100 + MAX_RUMOURS; i++) streams.claimed(named(i), 3);
    streams.claimed(named(99), OTHER);
    streams.onFresh(OTHER);
    expect(streams.claimed(named(99), 3)).toBeUndefined();
  });

  test('of words without a place the oldest is forgotten after 4096', () => {
    const streams = crowded();
    for (let i = 101; i <= 100 + MAX_RUMOURS; i++) streams.claimed(named(i), 3);
    for (let i = 1; i <= MAX_WORDS + 1; i++) streams.claimed(named(1000 + i), OTHER);
    const begun = [1001, 1002].map((incarnation) => typeof streams.claimed(named(incarnation), 3));
    expect(begun).toEqual(['undefined', 'object']);
  });

  test('none begins of which it holds nothing', () => {
    expect(newStreams().claimed(named(1, 0), OTHER)).toBeUndefined();
  });

  test('they are gone when it starts again, unless another holds something of them, too', () => {
    const streams = newStreams();
    for (const incarnation of [1, 2]) streams.claimed(named(incarnation), OTHER);
    const kept = streams.find(id(2))!;
    kept.onClaim(3, { ...kept.telling.entry(), count: 1 });
    expect(streams.onFresh(OTHER).map(({ incarnation }) => incarnation)).toEqual([1]);
    expect([streams.find(id(1)), streams.find(id(2))]).toEqual([undefined, kept]);
  });
});

test('a stream that so many have retired that all will need not be waited for', () => {
  const streams = newStreams();
  const past = [OTHER, 3, 4].map((member) => {
    streams.onOver(member, id(5));
    return streams.isPast({ ...id(4), count: 1000 });
  });
  expect([...past, streams.isPast({ ...id(6), count: 1 })]).toEqual([false, false, true, false]);
});

test('an earlier stream is closed and ends once a later one of its origin is there', () => {
  const streams = newStreams();
  for (const incarnation of [1, 2]) {
    const stream = streams.signed(id(incarnation));
    if (typeof stream === 'object') streams.onRecorded(stream);
  }
  const said = [1, 2].map((incarnation) => {
    const { closed, ended, isFirst, isLater } = streams.find(id(incarnation))!.standing;
    return { closed, ended, isFirst, isLater };
  });
  expect(said).toEqual([
    { closed: true, ended: true, isFirst: true, isLater: false },
    { closed: false, ended: false, isFirst: false, isLater: true },
  ]);
});
