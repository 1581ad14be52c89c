/** The rules of docs/EPOCHS.md in random small groups: nothing lost, doubled, out of order, or delivered by only some that stay. */
import { describe, expect, test } from 'vitest';
import { Change, type Seal, type Standings, type Word } from './change.js';
import { World, type WorldOptions } from './world.js';

/** What the first run of so many finds, of groups that begin with one to five members and change up to four times, unless said. */
function firstFault(
  runs: number,
  change?: typeof Change,
  size: Partial<WorldOptions> = {},
  from = 0,
): string | undefined {
  for (let seed = from; seed < from + runs; seed++) {
    const options = { seed: `${seed}`, members: 1 + (seed % 5), changes: 4, steps: 1500, change, ...size };
    const [fault] = new World(options).run();
    if (fault !== undefined) return `seed ${seed}: ${fault}`;
  }
  return undefined;
}

test('a group that changes keeps all its promises in 200 random runs', () => {
  expect(firstFault(200)).toBeUndefined();
});

test('two descriptors for one epoch never both win', () => {
  expect(firstFault(200, Change, { isContested: true })).toBeUndefined();
});

describe('a rule that is left out is found', () => {
  /** The same rules, but for methods that are private and replaced. */
  function spoilt(methods: Record<string, unknown>): typeof Change {
    class Spoilt extends Change {}
    Object.assign(Spoilt.prototype, methods);
    return Spoilt;
  }

  test('C2: words of members that have sealed count for the old epoch', () => {
    class Spoilt extends Change {
      override handleWord(word: Word): void {
        super.handleWord(word);
        super.handleWord({ ...word, has: Math.min(word.has, this.active) });
      }
    }
    expect(firstFault(500, Spoilt)).toBeDefined();
  });

  test('C4: seals count for any descriptor', () => {
    class Spoilt extends Change {
      override handleSeal(seal: Seal): void {
        super.handleSeal({ ...seal, next: super.word(new Map()).hashes.at(-1)! });
      }
    }
    expect(firstFault(500, Spoilt, { isContested: true, changes: 1, steps: 400 })).toBeDefined();
  });

  test('C4: nothing is handed over', () => {
    // It takes two that stop at the right moments: one run in some thousands has them.
    const size = { members: 3, changes: 1, steps: 300 };
    expect(firstFault(100, spoilt({ isHeld: () => true }), size, 9400)).toBeDefined();
  });

  test('C5: a member that joins is active without what is below the start', () => {
    class Spoilt extends Change {
      override word(streams: Standings): Word {
        return { ...super.word(streams), starts: new Map() };
      }
    }
    expect(firstFault(500, Spoilt)).toBeDefined();
  });

  test('C6: nobody follows', () => {
    expect(firstFault(500, spoilt({ followed: () => undefined }))).toBeDefined();
  });

  test('C7: a sealed member prunes', () => {
    expect(
      firstFault(
        4000,
        spoilt({
          stable(this: { heldByAll(stream: string): number }, stream: string) {
            return this.heldByAll(stream);
          },
        }),
      ),
    ).toBeDefined();
  });
});
