/** The judge of simulated runs: what it lets pass, and each thing that it must not. */
import { describe, expect, test } from 'vitest';
import { Checker, type CheckerOptions } from '../../src/sim/checker.js';

const STREAM = { origin: 0, incarnation: 1 };
const id = (seq: number, index = 0) => ({ ...STREAM, seq, index });
const bytes = (text: string) => new TextEncoder().encode(text);

/** Three members that do as they should, but for what is given; a quorum is two. */
class Run {
  readonly checker: Checker;
  private tickets = 0;

  constructor(options: Partial<CheckerOptions> = {}) {
    const all = (value: boolean) => [value, value, value];
    this.checker = new Checker({
      correct: all(true),
      lasting: all(true),
      damaged: all(false),
      order: 'fifo',
      quorum: 2,
      ...options,
    });
  }

  /** Member 0 broadcasts a message, which is object `seq`, and is in the stores of these members. */
  send(seq: number, holders = [0, 1, 2], text = `message ${seq}`): void {
    const ticket = this.tickets++;
    this.checker.submitted(0, ticket, bytes(text));
    for (const member of holders) this.store(member, seq);
    this.checker.durable(0, { ...STREAM, seq }, [ticket]);
  }

  store(member: number, seq: number): void {
    this.checker.commitBegun(member, [{ ...STREAM, seq }]);
    this.checker.commitEnded(member, true);
  }

  /** A member delivers and consumes an object. */
  deliver(member: number, seq: number, text = `message ${seq}`): void {
    this.checker.delivered(member, id(seq), bytes(text));
    this.checker.consumed(member);
  }

  get violation(): string | undefined {
    return this.checker.violation;
  }
}

/** Two messages are sent and delivered everywhere. */
function goodRun(): Run {
  const run = new Run();
  for (const seq of [0, 1]) {
    run.send(seq);
    for (const member of [0, 1, 2]) run.deliver(member, seq);
  }
  return run;
}

test('a good run is complete, and nothing is wrong with it', () => {
  const { checker } = goodRun();
  expect([checker.violation, checker.isComplete, checker.messages]).toEqual([undefined, true, 2]);
});

describe('a delivery', () => {
  test.each<[string, (run: Run) => void, RegExp]>([
    ['a second time', (run) => run.deliver(1, 1), /duplication/],
    [
      'of what is not delivered yet, out of order',
      (run) => {
        for (const seq of [2, 3]) run.send(seq);
        run.deliver(1, 3);
      },
      /gap|not one before it/,
    ],
    ['of what nobody has sent', (run) => run.deliver(1, 2, 'nothing'), /creation/],
    [
      'with other bytes than elsewhere',
      (run) => {
        run.send(2);
        run.deliver(1, 2, 'other');
      },
      /no agreement/,
    ],
    [
      'before a quorum has it',
      (run) => {
        run.send(2, [0]);
        run.deliver(0, 2);
      },
      /1 disks hold: not uniform/,
    ],
    [
      'while another message is being consumed',
      (run) => {
        for (const seq of [2, 3]) run.send(seq);
        for (const seq of [2, 3]) run.checker.delivered(1, id(seq), bytes(`message ${seq}`));
      },
      /consumes another/,
    ],
  ])('%s is none', (_, act, what) => {
    const run = goodRun();
    act(run);
    expect(run.violation).toMatch(what);
  });

  test('at just a quorum is as it should be', () => {
    const run = goodRun();
    run.send(2, [0, 1]);
    run.deliver(1, 2);
    expect(run.violation).toBeUndefined();
  });

  test('before one that its sender had delivered is wrong only where that was promised', () => {
    const outcomes = (['fifo', 'causal'] as const).map((order) => {
      const run = new Run({ order });
      const { checker } = run;
      run.send(0);
      run.deliver(1, 0);
      // Member 1 answers, and member 2 has the answer first.
      checker.submitted(1, 0, bytes('answer'));
      const answer = { origin: 1, incarnation: 1, seq: 0 };
      for (const member of [1, 2]) {
        checker.commitBegun(member, [answer]);
        checker.commitEnded(member, true);
      }
      checker.durable(1, answer, [0]);
      checker.delivered(2, { ...answer, index: 0 }, bytes('answer'));
      return run.violation;
    });
    expect(outcomes).toEqual([undefined, expect.stringMatching(/on which it may depend/)]);
  });
});

describe('a run is not complete while', () => {
  test.each<[string, (run: Run) => void]>([
    ['a member that lasts has not delivered what another has', (run) => [run.send(2), run.deliver(0, 2)]],
    ['a message is in no store', (run) => run.checker.submitted(1, 0, bytes('mine'))],
    [
      'a message is being consumed',
      (run) => {
        run.send(2);
        for (const member of [0, 1]) run.deliver(member, 2);
        run.checker.delivered(2, id(2), bytes('message 2'));
      },
    ],
  ])('%s', (_, act) => {
    const run = goodRun();
    act(run);
    expect([run.checker.isComplete, run.checker.missing()]).toEqual([
      false,
      expect.stringMatching(/has not/),
    ]);
  });
});

describe('a member that starts again', () => {
  const cursor = (delivered: number, index = 0) => ({
    streams: [
      { ...STREAM, base: 0, delivered, index, chain: new Uint8Array(32), baseChain: new Uint8Array(32) },
    ],
    retired: [],
    held: [],
  });
  const over = { streams: [], retired: [{ ...STREAM, count: 2, chain: new Uint8Array(32) }], held: [] };

  test('after what was safely consumed, or what was consumed, is right', () => {
    const outcomes = [1, 2].map((delivered) => {
      const run = goodRun();
      // Its disk knew of one when the second came.
      run.checker.crashed(1);
      run.checker.restarted(1, cursor(delivered));
      return run.violation;
    });
    expect(outcomes).toEqual([undefined, undefined]);
  });

  test('beyond what it had consumed has lost something', () => {
    const run = goodRun();
    run.checker.crashed(1);
    run.send(2);
    run.checker.delivered(1, id(2), bytes('message 2'));
    run.checker.crashed(1);
    run.checker.restarted(1, cursor(3));
    expect(run.violation).toMatch(/loss/);
  });

  test('before what a disk has confirmed as consumed delivers it twice', () => {
    const run = goodRun();
    run.send(2);
    run.store(1, 2);
    run.checker.crashed(1);
    run.checker.restarted(1, cursor(1));
    expect(run.violation).toMatch(/duplication/);
  });

  test('with a stream that is over is past all of it', () => {
    const run = goodRun();
    run.store(1, 1);
    run.checker.crashed(1);
    run.checker.restarted(1, over);
    expect(run.violation).toBeUndefined();
  });

  test('with a stream that is over, of which it had not consumed all, has lost something', () => {
    const run = goodRun();
    run.send(2);
    run.checker.delivered(1, id(2), bytes('message 2'));
    run.checker.crashed(1);
    run.checker.restarted(1, over);
    expect(run.violation).toMatch(/loss/);
  });

  test('may deliver again what was not safely consumed', () => {
    const run = goodRun();
    run.checker.crashed(1);
    run.checker.restarted(1, cursor(1));
    run.deliver(1, 1);
    expect(run.violation).toBeUndefined();
  });
});

describe('what a member says', () => {
  test('of a liar is right, of one that is correct wrong', () => {
    const outcomes = [true, false].map((isCorrect) => {
      const run = new Run({ correct: [true, true, isCorrect] });
      run.checker.accused(0, 2, 'equivocation');
      return run.violation;
    });
    expect(outcomes).toEqual([expect.stringMatching(/which is correct/), undefined]);
  });

  test('of objects that are gone is right only of a disk that was damaged', () => {
    const outcomes = [false, true].map((isDamaged) => {
      const run = new Run({ damaged: [false, isDamaged, false] });
      run.checker.lost(1, { ...STREAM, from: 0, to: 2 });
      return run.violation;
    });
    expect(outcomes).toEqual([expect.stringMatching(/are gone/), undefined]);
  });

  test('of what a liar takes back is right as long as no other has delivered it', () => {
    const outcomes = [false, true].map((isDelivered) => {
      const run = new Run({ correct: [false, true, true] });
      run.store(1, 0);
      run.store(2, 0);
      if (isDelivered) run.deliver(1, 0);
      run.checker.lost(2, { ...STREAM, from: 0, to: 1 });
      return run.violation ?? run.checker.missing();
    });
    expect(outcomes).toEqual(['', 'member 2 has not delivered 0/1/0.0']);
  });

  test('of a message that it had not submitted is wrong', () => {
    const run = new Run();
    run.checker.durable(1, { origin: 1, incarnation: 1, seq: 0 }, [7]);
    expect(run.violation).toMatch(/has not submitted/);
  });

  test('of others that hold something else is wrong where nobody lies', () => {
    const outcomes = [true, false].map((isCorrect) => {
      const run = new Run({ correct: [true, true, isCorrect] });
      run.checker.disagreed(0);
      return run.violation;
    });
    expect(outcomes).toEqual([expect.stringMatching(/hold other objects/), undefined]);
  });
});

describe('a member that comes back with an older store', () => {
  /** Member 2 has object 0 in its first store, and object 1 in the one that it ran with in between. */
  function withOlderStore(): Run {
    const run = new Run();
    run.send(0);
    run.checker.changedStore(2, 1);
    run.send(1);
    run.checker.changedStore(2, 0);
    return run;
  }

  test('may lack what the other store had, and with it what it cannot check any more', () => {
    const run = withOlderStore();
    run.checker.lost(2, { ...STREAM, from: 0, to: 2 });
    expect(run.violation).toBeUndefined();
  });

  test('may lack nothing that came after that', () => {
    const run = withOlderStore();
    run.send(2);
    run.checker.lost(2, { ...STREAM, from: 0, to: 3 });
    expect(run.violation).toContain('objects 0 to 3 of member 0 are gone');
  });
});
