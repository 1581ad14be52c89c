/**
 * Calls beside a model of them: whatever is called, taken back, stored, refused and confirmed, and in whatever order, each
 * message goes to the endpoint at most once, in the order of the calls, and each call ends as its message does.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Aborts } from '../../src/node/aborts.js';
import { Submissions } from '../../src/node/submissions.js';
import { holds } from '../wire/holds.js';

const ROOM = 3;
const ID = { origin: 0, incarnation: 1 };
const settle = () => new Promise((done) => setImmediate(done));

type Step =
  | { type: 'submit' | 'broadcast' }
  /** So many of the messages that the endpoint has, the oldest, go into its store as one object, or are refused. */
  | { type: 'store' | 'refuse'; count: number }
  /** The oldest object of which that is not known yet is confirmed. */
  | { type: 'outcome' }
  | { type: 'abort'; call: number };

/** A call as it should be; `as` is the name of its message. */
interface Call {
  kind: 'submit' | 'broadcast';
  state: 'queued' | 'given' | 'stored' | 'ended';
  ticket: number;
  object: number;
  as: string;
  result: string;
}

class Model {
  readonly calls: Call[] = [];
  /** Numbers of the calls whose messages the endpoint got, in order. */
  readonly given: number[] = [];
  /** Tickets that it has still; messages go on although who called has gone. */
  held: number[] = [];
  private objects = 0;
  private told = 0;

  apply(step: Step): void {
    const { calls } = this;
    if (step.type === 'submit' || step.type === 'broadcast')
      calls.push({ kind: step.type, state: 'queued', ticket: -1, object: -1, as: '', result: '' });
    if (step.type === 'abort' && calls[step.call] && calls[step.call].state !== 'ended') {
      const call = calls[step.call];
      if (call.state === 'given') this.held = this.held.filter((ticket) => ticket !== call.ticket);
      this.end(call, 'ABORTED');
    }
    if (step.type === 'store' || step.type === 'refuse') {
      const tickets = this.held.splice(0, step.count);
      tickets.forEach((ticket, index) => {
        const call = calls.find((each) => each.ticket === ticket)!;
        if (call.state !== 'given') return;
        call.as = `${this.objects}.${index}`;
        call.object = this.objects;
        if (step.type === 'refuse') this.end(call, 'BUSY');
        else if (call.kind === 'submit') this.end(call, call.as);
        else call.state = 'stored';
      });
      if (step.type === 'store' && tickets.length > 0) this.objects++;
    }
    if (step.type === 'outcome' && this.told < this.objects) {
      for (const call of calls)
        if (call.state === 'stored' && call.object === this.told) this.end(call, `${call.as} confirmed`);
      this.told++;
    }
    for (const call of calls) {
      if (call.state !== 'queued' || this.held.length >= ROOM) continue;
      call.state = 'given';
      call.ticket = this.given.length;
      this.given.push(calls.indexOf(call));
      this.held.push(call.ticket);
    }
  }

  private end(call: Call, result: string): void {
    call.state = 'ended';
    call.result = result;
  }
}

/** The real ones, with an endpoint that has room for three messages. */
class Real {
  readonly results: string[] = [];
  readonly given: number[] = [];
  private held: number[] = [];
  private objects = 0;
  private told = 0;
  private readonly signals: AbortController[] = [];
  private readonly submissions: Submissions;

  constructor() {
    const { given } = this;
    const has = () => this.held.length < ROOM;
    this.submissions = new Submissions(
      {
        submit: ([call]) => {
          this.held.push(given.length);
          return given.push(call) - 1;
        },
        cancel: (ticket) => {
          const isThere = this.held.includes(ticket);
          this.held = this.held.filter((each) => each !== ticket);
          return isThere;
        },
        get hasRoom() {
          return has();
        },
        find: () => undefined,
      },
      new Aborts(),
      () => {},
    );
  }

  apply(step: Step): void {
    const { submissions } = this;
    if (step.type === 'submit' || step.type === 'broadcast') {
      const call = this.results.push('') - 1;
      this.signals.push(new AbortController());
      const { signal } = this.signals[call];
      const result =
        step.type === 'submit'
          ? submissions.submit(Uint8Array.of(call), signal).then((id) => `${id.seq}.${id.index}`)
          : submissions
              .broadcast(Uint8Array.of(call), signal)
              .then(
                ({ id, outcome }) =>
                  `${id.seq}.${id.index} ${outcome.missing.length === 0 ? 'confirmed' : ''}`,
              );
      result.then(
        (what) => (this.results[call] = what),
        ({ code }) => (this.results[call] = code),
      );
    }
    if (step.type === 'abort') this.signals[step.call]?.abort();
    if (step.type === 'store') {
      const tickets = this.held.splice(0, step.count);
      if (tickets.length > 0) submissions.onDurable({ id: { ...ID, seq: this.objects++ }, tickets });
    }
    if (step.type === 'refuse') submissions.onRefused(this.held.splice(0, step.count));
    if (step.type === 'outcome' && this.told < this.objects)
      submissions.onOutcome({ ...ID, seq: this.told++ }, { confirmed: [1, 2], missing: [] });
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constantFrom('submit' as const, 'broadcast' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('store' as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('refuse' as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.constant<Step>({ type: 'outcome' }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('abort' as const), call: fc.nat(12) }) },
);

test('calls end as those of the model do, after any steps', () =>
  holds(
    'submissions model',
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const [real, model] = [new Real(), new Model()];
      for (const each of steps) {
        real.apply(each);
        model.apply(each);
        await settle();
        expect([real.results, real.given]).toEqual([model.calls.map(({ result }) => result), model.given]);
      }
    }),
    200,
  ));
