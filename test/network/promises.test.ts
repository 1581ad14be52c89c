/**
 * What is promised to a consumer (docs/GUIDE.md), at both facades: `Node`, whose messages are bytes, and `createNetwork`. Where
 * they differ the test says so. Loops, which only a network has, are at the end, and in inbox.test.ts.
 */
import { describe, expect, test } from 'vitest';
import { createNetwork, rawBytes } from '../../src/network/create.js';
import { Node } from '../../src/node/node.js';
import type { MessageId } from '../../src/wire/symbol.js';
import { gate, numbers, openGroup, type TestGroup, until } from './members.js';

interface Member extends AsyncDisposable {
  broadcast(msg: Uint8Array, options?: { signal?: AbortSignal }): Promise<unknown>;
  close(): Promise<void>;
}

type Deliver = (msg: Uint8Array, from: number, id: MessageId) => void | Promise<void>;
type Start = (lab: TestGroup, member: number, deliver: Deliver, options?: object) => Promise<Member>;

const startNode: Start = async (lab, member, deliver, options) => {
  const node = await Node.start({
    group: lab.group,
    secretKey: lab.secretKeys[member],
    order: 'causal',
    deliver: ({ bytes, from, id }) => deliver(bytes, from.index, id),
    ...options,
  });
  const close = () => node.close();
  return { broadcast: (msg, call) => node.submit(msg, call), close, [Symbol.asyncDispose]: close };
};

const startNetwork: Start = async (lab, member, deliver, options) =>
  createNetwork<Uint8Array>(
    { group: lab.group, secretKey: lab.secretKeys[member], codec: rawBytes, ...options },
    { deliver: (msg, from, id) => deliver(msg, from.index, id) },
  );

const QUESTION = 1;
const ANSWER = 2;
/** What a message says: its kind and a number. */
const message = (kind: number, number: number, size = 8) => {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, number);
  bytes[4] = kind;
  return bytes;
};
const numberOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);

describe.each([
  ['Node', startNode],
  ['createNetwork', startNetwork],
] as const)('%s: a consumer', (_, start) => {
  test('alone in its group answers each of 300 large messages from within `deliver`, and waits for it', async () => {
    const lab = await openGroup(1);
    const answers: number[] = [];
    await using alice: Member = await start(lab, 0, async (bytes) => {
      if (bytes[4] === ANSWER) answers.push(numberOf(bytes));
      else await alice.broadcast(message(ANSWER, numberOf(bytes)));
    });
    // Each as large as an object, so that there are more than may be under way.
    await Promise.all(numbers(1, 300).map((i) => alice.broadcast(message(QUESTION, i, 30_000))));
    await until(() => answers.length === 300);
    expect(answers).toEqual(numbers(1, 300));
  });

  test('of three, each of which answers all the others from within `deliver`, gets every answer', async () => {
    const lab = await openGroup(3);
    const count = 100;
    const members: Member[] = [];
    const heard = [0, 1, 2].map(() => ({ questions: 0, answers: 0 }));
    try {
      for (const self of [0, 1, 2])
        members.push(
          await start(lab, self, async (bytes, from) => {
            if (bytes[4] === ANSWER) heard[self].answers++;
            else {
              heard[self].questions++;
              if (from !== self) await members[self].broadcast(message(ANSWER, numberOf(bytes), 5000));
            }
          }),
        );
      for (const member of members)
        for (const i of numbers(1, count)) void member.broadcast(message(QUESTION, i, 10_000));
      await until(() => heard.every(({ answers }) => answers === 6 * count));
      expect(heard.map(({ questions }) => questions)).toEqual([3 * count, 3 * count, 3 * count]);
    } finally {
      await Promise.all(members.map((member) => member.close()));
    }
  }, 120_000);

  test('may overwrite the bytes it gets: who comes later still gets what was sent', async () => {
    const lab = await openGroup(3);
    let taken = 0;
    const overwrite: Deliver = (bytes) => {
      bytes.fill(0);
      taken++;
    };
    await using alice: Member = await start(lab, 0, overwrite);
    await using _bob: Member = await start(lab, 1, overwrite);
    await alice.broadcast(message(QUESTION, 7, 20_000));
    await until(() => taken === 2);
    const got: number[] = [];
    await using _carol: Member = await start(lab, 2, (bytes) => {
      got.push(numberOf(bytes));
    });
    await until(() => got.length === 1);
    expect(got).toEqual([7]);
  });

  test('that throws gets the same bytes again, whatever it did to them', async () => {
    const lab = await openGroup(1);
    const got: number[] = [];
    await using alice: Member = await start(lab, 0, (bytes) => {
      got.push(numberOf(bytes));
      bytes.fill(0);
      if (got.length < 3) throw new Error('not yet');
    });
    await alice.broadcast(message(QUESTION, 7));
    await until(() => got.length === 3);
    expect(got).toEqual([7, 7, 7]);
  });

  test('broadcasts 5000 messages one after the other from within one `deliver`', async () => {
    const lab = await openGroup(1);
    let answers = 0;
    await using alice: Member = await start(lab, 0, async (bytes) => {
      if (bytes[4] === ANSWER) answers++;
      else for (const i of numbers(1, 5000)) await alice.broadcast(message(ANSWER, i));
    });
    await alice.broadcast(message(QUESTION, 1));
    await until(() => answers === 5000);
  });

  test('that waits for more room than it leaves is told BUSY, and goes on', async () => {
    const lab = await openGroup(1);
    const codes: string[] = [];
    let answers = 0;
    const deliver: Deliver = async (bytes) => {
      if (bytes[4] === ANSWER) answers++;
      else
        for (let i = 0; codes.length === 0; i++)
          await alice.broadcast(message(ANSWER, i, 30_000)).catch((error) => codes.push(error.code));
    };
    await using alice: Member = await start(lab, 0, deliver, { maxStoredBytes: 1_000_000 });
    await alice.broadcast(message(QUESTION, 1));
    await until(() => codes.length > 0 && answers >= 33);
    expect(codes).toEqual(['BUSY']);
    await alice.broadcast(message(ANSWER, 0));
  }, 60_000);

  test('that stands still makes the sender wait once a share of the store waits for it', async () => {
    const lab = await openGroup(1);
    const { opened, open } = gate();
    let delivered = 0;
    const deliver: Deliver = async () => {
      await opened;
      delivered++;
    };
    await using alice = await start(lab, 0, deliver, { maxStoredBytes: 2_000_000 });
    let accepted = 0;
    const count = 300;
    const sending = numbers(1, count).map((i) =>
      alice.broadcast(message(QUESTION, i, 30_000)).then(() => accepted++),
    );
    await until(() => accepted >= 60);
    await new Promise((done) => setTimeout(done, 300));
    expect(accepted).toBeLessThan(150);
    open();
    await Promise.all(sending);
    await until(() => delivered === count);
  });

  test('may write into what it gets: it, and a member that comes later, get what was sent', async () => {
    const lab = await openGroup(3);
    const got: number[][] = [];
    const overwrite = (attempts: number): Deliver => {
      let failures = 0;
      return (bytes) => {
        got.push([...bytes]);
        bytes.fill(0xff);
        if (failures++ < attempts) throw new Error('once more');
      };
    };
    await using alice = await start(lab, 0, overwrite(1));
    await using _bob = await start(lab, 1, overwrite(0));
    await alice.broadcast(message(QUESTION, 7));
    await until(() => got.length === 3);
    await using _carol = await start(lab, 2, overwrite(0));
    await until(() => got.length === 4);
    expect(got).toEqual(numbers(1, 4).map(() => [...message(QUESTION, 7)]));
  });

  test('gets one message at a time, and the same one again if it throws', async () => {
    const lab = await openGroup(1);
    const calls: number[] = [];
    let atOnce = 0;
    await using alice = await start(lab, 0, async (bytes) => {
      expect(++atOnce).toBe(1);
      await new Promise((done) => setTimeout(done, 1));
      atOnce--;
      calls.push(numberOf(bytes));
      if (calls.length === 2) throw new Error('once');
    });
    for (const i of numbers(1, 3)) void alice.broadcast(message(QUESTION, i));
    await until(() => calls.length === 4);
    expect(calls).toEqual([1, 2, 2, 3]);
  });

  test('may close from within `deliver`: it is not called again, and what waits is told CLOSED', async () => {
    const lab = await openGroup(1);
    let calls = 0;
    const closed: Promise<void>[] = [];
    const alice: Member = await start(lab, 0, async () => {
      calls++;
      closed.push(alice.close());
      await closed[0];
    });
    const codes = new Set<string>();
    const sending = numbers(1, 9000).map((i) =>
      alice.broadcast(message(QUESTION, i)).catch((error) => codes.add(error.code)),
    );
    await Promise.all(sending);
    await closed[0];
    expect([calls, [...codes]]).toEqual([1, ['CLOSED']]);
  });
});

describe.each([
  ['Node', startNode],
  ['createNetwork', startNetwork],
] as const)('%s: a sender', (_, start) => {
  test('of 20,000 messages at once under one AbortSignal gets them all, without a warning', async () => {
    const lab = await openGroup(1);
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => warnings.push(name);
    process.on('warning', onWarning);
    let delivered = 0;
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    try {
      await using alice = await start(lab, 0, () => void delivered++);
      const { signal } = new AbortController();
      const count = 20_000;
      await Promise.all(numbers(1, count).map((i) => alice.broadcast(message(QUESTION, i), { signal })));
      await until(() => delivered === count);
      expect(warnings).toEqual([]);
      // Others get their turns while all that waits goes through.
      expect(turns).toBeGreaterThan(10);
    } finally {
      clearInterval(ticking);
      process.off('warning', onWarning);
    }
  });

  test('takes back all that waits with one AbortSignal', async () => {
    const lab = await openGroup(2);
    await using alice = await start(lab, 0, () => {});
    const controller = new AbortController();
    const codes: string[] = [];
    // Without a quorum they wait, most of them for room.
    const sending = numbers(1, 10_000).map((i) =>
      alice
        .broadcast(message(QUESTION, i, 1000), { signal: controller.signal })
        .catch((error) => codes.push(error.code)),
    );
    controller.abort();
    await Promise.all(sending);
    expect(new Set(codes)).toEqual(new Set(['ABORTED']));
  });

  test('that closes twice waits both times until the store is free', async () => {
    const lab = await openGroup(1);
    const alice = await start(lab, 0, () => {});
    await alice.broadcast(message(QUESTION, 1));
    let first = false;
    void alice.close().then(() => {
      first = true;
    });
    await alice.close();
    expect(first).toBe(true);
  });
});

describe('a loop over the messages of a network', () => {
  const open = (lab: TestGroup) => lab.start<number>(0, { deliver: undefined });
  const loop = async ({ network }: Awaited<ReturnType<typeof open>>, upTo: number, body = () => {}) => {
    const got: number[] = [];
    for await (const { msg } of network) {
      got.push(msg);
      body();
      if (msg === upTo) break;
    }
    return got;
  };

  test('that is left by break, and begun again: each message comes once', async () => {
    const lab = await openGroup(1);
    await using alice = await open(lab);
    for (const i of numbers(1, 6)) await alice.network.broadcast(i);
    expect([await loop(alice, 2), await loop(alice, 3), await loop(alice, 6)]).toEqual([
      [1, 2],
      [3],
      [4, 5, 6],
    ]);
  });

  test('whose body throws has had that message: the next loop goes on behind it', async () => {
    const lab = await openGroup(1);
    await using alice = await open(lab);
    for (const i of numbers(1, 3)) await alice.network.broadcast(i);
    const fail = () => {
      throw new Error('no');
    };
    await expect(loop(alice, 3, fail)).rejects.toThrow('no');
    expect(await loop(alice, 3)).toEqual([2, 3]);
  });

  test('that was left before a close: what it had in hand comes again after the next start', async () => {
    const lab = await openGroup(1);
    const first = await open(lab);
    for (const i of numbers(1, 3)) await first.network.broadcast(i);
    await loop(first, 2);
    await first.network.close();
    await using again = await open(lab);
    expect(await loop(again, 3)).toEqual([2, 3]);
  });
});
