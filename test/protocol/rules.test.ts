/** The table of rules in docs/PROTOCOL.md, section 9.6: how many members' word each takes, by what the code does with fewer and with as many. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Stream } from '../../src/broadcast/agreement/stream.js';
import { MAX_RUMOURS } from '../../src/broadcast/agreement/streams/rumours.js';
import { MAX_STREAMS, Streams } from '../../src/broadcast/agreement/streams.js';
import { Succession } from '../../src/broadcast/agreement/succession.js';
import { SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { Loaded } from '../../src/store/store.js';
import type { VectorEntry } from '../../src/wire/frames/vector.js';

interface Rule {
  rule: string;
  decides: string;
  whose: string;
  count: string;
  file: string;
  name: string;
  test: string;
}

/** A group, with all that the right side of the table may name. */
interface Bounds {
  n: number;
  k: number;
  f: number;
  quorum: number;
  byzantine: number;
  faulty: number;
  readyQuorum: number;
}

const [SELF, ORIGIN] = [0, 1];
const NONE = new Uint8Array(0);
const root = new URL('../../', import.meta.url);
const rules = rulesOf(readFileSync(new URL('docs/PROTOCOL.md', root), 'utf8'));
const groups = [bounds(3, 1, 0), bounds(4, 1, 1), bounds(7, 2, 2)];
const hashOf = (seq: number, version = '') => sha256(new TextEncoder().encode(`object ${seq}${version}`));
/** Members but ourselves and the origin, in the order in which they are asked. */
const others = ({ n }: Bounds) => Array.from({ length: n - 2 }, (_, i) => i + 2);

const noStore: Loaded = new MemoryStore(1000).loaded();

function bounds(n: number, k: number, f: number): Bounds {
  const quorum = Math.floor((n + f) / 2) + 1;
  return { n, k, f, quorum, byzantine: f, faulty: k, readyQuorum: f >= 1 && k >= 2 ? k + f + 1 : 0 };
}

function viewOf(group: Bounds, count: number, { self = SELF, version = '', origin = ORIGIN } = {}): Stream {
  const stream = new Stream({ origin, incarnation: 7 }, { ...group, self, members: group.n });
  for (let seq = 0; seq < count; seq++) stream.hold(seq, hashOf(seq, version));
  return stream;
}

/** What a member says that holds the first `count` objects. */
function claim(group: Bounds, count: number, more: Partial<VectorEntry> = {}, version = ''): VectorEntry {
  return { ...viewOf(group, count, { self: 2, version }).telling.entry(), ...more };
}

const streamsOf = (group: Bounds) => new Streams({ ...group, self: SELF, members: group.n }, noStore);
const entryOf = (incarnation: number, more: Partial<VectorEntry> = {}): VectorEntry => ({
  origin: ORIGIN,
  incarnation,
  base: 0,
  count: 0,
  ready: 0,
  ended: false,
  first: false,
  over: false,
  chain: new Uint8Array(32),
  ahead: NONE,
  ...more,
});

/** Two streams of the origin: of the former there is one object, which is delivered. */
function oneDelivered(group: Bounds): { streams: Streams; former: Stream } {
  const streams = streamsOf(group);
  const [former, later] = [entryOf(7), entryOf(8)].map((entry) => streams.claimed(entry, ORIGIN) as Stream);
  former.hold(0, hashOf(0));
  former.onDelivered();
  for (const stream of [former, later]) streams.onRecorded(stream);
  return { streams, former };
}

/** The same, and the former is over here, as our store says, and nowhere else. */
function oneRetired(group: Bounds): { streams: Streams } {
  const { streams, former } = oneDelivered(group);
  former.prune(1);
  for (const member of [...others(group), ORIGIN])
    former.onClaim(member, claim(group, 1, { base: 1, ended: true, first: true }));
  expect(streams.takeRetired()).toEqual([former]);
  streams.onRetired(former);
  return { streams };
}

/** The fewest of these members that have to say it until `isDone`; Infinity if all of them are too few. */
function fewest(members: readonly number[], say: (member: number) => void, isDone: () => boolean): number {
  if (isDone()) return 0;
  for (const [i, member] of members.entries()) {
    say(member);
    if (isDone()) return i + 1;
  }
  return Number.POSITIVE_INFINITY;
}

/** By rule: how many it takes in this group, found by trying; undefined where the group has no such rule. */
const measured: Record<string, (group: Bounds) => number | undefined> = {
  attest: (group) => {
    const streams = streamsOf(group);
    const all = [...others(group), ORIGIN];
    const isThere = () => streams.find({ origin: ORIGIN, incarnation: 7 })?.standing.attested === true;
    const needed = fewest(all, (member) => streams.claimed(entryOf(7, { count: 1 }), member), isThere);
    // All the others did not do it; the origin alone did.
    return needed === all.length ? 1 : needed;
  },
  rumour: (group) => {
    const streams = streamsOf(group);
    const id = { origin: ORIGIN, incarnation: 7 };
    const say = (member: number) => {
      const stream = streams.claimed(entryOf(7, { count: 5 }), member);
      if (stream instanceof Stream) stream.onClaim(member, entryOf(7, { count: 5 }));
    };
    return fewest(others(group), say, () => streams.find(id)?.claims.existing() === 1);
  },
  room: (group) => {
    const streams = streamsOf(group);
    for (let incarnation = 1; incarnation <= MAX_STREAMS; incarnation++)
      streams.claimed(entryOf(incarnation), ORIGIN);
    const entry = entryOf(MAX_STREAMS + 1, { count: 1 });
    const say = (member: number) => {
      const stream = streams.claimed(entry, member);
      if (stream instanceof Stream) stream.onClaim(member, entry);
    };
    return fewest(others(group), say, () => streams.hasRoomFor(entryOf(MAX_STREAMS + 1), ORIGIN));
  },
  place: (group) => {
    if (group.f === 0) return undefined;
    const streams = streamsOf(group);
    for (const member of others(group))
      for (let i = 1; i <= MAX_RUMOURS; i++) streams.claimed(entryOf(100 * member + i, { count: 1 }), member);
    const say = (member: number) => streams.claimed(entryOf(7, { count: 1 }), member);
    return fewest(others(group), say, () => streams.find(entryOf(7)) !== undefined);
  },
  'exists, by its origin': (group) => {
    const stream = viewOf(group, 0);
    return fewest(
      [ORIGIN],
      (member) => stream.onClaim(member, claim(group, 3)),
      () => stream.claims.existing() === 3,
    );
  },
  'exists, by others': (group) => {
    const stream = viewOf(group, 0);
    return fewest(
      others(group),
      (member) => stream.onClaim(member, claim(group, 3)),
      () => stream.claims.existing() === 3,
    );
  },
  closed: (group) => {
    const stream = viewOf(group, 0);
    stream.close();
    stream.onClaim(ORIGIN, claim(group, 1));
    return fewest(
      others(group),
      (member) => stream.onClaim(member, claim(group, 1)),
      () => stream.claims.isVouched(0),
    );
  },
  quorum: (group) => {
    if (group.readyQuorum > 0) return undefined;
    const stream = viewOf(group, 1);
    const say = (member: number) => stream.onClaim(member, claim(group, 1));
    return 2 + fewest(others(group), say, () => stream.deliverable() === 1);
  },
  'READY by READY': (group) => {
    if (group.readyQuorum === 0) return undefined;
    // All members: no quorum of confirms does it.
    const stream = viewOf({ ...group, quorum: group.n }, 1);
    const say = (member: number) => stream.onClaim(member, claim(group, 1, { ready: 1 }));
    return fewest(others(group), say, () => stream.pledge());
  },
  'READY delivers': (group) => {
    if (group.readyQuorum === 0) return undefined;
    const stream = viewOf(group, 1);
    const say = (member: number) => {
      stream.onClaim(member, claim(group, 1, { ready: 1 }));
      if (stream.pledge()) stream.onPledged(1);
    };
    return 1 + fewest([ORIGIN, ...others(group)], say, () => stream.deliverable() === 1);
  },
  follow: (group) => {
    if (group.readyQuorum > 0) return undefined;
    const stream = viewOf(group, 1);
    const say = (member: number) => stream.onClaim(member, claim(group, 1, {}, 'other'));
    return 1 + fewest(others(group), say, () => stream.following.winners() !== undefined);
  },
  'follow READY': (group) => {
    if (group.readyQuorum === 0) return undefined;
    const stream = viewOf(group, 1);
    const say = (member: number) => stream.onClaim(member, claim(group, 1, { ready: 1 }, 'other'));
    return fewest(others(group), say, () => stream.following.winners() !== undefined);
  },
  'own, otherwise': (group) => {
    const stream = streamsOf({ ...group, quorum: group.n }).own(7);
    stream.hold(0, hashOf(0));
    const say = (member: number) => stream.onClaim(member, { ...claim(group, 1, {}, 'other'), origin: SELF });
    return fewest(others(group), say, () => stream.following.winners() !== undefined);
  },
  shared: (group) => {
    const stream = viewOf(group, 3);
    const all = others(group);
    const say = (member: number) => stream.onClaim(member, claim(group, 2));
    const rivals = { members: all, votes: all.length, count: 3, chain: new Uint8Array(32) };
    return all.length <= group.f
      ? undefined
      : fewest(all, say, () => stream.following.sharedWith(rivals) === 2);
  },
  'located, from below': (group) => {
    const stream = viewOf(group, 3);
    if (others(group).length <= group.f) return undefined;
    const [other, lower] = [3, 2].map((count) => ({ ...claim(group, count, {}, 'other'), ready: 0 }));
    for (const member of others(group)) stream.onClaim(member, other, [lower]);
    const rivals = stream.comparison.rivals()!;
    const say = (member: number) => stream.onClaim(member, other, [{ ...claim(group, 1), ready: 0 }, lower]);
    return fewest(others(group), say, () => stream.following.isLocated(rivals, stream.delivered));
  },
  'located, from above': (group) => {
    const stream = viewOf(group, 3);
    if (others(group).length <= group.f) return undefined;
    const [other, lower] = [3, 2].map((count) => ({ ...claim(group, count, {}, 'other'), ready: 0 }));
    const shared = { ...claim(group, 1), ready: 0 };
    for (const member of others(group)) stream.onClaim(member, other, [shared]);
    const rivals = { ...stream.comparison.rivals()!, ...other };
    const say = (member: number) => stream.onClaim(member, other, [shared, lower]);
    return fewest(others(group), say, () => stream.following.isLocated(rivals, stream.delivered));
  },
  stable: (group) => {
    const stream = viewOf(group, 1);
    return fewest(
      [...others(group), ORIGIN],
      (member) => stream.onClaim(member, claim(group, 1)),
      () => stream.stable() === 1,
    );
  },
  retire: (group) => {
    const { streams, former } = oneDelivered(group);
    former.prune(1);
    const said = { base: 1, ended: true, first: true };
    const say = (member: number) => former.onClaim(member, claim(group, 1, said));
    return fewest([...others(group), ORIGIN], say, () => streams.takeRetired().length === 1);
  },
  gone: (group) => {
    const stream = viewOf(group, 0);
    let votes = 0;
    const say = (member: number) => {
      votes = stream.onGone(member, 3, hashOf(3));
    };
    // As `Broadcast.onGone` compares them.
    return fewest(others(group), say, () => votes > group.f);
  },
  'gone, refused': (group) => {
    const stream = viewOf(group, 0);
    const say = (member: number) => stream.onClaim(member, claim(group, 3));
    return fewest(
      others(group),
      say,
      () => stream.comparison.against({ count: 3, chain: hashOf(3) }) > group.f,
    );
  },
  keeper: (group) => {
    const stream = viewOf(group, 0);
    const isKept = (now: number) => others(group).some((member) => stream.keepers.isKeptBy(now, member, 0));
    const needed = fewest(
      others(group),
      (member) => stream.onClaim(member, claim(group, 1)),
      () => isKept(0),
    );
    for (const member of others(group)) stream.keepers.onAsked(0, member);
    expect([isKept(3 * SECOND - 1), isKept(3 * SECOND)]).toEqual([true, false]);
    return needed;
  },
  past: (group) => {
    const streams = streamsOf(group);
    const say = (member: number) => streams.onOver(member, { origin: ORIGIN, incarnation: 7 });
    const isPast = () => streams.isPast({ origin: ORIGIN, incarnation: 7, count: 1000 });
    return fewest([...others(group), ORIGIN], say, isPast);
  },
  'past, ended here': (group) => {
    const { streams } = oneRetired(group);
    const isPast = (count: number) => streams.isPast({ origin: ORIGIN, incarnation: 7, count });
    if (group.k + group.f > 0) expect(isPast(2)).toBe(false);
    return isPast(1) ? 1 : 0;
  },
  'retire after others': (group) => {
    const { streams, former } = oneDelivered(group);
    const say = (member: number) => {
      streams.onOver(member, former);
      former.onClaim(member, claim(group, 1, { base: 1, ended: true, over: true }));
    };
    return fewest(others(group), say, () => streams.takeRetired().length === 1);
  },
  'later own, named': (group) => {
    const succession = new Succession(group, 100);
    const own = viewOf(group, 1, { origin: SELF });
    const say = (member: number) => succession.onClaim(0, member, own, { ...entryOf(9), origin: SELF });
    return fewest([ORIGIN, ...others(group)], say, () => succession.isReady(2 * SECOND, group.quorum));
  },
  'later own, signed': (group) => {
    const succession = new Succession(group, 100);
    const own = viewOf(group, 1, { origin: SELF });
    return fewest(
      [ORIGIN],
      () => succession.onSigned(0, own, 9),
      () => succession.isReady(2 * SECOND, group.quorum),
    );
  },
  'said again': (group) => {
    const succession = new Succession(group, 100);
    const own = viewOf(group, 1, { origin: SELF });
    const say = (member: number) => own.onClaim(member, claim(group, 1));
    return fewest([ORIGIN, ...others(group)], say, () => succession.abandoned(own) === 1);
  },
};

describe('the table of rules', () => {
  test('has them all', () => {
    expect(rules.length).toBeGreaterThan(20);
    // What is left is held by the file that it names.
    const left = rules.filter(({ rule }) => !(rule in measured)).map(({ rule }) => rule);
    expect(left).toEqual(['own share']);
    expect(Object.keys(measured).filter((name) => !rules.some(({ rule }) => rule === name))).toEqual([]);
  });

  test.each(rules)('$rule: $name is in $file, $test holds it', ({ file, name, ...rule }) => {
    const source = readFileSync(new URL(`src/${file}`, root), 'utf8');
    expect(source).toMatch(new RegExp(`^  (private )?${name}\\(`, 'm'));
    expect(existsSync(new URL(`test/${rule.test}`, root))).toBe(true);
    expect([rule.decides, rule.whose].every((cell) => cell.length > 0)).toBe(true);
  });

  describe.each(groups)('holds of $n members of which $k may fail and $f lie', (group) => {
    test.each(rules.filter(({ rule }) => rule in measured))('$rule: $count', ({ rule, count }) => {
      const needed = measured[rule](group);
      if (needed !== undefined) expect(needed).toBe(countOf(count, group));
    });
  });
});

test('no member puts more than 16 rumours in anyone’s memory', () => {
  const streams = streamsOf(groups[1]);

  for (let incarnation = 1; incarnation <= 100; incarnation++)
    streams.claimed(entryOf(incarnation, { count: 1 }), 2);

  expect([...streams].filter(({ standing }) => !standing.attested)).toHaveLength(16);
});

describe('a member that has restarted', () => {
  const group = groups[1];
  const said = { base: 1, ended: true, first: true };

  function retirable(): { streams: Streams; former: Stream } {
    const streams = streamsOf(group);
    const [former, later] = [7, 8].map(
      (incarnation) => streams.claimed(entryOf(incarnation), ORIGIN) as Stream,
    );
    former.hold(0, hashOf(0));
    former.onDelivered();
    former.prune(1);
    for (const stream of [former, later]) streams.onRecorded(stream);
    for (const member of [ORIGIN, ...others(group)]) former.onClaim(member, claim(group, 1, said));
    return { streams, former };
  }

  test.each([ORIGIN, 3])('has to say anew what it holds before a stream is retired: member %i', (member) => {
    const { streams, former } = retirable();

    streams.onFresh(member);

    expect(streams.takeRetired()).toEqual([]);
    former.onClaim(member, claim(group, 1, said));
    expect(streams.takeRetired()).toEqual([former]);
  });

  test('no longer vouches for objects of a stream that has ended', () => {
    const stream = viewOf(group, 0);
    stream.close();
    for (const member of [2, 3]) stream.onClaim(member, claim(group, 1));
    expect(stream.claims.isVouched(0)).toBe(true);

    stream.onFresh(2);

    expect(stream.claims.isVouched(0)).toBe(false);
  });
});

test('of a stream that has a later one its origin’s word counts only with ENDED', () => {
  const group = groups[1];
  const stream = viewOf(group, 0);
  stream.close();
  stream.onClaim(2, claim(group, 1));

  stream.onClaim(ORIGIN, claim(group, 1));
  expect([stream.claims.isVouched(0), stream.claims.named()]).toEqual([false, 0]);

  stream.onClaim(ORIGIN, claim(group, 1, { ended: true }));
  expect([stream.claims.isVouched(0), stream.claims.named()]).toEqual([true, 1]);
});

test('the example of section 9.1: to whom which digests are told', () => {
  const group = groups[2];
  const [b, c, d] = [2, 3, 4];
  // No quorum of confirms makes us READY here.
  const ours = viewOf({ ...group, quorum: group.n }, 8);
  ours.onDelivered();
  ours.onDelivered();
  // READY for 5, in the store.
  for (const member of [ORIGIN, d, 5]) ours.onClaim(member, claim(group, 5, { ready: 5 }));
  if (ours.pledge()) ours.onPledged(5);
  const other = (count: number) => claim(group, count, {}, 'other');

  ours.onClaim(b, other(6), [{ ...other(4), ready: 0 }]);
  ours.onClaim(c, other(7));

  const told = (member: number) => ours.tell(member).map(({ count }) => count);
  expect(told(b)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  expect(told(d)).toEqual([5, 8]);
});

/** The rows: | rule | decides | whose word | how many | `file` name | `test` |. */
function rulesOf(text: string): Rule[] {
  const section = text.slice(text.indexOf('### 9.6'), text.indexOf('## 10.'));
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| rule '))
    .map((line) => {
      const [, rule, decides, whose, count, code, held] = line.split('|').map((cell) => cell.trim());
      const [, file, name] = /^`(.+)` (\w+)$/.exec(code) ?? [];
      return { rule, decides, whose, count, file, name, test: held.replaceAll('`', '') };
    });
}

/** 'quorum', or a sum of n, k, f and numbers. */
function countOf(count: string, group: Bounds): number {
  if (count === 'quorum') return group.quorum;
  let sum = 0;
  for (const [, sign, term] of count.matchAll(/([+-]?) ?(\w+)/g)) {
    const value = /^\d+$/.test(term) ? Number(term) : group[term as 'n' | 'k' | 'f'];
    sum += sign === '-' ? -value : value;
  }
  return sum;
}
