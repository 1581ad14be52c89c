/** Loops over a network's messages: left, begun again, two at once, and at the end. */
import { describe, expect, test } from 'vitest';
import { Inbox } from '../../src/network/inbox.js';
import { numbers, openGroup, until } from './members.js';

/** An inbox that gets 1, 2, 3, ... as the ones before are taken. */
function counting(): { inbox: Inbox<number>; taken: number[] } {
  const inbox = new Inbox<number>();
  const taken: number[] = [];
  const offer = (value: number): void =>
    void inbox.put(value).then(() => {
      taken.push(value);
      offer(value + 1);
    });
  offer(1);
  return { inbox, taken };
}

async function take(inbox: Inbox<number>, upTo: number, end: 'break' | 'throw' = 'break'): Promise<number[]> {
  const got: number[] = [];
  try {
    for await (const value of inbox.iterate()) {
      got.push(value);
      if (value < upTo) continue;
      if (end === 'throw') throw new Error('left');
      break;
    }
  } catch {
    // By the loop's body.
  }
  return got;
}

describe('a loop', () => {
  test.each(['break', 'throw'] as const)(
    'left by %s and begun again goes on with the next message',
    async (end) => {
      const { inbox, taken } = counting();
      const first = await take(inbox, 2, end);
      const takenAtItsEnd = [...taken];
      expect([first, takenAtItsEnd, await take(inbox, 4, end), taken]).toEqual([
        [1, 2],
        [1],
        [3, 4],
        [1, 2, 3],
      ]);
    },
  );

  test('beside another is told BUSY, and may begin when that is left', async () => {
    const { inbox } = counting();
    const [first, second] = [inbox.iterate(), inbox.iterate()];
    expect(await first.next()).toEqual({ done: false, value: 1 });
    await expect(second.next()).rejects.toMatchObject({ code: 'BUSY' });
    await first.return?.();
    expect(await second.next()).toEqual({ done: false, value: 2 });
  });

  test('that was left is over', async () => {
    const { inbox } = counting();
    const loop = inbox.iterate();
    await loop.next();
    await loop.return?.();
    expect(await loop.next()).toEqual({ done: true, value: undefined });
  });

  test('may ask for several at once, and gets them in order', async () => {
    const { inbox, taken } = counting();
    const loop = inbox.iterate();
    const results = await Promise.all([loop.next(), loop.next(), loop.next()]);
    expect([results.map(({ value }) => value), taken]).toEqual([
      [1, 2, 3],
      [1, 2],
    ]);
  });

  test('that waits for a message when it is left ends, and the message is there for the next', async () => {
    const inbox = new Inbox<number>();
    const loop = inbox.iterate();
    const waiting = loop.next();
    await loop.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    void inbox.put(1);
    expect(await inbox.iterate().next()).toEqual({ done: false, value: 1 });
  });

  test('ends with the network: all that it asked for, and all that it asks for after', async () => {
    const inbox = new Inbox<number>();
    const loop = inbox.iterate();
    const asked = [loop.next(), loop.next()];
    inbox.close();
    const end = { done: true, value: undefined };
    expect(await Promise.all([...asked, loop.next(), inbox.iterate().next()])).toEqual([end, end, end, end]);
  });
});

describe('over a network', () => {
  test('a loop may wait for a broadcast of its own for each of 300 large messages', async () => {
    const lab = await openGroup(1);
    await using alice = await lab.start<{ ask?: number; answer?: number; pad?: Uint8Array }>(0, {
      deliver: undefined,
    });
    const { network } = alice;
    for (const ask of numbers(1, 300)) void network.broadcast({ ask, pad: new Uint8Array(30_000) });
    const answers: number[] = [];
    for await (const { msg } of network) {
      if (msg.ask !== undefined) await network.broadcast({ answer: msg.ask });
      else answers.push(msg.answer!);
      if (answers.length === 300) break;
    }
    expect(answers).toEqual(numbers(1, 300));
  });

  test('a loop may close it', async () => {
    const lab = await openGroup(1);
    const alice = await lab.start<number>(0, { deliver: undefined });
    await alice.network.broadcast(1);
    const got: number[] = [];
    for await (const { msg } of alice.network) {
      got.push(msg);
      await alice.network.close();
    }
    expect(got).toEqual([1]);
    await using again = await lab.start<number>(0);
    await until(() => again.delivered.length === 1);
  });
});
