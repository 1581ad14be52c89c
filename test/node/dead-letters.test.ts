/** Messages that were set aside, handed over once more: between two others, once at a start, and gone only when done with. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadwaterError } from '../../src/errors.js';
import { DeadLetters } from '../../src/node/dead-letters.js';
import type { Delivery } from '../../src/node/node.js';
import { memoryStore } from '../../src/store/memory.js';
import { smallGroup } from '../broadcast/small-group.js';
import { holds } from '../wire/holds.js';

const { group } = smallGroup(3);
const ID = { origin: 1, incarnation: 7, seq: 3, index: 0 };
const settle = () => new Promise((done) => setImmediate(done));

/** A store with one of them, and a consumer. */
async function setUp(give: (delivery: Delivery) => void | Promise<void>, retry = false) {
  const store = memoryStore(1);
  const letter = { ...ID, retry, bytes: Uint8Array.of(1, 2) };
  await store.commit([{ type: 'bury', letter }]);
  return { store, letters: new DeadLetters(store, group, give) };
}

test('those of one sender take its share of the store, or one message: the oldest go', async () => {
  const store = memoryStore(1);
  const bury = (origin: number, seq: number, size: number) =>
    store.commit([
      { type: 'bury', letter: { ...ID, origin, seq, retry: false, bytes: new Uint8Array(size) } },
    ]);
  for (const seq of [1, 2, 3]) await bury(1, seq, 40_000);
  await bury(2, 1, 500_000);

  await new DeadLetters(store, group, () => {}).trim(300_000);

  const kept = await store.deadLetters();
  expect(kept.map(({ origin, seq }) => [origin, seq])).toEqual([
    [1, 2],
    [1, 3],
    [2, 1],
  ]);
});

describe('one that is handed over', () => {
  test('is gone when the consumer is done with it, and not before', async () => {
    const kept: number[] = [];
    const { store, letters } = await setUp(async () => void kept.push((await store.deadLetters()).length));
    await letters.retry(ID);
    kept.push((await store.deadLetters()).length);
    expect(kept).toEqual([1, 0]);
  });

  test('stays if the consumer throws', async () => {
    const { letters } = await setUp(() => {
      throw new Error('no');
    });
    await expect(letters.retry(ID)).rejects.toThrow('no');
    expect(await letters.list()).toMatchObject([{ id: ID, length: 2 }]);
  });

  test('waits until the message before it is done with', async () => {
    const order: string[] = [];
    const { letters } = await setUp(() => void order.push('letter'));
    letters.begin(() => {});
    const retry = letters.retry(ID);
    await settle();
    order.push('message');
    letters.end();
    await retry;
    expect(order).toEqual(['message', 'letter']);
  });

  test('is before the message that comes meanwhile', async () => {
    const order: string[] = [];
    const { letters } = await setUp(async () => {
      await settle();
      order.push('letter');
    });
    const retry = letters.retry(ID);
    letters.begin(() => order.push('message'));
    await retry;
    await settle();
    expect(order).toEqual(['letter', 'message']);
  });

  test('holds back a message once only', async () => {
    const order: string[] = [];
    const { store, letters } = await setUp(() => void order.push('letter'));
    const first = letters.retry(ID);
    letters.begin(() => order.push('message'));
    await first;
    await settle();
    letters.end();
    await store.commit([{ type: 'bury', letter: { ...ID, retry: false, bytes: Uint8Array.of(1) } }]);
    await letters.retry(ID);
    await settle();
    expect(order).toEqual(['letter', 'message', 'letter']);
  });

  test('while the node closes is not handed over any more', async () => {
    const given: string[] = [];
    const { letters } = await setUp(() => void given.push('letter'));
    letters.begin(() => {});
    const retry = letters.retry(ID);
    await settle();
    letters.close(new HeadwaterError('CLOSED', 'closed'));
    await expect(retry).rejects.toMatchObject({ code: 'CLOSED' });
    expect(given).toEqual([]);
  });
});

describe('at a start', () => {
  test('those that are noted are handed over, without the note: it may end the process', async () => {
    const notes: boolean[] = [];
    const { store, letters } = await setUp(
      async () => void notes.push(...(await store.deadLetters()).map(({ retry }) => retry)),
      true,
    );
    await letters.retryNoted(() => {});
    expect([notes, await letters.list()]).toEqual([[false], []]);
  });

  test('others are left alone', async () => {
    const { letters } = await setUp(() => {
      throw new Error('given');
    });
    const errors: unknown[] = [];
    await letters.retryNoted((error) => errors.push(error));
    expect(errors).toEqual([]);
  });

  test('what the consumer throws is told, with the message', async () => {
    const { letters } = await setUp(() => {
      throw new Error('no');
    }, true);
    const told: unknown[] = [];
    await letters.retryNoted((error, id) => told.push([(error as Error).message, id]));
    expect(told).toEqual([['no', ID]]);
  });
});

test('whatever is retried, and when, the consumer has one thing at a time, each once, and keeps what it threw at', () =>
  holds(
    'dead letters one at a time',
    fc.asyncProperty(
      fc.array(fc.record({ isThrown: fc.boolean(), turns: fc.nat(3), isMessage: fc.boolean() }), {
        maxLength: 6,
      }),
      async (steps) => {
        const store = memoryStore(1);
        const given: number[] = [];
        let isBusy = false;
        let overlaps = 0;
        const take = async (turns: number) => {
          if (isBusy) overlaps++;
          isBusy = true;
          for (let i = 0; i < turns; i++) await settle();
          isBusy = false;
        };
        const letters = new DeadLetters(store, group, async ({ id }) => {
          given.push(id.seq);
          await take(steps[id.seq].turns);
          if (steps[id.seq].isThrown) throw new Error('no');
        });
        const bury = (seq: number) => ({
          type: 'bury' as const,
          letter: { ...ID, seq, retry: false, bytes: Uint8Array.of(1) },
        });
        await store.commit(steps.map((_, seq) => bury(seq)));
        const retries: Promise<unknown>[] = [];
        let message = Promise.resolve();
        steps.forEach(({ isMessage, turns }, seq) => {
          retries.push(letters.retry({ ...ID, seq }).catch(() => {}));
          // A node delivers its next message once the last one has ended.
          if (!isMessage) return;
          message = message.then(
            () =>
              new Promise((done) =>
                letters.begin(async () => {
                  await take(turns);
                  letters.end();
                  done();
                }),
              ),
          );
        });
        await Promise.all([...retries, message]);

        const kept = (await letters.list()).map(({ id }) => id.seq);
        expect(overlaps).toBe(0);
        expect([...given].sort()).toEqual(steps.map((_, seq) => seq));
        expect(kept.sort()).toEqual(steps.flatMap(({ isThrown }, seq) => (isThrown ? [seq] : [])));
      },
    ),
    60,
  ));
