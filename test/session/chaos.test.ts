/**
 * Random sequences of everything at once, from a seed: traffic, restarts, addresses, fail-over, loss, outages, clocks,
 * replays and forgeries. Whatever happens, nothing is heard that was not said, or twice; memory stays small; and when the
 * trouble ends, all can talk to all. The same seed gives the same bytes on the wire.
 */
import { expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { sha256 } from '../../src/crypto/hash.js';
import { iid } from '../../src/sim/net/loss.js';
import { withSeeds } from '../util/seed.js';
import { World } from './world.js';

const LIMITS = { rekeyAfter: 3 * SECOND, rejectAfter: 15 * SECOND, grace: SECOND, idleAfter: 5 * SECOND };
const LOCATORS = [['m0:1', 'm0:2'], ['m1:1'], ['m2:1', 'm2:2', 'm2:3']];

function chaos(seed: string, steps: number): World {
  const world = new World({ seed, members: 3, limits: LIMITS, locators: LOCATORS });
  const rng = new Rng(`${seed} chaos`);
  const said = new Set<string>();
  const { nodes } = world;
  for (let step = 0; step < steps; step++) {
    const node = rng.pick(nodes);
    const other = nodes[(node.index + rng.integer(1, 2)) % 3];
    const now = world.clock(node);
    switch (rng.integer(0, 15)) {
      case 0:
        if (rng.chance(0.2)) world.start(node);
        break;
      case 1:
        node.address = rng.pick([...LOCATORS[node.index], `nat:${node.index}${rng.integer(0, 3)}`]);
        break;
      case 2:
        node.table.challenge(now, other.index, rng.pick(LOCATORS[other.index]));
        if (rng.chance(0.3)) node.table.moveTo(other.index, rng.pick(LOCATORS[other.index]));
        break;
      case 3:
        world.links.update({ loss: iid(rng.pick([0, 0, 0.1, 0.5])), reorder: rng.pick([0, 0.3]) });
        break;
      case 4:
        world.links.update({ blocked: rng.chance(0.1) });
        break;
      case 5:
        if (rng.chance(0.2)) world.clockOffset[node.index] += rng.integer(-20, 20) * SECOND;
        break;
      case 6:
      case 7: {
        if (world.wire.length === 0) break;
        const { from, to, bytes } = rng.pick(world.wire);
        const forged = bytes.slice();
        if (rng.chance(0.7)) forged[rng.integer(0, forged.length - 1)] ^= 1 << rng.integer(0, 7);
        world.inject(rng.pick([from, from, 'evil:1']), to, forged);
        break;
      }
      case 8:
        node.table.connect(now, other.index);
        break;
      default:
        for (let i = rng.integer(1, 5); i > 0; i--) {
          const text = `${node.index} ${step} ${i} ${'.'.repeat(rng.integer(0, 100))}`;
          if (world.send(node, other, text)) said.add(text);
        }
    }
    world.run(rng.integer(0, 60) * MILLISECOND);
    for (const { table } of nodes) {
      expect(table.sizes().indices).toBeLessThanOrEqual(2 * 4);
      expect(table.sizes().outbox).toBe(0);
    }
  }
  for (const node of nodes) {
    const texts = node.texts();
    expect(new Set(texts).size).toBe(texts.length);
    for (const text of texts) expect(said.has(text)).toBe(true);
    for (const peer of nodes)
      if (peer !== node) expect(node.table.session(peer.index)!.addresses.current).not.toBe('evil:1');
  }
  return world;
}

test('nothing false, nothing twice, and all is well in the end', () =>
  withSeeds(30, (seed) => {
    const world = chaos(seed, 300);
    world.links.update({ blocked: false, loss: iid(0), reorder: 0 });
    for (const node of world.nodes) node.address = LOCATORS[node.index][0];
    // Clocks that were put back stand still in there until they have caught up: 20 s for each time.
    for (let i = 0; i < 300; i++) {
      for (const node of world.nodes)
        for (const other of world.nodes)
          if (node !== other) world.send(node, other, `end ${i} ${node.index}`);
      world.run(SECOND);
    }
    for (const node of world.nodes) {
      const last = node.texts().filter((text) => text.startsWith('end 29'));
      for (const other of world.nodes) if (other !== node) expect(last).toContain(`end 299 ${other.index}`);
    }
  }));

test('one seed gives one run, byte for byte', () => {
  const trace = () => {
    const world = chaos('same', 200);
    const all = world.wire.map(
      ({ at, from, to, bytes }) => `${at} ${from} ${to} ${Buffer.from(bytes).toString('hex')}`,
    );
    return Buffer.from(sha256(new TextEncoder().encode(all.join('\n')))).toString('hex');
  };
  expect(trace()).toBe(trace());
});
