/** Messages at which run after run ends: noted before they are handed over again, in ranges, and set aside after a few such ends in a row. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Attempts } from '../../../src/broadcast/delivery/attempts.js';
import { Journal } from '../../../src/broadcast/delivery/journal.js';
import { MemoryStore } from '../../../src/store/memory.js';
import type { Attempt, Loaded, MessageRef } from '../../../src/store/store.js';
import { holds } from '../../wire/holds.js';

/** How many messages each object has, of each stream, as a store holds them after a crash. */
type Backlog = readonly (readonly number[])[];

const incarnation = 7;
const message = (seq: number, index = 0, origin = 0): MessageRef => ({ origin, incarnation, seq, index });
const nameOf = ({ origin, seq, index }: MessageRef) => `${origin}/${seq}/${index}`;

function diskWith(backlog: Backlog): MemoryStore {
  const state = new MemoryStore(1);
  const empty = { certificate: new Uint8Array(0), bytes: new Uint8Array(1) };
  backlog.forEach((objects, origin) => {
    state.apply(
      objects.map((_, seq) => ({ type: 'object', object: { ...message(seq, 0, origin), ...empty } })),
    );
  });
  return state;
}

/** One run of a member: it hands over all that its store holds, an object of each stream in turn, or until the process ends. */
class Run {
  readonly log: Journal;
  readonly attempts: Attempts;
  readonly said: string[] = [];
  commits = 0;
  private readonly disk: MemoryStore;
  private readonly backlog: Backlog;
  /** How far each stream has come. */
  readonly positions: { origin: number; incarnation: number; delivered: number; index: number }[];

  constructor(disk: MemoryStore, backlog: Backlog, loaded: Loaded = disk.loaded(true), from?: Run) {
    this.disk = disk;
    this.backlog = backlog;
    this.log = new Journal(loaded);
    this.attempts = new Attempts(loaded, this.log);
    this.positions = backlog.map((_, origin) => ({
      origin,
      incarnation,
      delivered: from?.positions[origin].delivered ?? 0,
      index: from?.positions[origin].index ?? 0,
    }));
  }

  /** @returns whether it came to its end: `poison` ends the process that gets it */
  run(poison: string): boolean {
    for (let turn = 0; this.positions.some((each) => this.isLeft(each)); turn++) {
      const position = this.positions[turn % this.positions.length];
      if (!this.isLeft(position)) continue;
      const { origin, delivered: seq } = position;
      const messages = this.backlog[origin][seq];
      for (; position.index < messages; position.index++) {
        const id = message(seq, position.index, origin);
        const verdict = this.judge(id, messages);
        if (verdict === 'deliver' && nameOf(id) === poison) return false;
        this.said.push(verdict === 'deliver' ? nameOf(id) : `${verdict} ${nameOf(id)}`);
      }
      position.delivered++;
      position.index = 0;
    }
    return true;
  }

  /** What becomes of a message that is due; what is noted meanwhile is stored at once. */
  judge(id: MessageRef, messages: number): string {
    const verdict = this.attempts.judge(id, messages, this.positions);
    if (verdict !== 'wait') return verdict;
    const request = this.log.poll(0);
    if (request?.type !== 'commit') return 'wait';
    this.commits++;
    this.log.onCommitted(this.disk.apply(request.writes));
    for (const write of request.writes) if (write.type === 'attempt') this.attempts.onNoted(write.attempt);
    return this.attempts.judge(id, messages, this.positions);
  }

  private isLeft({ origin, delivered }: { origin: number; delivered: number }): boolean {
    return delivered < this.backlog[origin].length;
  }
}

/** Starts again until a run comes to its end; `keeps`: where the last one was is known to the next. */
function runsUntilThrough(backlog: Backlog, poison: string, keeps: boolean): Run[] {
  const disk = diskWith(backlog);
  const runs = [new Run(disk, backlog)];
  while (!runs.at(-1)!.run(poison) && runs.length < 30)
    runs.push(new Run(disk, backlog, disk.loaded(true), keeps ? runs.at(-1) : undefined));
  return runs;
}

const ones = (count: number): number[] => new Array(count).fill(1);

test('after a crash a backlog costs a commit for many messages, not one for each', () => {
  const backlog = [ones(500), ones(500), ones(500)];
  const run = new Run(diskWith(backlog), backlog);
  run.run('none');
  expect([run.said.length, run.commits]).toEqual([1500, 8]);
});

test('a message that ends each run is set aside at the fourth start after the crash, if the store holds no other', () => {
  expect(runsUntilThrough([[1]], '0/0/0', true).length).toBe(4);
});

test('among many it is found in a few starts more', () => {
  const backlog = [ones(200), ones(200)];
  const runs = runsUntilThrough(backlog, '1/77/0', true);
  expect(runs.length).toBeLessThanOrEqual(9);
  expect(runs.at(-1)!.said).toContain('bury 1/77/0');
});

test('the message is found whatever else there is, and only it is set aside: no other is passed over', () =>
  holds(
    'the message at which runs end is the one set aside',
    fc.property(
      fc.array(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 90 }), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.nat(),
      fc.boolean(),
      (backlog, choice, keeps) => {
        const all = backlog.flatMap((objects, origin) =>
          objects.flatMap((count, seq) =>
            Array.from({ length: count }, (_, index) => nameOf(message(seq, index, origin))),
          ),
        );
        const poison = all[choice % all.length];
        const runs = runsUntilThrough(backlog, poison, keeps);

        const said = keeps ? runs.flatMap((run) => run.said) : runs.at(-1)!.said;
        expect(said.toSorted()).toEqual(
          all.map((name) => (name === poison ? `bury ${name}` : name)).toSorted(),
        );
        expect(runs.length).toBeLessThanOrEqual(3 + 1 + 4 + 3);
      },
    ),
    60,
  ));

test('runs that end at another message in between make it start anew', () => {
  const backlog = [ones(2)];
  const store = diskWith(backlog);
  const ends = ['0/0/0', '0/0/0', '0/1/0', '0/0/0', '0/0/0'].map((poison) =>
    new Run(store, backlog).run(poison),
  );
  expect(ends).toEqual(Array(5).fill(false));
});

test('nothing is handed over before the note is durable', () => {
  const backlog = [[1]];
  const { attempts, log, positions } = new Run(diskWith(backlog), backlog);
  expect([1, 2].map(() => attempts.judge(message(0), 1, positions))).toEqual(['wait', 'wait']);
  const [write] = log.flush();
  attempts.onNoted((write as { attempt: Attempt }).attempt);
  expect(attempts.judge(message(0), 1, positions)).toBe('deliver');
});

test('after an end in order nothing is noted, whatever had been', () => {
  const backlog = [[1]];
  const store = diskWith(backlog);
  for (const _ of [1, 2, 3]) new Run(store, backlog).run('0/0/0');
  const run = new Run(store, backlog, store.loaded());
  expect([run.run('none'), run.said, run.commits]).toEqual([true, ['0/0/0'], 0]);
});

test('after a crash the last object that was held is noted, too', () => {
  const backlog = [ones(10)];
  const run = new Run(diskWith(backlog), backlog);
  expect([run.judge(message(9), 1), run.commits]).toEqual(['deliver', 1]);
});

test('after a crash what came since costs nothing', () => {
  const backlog = [ones(10)];
  const run = new Run(diskWith(backlog), backlog);
  const verdicts = [run.judge(message(10), 1), run.judge(message(0, 0, 2), 1)];
  expect([...verdicts, run.commits]).toEqual(['deliver', 'deliver', 0]);
});

test('on a full disk what is due is not kept waiting', () => {
  const backlog = [ones(10)];
  const { attempts, log, positions } = new Run(diskWith(backlog), backlog);
  attempts.judge(message(0), 1, positions);
  log.poll(0);
  log.onFailed(0);
  expect(attempts.judge(message(0), 1, positions)).toBe('deliver');
});
