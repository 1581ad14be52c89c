/** EPOCH: lists that come in pieces, and what is refused. */
import { expect, test } from 'vitest';
import { Reader, Writer } from '../../src/core/bytes.js';
import { Epochs } from '../../src/epochs/epochs.js';
import { Talk } from '../../src/epochs/talk.js';
import { propose, sign } from '../../src/group/epochs/propose.js';
import { groupOfChain } from '../../src/group/epochs/view.js';
import { type EpochFrame, epoch, MAX_LISTED } from '../../src/wire/frames/epochs/epoch.js';
import { begun, operator } from './lab.js';

const mark = { has: 3, active: 2, id: new Uint8Array(16) };
const streams = Array.from({ length: 100 }, (_, i) => ({ origin: i, incarnation: 7, count: i + 1, base: i }));

function parsed(frame: EpochFrame): EpochFrame {
  const writer = new Writer(epoch.size(frame));
  epoch.write(writer, frame);
  return epoch.parse(new Reader(writer.finish()));
}

test('a list of more than a frame holds arrives whole, in whatever order, lost ones again', () => {
  const telling = { list: 'seal', of: 2, next: new Uint8Array(16).fill(1), streams } as const;
  const theirs = { has: 2, active: 2 };
  const [talk, other] = [new Talk(2), new Talk(2)];
  const frames: EpochFrame[] = [];
  for (let now = 0; frames.length < 8; now = Math.max(now, talk.dueAt(1, mark, theirs)))
    frames.push(talk.take(now, 1, 600, { own: mark, theirs, telling })!);
  expect(frames[0].streams.length).toBeLessThan(100);
  const [lost, ...rest] = frames.map(parsed);
  const got = rest.toReversed().flatMap((frame) => other.onList(0, frame) ?? []);
  expect(lost.first).toBe(0);
  expect(new Set(got.map(({ origin }) => origin)).size).toBe(100);
});

test('who has heard, and is not behind, is told nothing', () => {
  const talk = new Talk(2);
  const here = { has: 3, active: 3 };
  expect(talk.dueAt(1, here, here)).toBeLessThan(0);
  talk.onHeard(1, 7);
  expect(talk.dueAt(1, here, here)).toBe(Number.POSITIVE_INFINITY);
  // It takes our seal, or our starts.
  expect(talk.dueAt(1, here, { has: 2, active: 2 })).toBeLessThan(0);
});

test('a list beyond its bound, or its own end, is malformed', () => {
  const frame: EpochFrame = {
    ...{ kind: 'epoch', ...mark, heard: 0, list: 'seal', of: 2, next: new Uint8Array(16) },
    ...{ total: MAX_LISTED, first: MAX_LISTED - 1, streams: streams.slice(0, 1) },
  };
  expect(parsed(frame).streams).toHaveLength(1);
  expect(() => parsed({ ...frame, first: MAX_LISTED })).toThrow(/streams, got more/);
  expect(() => parsed({ ...frame, total: MAX_LISTED + 1 })).toThrow(/streams, got more/);
  expect(() => parsed({ ...frame, active: 1 })).toThrow(/active: expected 3, or one less/);
});

test('who has not said yet where it is has our seal at once, and what it needs once it has', () => {
  const held = new Map([['1/7', { count: 5, base: 2 }]]);
  const group = groupOfChain(sign(propose(begun, { pessimism: 3 }), operator));
  const epochs = new Epochs(group, 0, undefined);
  const store = () => void (epochs.takeWrite() && epochs.onStored());
  store();
  epochs.proceed({ held: () => held });
  store();
  const first = epochs.take(0, 1, 1000)!;
  expect(first).toMatchObject({ has: 1, active: 0, list: 'seal', of: 0 });
  expect(first.streams).toEqual([{ origin: 1, incarnation: 7, count: 5, base: 2 }]);
  // It follows us: from where on is what it needs.
  epochs.handleFrame(2, { ...first, active: 1, list: 'starts', of: 0, next: new Uint8Array(16) });
  expect(epochs.proceed({ held: () => held })).toBe(true);
  store();
  expect(epochs.take(0, 1, 1000)).toMatchObject({ active: 1, list: 'none' });
  epochs.handleMark(1, { has: 1, active: 0, id: first.id });
  expect(epochs.take(0, 1, 1000)).toMatchObject({ active: 1, list: 'starts' });
});

test('who is removed may be switched off once enough are active without it: those say so, too', () => {
  const removed = begun[0].members[2];
  const epochs = new Epochs(
    groupOfChain(sign(propose(begun, { remove: removed.name }), operator)),
    begun[0].members[0].slot,
    undefined,
  );
  const view = { held: () => new Map() };
  const store = () => void (epochs.takeWrite() && epochs.onStored());
  expect(epochs.overview(view).leaving).toEqual([]);
  epochs.proceed(view);
  store();
  expect(epochs.overview(view)).toMatchObject({ active: 0, leaving: [removed.slot], isOver: false });
  const { mark } = epochs;
  for (const slot of [0, 1]) epochs.handleMark(slot, { ...mark, active: 1 });
  const starts = { ...mark, active: 1, heard: 0, list: 'starts', of: 0, next: new Uint8Array(16) } as const;
  epochs.handleFrame(1, { kind: 'epoch', ...starts, total: 0, first: 0, streams: [] });
  epochs.proceed(view);
  store();
  expect(epochs.overview(view)).toMatchObject({ active: 1, leaving: [removed.slot], isOver: true });
});
