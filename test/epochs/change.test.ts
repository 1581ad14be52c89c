/** The rules as members have them, in the random small groups of `test/model/epochs`, where words come late, twice or never. */
import { expect, test } from 'vitest';
import { Change } from '../../src/epochs/change.js';
import {
  type Descriptor,
  type EpochState,
  Change as Model,
  type Seal,
  type Standings,
  type Word,
} from '../model/epochs/change.js';
import { World, type WorldOptions } from '../model/epochs/world.js';

/** `Change` with the methods of the model. A chain that it does not know yet takes another one of it, as a member starts again. */
class Real extends Model {
  private real: Change;
  private readonly self: number;
  private readonly known: Descriptor[];
  private readonly told = new Map<string, Word | Seal>();
  /** Also those that it has forgotten: by them the checks know who has been in an epoch before. */
  private readonly sealed: Seal[];

  constructor(slot: number, state: EpochState) {
    super(slot, state);
    this.self = slot;
    this.known = [...state.chain];
    const { active, seals, starts } = state;
    this.sealed = [...seals];
    this.real = new Change(slot, this.known, { has: this.known.length - 1, active, seals, starts });
  }

  override get has(): number {
    return this.real?.has ?? 0;
  }

  override get active(): number {
    return this.real?.active ?? 0;
  }

  override get isSealed(): boolean {
    return this.real.isSealed;
  }

  override get isMember(): boolean {
    return this.real.isMember;
  }

  override get isJoining(): boolean {
    return this.real.isJoining;
  }

  override state(): EpochState {
    const { active, starts } = this.real.state;
    return { chain: this.known, active, starts, seals: this.sealed };
  }

  override word(streams: Standings): Word {
    const { has, active, starts } = this.real.state;
    const hashes = this.known.slice(0, has + 1).map(({ id }) => id);
    return { slot: this.self, has, hashes, active, streams: new Map(streams), starts };
  }

  override sealOf(epoch: number): Seal | undefined {
    const seal = this.real.sealOf(epoch);
    return seal && { ...seal, slot: this.self };
  }

  override handleDescriptor(next: Descriptor, streams: Standings): boolean {
    if (next.epoch !== this.real.has + 1 || this.real.isSealed || !this.real.isMember) return false;
    this.known.push(next);
    this.real.take(streams);
    this.sealed.push(this.sealOf(this.real.has - 1)!);
    return true;
  }

  override handleWord(word: Word): void {
    const { slot, has, hashes } = word;
    // Members ignore what is said by descriptors that they do not know.
    if (has >= this.known.length || hashes[has] !== this.known[has].id) return;
    this.real.handleMark(slot, word);
    for (const [stream, standing] of word.streams) this.real.handleEntry(slot, word, stream, standing);
    this.real.handleStarts(slot, word, word.starts);
    this.told.set(`word ${slot}`, word);
  }

  override handleSeal(seal: Seal): void {
    this.real.handleSeal(seal.slot, seal);
    this.told.set(`seal ${seal.slot} ${seal.epoch}`, seal);
  }

  override deliverable(stream: string, held: Standings): number {
    const count = held.get(stream)?.count ?? 0;
    return Math.min(count, this.real.confirmed(stream, count));
  }

  override stable(stream: string): number {
    return this.real.stable(stream);
  }

  /** In a member it is GONE that says where a stream begins. */
  override begin(stream: string): number {
    if (!this.real.isJoining) return 0;
    const { active } = this.real;
    const next = this.known[active + 1];
    const bases = [...this.told.values()].flatMap((each) => {
      const counts =
        'next' in each
          ? each.epoch === active && each.next === next.id
          : each.active > active && next.slots.includes(each.slot);
      return counts ? [each.streams.get(stream)?.base ?? 0] : [];
    });
    return Math.max(0, ...bases);
  }

  override advance(held: Standings): boolean {
    return this.real.advance(held);
  }
}

function firstFault(
  runs: number,
  change: typeof Model,
  size: Partial<WorldOptions> = {},
): string | undefined {
  for (let seed = 0; seed < runs; seed++) {
    const options = { seed: `${seed}`, members: 1 + (seed % 5), changes: 4, steps: 1500, change, ...size };
    const [fault] = new World(options).run();
    if (fault !== undefined) return `seed ${seed}: ${fault}`;
  }
  return undefined;
}

test('a group that changes keeps all its promises in 300 random runs', () => {
  expect(firstFault(300, Real)).toBeUndefined();
});

test('two descriptors for one epoch never both win', () => {
  expect(firstFault(200, Real, { isContested: true })).toBeUndefined();
});

test('it is found if words and seals count for any descriptor', () => {
  class Spoilt extends Real {
    private readonly ours = () => this.word(new Map()).hashes;

    override handleWord(word: Word): void {
      super.handleWord({ ...word, hashes: this.ours() });
    }

    override handleSeal(seal: Seal): void {
      super.handleSeal({ ...seal, next: this.ours().at(-1)! });
    }
  }
  expect(firstFault(500, Spoilt, { isContested: true, changes: 1, steps: 400 })).toBeDefined();
});

test('it is found if a member prunes while it is sealed', () => {
  class Spoilt extends Real {
    override stable(stream: string): number {
      return this.isSealed ? 12 : super.stable(stream);
    }
  }
  expect(firstFault(500, Spoilt)).toBeDefined();
});

test('what others held when they sealed comes by itself no more, until we are active ourselves', () => {
  const chain = [
    { id: 'abc', slots: [0, 1, 2] },
    { id: 'abcd', slots: [0, 1, 2, 3] },
  ];
  const change = new Change(0, chain, { has: 0, active: 0, seals: [], starts: new Map() });
  const standing = (count: number) => new Map([['1/1', { count, base: 0 }]]);
  change.handleSeal(1, { epoch: 0, next: 'abcd', streams: standing(7) });
  expect(change.sealedElsewhere('1/1')).toBe(0);
  change.take(standing(9));
  expect([change.sealedElsewhere('1/1'), change.sealedElsewhere('2/1')]).toEqual([7, 0]);
  change.handleSeal(2, { epoch: 0, next: 'abcd', streams: standing(8) });
  expect(change.sealedElsewhere('1/1')).toBe(8);
  change.handleMark(1, { has: 1, active: 1 });
  change.handleStarts(1, { has: 1, active: 1 }, new Map());
  expect(change.advance(standing(9))).toBe(true);
  expect(change.sealedElsewhere('1/1')).toBe(0);
});
