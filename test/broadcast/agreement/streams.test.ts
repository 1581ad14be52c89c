/** Which streams there are: so many of one origin, so many on one member's word, and what is said of those that follow each other. */
import { describe, expect, test } from 'vitest';
import { MAX_RUMOURS, MAX_STREAMS, Streams } from '../../../src/broadcast/agreement/streams.js';
import { boundsOf } from '../bounds.js';
import { emptyStore } from '../objects.js';

const [SELF, ORIGIN, OTHER] = [0, 1, 2];
const MEMBERS = 4;
const id = (incarnation: number) => ({ origin: ORIGIN, incarnation });
const named = (incarnation: number, count = 1) => ({ ...id(incarnation), count, ahead: new Uint8Array(0) });
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
      rumour.onClaim(member, { ...rumour.telling.entry(), count: 1 });
    }
    expect(isRefused(streams.signed(id(999)))).toBe(false);
  });
});

describe('on the word of another member', () => {
  test('16 may, as rumours', () => {
    const streams = newStreams();
    const refused = Array.from({ length: MAX_RUMOURS + 1 }, (_, i) =>
      isRefused(streams.claimed(named(i), OTHER)),
    );
    expect(refused.indexOf(true)).toBe(MAX_RUMOURS);
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
