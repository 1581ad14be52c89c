import { describe, expect, test } from 'vitest';
import type { HeaderResponse, RangeResponse, TxnResponse } from '../../src/gateway/api/messages.js';
import { writeChange } from '../../src/gateway/state/change.js';
import { bytes, compareMod, range, SECOND, Seat, text, valuesOf, watchFrom } from './seat.js';

const TAG = '00'.repeat(16);
const foreign = (key: string, value: string, stamp = 1, lease = 0n) =>
  writeChange({ tag: TAG, stamp, puts: [{ key, value: bytes(value), lease }], revoked: [] });

describe('a put', () => {
  test('is answered once it is delivered and durable, with the revision that it has then', () => {
    const seat = new Seat().connect();
    const call = seat.put('a', '1');
    expect(seat.answer(call)).toBeUndefined();
    seat.deliver();
    expect(seat.answer(call)).toBeUndefined();
    seat.commit();
    expect(seat.answer<HeaderResponse>(call)?.header.revision).toBe(2);
    expect(seat.range('a').kvs?.[0].mod_revision).toBe(2);
  });

  test('tried again while it is under way is sent once, and both are answered', () => {
    const seat = new Seat().connect();
    const calls = [seat.put('a', '1'), seat.put('a', '1')];
    seat.settle();
    expect(calls.map((call) => seat.answer<HeaderResponse>(call)?.header.revision)).toEqual([2, 2]);
    expect(seat.gateway.state.revision).toBe(2);
  });

  test('of the same bytes after that is another message', () => {
    const seat = new Seat().connect();
    seat.put('a', '1');
    seat.settle();
    const again = seat.put('a', '1');
    seat.settle();
    expect(seat.answer<HeaderResponse>(again)?.header.revision).toBe(3);
  });

  test('has after a restart the name that it had before, while it is not applied', () => {
    const first = new Seat().connect();
    first.put('msg-a', '1');
    first.answer(0);
    const second = new Seat({ disk: first.disk }).connect();
    second.put('msg-a', '1');
    second.answer(0);
    expect(second.submitted[0].tag).toBe(first.submitted[0].tag);
  });

  test('without a quorum is refused at once, and right after the start when nobody has come', () => {
    const seat = new Seat();
    const early = seat.put('a', '1');
    expect(seat.failure(early)).toBeUndefined();
    seat.wait(4 * SECOND);
    expect(seat.failure(early)?.code).toBe(14);
    expect(seat.failure(seat.put('a', '1'))?.code).toBe(14);
    expect(seat.submitted).toEqual([]);
  });

  test('that waits is told when the quorum is lost', () => {
    const seat = new Seat().connect();
    const call = seat.put('a', '1');
    for (const member of [1, 2]) seat.gateway.handleReachable(seat.now, member, false);
    expect(seat.failure(call)?.message).toBe('etcdserver: no leader');
  });

  test('whose client has given up is not sent again when it asks once more, and is the time after that', () => {
    const seat = new Seat().connect();
    seat.gateway.handleGone(seat.put('a', '1'));
    seat.settle();
    expect(seat.answer<HeaderResponse>(seat.put('a', '1'))?.header.revision).toBe(2);
    const third = seat.put('a', '1');
    seat.settle();
    expect(seat.answer<HeaderResponse>(third)?.header.revision).toBe(3);
  });

  test('with an unknown lease is refused with the one error that all nodes survive', () => {
    const seat = new Seat().connect();
    expect(seat.failure(seat.put('a', '1', 99n))?.code).toBe(14);
  });
});

describe('a message as hydra-node sends it', () => {
  test('succeeds with its own revision, then fails with that, so that a repetition is no second one', () => {
    const seat = new Seat().connect();
    const first = seat.send('msg-a', '1', 0);
    seat.settle();
    expect(seat.answer(first)).toMatchObject({ succeeded: true, header: { revision: 2 } });
    const again = seat.send('msg-a', '1', 0);
    const { succeeded, responses } = seat.answer(again)!;
    expect(succeeded).toBe(false);
    expect(responses[0].response_range?.kvs?.[0].mod_revision).toBe(2);
  });

  test('tried again while it is under way is sent once', () => {
    const seat = new Seat().connect();
    const calls = [seat.send('msg-a', '1', 0), seat.send('msg-a', '1', 0)];
    seat.settle();
    for (const call of calls)
      expect(seat.answer(call)).toMatchObject({ succeeded: true, header: { revision: 2 } });
    expect(seat.gateway.state.revision).toBe(2);
  });

  test('of another content waits for the one under way, and fails as that has changed the key', () => {
    const seat = new Seat().connect();
    seat.send('msg-a', '1', 0);
    const other = seat.send('msg-a', '2', 0);
    seat.settle();
    expect(seat.answer(other)?.succeeded).toBe(false);
  });

  describe('that the former run had sent', () => {
    const restart = () => {
      const first = new Seat().connect();
      first.send('msg-a', '1', 0);
      first.answer(0);
      const unsettled = { origin: 0, incarnation: 1, seq: 0, index: 0 };
      return { left: first.submitted[0], seat: new Seat({ disk: first.disk, unsettled }).connect() };
    };

    test('is not sent again, whatever revision its node knows', () => {
      for (const known of [0, 2]) {
        const { left, seat } = restart();
        seat.receive(0, left.bytes, { seq: 0 });
        seat.commit();
        const call = seat.send('msg-a', '1', known);
        expect(seat.answer(call)).toMatchObject({ succeeded: true, header: { revision: 2 } });
      }
    });

    test('does not keep back what its node had not sent', () => {
      const { left, seat } = restart();
      seat.receive(0, left.bytes, { seq: 0 });
      seat.commit();
      const call = seat.send('msg-a', '1 and 2', 0);
      seat.settle();
      expect(seat.answer(call)).toMatchObject({ succeeded: true, header: { revision: 3 } });
    });
  });
});

describe('a watch', () => {
  test('tells of one revision at a time, with its number in the header', () => {
    const seat = new Seat().connect();
    for (const value of ['1', '2', '3']) {
      seat.put('msg-a', value);
      seat.settle();
    }
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(2));
    expect(watches.poll()).toMatchObject({ created: true, revision: 1 });
    for (const [i, value] of ['1', '2', '3'].entries()) {
      const { revision, events } = watches.poll()!;
      expect([revision, valuesOf(events)]).toEqual([i + 2, [value]]);
    }
    expect(watches.poll()).toBeUndefined();
  });

  test('is given nothing that is not durable', () => {
    const seat = new Seat().connect();
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(1));
    watches.poll();
    seat.put('msg-a', '1');
    seat.deliver();
    expect(watches.poll()).toBeUndefined();
    seat.commit();
    expect(valuesOf(watches.poll()?.events)).toEqual(['1']);
  });

  test('leaves out other keys', () => {
    const seat = new Seat().connect();
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(1));
    watches.poll();
    seat.put('alive-a', '1');
    seat.settle();
    seat.put('msg-a', '2');
    seat.settle();
    expect(watches.poll()).toMatchObject({ revision: 3 });
    expect(watches.poll()).toBeUndefined();
  });

  test('that begins above a new store gets all, under numbers above', () => {
    const seat = new Seat({ watched: false }).connect();
    seat.receive(1, foreign('msg-b', '1'));
    seat.commit();
    expect(seat.gateway.isBusy).toBe(true);
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(501));
    seat.gateway.onWatch(seat.now);
    seat.commit();
    expect(watches.poll()).toMatchObject({ created: true, revision: 500 });
    const { revision, events } = watches.poll()!;
    expect([revision, valuesOf(events)]).toEqual([501, ['1']]);
  });

  test('that begins with what is compacted is told the first revision that is not, and begins there', () => {
    const seat = new Seat().connect();
    for (const value of ['1', '2', '3']) {
      seat.put('msg-a', value);
      seat.settle();
    }
    seat.gateway.kv.compact(seat.call(), 3);
    seat.commit();
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(1));
    watches.poll();
    expect(watches.poll()).toMatchObject({ canceled: true, compact_revision: 3 });
    watches.handle(watchFrom(3));
    watches.poll();
    expect(valuesOf(watches.poll()?.events)).toEqual(['2']);
  });

  test('tells of two in turn, and of none that was cancelled', () => {
    const seat = new Seat().connect();
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(1));
    watches.handle(watchFrom(1));
    for (let i = 0; i < 2; i++) watches.poll();
    seat.put('msg-a', '1');
    seat.settle();
    expect([watches.poll()?.watch_id, watches.poll()?.watch_id]).toEqual([0, 1]);
    watches.handle({ cancel_request: { watch_id: 0 } });
    expect(watches.poll()).toMatchObject({ watch_id: 0, canceled: true });
    seat.put('msg-a', '2');
    seat.settle();
    expect([watches.poll()?.watch_id, watches.poll()]).toEqual([1, undefined]);
  });
});

describe('history', () => {
  test('is kept from what the local node has read on, however little that is', () => {
    const seat = new Seat({ retention: { revisions: 10 } }).connect();
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(1));
    for (let i = 0; i < 200; i++) {
      seat.put('msg-a', `${i}`);
      seat.settle();
      seat.wait(1);
    }
    expect(seat.gateway.state.compacted).toBe(1);
  });

  test('ends below what it has read and is to be kept', () => {
    const seat = new Seat({ retention: { revisions: 10 } }).connect();
    for (let i = 0; i < 200; i++) {
      seat.put('msg-a', `${i}`);
      seat.settle();
    }
    seat.gateway.watch().handle(watchFrom(150));
    seat.wait(1);
    seat.commit();
    expect(seat.gateway.state.compacted).toBe(139);
    expect(seat.disk.next(0)?.number).toBe(139);
    expect(seat.value('msg-a')).toBe('199');
  });

  test('is not raised by a watch that asks for what no store can have counted', () => {
    const seat = new Seat().connect();
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(2 ** 63));
    expect(watches.poll()).toMatchObject({
      canceled: true,
      cancel_reason: expect.stringContaining('at most'),
    });
    seat.put('msg-a', '1');
    seat.settle();
    expect(seat.gateway.state.revision).toBe(2);
  });

  test('goes on after a restart where it was', () => {
    const seat = new Seat().connect();
    seat.put('msg-a', '1');
    seat.settle();
    const again = new Seat({ disk: seat.disk }).connect();
    expect(again.value('msg-a')).toBe('1');
    again.put('msg-a', '2');
    again.settle();
    expect(again.range('msg-a').kvs?.[0]).toMatchObject({ create_revision: 2, mod_revision: 3, version: 2 });
  });

  test('has a message once that is delivered again after a crash', () => {
    const seat = new Seat();
    seat.receive(1, foreign('msg-b', '1'), { seq: 4 });
    seat.commit();
    const again = new Seat({ disk: seat.disk });
    again.receive(1, foreign('msg-b', '1'), { seq: 4 });
    again.receive(1, foreign('msg-b', '2'), { seq: 5 });
    again.commit();
    expect(again.gateway.state.revision).toBe(3);
  });

  test('that is in the journal alone is there after a crash, under the same numbers', () => {
    const seat = new Seat().connect();
    const call = seat.put('a', '1');
    seat.deliver();
    seat.keep();
    expect(seat.answer<HeaderResponse>(call)?.header.revision).toBe(2);
    const again = new Seat({ disk: seat.disk }).connect();
    expect(again.range('a').kvs?.[0].mod_revision).toBe(2);
    again.commit();
    expect(new Seat({ disk: again.disk }).value('a')).toBe('1');
  });

  test('is shown from the journal and from the log alike', () => {
    const seat = new Seat().connect();
    const watches = seat.gateway.watch();
    watches.handle(watchFrom(1));
    watches.poll();
    const seen = [1, 2, 3, 4].flatMap((i) => {
      seat.put('msg-a', `${i}`);
      seat.deliver();
      seat.keep();
      if (i === 2) seat.commit();
      return valuesOf(watches.poll()?.events);
    });
    expect(seen).toEqual(['1', '2', '3', '4']);
  });
});

describe('two members that put one key', () => {
  test('end with the same value, in whatever order they come', () => {
    const [a, b] = [foreign('k', 'a', 5), foreign('k', 'b', 6)];
    const values = [
      [a, b],
      [b, a],
    ].map((order) => {
      const seat = new Seat();
      for (const message of order) seat.receive(message === a ? 1 : 2, message);
      return seat.value('k');
    });
    expect(values).toEqual(['b', 'b']);
  });
});

describe('leases', () => {
  const grant = (seat: Seat, TTL = 3) => {
    const call = seat.call();
    seat.gateway.lessor.grant(seat.now, call, { TTL, ID: 0n });
    return call;
  };

  test('are granted in a quorum only', () => {
    const seat = new Seat();
    seat.wait(4 * SECOND);
    expect(seat.failure(grant(seat))?.code).toBe(14);
    seat.connect();
    expect(seat.answer(grant(seat))).toMatchObject({ TTL: 3 });
  });

  test('take their keys with them when nobody keeps them alive', () => {
    const seat = new Seat().connect();
    const { ID } = seat.answer<{ ID: bigint }>(grant(seat))!;
    seat.put('alive-a', 'me', ID);
    seat.settle();
    expect(seat.range('alive', 'alivf').count).toBe(1);
    seat.wait(2 * SECOND);
    expect(seat.gateway.lessor.keepAlive(seat.now, ID)).toMatchObject({ TTL: 3 });
    seat.wait(2 * SECOND).settle();
    expect(seat.range('alive', 'alivf').count).toBe(1);
    seat.wait(SECOND).settle();
    expect(seat.range('alive', 'alivf').count).toBe(0);
    expect(seat.gateway.lessor.keepAlive(seat.now, ID)).toMatchObject({ code: 14 });
    expect(seat.gateway.state.revision).toBe(3);
  });

  test('of another member are there as long as that is', () => {
    const seat = new Seat().connect();
    seat.receive(1, foreign('alive-b', 'b', 1, 77n));
    seat.commit();
    expect(seat.range('alive', 'alivf').count).toBe(1);
    seat.gateway.handleReachable(seat.now, 1, false);
    expect(seat.range('alive', 'alivf').count).toBe(0);
    seat.gateway.handleReachable(seat.now, 1, true);
    expect(seat.range('alive', 'alivf').count).toBe(1);
  });

  test('of a former run are over', () => {
    const seat = new Seat().connect();
    const { ID } = seat.answer<{ ID: bigint }>(grant(seat))!;
    seat.put('alive-a', 'me', ID);
    seat.settle();
    const again = new Seat({ disk: seat.disk }).connect();
    again.settle();
    expect(again.disk.keys.has('alive-a')).toBe(false);
  });

  test('do not run out while this process was kept from running', () => {
    const seat = new Seat().connect();
    const { ID } = seat.answer<{ ID: bigint }>(grant(seat))!;
    seat.gateway.nextTimeout();
    seat.wait(60 * SECOND);
    expect(seat.gateway.lessor.keepAlive(seat.now, ID)).toMatchObject({ TTL: 3 });
  });
});

describe('the version of the messages', () => {
  const ask = (seat: Seat, version: string) =>
    seat.txn({
      compare: [{ ...compareMod('version', 0), target: 0, result: 1 }],
      success: [{ request_range: range('version') }],
      failure: [{ request_put: { key: bytes('version'), value: bytes(version), lease: 0n } }],
    });
  const told = (seat: Seat, call: number) => {
    const answer = seat.answer<TxnResponse>(call);
    return answer?.succeeded ? text(answer.responses[0].response_range?.kvs?.[0].value) : answer?.succeeded;
  };

  test('waits for a quorum, and is another member’s if that has another', () => {
    const seat = new Seat();
    const call = ask(seat, '1');
    seat.wait(60 * SECOND);
    expect(told(seat, call)).toBeUndefined();
    seat.connect().settle();
    seat.receive(1, foreign('version', '1'));
    expect(told(seat, call)).toBeUndefined();
    seat.receive(2, foreign('version', '2'));
    expect(told(seat, call)).toBe('2');
  });

  test('is the same again once the other member has been upgraded', () => {
    const seat = new Seat().connect();
    seat.receive(1, foreign('version', '1'));
    seat.receive(2, foreign('version', '2'));
    const call = ask(seat, '2');
    seat.settle();
    expect(told(seat, call)).toBe('1');
    seat.receive(1, foreign('version', '2'));
    expect(told(seat, ask(seat, '2'))).toBe('2');
  });

  test('is put if nobody else has one', () => {
    const seat = new Seat({ quorum: 1 });
    const call = ask(seat, '1');
    seat.settle();
    expect(told(seat, call)).toBe(false);
  });
});

describe('a transaction', () => {
  test('compares, and carries out one of its branches', () => {
    const seat = new Seat().connect();
    seat.put('k', 'v');
    seat.settle();
    const compare = [{ ...compareMod('k', 0), target: 3, value: bytes('v') }];
    const call = seat.txn({ compare, success: [{ request_range: range('k') }] });
    const { succeeded, responses } = seat.answer<TxnResponse>(call)!;
    expect(succeeded).toBe(true);
    expect(valuesOf((responses[0].response_range as RangeResponse).kvs.map((kv) => ({ kv })))).toEqual(['v']);
  });

  test('puts several keys at one revision', () => {
    const seat = new Seat().connect();
    const put = (key: string) => ({ request_put: { key: bytes(key), value: bytes('v'), lease: 0n } });
    const call = seat.txn({ success: [put('a'), put('b')] });
    seat.settle();
    expect(seat.answer(call)?.header.revision).toBe(2);
    expect(seat.range('a', 'c').kvs?.map(({ mod_revision }) => mod_revision)).toEqual([2, 2]);
  });

  test('that deletes, or puts a key twice, is refused', () => {
    const seat = new Seat().connect();
    const put = { request_put: { key: bytes('a'), value: bytes('v'), lease: 0n } };
    expect(seat.failure(seat.txn({ success: [{ request_delete_range: {} }] }))?.code).toBe(12);
    expect(seat.failure(seat.txn({ success: [put, put] }))?.code).toBe(3);
  });
});

test('a message that is no change is passed over and counted', () => {
  const seat = new Seat();
  seat.receive(1, Uint8Array.of(9, 9));
  seat.receive(1, foreign('a', '1'));
  seat.commit();
  expect([seat.gateway.malformed, seat.gateway.state.revision]).toEqual([1, 2]);
});
