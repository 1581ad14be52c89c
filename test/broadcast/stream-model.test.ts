/**
 * One stream beside a model of it that keeps everything in plain lists and counts anew each time: whatever is held, said,
 * delivered, pruned and started again, and in whatever order, both give the same answers. No member lies here.
 * Members are 0 (ourselves), 1 (the origin), and 2 to 4.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Stream } from '../../src/broadcast/stream.js';
import { sha256 } from '../../src/crypto/hash.js';
import { holds } from '../wire/holds.js';

const ID = { origin: 1, incarnation: 7 };
const MEMBERS = 5;
const QUORUM = 3;
const OBJECTS = 12;
const others = [1, 2, 3, 4];

const hashOf = (seq: number) => sha256(new TextEncoder().encode(`object ${seq}`));
const descending = (counts: number[]) => [...counts].sort((a, b) => b - a);

/** What a member says: it holds the first `count`, those of `ahead` beyond, and keeps what is not below `base`. */
interface Said {
  base: number;
  count: number;
  ahead: number[];
}

type Step =
  | { type: 'hold'; seq: number; length: number }
  | { type: 'say'; member: number; said: Said }
  | { type: 'deliver' }
  | { type: 'fresh'; member: number }
  | { type: 'prune' }
  | { type: 'restart'; from: number };

class Model {
  held = new Map<number, number>();
  base = 0;
  delivered = 0;
  /** By member: what it last said, and the counts that it said and we may yet reach. */
  said: (Said | undefined)[] = Array.from({ length: MEMBERS });
  private readonly open: number[][] = Array.from({ length: MEMBERS }, () => []);
  agreed = Array.from({ length: MEMBERS }, () => 0);
  agreedNow = Array.from({ length: MEMBERS }, () => 0);

  get count(): number {
    let count = 0;
    while (this.held.has(count)) count++;
    return count;
  }

  apply(step: Step): void {
    const { count } = this;
    if (step.type === 'hold' && !this.held.has(step.seq)) this.held.set(step.seq, step.length);
    if (step.type === 'say') {
      const { member, said } = step;
      if (said.count < (this.said[member]?.count ?? 0)) {
        this.open[member] = [];
        this.agreed[member] = Math.min(this.agreed[member], said.count);
        this.agreedNow[member] = Math.min(this.agreedNow[member], said.count);
      }
      this.open[member] = [...this.open[member].filter((each) => each > count), said.count];
      this.said[member] = said;
    }
    if (step.type === 'deliver' && this.delivered < this.deliverable()) this.delivered++;
    if (step.type === 'fresh') this.agreedNow[step.member] = 0;
    if (step.type === 'prune') this.base = Math.max(this.base, Math.min(this.stable(), this.delivered));
    if (step.type === 'restart') {
      const from = Math.max(this.delivered, Math.min(step.from, count));
      for (const seq of this.held.keys()) if (seq >= from) this.held.delete(seq);
    }
    this.compare();
  }

  /** Each agrees with us as far as it has said and we hold. */
  private compare(): void {
    const { count } = this;
    for (const member of others) {
      const reached = Math.max(0, ...this.open[member].filter((each) => each <= count));
      this.agreed[member] = Math.max(Math.min(this.agreed[member], count), reached);
      this.agreedNow[member] = Math.max(Math.min(this.agreedNow[member], count), reached);
    }
  }

  /** A quorum has it: ourselves, the origin that signed it, and who agrees. */
  deliverable(): number {
    const { count } = this;
    const counts = this.agreed.map((agreed, member) => (member <= 1 ? count : agreed));
    return Math.max(this.delivered, Math.min(count, descending(counts)[QUORUM - 1]));
  }

  /** All hold it, and have said so in their present run. */
  stable(): number {
    return Math.min(this.count, ...others.map((member) => this.agreedNow[member]));
  }

  existing(liars: number): number {
    const tops = this.said.map((said) =>
      said ? Math.max(said.count, ...said.ahead.map((seq) => seq + 1)) : 0,
    );
    return Math.max(this.count, tops[1], descending(tops.slice(2))[liars]);
  }

  isHeldBy(member: number, seq: number, kept: boolean): boolean {
    const said = this.said[member];
    if (!said || (kept && seq < said.base)) return false;
    return seq < said.count || said.ahead.includes(seq);
  }

  get backlog(): number {
    return [...this.held].reduce((sum, [seq, length]) => (seq < this.delivered ? sum : sum + length), 0);
  }
}

function apply(stream: Stream, step: Step): void {
  if (step.type === 'hold') stream.hold(step.seq, hashOf(step.seq), step.length);
  if (step.type === 'say') {
    const speaker = new Stream(ID, step.member, MEMBERS);
    for (let seq = 0; seq < step.said.count; seq++) speaker.hold(seq, hashOf(seq));
    for (const seq of step.said.ahead) speaker.hold(seq, hashOf(seq));
    stream.onClaim(step.member, { ...speaker.entry(), base: step.said.base });
  }
  if (step.type === 'deliver' && stream.delivered < stream.deliverable(QUORUM)) stream.onDelivered();
  if (step.type === 'fresh') stream.onFresh(step.member);
  if (step.type === 'prune') stream.prune(stream.stable());
  if (step.type === 'restart') stream.restart(Math.max(stream.delivered, Math.min(step.from, stream.count)));
}

/** All that a stream can be asked, in the words of both. */
function answers(of: Stream | Model) {
  const seqs = Array.from({ length: OBJECTS + 2 }, (_, seq) => seq);
  const isHeld = (seq: number) => (of instanceof Stream ? of.holds(seq) : of.held.has(seq));
  return {
    base: of.base,
    delivered: of.delivered,
    count: of.count,
    backlog: of.backlog,
    held: seqs.filter(isHeld),
    deliverable: of.deliverable(QUORUM),
    stable: of.stable(),
    existing: [0, 1, 2].map((liars) => of.existing(liars)),
    heldBy: others.map((member) => seqs.filter((seq) => of.isHeldBy(member, seq, false))),
    keptBy: others.map((member) => seqs.filter((seq) => of.isHeldBy(member, seq, true))),
  };
}

const member = fc.constantFrom(...others);
const seq = fc.nat(OBJECTS - 1);
const said = fc
  .record({ base: fc.nat(3), count: fc.nat(OBJECTS), ahead: fc.uniqueArray(seq, { maxLength: 4 }) })
  .map(({ base, count, ahead }) => ({
    base: Math.min(base, count),
    count,
    ahead: ahead.filter((each) => each > count),
  }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('hold' as const), seq, length: fc.nat(9) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('say' as const), member, said }) },
  { weight: 4, arbitrary: fc.constant<Step>({ type: 'deliver' }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fresh' as const), member }) },
  { weight: 2, arbitrary: fc.constant<Step>({ type: 'prune' }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const), from: seq }) },
);

test('a stream answers as the model does after any steps', () =>
  holds(
    'stream model',
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const stream = new Stream(ID, 0, MEMBERS);
      const model = new Model();
      for (const each of steps) {
        apply(stream, each);
        model.apply(each);
        expect(answers(stream)).toEqual(answers(model));
        expect(stream.check()).toBeUndefined();
      }
    }),
    150,
  ));

test('a stream begun from the state of another goes on as it does', () =>
  holds(
    'stream state',
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const before = new Stream(ID, 0, MEMBERS);
      for (const each of steps) apply(before, each);
      const after = new Stream(ID, 0, MEMBERS, before.state);
      for (let seq = before.delivered; seq < OBJECTS; seq++)
        if (before.holds(seq)) after.hold(seq, hashOf(seq));

      expect(after.entry()).toEqual(before.entry());
      expect(after.state).toEqual(before.state);
    }),
    100,
  ));
