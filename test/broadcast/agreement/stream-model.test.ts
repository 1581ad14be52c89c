/**
 * One stream beside a model of it that keeps everything in plain lists and counts anew each time: whatever is held, said,
 * delivered, pruned and started again, and in whatever order, both give the same answers. No member lies here.
 * Members are 0 (ourselves), 1 (the origin), and 2 to 4.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { SECOND } from '../../../src/core/time.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { storedSize } from '../../../src/store/store.js';
import { holds } from '../../wire/holds.js';
import { boundsOf } from '../bounds.js';

const ID = { origin: 1, incarnation: 7 };
const MEMBERS = 5;
const QUORUM = 3;
const OBJECTS = 12;
/** Between two steps. */
const TICK = 2 * SECOND;
/** A whole object. */
const SERVED_BYTES = 1000;
const others = [1, 2, 3, 4];

const hashOf = (seq: number) => sha256(new TextEncoder().encode(`object ${seq}`));
const descending = (counts: number[]) => [...counts].sort((a, b) => b - a);

/**
 * What a member says: it holds the first `count`, those of `ahead` beyond, and keeps what is not below `base`; and whether it
 * knows of a later stream, and of none before.
 */
interface Said {
  base: number;
  count: number;
  ahead: number[];
  ended: boolean;
  first: boolean;
}

type Step =
  | { type: 'hold'; seq: number; length: number }
  | { type: 'say'; member: number; said: Said }
  | { type: 'deliver' }
  | { type: 'fresh' | 'ask' | 'serve'; member: number }
  | { type: 'prune' | 'end' }
  | { type: 'restart'; from: number };

class Model {
  held = new Map<number, number>();
  base = 0;
  delivered = 0;
  /** By member: what it last said, and the counts that it said and we may yet reach. */
  said: (Said | undefined)[] = Array.from({ length: MEMBERS });
  private readonly present = new Set<number>();
  /** By member: whether it is asked in vain, until when it may be, and when it was last asked or of use. */
  private readonly owing = new Set<number>();
  private readonly until = new Map<number, number>();
  private readonly servingAt = new Map<number, number>();
  private isEnded = false;
  private now = 0;
  private readonly liars: number;
  private readonly open: number[][] = Array.from({ length: MEMBERS }, () => []);
  agreed = Array.from({ length: MEMBERS }, () => 0);
  agreedNow = Array.from({ length: MEMBERS }, () => 0);

  constructor(liars: number) {
    this.liars = liars;
  }

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
      this.present.add(member);
    }
    if (step.type === 'end') this.isEnded = true;
    if (step.type === 'ask') {
      const until = this.until.get(step.member);
      if (until === undefined) this.until.set(step.member, this.now + 3 * SECOND);
      else if (!this.owing.has(step.member) && until <= this.now)
        this.until.set(step.member, this.now + 10 * SECOND);
      this.owing.add(step.member);
    }
    if (step.type === 'serve' || step.type === 'fresh') this.owing.delete(step.member);
    if (step.type === 'serve' && this.until.has(step.member)) {
      const bought = SECOND + Math.ceil((SERVED_BYTES / 4096) * SECOND);
      const until = Math.max(this.now, this.until.get(step.member)!) + bought;
      this.until.set(step.member, Math.min(until, this.now + 10 * SECOND));
    }
    if (step.type === 'ask' || step.type === 'serve') this.servingAt.set(step.member, this.now);
    if (step.type === 'deliver' && this.delivered < this.deliverable()) this.delivered++;
    if (step.type === 'fresh') {
      this.agreedNow[step.member] = 0;
      this.present.delete(step.member);
      this.until.delete(step.member);
    }
    if (step.type === 'prune') this.base = Math.max(this.base, Math.min(this.stable(), this.delivered));
    if (step.type === 'restart') {
      const from = Math.max(this.delivered, Math.min(step.from, count));
      for (const seq of this.held.keys()) if (seq >= from) this.held.delete(seq);
    }
    this.compare();
    this.now += TICK;
  }

  /** Each agrees with us as far as it has said and we hold. */
  private compare(): void {
    const { count } = this;
    for (const member of others) {
      const word = this.liars === 0 ? (this.said[member]?.count ?? 0) : 0;
      const reached = Math.max(word, ...this.open[member].filter((each) => each <= count));
      const most = Math.max(count, word);
      this.agreed[member] = Math.max(Math.min(this.agreed[member], most), reached);
      // What it has said in a former run it may have lost since.
      const now = this.present.has(member) ? reached : 0;
      this.agreedNow[member] = Math.max(Math.min(this.agreedNow[member], most), now);
    }
  }

  /** Of a stream that is followed by another its origin counts once it has said that it knows. */
  private counts(member: number): boolean {
    return member !== 1 || !this.isEnded || (this.present.has(1) && this.said[1]!.ended);
  }

  private topOf(member: number): number {
    const said = this.said[member];
    return said ? Math.max(said.count, ...said.ahead.map((seq) => seq + 1)) : 0;
  }

  /** A quorum has it: ourselves, the origin that signed it, and who agrees. */
  deliverable(): number {
    const { count } = this;
    const counts = this.agreed.map((agreed, member) => (member <= 1 ? count : agreed));
    return Math.max(this.delivered, Math.min(count, descending(counts)[QUORUM - 1]));
  }

  /** All hold it, and have said so in their present run. */
  stable(): number {
    return Math.min(
      this.count,
      ...others.map((member) => (this.counts(member) ? this.agreedNow[member] : 0)),
    );
  }

  existing(): number {
    return Math.max(
      this.count,
      this.word((member) => this.topOf(member)),
    );
  }

  named(): number {
    return this.word((member) => this.said[member]?.count ?? 0);
  }

  /** By the origin's word while it counts as such, else by that of more than may lie. */
  private word(of: (member: number) => number): number {
    const equals = others.filter((member) => (member !== 1 || this.isEnded) && this.counts(member));
    return Math.max(this.isEnded ? 0 : of(1), descending(equals.map(of))[this.liars] ?? 0);
  }

  get isKnown(): boolean {
    return others.filter((member) => this.topOf(member) > 0).length > this.liars;
  }

  claimant(than?: number): number | undefined {
    return others.find((member) => member !== than && this.topOf(member) > 0);
  }

  lacking(count: number): number[] {
    return [2, 3, 4].filter((member) => (this.said[member]?.count ?? 0) < count);
  }

  isNamedBeside(member: number, count: number): boolean {
    return (
      member === 1 || others.some((other) => other !== member && (this.said[other]?.count ?? -1) >= count)
    );
  }

  isVouched(seq: number): boolean {
    const holders = others.filter((member) => this.isHeldBy(member, seq));
    return holders.filter((member) => this.present.has(member) && this.counts(member)).length > this.liars;
  }

  isAsked(member: number): boolean {
    return this.owing.has(member);
  }

  isKeptBy(now: number, member: number, seq: number): boolean {
    return this.keeps(member, seq) && !(this.owing.has(member) && now >= this.until.get(member)!);
  }

  mayServe(now: number, member: number): boolean {
    const servingAt = this.servingAt.get(member);
    return servingAt !== undefined && now - servingAt < 10 * SECOND;
  }

  /** Nobody needs it any more: all have all of it, keep none of it, and know what follows. */
  isOver(): boolean {
    const { count, base, delivered, held } = this;
    if (!this.isEnded || base !== count || delivered !== count || held.size > count) return false;
    return others.every((member) => {
      const said = this.said[member];
      if (!said?.first || !this.present.has(member)) return false;
      return said.count === count && said.base === count && this.agreedNow[member] === count;
    });
  }

  keeps(member: number, seq: number): boolean {
    return this.isHeldBy(member, seq) && seq >= this.said[member]!.base;
  }

  isHeldBy(member: number, seq: number): boolean {
    const said = this.said[member];
    if (!said) return false;
    return seq < said.count || said.ahead.includes(seq);
  }

  get backlog(): number {
    return [...this.held].reduce(
      (sum, [seq, length]) => (seq < this.delivered ? sum : sum + storedSize(length)),
      0,
    );
  }
}

function apply(stream: Stream, step: Step, now: number): void {
  if (step.type === 'hold') stream.hold(step.seq, hashOf(step.seq), step.length);
  if (step.type === 'say') {
    const speaker = new Stream(ID, boundsOf(step.member, MEMBERS));
    for (let seq = 0; seq < step.said.count; seq++) speaker.hold(seq, hashOf(seq));
    for (const seq of step.said.ahead) speaker.hold(seq, hashOf(seq));
    const { base, ended, first } = step.said;
    stream.onClaim(step.member, { ...speaker.telling.entry(), base, ended, first });
  }
  if (step.type === 'deliver' && stream.delivered < stream.deliverable()) stream.onDelivered();
  if (step.type === 'fresh') stream.onFresh(step.member);
  if (step.type === 'ask') stream.keepers.onAsked(now, step.member);
  if (step.type === 'serve') stream.keepers.onServed(now, step.member, SERVED_BYTES, true);
  if (step.type === 'end') {
    stream.close();
    stream.standing.ended = true;
  }
  if (step.type === 'prune') stream.prune(stream.stable());
  if (step.type === 'restart') stream.restart(Math.max(stream.delivered, Math.min(step.from, stream.count)));
}

/** All that a stream can be asked, in the words of both. */
function answers(of: Stream | Model, now: number) {
  const seqs = Array.from({ length: OBJECTS + 2 }, (_, seq) => seq);
  const [claims, keepers] = of instanceof Stream ? [of.claims, of.keepers] : [of, of];
  const isHeld = (seq: number) => (of instanceof Stream ? of.holds(seq) : of.held.has(seq));
  return {
    base: of.base,
    delivered: of.delivered,
    count: of.count,
    backlog: of instanceof Stream ? of.ledger.backlog : of.backlog,
    held: seqs.filter(isHeld),
    deliverable: of.deliverable(),
    stable: of.stable(),
    isOver: of.isOver(),
    known: claims.isKnown,
    named: claims.named(),
    claimants: [undefined, ...others].map((than) => claims.claimant(than)),
    lacking: seqs.map((count) => claims.lacking(count)),
    vouched: seqs.filter((seq) => claims.isVouched(seq)),
    namedBeside: others.map((member) => seqs.filter((count) => claims.isNamedBeside(member, count))),
    asked: others.filter((member) => keepers.isAsked(member)),
    servers: others.filter((member) => keepers.mayServe(now, member)),
    keepers: others.map((member) => seqs.filter((seq) => keepers.isKeptBy(now, member, seq))),
    existing: claims.existing(),
    heldBy: others.map((member) => seqs.filter((seq) => claims.isHeldBy(member, seq))),
    keptBy: others.map((member) => seqs.filter((seq) => claims.keeps(member, seq))),
  };
}

const member = fc.constantFrom(...others);
const seq = fc.nat(OBJECTS - 1);
const said = fc
  .record({
    base: fc.nat(OBJECTS),
    count: fc.nat(OBJECTS),
    ahead: fc.uniqueArray(seq, { maxLength: 4 }),
    ended: fc.boolean(),
    first: fc.boolean(),
  })
  .map(({ base, count, ahead, ...rest }) => ({
    ...rest,
    base: Math.min(base, count),
    count,
    ahead: ahead.filter((each) => each > count),
  }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('hold' as const), seq, length: fc.nat(9) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('say' as const), member, said }) },
  { weight: 4, arbitrary: fc.constant<Step>({ type: 'deliver' }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom('fresh' as const, 'ask' as const, 'serve' as const),
      member,
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ type: 'end' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ type: 'prune' }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const), from: seq }) },
);
/** Now and then all say the same: else nothing would be stable. */
const steps = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: step.map((each) => [each]) },
      {
        weight: 1,
        arbitrary: said.map((what) =>
          others.map((each): Step => ({ type: 'say', member: each, said: what })),
        ),
      },
    ),
    { maxLength: 50 },
  )
  .map((parts) => parts.flat());

test('a stream answers as the model does after any steps', () =>
  holds(
    'stream model',
    fc.property(steps, fc.nat(2), (list, byzantine) => {
      const stream = new Stream(ID, boundsOf(0, MEMBERS, { quorum: QUORUM, byzantine }));
      const model = new Model(byzantine);
      list.forEach((each, i) => {
        apply(stream, each, i * TICK);
        model.apply(each);
        expect(answers(stream, i * TICK)).toEqual(answers(model, i * TICK));
        expect(stream.check()).toBeUndefined();
      });
    }),
    150,
  ));

test('what a member said before it started again does not count for pruning, whatever comes until it speaks', () => {
  const stream = new Stream(ID, boundsOf(0, MEMBERS, { quorum: QUORUM }));
  const speaker = new Stream(ID, boundsOf(2, MEMBERS));
  for (const each of [stream, speaker]) each.hold(0, hashOf(0));
  for (const member of others) stream.onClaim(member, speaker.telling.entry());

  stream.onFresh(2);
  stream.hold(1, hashOf(1));

  expect(stream.stable()).toBe(0);
});

test('a stream begun from the state of another goes on as it does', () =>
  holds(
    'stream state',
    fc.property(steps, (list) => {
      const before = new Stream(ID, boundsOf(0, MEMBERS, { quorum: QUORUM }));
      list.forEach((each, i) => {
        if (each.type !== 'end') apply(before, each, i * TICK);
      });
      const after = new Stream(ID, boundsOf(0, MEMBERS, { quorum: QUORUM }), before.state);
      for (let seq = before.delivered; seq < OBJECTS; seq++)
        if (before.holds(seq)) after.hold(seq, hashOf(seq));

      expect(after.telling.entry()).toEqual(before.telling.entry());
      expect(after.state).toEqual(before.state);
    }),
    100,
  ));
