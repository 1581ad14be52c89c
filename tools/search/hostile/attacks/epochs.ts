/**
 * A group that changes (PROTOCOL 2.3): a member speaks of epochs that there are not, says lists and streams without end, or was removed and goes
 * on; operators sign two changes for one epoch. Stopped by: who speaks says where it is alone, by descriptors that operators signed; each
 * member's words are bounded; a removed one is not heard any more; an epoch begins by the seals of a quorum for one descriptor.
 */
import type { ListedStream } from '../../../../src/wire/frames/epochs/epoch.js';
import { EPOCH_ID_SIZE, type EpochFrame, type EpochMark } from '../../../../src/wire/frames/epochs/epoch.js';
import type { Frame } from '../../../../src/wire/frames.js';
import { Arena, ATTACK_AT } from '../arena.js';
import type { Attack } from '../attack.js';
import { entryOf, vectorOf } from '../forge.js';
import { virtual } from '../virtual.js';

const SECONDS = 8;
const GROUP = { changing: true, byzantine: 0, seconds: SECONDS, severe: true } as const;
/** The change that nobody joins or leaves by. */
const CHANGE = { pessimism: 3 };

/** To each honest member, so many a second. */
function tell(
  arena: Arena,
  rate: number,
  make: (i: number, peer: number) => Frame[],
  from = ATTACK_AT,
): void {
  arena.each(from, SECONDS, 1e6 / rate, (i) => {
    for (const peer of arena.honest) arena.say(peer, make(i, peer));
  });
}

const epochOf = (mark: EpochMark, more: Partial<EpochFrame> = {}): EpochFrame => ({
  ...{ kind: 'epoch', ...mark, heard: 0, list: 'none', of: 0, next: new Uint8Array(EPOCH_ID_SIZE) },
  ...{ total: 0, first: 0, streams: [], ...more },
});
/** Streams that nobody has, of which it says that there is all. */
const madeUp = (number: number, i: number, origins: number): ListedStream[] =>
  Array.from({ length: number }, (_, j) => ({
    ...{ origin: j % origins, incarnation: 1 + number * i + j, count: 2 ** 31, base: 0 },
  }));
const unknown = (arena: Arena, member: number, of?: number) =>
  arena
    .events(member, 'epoch-unknown')
    .filter((event) => event.type === 'epoch-unknown' && (of === undefined || event.member === of)).length;
const notActive = (arena: Arena, epoch: number) =>
  arena.honest.filter((member) => arena.epochs(member).change.active !== epoch).length;

export const future = virtual({
  ...GROUP,
  name: 'EPOCHs and SAIDs of epochs that there are not, 2,000 a second, while one begins',
  attack: (arena) =>
    tell(arena, 2000, (i) => {
      const has = i % 2 === 0 ? 1 + i : 2 ** 32 - 1 - i;
      const mark = { has, active: has - (i % 2), id: arena.rng.bytes(EPOCH_ID_SIZE) };
      return [
        epochOf(mark),
        { kind: 'said', ...mark, vector: vectorOf([entryOf({ origin: 0, incarnation: 9 }, i)]) },
      ];
    }),
  story: (arena) => {
    // At one member first: the others hear of it there.
    arena.at(5, () => arena.change(CHANGE, [0]));
    arena.at(5.5, () => arena.change(CHANGE, arena.members.map(({ index }) => index).slice(1)));
  },
  more: (attacked) => [
    { what: 'members that are not active in the new epoch', measured: notActive(attacked, 1), must: 0 },
    {
      what: 'members that were not told that another one knows it',
      measured: attacked.honest.slice(1).filter((member) => unknown(attacked, member, 0) === 0).length,
      must: 0,
    },
    {
      what: 'events of epochs that there are not, the worst member',
      measured: Math.max(...attacked.honest.map((member) => unknown(attacked, member, attacked.liar))),
      // In each of its two lives one for each epoch that a group may have.
      must: 2 * 1024,
    },
  ],
});

export const lists = virtual({
  ...GROUP,
  name: 'EPOCHs with lists of made-up streams, whole ones and without end, 1,000 a second, while an epoch begins',
  attack: (arena) =>
    tell(arena, 1000, (i, peer) => {
      const { mark } = arena.epochs(peer);
      const streams = madeUp(50, i, arena.members.length);
      const part = { total: 4096, first: (50 * i) % 4000, streams };
      return [
        epochOf(mark, {
          list: 'seal',
          of: mark.active,
          next: new Uint8Array(EPOCH_ID_SIZE).fill(i),
          ...part,
        }),
        // Of its own epoch these are not what anybody follows.
        epochOf(mark, { list: 'starts', total: 10, first: 0, streams: streams.slice(0, 10) }),
      ].slice(i % 2, 1 + (i % 2));
    }),
  story: (arena) => arena.at(5, () => arena.change(CHANGE)),
  more: (attacked) => [
    { what: 'members that are not active in the new epoch', measured: notActive(attacked, 1), must: 0 },
  ],
});

const REMOVED_AT = 3;

export const removed = virtual({
  ...GROUP,
  name: 'a removed member goes on: broadcasts, confirms, seals and starts of streams that there are not',
  attack: (arena) => {
    // Until the change is over its word counts: f is 0.
    tell(
      arena,
      1000,
      (i, peer) => {
        const { mark } = arena.epochs(peer);
        const streams = madeUp(20, i, arena.members.length);
        const list = { total: 20, first: 0, streams };
        const vector = vectorOf([entryOf(arena.stream(0), 2 ** 20 + i)]);
        return [
          epochOf(mark, { list: 'seal', of: 0, next: mark.id, ...list }),
          epochOf(mark, { list: 'starts', ...list }),
          { kind: 'said', ...mark, vector } as const,
        ].slice(i % 3, 1 + (i % 3));
      },
      REMOVED_AT + 1,
    );
    arena.each(ATTACK_AT, SECONDS, 20_000, () => void arena.submit(arena.liar));
  },
  story: (arena) => {
    const { members, honest, isControl } = arena;
    const { name } = arena.group.epochs![0].members[arena.liar];
    // It does not take the change by which it is removed, if it lies.
    arena.at(REMOVED_AT, () =>
      arena.change({ remove: name }, isControl ? members.map(({ index }) => index) : honest),
    );
  },
  more: (attacked) => [
    { what: 'members that are not active in the new epoch', measured: notActive(attacked, 1), must: 0 },
    {
      what: 'members that have heard it after that',
      measured: attacked.honest.filter(
        (member) => (attacked.members[member].endpoint.metrics.drops['removed-member'] ?? 0) === 0,
      ).length,
      must: 0,
    },
  ],
});

/** No control can be like it: without the second change there is one epoch more, and that is what the last row shows. */
export const competing: Attack = {
  name: 'operators sign two changes for one epoch: half of the members have each, or one alone has the other',
  severe: true,
  where: 'virtual',
  run: async (seed) =>
    [
      [0, 1],
      [0, 1, 2],
      [0, 1, 2, 3],
    ].flatMap((some) => {
      const arena = new Arena(seed, { ...GROUP, liars: [], seconds: 4 }, true);
      const others = arena.honest.filter((member) => !some.includes(member));
      arena.at(2, () => {
        arena.change(CHANGE, some);
        if (others.length > 0) arena.change({ pessimism: 4 }, others);
      });
      // Who has taken what no quorum has goes no further.
      arena.at(2, () => others.forEach((member) => void arena.excuse(member)));
      arena.run();
      const active = arena.honest.filter((member) => arena.epochs(member).change.active === 1);
      const isWon = some.length > 2;
      const what = `${some.length} have the first, ${others.length} the other:`;
      return [
        { what: `${what} doubled, split or different`, measured: arena.wrong(), must: 0 },
        {
          what: `${what} members active, or not, against the rule`,
          measured: arena.honest.filter(
            (member) => active.includes(member) !== (isWon && some.includes(member)),
          ).length,
          must: 0,
        },
        {
          what: `${what} members that say nothing of it`,
          measured:
            others.length === 0 ? 0 : arena.honest.filter((member) => unknown(arena, member) === 0).length,
          must: 0,
        },
        { what: `${what} messages missing`, measured: isWon ? arena.missing(some) : 0, must: 0 },
      ];
    }),
};
