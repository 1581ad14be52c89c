/** Messages at which run after run ends: noted before they are handed over again, and set aside after three such ends in a row. */
import { expect, test } from 'vitest';
import { Attempts } from '../../../src/broadcast/delivery/attempts.js';
import { Journal } from '../../../src/broadcast/delivery/journal.js';
import { MemoryStore } from '../../../src/store/memory.js';
import type { Loaded, MessageRef } from '../../../src/store/store.js';

const stream = { origin: 1, incarnation: 7 };
const message = (seq: number, index = 0): MessageRef => ({ ...stream, seq, index });
const object = (seq: number) => ({
  ...stream,
  seq,
  certificate: new Uint8Array(0),
  bytes: new Uint8Array(1),
});

/** One run of a member whose store holds objects 0 to 9. */
class Run {
  readonly log: Journal;
  readonly attempts: Attempts;
  commits = 0;
  private readonly disk: MemoryStore;

  constructor(disk: MemoryStore, loaded: Loaded = disk.loaded(true)) {
    this.disk = disk;
    this.log = new Journal(loaded);
    this.attempts = new Attempts(loaded, this.log);
  }

  /** What becomes of a message that is due; what is noted meanwhile is stored at once. */
  judge(id: MessageRef): string {
    const verdict = this.attempts.judge(id);
    if (verdict !== 'wait') return verdict;
    const request = this.log.poll(0);
    if (request?.type !== 'commit') return 'wait';
    this.commits++;
    this.log.onCommitted(this.disk.apply(request.writes));
    for (const write of request.writes) if (write.type === 'attempt') this.attempts.onNoted(write.attempt);
    return this.attempts.judge(id);
  }
}

function disk(): MemoryStore {
  const state = new MemoryStore(1);
  state.apply(Array.from({ length: 10 }, (_, seq) => ({ type: 'object', object: object(seq) })));
  return state;
}

test('at the fourth start after a crash a message that ended three runs is set aside', () => {
  const store = disk();
  const verdicts = [1, 2, 3, 4].map(() => new Run(store).judge(message(0)));
  expect(verdicts).toEqual(['deliver', 'deliver', 'deliver', 'bury']);
});

test('those that are got past before it in each run are innocent', () => {
  const store = disk();
  const verdicts = [1, 2, 3, 4].map(() => {
    const run = new Run(store);
    return [run.judge(message(0)), run.judge(message(1))].join(' ');
  });
  expect(verdicts).toEqual([...Array(3).fill('deliver deliver'), 'deliver bury']);
});

test('runs that end elsewhere in between make it start anew', () => {
  const store = disk();
  const verdicts = [0, 0, 1, 0, 0, 0].map((seq) => new Run(store).judge(message(seq)));
  expect(verdicts).toEqual(Array(6).fill('deliver'));
});

test('only it is set aside, not another of its object', () => {
  const store = disk();
  for (const _ of [1, 2, 3]) new Run(store).judge(message(0, 1));
  const run = new Run(store);
  expect([0, 1, 2].map((index) => run.judge(message(0, index)))).toEqual(['deliver', 'bury', 'deliver']);
});

test('nothing is handed over before the note is durable', () => {
  const { attempts } = new Run(disk());
  expect([attempts.judge(message(0)), attempts.judge(message(0))]).toEqual(['wait', 'wait']);
  attempts.onNoted({ ...message(0), count: 1 });
  expect(attempts.judge(message(0))).toBe('deliver');
});

test('after an end in order nothing is noted, whatever had been', () => {
  const store = disk();
  for (const _ of [1, 2, 3]) new Run(store).judge(message(0));
  const run = new Run(store, store.loaded());
  expect([run.judge(message(0)), run.commits]).toEqual(['deliver', 0]);
});

test('after a crash the last object that was held is noted, too', () => {
  const run = new Run(disk());
  expect([run.judge(message(9)), run.commits]).toEqual(['deliver', 1]);
});

test('after a crash what came since costs nothing', () => {
  const run = new Run(disk());
  expect([run.judge(message(10)), run.judge({ ...message(0), origin: 2 }), run.commits]).toEqual([
    'deliver',
    'deliver',
    0,
  ]);
});

test('on a full disk what is due is not kept waiting', () => {
  const run = new Run(disk());
  run.attempts.judge(message(0));
  run.log.poll(0);
  run.log.onFailed(0);
  expect(run.attempts.judge(message(0))).toBe('deliver');
});
