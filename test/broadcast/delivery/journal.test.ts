/** The log: one commit at a time, all that came meanwhile in the next, nothing lost and nothing out of order if one fails. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Journal, MAX_CACHED } from '../../../src/broadcast/delivery/journal.js';
import { MILLISECOND, NEVER, SECOND } from '../../../src/core/time.js';
import { type StoredObject, type StoreWrite, storedSize } from '../../../src/store/store.js';
import { holds } from '../../wire/holds.js';
import { boundsOf } from '../bounds.js';
import { emptyStore } from '../objects.js';

const STREAM = { origin: 1, incarnation: 7 };
const MIB = 1024 * 1024;

/** The log looks at no certificate. */
function object(seq: number, size = 10): StoredObject {
  return { ...STREAM, seq, certificate: new Uint8Array(0), bytes: new Uint8Array(size) };
}

function commitOf(log: Journal, now = 0): readonly StoreWrite[] | undefined {
  const request = log.poll(now);
  return request?.type === 'commit' ? request.writes : undefined;
}

/** What the writes are about: the seq of an object, or the type of another write. */
function named(writes: Iterable<StoreWrite> | undefined): (number | string)[] | undefined {
  return writes && Array.from(writes, (write) => (write.type === 'object' ? write.object.seq : write.type));
}

test('the object that came last is at hand, however large it is', () => {
  const log = new Journal(emptyStore());
  for (const seq of [0, 1]) log.put(object(seq, MAX_CACHED + 1));
  expect([0, 1].map((seq) => log.read(object(seq))?.seq)).toEqual([undefined, 1]);
});

describe('commits', () => {
  test('go one at a time: what comes meanwhile goes together, with the next', () => {
    const log = new Journal(emptyStore());
    log.put(object(0));
    expect(named(commitOf(log))).toEqual([0]);
    log.put(object(1));
    log.put(object(2));
    expect(commitOf(log)).toBeUndefined();
    expect(named(log.onCommitted(10))).toEqual([0]);
    expect(named(commitOf(log))).toEqual([1, 2]);
  });

  test('tell nothing more of what is dropped for what they have told', () => {
    const log = new Journal(emptyStore());
    for (const seq of [0, 1, 2]) log.put(object(seq));
    commitOf(log);

    const told: number[] = [];
    for (const write of log.onCommitted(30)) {
      if (write.type === 'object') told.push(write.object.seq);
      log.drop(new Stream(STREAM, boundsOf(0, 3)), 2);
    }

    expect(told).toEqual([0, 1]);
  });

  test('count what is not in the store yet, and tell what is', () => {
    const log = new Journal({ ...emptyStore(), bytes: 5 });
    expect(log.storedBytes).toBe(5);
    log.put(object(0, 100));
    log.put(object(1, 20));
    expect(log.pendingBytes).toBe(storedSize(100) + storedSize(20));
    commitOf(log);
    expect(log.pendingBytes).toBe(storedSize(100) + storedSize(20));
    log.onCommitted(125);
    expect([log.pendingBytes, log.storedBytes]).toEqual([0, 125]);
  });

  test('whatever happens, hold every write once and in order', () =>
    holds(
      'log order',
      fc.property(
        fc.array(fc.constantFrom('put', 'poll', 'committed', 'failed', 'wait'), { maxLength: 80 }),
        (steps) => {
          const log = new Journal(emptyStore());
          const durable: (number | string)[] = [];
          let put = 0;
          let now = 0;
          for (const step of steps) {
            if (step === 'put') log.put(object(put++));
            else if (step === 'poll') log.poll(now);
            else if (step === 'wait') now += SECOND;
            else if (!log.isCommitting) continue;
            else if (step === 'failed') log.onFailed(now);
            else durable.push(...named(log.onCommitted(0))!);
          }
          if (log.isCommitting) durable.push(...named(log.onCommitted(0))!);
          if (commitOf(log, now + SECOND)) durable.push(...named(log.onCommitted(0))!);
          expect(durable).toEqual(Array.from({ length: put }, (_, seq) => seq));
          expect(log.pendingBytes).toBe(0);
        },
      ),
    ));
});

describe('a store that is full', () => {
  test('is tried again after a second, with all that was to be written first', () => {
    const log = new Journal(emptyStore());
    log.put(object(0));
    commitOf(log);
    log.put(object(1));
    log.onFailed(0);
    expect(log.isFull).toBe(true);
    expect(commitOf(log, SECOND - 1)).toBeUndefined();
    expect(log.nextTimeout()).toBe(SECOND);
    expect(named(commitOf(log, SECOND))).toEqual([0, 1]);
    log.onCommitted(20);
    expect([log.isFull, log.nextTimeout()]).toEqual([false, NEVER]);
  });
});

describe('the cursor', () => {
  const stream = new Stream(STREAM, boundsOf(0, 3));

  test('gets a commit of its own after 200 ms', () => {
    const log = new Journal(emptyStore());
    log.moveCursor(0, stream);
    expect(log.nextTimeout()).toBe(200 * MILLISECOND);
    expect(commitOf(log, 200 * MILLISECOND - 1)).toBeUndefined();
    expect(commitOf(log, 200 * MILLISECOND)).toEqual([{ type: 'stream', state: stream.state }]);
  });

  test('goes along with what is written before that, once, as it is by then', () => {
    const log = new Journal(emptyStore());
    const moving = new Stream(STREAM, boundsOf(0, 3));
    for (const seq of [0, 1, 2]) moving.hold(seq, new Uint8Array(32));
    log.moveCursor(0, moving);
    moving.onDelivered();
    log.moveCursor(0, moving);
    log.put(object(0));
    expect(commitOf(log, 0)).toMatchObject([{ type: 'object' }, { type: 'stream', state: { delivered: 1 } }]);
    log.onCommitted(0);
    expect(log.nextTimeout()).toBe(NEVER);
  });

  test('that others wait to be told goes at once, marked as such that time', () => {
    const log = new Journal(emptyStore());
    log.recordSoon(0, stream);
    expect(commitOf(log, 0)).toEqual([{ type: 'stream', state: stream.state, isSaid: true }]);
    log.onCommitted(0);
    log.recordSoon(0, stream);
    log.forget(stream);
    log.moveCursor(0, stream);
    expect(commitOf(log, SECOND)).toEqual([{ type: 'stream', state: stream.state }]);
  });

  test('of a stream that is over is not written', () => {
    const log = new Journal(emptyStore());
    log.moveCursor(0, stream);
    log.forget(stream);
    log.put(object(0));
    expect(named(commitOf(log, SECOND))).toEqual([0]);
  });
});

describe('reading', () => {
  test('gives what was written lately at once, stored or not', () => {
    const log = new Journal(emptyStore());
    log.put(object(3));
    expect(log.read({ ...STREAM, seq: 3 })).toEqual(object(3));
    expect(log.poll(0)?.type).toBe('commit');
  });

  test('asks the store once for what is not at hand, also while it commits, and keeps the answer', () => {
    const log = new Journal(emptyStore());
    log.put(object(0));
    commitOf(log);
    const id = { ...STREAM, seq: 9 };
    for (let i = 0; i < 3; i++) expect(log.read(id)).toBeUndefined();
    expect([log.poll(0), log.poll(0)]).toEqual([{ type: 'read', id }, undefined]);
    log.onRead(id, object(9), true);
    expect(log.read(id)).toEqual(object(9));
  });

  test('keeps nothing that the consumer has had', () => {
    const log = new Journal(emptyStore());
    log.put(object(0));
    log.release({ ...STREAM, seq: 0 });
    log.onRead({ ...STREAM, seq: 1 }, object(1), false);
    expect([0, 1].map((seq) => log.read({ ...STREAM, seq }))).toEqual([undefined, undefined]);
  });

  test('asks again if the object was not there', () => {
    const log = new Journal(emptyStore());
    const id = { ...STREAM, seq: 9 };
    log.read(id);
    log.poll(0);
    log.onRead(id, undefined, true);
    log.read(id);
    expect(log.poll(0)).toEqual({ type: 'read', id });
  });

  test('keeps the latest 16 MiB at hand', () => {
    const log = new Journal(emptyStore());
    for (let seq = 0; seq < 20; seq++) log.put(object(seq, MIB));
    expect(log.read({ ...STREAM, seq: 3 })).toBeUndefined();
    expect(log.read({ ...STREAM, seq: 4 })).toBeDefined();
  });

  test('has nothing at hand any more of what was dropped beyond what is delivered', () => {
    const log = new Journal(emptyStore());
    const stream = new Stream(STREAM, boundsOf(0, 3));
    for (const seq of [0, 1]) {
      stream.hold(seq, new Uint8Array(32));
      log.put(object(seq));
    }
    stream.onDelivered();
    log.drop(stream, stream.delivered);
    expect(log.read({ ...STREAM, seq: 0 })).toBeDefined();
    expect(log.read({ ...STREAM, seq: 1 })).toBeUndefined();
  });

  test('takes no answer for an object that was dropped while it was read: another one may have its name now', () => {
    const log = new Journal(emptyStore());
    const id = { ...STREAM, seq: 0 };
    log.read(id);
    log.poll(0);
    log.drop(new Stream(STREAM, boundsOf(0, 3)), 0);

    expect(log.onRead(id, object(0), true)).toBe(false);
    expect(log.read(id)).toBeUndefined();
  });
});
