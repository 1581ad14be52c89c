/** What members store and deliver in simulations is what the rules of the model allow, and the twin of the model can tell. */
import { describe, expect, test } from 'vitest';
import { SECOND } from '../../src/core/time.js';
import type { SimDisk } from '../../src/sim/disk.js';
import type { SimEvent, SimMember } from '../../src/sim/member.js';
import { runScenario } from '../../src/sim/run.js';
import { type Fault, randomScenario, type Scenario } from '../../src/sim/scenario.js';
import type { StoreWrite } from '../../src/store/store.js';
import { Twin } from './twin.js';

const SEEDS = Math.min(Number(process.env.HEADWATER_SEEDS ?? 30), 200);

function follow(scenario: Scenario): Twin {
  const liars = new Set(scenario.faults.flatMap((fault) => (fault.type === 'liar' ? [fault.member] : [])));
  const twin = new Twin(scenario.members, scenario.byzantine, liars);
  runScenario(scenario, { observe: (member, event) => twin.observe(member, event) });
  return twin;
}

/** Nothing goes wrong, but that a member gets an empty store, or for some seconds another one. */
function withOtherStore(seed: number): Scenario {
  const scenario = randomScenario(`store-${seed}`);
  const at = 2 * SECOND;
  const back = seed % 2 === 0 ? undefined : 6 * SECOND;
  const fault: Fault = { type: 'store', member: 0, at, down: SECOND / 2, back, clock: 'right' };
  for (const message of scenario.messages.slice(0, 5)) message.origin = 0;
  return { ...scenario, faults: [fault], healAt: Math.max(scenario.healAt, 8 * SECOND) };
}

describe('the rules of the model allow what members store and deliver', () => {
  test('in random runs', () => {
    for (let seed = 0; seed < SEEDS; seed++)
      expect(follow(randomScenario(`model-${seed}`)).refused, `seed model-${seed}`).toEqual([]);
  }, 600_000);

  test('in runs in which a member comes back with another store', () => {
    const used = new Set<string>();
    for (let seed = 0; seed < SEEDS / 3; seed++) {
      const twin = follow(withOtherStore(seed));
      for (const rule of Object.keys(twin.used)) used.add(rule);
      expect(twin.refused, `seed store-${seed}`).toEqual([]);
    }
    expect([...used].sort()).toEqual(expect.arrayContaining(['deliver', 'prune', 'retire']));
  }, 600_000);
});

describe('the twin of the model refuses', () => {
  const none = new Uint8Array(32);
  const object = (incarnation: number, seq: number): StoreWrite => ({
    type: 'object',
    object: { origin: 0, incarnation, seq, certificate: none, bytes: none },
  });
  const stream = (incarnation: number, delivered: number, base: number): StoreWrite => ({
    type: 'stream',
    state: { origin: 0, incarnation, delivered, base, index: 0, chain: none, baseChain: none },
  });
  const retire = (incarnation: number, count: number): StoreWrite => ({
    type: 'retire',
    stream: { origin: 0, incarnation, count, chain: none },
  });

  /** Three members, of which nobody lies, and what they commit, one after the other. */
  function twinAfter(...history: [member: number, ...writes: StoreWrite[]][]): Twin {
    const twin = new Twin(3, 0, new Set());
    for (const [member, ...writes] of history) {
      tell(twin, member, { type: 'commit', writes });
      tell(twin, member, { type: 'committed', ok: true });
    }
    return twin;
  }
  const disks = [0, 1, 2].map(() => ({}) as SimDisk);
  const tell = (twin: Twin, index: number, event: SimEvent) =>
    twin.observe({ index, disk: disks[index], starts: 1 } as SimMember, event);

  test('to prune what a member has never stored', () => {
    const { refused } = twinAfter([0, object(1, 0)], [1, object(1, 0)], [1, stream(1, 1, 1)]);
    expect(refused).toEqual(['prune: member 1, object 0/1/0']);
  });

  test('to take an object of an ended stream that nobody else has', () => {
    const { refused } = twinAfter([1, stream(1, 0, 0), stream(2, 0, 0)], [1, object(1, 0)]);
    expect(refused).toEqual(['take: member 1, object 0/1/0']);
  });

  test('to retire what a member has never stored, and a stream that has not ended', () => {
    const { refused } = twinAfter([0, object(1, 0)], [1, object(1, 0)], [1, retire(1, 1)]);
    expect(refused).toEqual(['retire: member 1, object 0/1/1', 'retire: member 1, object 0/1/1']);
  });

  test('to skip what nobody has pruned', () => {
    const { refused } = twinAfter([0, object(1, 0)], [1, stream(1, 1, 1)]);
    expect(refused).toEqual(['skip: member 1, object 0/1/0']);
  });
});
