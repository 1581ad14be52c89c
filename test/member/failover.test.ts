/** When one of a peer's locators is left for another: with a real path, and sessions that only write down what is asked of them. */
import { describe, expect, test } from 'vitest';
import { fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { FailOver } from '../../src/member/failover.js';
import { Path } from '../../src/path/path.js';
import type { SessionTable } from '../../src/session/index.js';
import { Addresses } from '../../src/session/reach/addresses.js';

const LOCATORS = ['a:1', 'b:1', 'c:1'];
const RTT = 20 * MILLISECOND;

/** The path to a peer whose address in use answers nothing from `now` on, though all the time something is sent. */
function setUp(locators = LOCATORS) {
  const path = new Path({ controller: () => fixedRate(1e6), rng: new Rng('path'), maxDatagram: 1232 });
  path.isOpen = true;
  path.rtt.onSample(RTT);
  const addresses = new Addresses(locators);
  const asked: string[] = [];
  const sessions = {
    session: () => ({ addresses }),
    challenge: (_now: Micros, _peer: number, address: string) => void asked.push(address),
    moveTo: (_peer: number, address: string) => {
      addresses.moveTo(address);
      failOver.onMoved();
    },
  };
  const failOver = new FailOver(1, sessions as unknown as SessionTable, path);
  let now = SECOND;
  /** Lets time pass, a datagram each 10 ms; answers come from these addresses, a round trip after they were asked. */
  const run = (duration: Micros, answering: readonly string[] = []) => {
    for (const end = now + duration; now < end; now += 10 * MILLISECOND) {
      path.onSent(now, 100, 'soon');
      asked.length = 0;
      if (failOver.nextTimeout() <= now) failOver.handleTimeout(now);
      for (const address of new Set(asked))
        if (answering.includes(address)) failOver.onAnswer(now + RTT, address, RTT);
    }
  };
  return { failOver, addresses, asked, run, now: () => now };
}

describe('an address that has gone silent', () => {
  test('is left for one that answers', () => {
    const { failOver, addresses, run } = setUp();
    run(2 * SECOND, ['b:1']);
    expect([addresses.current, failOver.count]).toEqual(['b:1', 1]);
  });

  test('is left for the first of those that answer, as the operator has put them', () => {
    const { addresses, run } = setUp();
    run(2 * SECOND, ['c:1', 'b:1']);
    expect(addresses.current).toBe('b:1');
  });

  test('is kept while no other one answers', () => {
    const { failOver, addresses, run } = setUp();
    run(5 * SECOND);
    expect([addresses.current, failOver.count]).toEqual(['a:1', 0]);
  });

  test('is kept if it is the only one', () => {
    const { failOver, addresses, run } = setUp(['a:1']);
    run(5 * SECOND, ['b:1']);
    expect([addresses.current, failOver.count]).toEqual(['a:1', 0]);
  });

  test('is not left for what answered before we were kept from listening', () => {
    const { failOver, addresses, run, now } = setUp();
    run(40 * MILLISECOND);
    failOver.onElsewhere(now());
    failOver.onAnswer(now() + 1, 'b:1', RTT);
    failOver.onStall(now() + 2);
    run(5 * SECOND);
    expect(addresses.current).toBe('a:1');
  });
});

describe('a better address than the one in use', () => {
  test('is returned to once it has answered for five seconds', () => {
    const { failOver, addresses, run } = setUp();
    run(2 * SECOND, ['b:1']);
    const answered = (seconds: number) => {
      for (let i = 0; i < seconds; i++) failOver.onAnswer(100 * SECOND + i * SECOND, 'a:1', RTT);
      return addresses.current;
    };
    expect([answered(5), answered(6)]).toEqual(['b:1', 'a:1']);
  });

  test('has to answer without a gap of ten seconds', () => {
    const { failOver, addresses, run } = setUp();
    run(2 * SECOND, ['b:1']);
    for (let i = 0; i < 5; i++) failOver.onAnswer((100 + 11 * i) * SECOND, 'a:1', RTT);
    expect(addresses.current).toBe('b:1');
  });
});

test('an answer from the address in use ends the search for another', () => {
  const { failOver, addresses, run, now } = setUp();
  run(40 * MILLISECOND);
  failOver.onElsewhere(now());
  failOver.onAnswer(now() + RTT, 'a:1', RTT);
  failOver.onAnswer(now() + RTT, 'b:1', RTT);
  failOver.handleTimeout(now() + RTT + 1);
  expect(addresses.current).toBe('a:1');
});
