/** What commands write while nobody reads, and what they do when they are told to stop. */
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Events } from '../../src/cli/events.js';
import {
  hand,
  note,
  setLogFormat,
  setLogLevel,
  tellJson,
  unlessFired,
  untilInterrupted,
  withInterrupt,
} from '../../src/cli/io.js';
import { LOG_LEVELS } from '../../src/cli/logging/level.js';
import type { Member } from '../../src/group/group.js';
import type { Node, NodeEvent } from '../../src/node/node.js';

let written: string[];
let waiting: number;
let callbacks: ((error?: Error) => void)[];

beforeEach(() => {
  [written, waiting, callbacks] = [[], 0, []];
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'writableLength', 'get').mockImplementation(() => waiting);
    vi.spyOn(stream, 'write').mockImplementation(((text: string, done?: (error?: Error) => void) => {
      written.push(text);
      if (done) callbacks.push(done);
      return true;
    }) as typeof stream.write);
  }
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('a line that must reach its reader', () => {
  test('is done at once when nothing waits', () => {
    expect(hand('line')).toBeUndefined();
    expect(written).toEqual(['line\n']);
  });

  test('is done when it is out', async () => {
    waiting = 5;
    let done = false;
    const handed = hand('line')?.then(() => {
      done = true;
    });
    await Promise.resolve();
    expect(done).toBe(false);
    callbacks[0]();
    await handed;
    expect(done).toBe(true);
  });

  test('is never done when it cannot be written', async () => {
    waiting = 5;
    let done = false;
    void hand('line')?.then(() => {
      done = true;
    });
    callbacks[0](new Error('EPIPE'));
    await new Promise((turn) => setImmediate(turn));
    expect(done).toBe(false);
  });
});

test('events that nobody reads are left out, and counted', () => {
  waiting = 10 ** 6;
  for (let i = 0; i < 3; i++) tellJson({ event: 'peer' });
  note('to stderr');
  expect(written).toEqual([]);
  waiting = 0;
  tellJson({ event: 'peer' });
  expect(written).toEqual(['{"event":"left-out","lines":3}\n', '{"event":"peer"}\n']);
});

describe('work that starts when a signal fires', () => {
  test('is given up, and what it makes in the end is closed', async () => {
    const controller = new AbortController();
    const closed: string[] = [];
    let finish = (_made: string) => {};
    const work = new Promise<string>((done) => {
      finish = done;
    });
    const started = unlessFired(controller.signal, work, (late) => closed.push(late));
    controller.abort();
    await expect(started).rejects.toMatchObject({ code: 'ABORTED' });
    finish('store');
    await new Promise((turn) => setImmediate(turn));
    expect(closed).toEqual(['store']);
  });

  test('is its result otherwise', async () => {
    expect(await unlessFired(new AbortController().signal, Promise.resolve('store'))).toBe('store');
  });

  test('leaves nothing at the signal, whatever comes of it', async () => {
    const { signal } = new AbortController();
    await unlessFired(signal, Promise.resolve('store'));
    await unlessFired(signal, Promise.reject(new Error('none'))).catch(() => {});
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('a command that is told to stop', () => {
  // What ends the process a second later is not to end that of the tests.
  beforeEach(() => void vi.useFakeTimers());

  /** Work that goes on until it has been told so twice. */
  const stubborn = (said: boolean[]) => (signal: AbortSignal) =>
    new Promise<void>((done) => {
      vi.spyOn(process, 'exit').mockImplementation(((code: number) => {
        said.push(signal.aborted);
        if (code === 130) done();
      }) as typeof process.exit);
    });

  test.each(['SIGINT', 'SIGTERM'] as const)('by %s ends at once when it is told again', async (name) => {
    const said: boolean[] = [];
    const ended = withInterrupt(stubborn(said));
    process.emit(name);
    expect(said).toEqual([]);
    process.emit(name);
    await ended;
    expect(said).toEqual([true]);
  });

  test('hears no signals any more when its work is done', async () => {
    const before = process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');
    await withInterrupt(async () => {});
    expect(process.listenerCount('SIGINT') + process.listenerCount('SIGTERM')).toBe(before);
  });

  test('while it starts has not failed, if it runs until then', async () => {
    const aborted = untilInterrupted((signal) => unlessFired(signal, new Promise(() => {})));
    process.emit('SIGINT');
    await expect(aborted).resolves.toBeUndefined();
  });

  test('in the middle of work that has an end is interrupted', async () => {
    const aborted = withInterrupt((signal) => unlessFired(signal, new Promise(() => {})));
    process.emit('SIGINT');
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('lines on stderr', () => {
  afterEach(() => setLogFormat('plain'));

  test.each([
    ['plain', 'it is so\n'],
    ['time', '2026-11-30T12:00:00.000Z it is so\n'],
    ['json', '{"time":"2026-11-30T12:00:00.000Z","level":"info","text":"it is so"}\n'],
  ] as const)('%s', (format, line) => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 30, 12) });
    setLogFormat(format);
    note('it is so');
    expect(written).toEqual([line]);
  });

  test('of the level that is set and those above it', () => {
    setLogLevel('warning');
    for (const level of LOG_LEVELS) note(level, level);
    setLogLevel('info');
    expect(written).toEqual(['error\n', 'warning\n']);
  });
});

describe('events', () => {
  const ben = { name: 'ben', index: 1 } as Member;
  const node = (reachable: boolean) =>
    ({
      status: () => ({ peers: [{ name: ben.name, reachable }] }),
      group: { members: [ben] },
    }) as unknown as Node;

  test('are told once a minute where they are the same, but for who comes and goes', () => {
    vi.useFakeTimers();
    const events = new Events(false);
    for (let second = 0; second < 120; second++) {
      events.on({ type: 'foreign-group', member: ben });
      if (second % 60 === 0) events.on({ type: 'peer', member: ben, reachable: second === 0 });
      vi.advanceTimersByTime(1000);
    }
    expect(written).toEqual([
      'ben seems to have another group file\n',
      'ben is here\n',
      'ben seems to have another group file\n',
      'ben is gone\n',
    ]);
  });

  test('of who is gone that was here are told once, of who never came as a warning', () => {
    const events = new Events(false);
    const away = {
      type: 'warning',
      code: 'member-away',
      state: 'begun',
      member: ben,
      text: 'silent',
      since: 0,
    };
    events.on(away as NodeEvent);
    events.on({ type: 'peer', member: ben, reachable: true });
    events.on({ type: 'peer', member: ben, reachable: false });
    events.on(away as NodeEvent);
    expect(written).toEqual([
      'silent (member-away, since 1970-01-01T00:00:00.000Z)\n',
      'ben is here\n',
      'ben is gone\n',
    ]);
  });

  test('say why a member has not confirmed, as long as it holds', () => {
    const events = new Events(false);
    expect(events.why(ben, node(false))).toBe('nothing was heard of it');
    events.on({ type: 'foreign-group', member: ben });
    expect(events.why(ben, node(false))).toBe('ben seems to have another group file');
    events.on({ type: 'peer', member: ben, reachable: true });
    expect(events.why(ben, node(true))).toBe('it is here, but has not got all of it');
    events.on({ type: 'peer', member: ben, reachable: false });
    expect(events.why(ben, node(false))).toBe('it has gone');
  });

  test('that people did not ask for are for programs only', () => {
    new Events(false, ['peer']).on({ type: 'peer', member: ben, reachable: true });
    expect(written).toEqual([]);
    new Events(true, ['peer']).on({ type: 'peer', member: ben, reachable: true });
    expect(written).toEqual(['{"event":"peer","member":"ben","reachable":true}\n']);
  });
});
