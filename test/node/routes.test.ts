/** Where locators lead: names that are not known, that lead elsewhere later, and what a socket cannot send to. */
import { createSocket } from 'node:dgram';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type RouteChange, Routes } from '../../src/node/routes.js';
import { openUdp } from '../../src/node/udp.js';
import { INITIATION } from '../../src/session/wire.js';

describe('names', () => {
  let answers: string[] | Error;
  let lookups: number;
  let changes: RouteChange[];
  let moves: string[];
  let open: Routes[];

  beforeEach(() => {
    vi.useFakeTimers();
    [answers, lookups, changes, moves, open] = [['127.0.0.2'], 0, [], [], []];
  });
  afterEach(() => {
    for (const routes of open) routes.close();
    vi.useRealTimers();
  });

  async function started(locators: string[], isV6 = false): Promise<Routes> {
    const routes = new Routes(
      isV6,
      locators,
      (locator) => moves.push(locator),
      (change) => changes.push(change),
      async () => {
        lookups++;
        if (answers instanceof Error) throw answers;
        return answers;
      },
    );
    open.push(routes);
    await routes.start();
    return routes;
  }

  test('one that is not known keeps nobody from starting: it is told once, and looked up until it is', async () => {
    answers = Object.assign(new Error(), { code: 'ENOTFOUND' });
    const routes = await started(['b.test:7000', '127.0.0.9:7000']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(changes).toEqual([{ locator: 'b.test:7000', problem: 'unknown-name', code: 'ENOTFOUND' }]);
    expect(() => routes.route('b.test:7000')).toThrow(expect.objectContaining({ code: 'NETWORK' }));
    expect(routes.route('127.0.0.9:7000')).toEqual({ host: '127.0.0.9', port: 7000 });

    answers = ['127.0.0.2'];
    await vi.advanceTimersByTimeAsync(2500);
    expect(changes.at(-1)).toEqual({ locator: 'b.test:7000', address: '127.0.0.2:7000' });
    expect(routes.route('b.test:7000')).toEqual({ host: '127.0.0.2', port: 7000 });
    expect(routes.from('127.0.0.2:7000')).toBe('b.test:7000');
  });

  test('one that leads elsewhere is followed within 3.5 s, once its peer is silent', async () => {
    const routes = await started(['b.test:7000']);
    answers = ['127.0.0.3'];
    for (let i = 0; i < 100; i++) {
      routes.onHeard('b.test:7000');
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(lookups).toBe(1);
    expect(routes.route('b.test:7000').host).toBe('127.0.0.2');

    await vi.advanceTimersByTimeAsync(3500);
    expect(routes.route('b.test:7000').host).toBe('127.0.0.3');
    expect(routes.from('127.0.0.2:7000')).toBe('127.0.0.2:7000');
    expect(moves).toEqual(['b.test:7000', 'b.test:7000']);
    expect(changes).toEqual([{ locator: 'b.test:7000', address: '127.0.0.3:7000' }]);
  });

  test('of several addresses of one the next is tried when one is silent, without a word', async () => {
    answers = ['127.0.0.2', '127.0.0.3'];
    const routes = await started(['b.test:7000']);
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      seen.add(routes.route('b.test:7000').host);
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect([...seen].toSorted()).toEqual(['127.0.0.2', '127.0.0.3']);
    expect(changes).toEqual([]);
  });

  test('a name server that is away takes nothing back', async () => {
    const routes = await started(['b.test:7000']);
    answers = Object.assign(new Error(), { code: 'EAI_AGAIN' });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(routes.route('b.test:7000').host).toBe('127.0.0.2');
    expect(changes).toEqual([]);
  });

  test('a name server that does not answer holds up neither the start nor all threads', async () => {
    let asked = 0;
    const locators = Array.from({ length: 20 }, (_, i) => `b${i}.test:7000`);
    const never = () => {
      asked++;
      return new Promise<string[]>(() => {});
    };
    const routes = new Routes(
      false,
      locators,
      () => {},
      () => {},
      never,
    );
    open.push(routes);
    const start = routes.start();
    await vi.advanceTimersByTimeAsync(1000);
    await start;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(3);
  });

  test.each(['[::1]:7000', 'six.test:7000'])(
    '%s is told to be of another family than our IPv4 socket',
    async (locator) => {
      answers = ['::1'];
      const routes = await started([locator]);
      await vi.advanceTimersByTimeAsync(10_000);
      expect(changes).toEqual([{ locator, problem: 'other-family' }]);
      expect(routes.from('[::1]:7000')).toBe('[::1]:7000');
    },
  );

  test('an IPv6 socket reaches IPv4 addresses, and hears them, by their locators', async () => {
    const routes = await started(['b.test:7000', '127.0.0.9:7000'], true);
    expect(routes.route('b.test:7000').host).toBe('::ffff:127.0.0.2');
    expect(routes.from('127.0.0.9:7000')).toBe('127.0.0.9:7000');
    expect(changes).toEqual([]);
  });
});

test('a request for a session that was made in vain goes out at once to where the name leads now', async () => {
  const peer = createSocket('udp4');
  await new Promise<void>((done) => peer.bind(0, '127.0.0.1', done));
  const heard = new Promise<Uint8Array>((done) => peer.once('message', (bytes) => done(bytes)));
  const locator = `b.test:${peer.address().port}`;
  let address = '127.0.0.2';
  const socket = await openUdp('127.0.0.1:0', [locator], () => {}, { lookupName: async () => [address] });
  socket.send(locator, Uint8Array.of(INITIATION, 1, 2, 3));
  socket.flush();
  address = '127.0.0.1';
  expect(new Uint8Array(await heard)).toEqual(Uint8Array.of(INITIATION, 1, 2, 3));
  await socket.close();
  await new Promise<void>((done) => peer.close(() => done()));
});

test('what comes from where a name leads is known as the peer’s from the moment that this is known', async () => {
  const peer = createSocket('udp4');
  await new Promise<void>((done) => peer.bind(0, '127.0.0.1', done));
  const { port } = peer.address();
  const froms: string[] = [];
  let known = false;
  const socket = await openUdp('127.0.0.1:0', [`b.test:${port}`], (from) => froms.push(from), {
    lookupName: async () => {
      if (!known) throw new Error();
      return ['127.0.0.1'];
    },
  });
  const ours = Number(socket.address.split(':').at(-1));
  const hear = async (wanted: string) => {
    await expect
      .poll(
        () => {
          peer.send('hello', ours, '127.0.0.1');
          return froms.at(-1);
        },
        { timeout: 10_000 },
      )
      .toBe(wanted);
  };
  await hear(`127.0.0.1:${port}`);
  known = true;
  await hear(`b.test:${port}`);
  await socket.close();
  await new Promise<void>((done) => peer.close(() => done()));
});
