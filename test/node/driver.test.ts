/** The loop between an endpoint and its socket and store, with an endpoint that does as it is told and a store that fails. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { StoreRequest } from '../../src/broadcast/delivery/journal.js';
import { MILLISECOND, type Micros, NEVER } from '../../src/core/time.js';
import type { Endpoint, EndpointEvent, Transmit } from '../../src/member/endpoint.js';
import { type Driver, startDriver } from '../../src/node/driver.js';
import type { Store } from '../../src/store/store.js';

const ID = { origin: 1, incarnation: 7, seq: 3 };
const STEP = 10;

/** What an endpoint is asked and told, and what it wants. */
class Script {
  readonly told: unknown[] = [];
  readonly requests: StoreRequest[] = [];
  readonly datagrams: Transmit[] = [];
  readonly events: EndpointEvent[] = [];
  /** What is done as an event is told. */
  onEvent = () => {};
  due: Micros = NEVER;
  flushes = 0;
  turns = 0;

  readonly endpoint = {
    nextTimeout: () => this.due,
    handleTimeout: () => {
      this.told.push('timeout');
      this.due = NEVER;
    },
    pollTransmit: () => this.datagrams.shift(),
    pollEvent: () => {
      this.turns++;
      return this.events.shift();
    },
    takeBack: () => this.told.push('taken back'),
    handleStall: () => this.told.push('stall'),
    handleDatagram: (_now: Micros, from: string) => this.told.push(`from ${from}`),
    store: {
      pollRequest: () => this.requests.shift(),
      handleCommitted: (_now: Micros, bytes: number) => this.told.push(`committed ${bytes}`),
      handleCommitFailed: () => this.told.push('commit failed'),
      handleRead: (_now: Micros, { seq }: { seq: number }, object: unknown) =>
        this.told.push(`read ${seq} ${object === undefined ? 'nothing' : 'something'}`),
    },
  } as unknown as Endpoint;
}

let script: Script;
let driver: Driver | undefined;
beforeEach(() => {
  vi.useFakeTimers();
  script = new Script();
});
afterEach(() => {
  driver?.stop();
  vi.useRealTimers();
});

/** Starts it, and lets what it does come to an end. */
async function start(store: Partial<Store>, isSent = true): Promise<void> {
  driver = startDriver(script.endpoint, {
    socket: {
      send(to) {
        script.told.push(`to ${to}`);
        return isSent;
      },
      flush: () => script.flushes++,
    },
    store: store as Store,
    onEvent({ type }) {
      script.told.push(`event ${type}`);
      script.onEvent();
    },
    onStoreError: ({ message }) => script.told.push(`error ${message}`),
  });
  await vi.advanceTimersByTimeAsync(STEP);
}

describe('the store', () => {
  test('is asked, and its answers go to the endpoint', async () => {
    script.requests.push({ type: 'commit', writes: [] }, { type: 'read', id: ID });
    await start({ commit: async () => 9, read: async () => ({}) as never });
    expect(script.told).toEqual(['committed 9', 'read 3 something']);
  });

  test('that fails to commit is told of, to the endpoint first', async () => {
    script.requests.push({ type: 'commit', writes: [] });
    await start({ commit: () => Promise.reject(new Error('full')) });
    expect(script.told).toEqual(['commit failed', 'error full']);
  });

  test('that fails to read has nothing, and that is told of', async () => {
    script.requests.push({ type: 'read', id: ID });
    await start({ read: () => Promise.reject(new Error('broken')) });
    expect(script.told).toEqual(['read 3 nothing', 'error broken']);
  });

  test('that answers after the end is not heard', async () => {
    let answer = (_bytes: number) => {};
    script.requests.push({ type: 'commit', writes: [] });
    await start({ commit: () => new Promise((done) => (answer = done)) });
    driver!.stop();
    answer(9);
    await vi.advanceTimersByTimeAsync(STEP);
    expect(script.told).toEqual([]);
  });
});

describe('a turn', () => {
  test('gives memory back that the system has taken, and no other', async () => {
    script.datagrams.push({ to: 'a', bytes: new Uint8Array(9) });
    await start({}, true);
    script.datagrams.push({ to: 'b', bytes: new Uint8Array(9) });
    driver!.stop();
    await start({}, false);
    expect(script.told).toEqual(['to a', 'taken back', 'to b']);
  });

  test('lets go what waits for company once it has sent all that it may, and not while it has nothing', async () => {
    await start({}, true);
    const before = script.flushes;
    for (let i = 0; i < 3; i++) script.datagrams.push({ to: 'a', bytes: new Uint8Array(9) });
    driver!.wake();
    await vi.advanceTimersByTimeAsync(STEP);
    expect([before, script.flushes]).toEqual([0, 1]);
  });

  test('goes on in the next one where there is more than it may send, so that all of it goes', async () => {
    for (let i = 0; i < 200; i++) script.datagrams.push({ to: 'a', bytes: new Uint8Array(9) });
    await start({}, false);
    expect(script.told.length).toBe(200);
  });

  test('goes on where there are more events than it tells, so that all are told', async () => {
    for (let i = 0; i < 600; i++) script.events.push({ type: 'store-full', full: true });
    await start({});
    expect(script.told.length).toBe(600);
  });

  test('comes by itself when the endpoint is due, and not before', async () => {
    await start({});
    script.due = driver!.now() + 50 * MILLISECOND;
    driver!.wake();
    await vi.advanceTimersByTimeAsync(45);
    const before = [...script.told];
    await vi.advanceTimersByTimeAsync(10);
    expect([before, script.told]).toEqual([[], ['timeout']]);
  });

  test('comes earlier if what is due has become earlier', async () => {
    await start({});
    script.due = driver!.now() + 500 * MILLISECOND;
    driver!.wake();
    await vi.advanceTimersByTimeAsync(5);
    script.due = driver!.now() + 20 * MILLISECOND;
    driver!.wake();
    await vi.advanceTimersByTimeAsync(30);
    expect(script.told).toEqual(['timeout']);
  });

  test('does not come for what has become due later meanwhile', async () => {
    await start({});
    script.due = driver!.now() + 20 * MILLISECOND;
    driver!.wake();
    await vi.advanceTimersByTimeAsync(5);
    script.due += 50 * MILLISECOND;
    const { turns } = script;
    await vi.advanceTimersByTimeAsync(30);
    const between = script.turns - turns;
    await vi.advanceTimersByTimeAsync(50);
    expect([between, script.told]).toEqual([0, ['timeout']]);
  });

  test.each([
    ['follows what the endpoint is told as it tells, if that is due at once', 0, ['timeout']],
    ['does not, if that has time', 50, []],
  ])('%s', async (_, milliseconds, expected) => {
    // No timer fires, so that a turn is one that follows.
    await start({});
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    script.events.push({ type: 'store-full', full: true });
    script.onEvent = () => {
      script.due = driver!.now() + milliseconds * MILLISECOND;
      driver!.stir();
    };
    const { turns } = script;
    driver!.wake();
    for (let i = 0; i < 4; i++) await new Promise((done) => setImmediate(done));
    expect([script.turns - turns, script.told.slice(1)]).toEqual([2 + expected.length, expected]);
  });

  test('follows a datagram, unless it has ended', async () => {
    await start({});
    driver!.onDatagram('a', new Uint8Array(1));
    script.events.push({ type: 'store-full', full: true });
    await vi.advanceTimersByTimeAsync(STEP);
    driver!.stop();
    driver!.onDatagram('b', new Uint8Array(1));
    await vi.advanceTimersByTimeAsync(STEP);
    expect(script.told).toEqual(['from a', 'event store-full']);
  });
});
