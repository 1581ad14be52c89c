/** Calls that wait for room, for their message to be durable, and for what becomes of it: with an endpoint of so much room. */
import { describe, expect, test } from 'vitest';
import { Aborts } from '../../src/node/aborts.js';
import { Submissions } from '../../src/node/submissions.js';

const ID = { origin: 0, incarnation: 1 };

/** An endpoint with room for so many messages; `given` are those that it has. */
function setUp(room: number) {
  const given = new Map<number, string>();
  let tickets = 0;
  let wakes = 0;
  const sender = {
    submit(bytes: Uint8Array) {
      given.set(tickets, new TextDecoder().decode(bytes));
      return tickets++;
    },
    cancel: (ticket: number) => given.delete(ticket),
    get hasRoom() {
      return given.size < room;
    },
    find: () => undefined,
  };
  const submissions = new Submissions(sender, new Aborts(), () => wakes++);
  const submit = (text: string, signal?: AbortSignal, key?: string) => {
    const settled = { by: '' };
    submissions
      .submit(
        new TextEncoder().encode(text),
        signal,
        key === undefined ? undefined : new TextEncoder().encode(key),
      )
      .then(
        ({ seq, index }) => (settled.by = `${seq}.${index}`),
        (error) => (settled.by = error.code ?? error.message),
      );
    return settled;
  };
  return { submissions, submit, given, wakes: () => wakes, texts: () => [...given.values()] };
}

const settle = () => new Promise((done) => setImmediate(done));

describe('a call', () => {
  test('waits until there is room, in the order of the calls', () => {
    const { submissions, submit, given, texts } = setUp(2);
    for (const text of ['a', 'b', 'c', 'd']) submit(text);
    given.clear();
    submissions.onDurable({ id: { ...ID, seq: 0 }, tickets: [0, 1] });
    expect(texts()).toEqual(['c', 'd']);
  });

  test('wakes who is to work on it', () => {
    const { submit, wakes } = setUp(1);
    for (const text of ['a', 'b']) submit(text);
    expect(wakes()).toBe(1);
  });

  test('is told under which name its message is durable', async () => {
    const { submissions, submit } = setUp(9);
    const calls = ['a', 'b'].map((text) => submit(text));
    submissions.onDurable({ id: { ...ID, seq: 4 }, tickets: [0, 1] });
    await settle();
    expect(calls.map(({ by }) => by)).toEqual(['4.0', '4.1']);
  });

  test('that is refused is told so, and leaves its room to the next', async () => {
    const { submissions, submit, given, texts } = setUp(1);
    const [first] = ['a', 'b'].map((text) => submit(text));
    given.clear();
    submissions.onRefused([0]);
    await settle();
    expect([first.by, texts()]).toEqual(['BUSY', ['b']]);
  });

  test('is rejected when the node closes, wherever it waits', async () => {
    const { submissions, submit } = setUp(1);
    const calls = ['a', 'b'].map((text) => submit(text));
    submissions.close(new Error('closed'));
    await settle();
    expect(calls.map(({ by }) => by)).toEqual(['closed', 'closed']);
  });
});

describe('a call that is taken back', () => {
  test('while it waits is never sent', async () => {
    const { submissions, submit, given, texts } = setUp(1);
    const controller = new AbortController();
    submit('a');
    const second = submit('b', controller.signal);
    submit('c');
    controller.abort();
    given.clear();
    submissions.onDurable({ id: { ...ID, seq: 0 }, tickets: [0] });
    await settle();
    expect([second.by, texts()]).toEqual(['ABORTED', ['c']]);
  });

  test('while it has room leaves that to the next', async () => {
    const { submit, texts } = setUp(1);
    const controller = new AbortController();
    submit('a', controller.signal);
    submit('b');
    controller.abort();
    expect(texts()).toEqual(['b']);
  });
});

describe('calls with one key', () => {
  test('are one message, and are all told of it', async () => {
    const { submissions, submit, texts } = setUp(9);
    const calls = ['a', 'a'].map((text) => submit(text, undefined, 'key'));
    await settle();
    submissions.onDurable({ id: { ...ID, seq: 0 }, tickets: [0] });
    await settle();
    expect([texts(), calls.map(({ by }) => by)]).toEqual([['a'], ['0.0', '0.0']]);
  });

  test('of which one is taken back are sent all the same', async () => {
    const { submit, texts } = setUp(9);
    const controller = new AbortController();
    const first = submit('a', controller.signal, 'key');
    submit('a', undefined, 'key');
    controller.abort();
    await settle();
    expect([first.by, texts()]).toEqual(['ABORTED', ['a']]);
  });

  test('that are all taken back are not', async () => {
    const { submit, texts } = setUp(9);
    const controller = new AbortController();
    for (let i = 0; i < 2; i++) submit('a', controller.signal, 'key');
    controller.abort();
    await settle();
    expect(texts()).toEqual([]);
  });
});
