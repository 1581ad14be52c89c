/**
 * Groups in which not every two members reach each other. In: a seed, the members, and those that others must not depend on. Out: pairs
 * between which nothing passes, so that the rest is connected.
 */
import type { Rng } from '../core/rng.js';

/** Two members. */
export type Pair = readonly [number, number];

/** Pairs that do not reach each other. `leaves`: members by way of whom nobody has to be reached. */
export function randomApart(rng: Rng, members: number, leaves: ReadonlySet<number>): Pair[] {
  const order = rng.shuffle(Array.from({ length: members }, (_, member) => member));
  const inner = order.filter((member) => !leaves.has(member));
  const linked = new Set<string>();
  const link = (a: number, b: number) => linked.add(keyOf(a, b));
  const shape = rng.pick(['chain', 'ring', 'star', 'tree', 'tree'] as const);
  for (let i = 1; i < inner.length; i++)
    link(inner[i], inner[shape === 'star' ? 0 : shape === 'tree' ? rng.integer(0, i - 1) : i - 1]);
  if (shape === 'ring') link(inner[0], inner[inner.length - 1]);
  for (const leaf of leaves) link(leaf, rng.pick(inner));
  const more = shape === 'tree' ? rng.float() * 0.6 : 0;
  const apart: Pair[] = [];
  for (let a = 0; a < members; a++)
    for (let b = a + 1; b < members; b++)
      if (!linked.has(keyOf(a, b)) && !rng.chance(more)) apart.push([a, b]);
  return apart;
}

/** Whether two members do not reach each other. */
export function areApart(apart: readonly Pair[] | undefined, a: number, b: number): boolean {
  return apart?.some(([one, other]) => (one === a && other === b) || (one === b && other === a)) === true;
}

/** How many links lie between the two members that are farthest from each other. */
export function widthOf(apart: readonly Pair[], members: number): number {
  let width = 0;
  for (let from = 0; from < members; from++) {
    const reached = new Set([from]);
    for (let steps = 0, edge = [from]; edge.length > 0; steps++) {
      width = Math.max(width, steps);
      const next = Array.from({ length: members }, (_, member) => member).filter(
        (member) => !reached.has(member) && edge.some((each) => !areApart(apart, each, member)),
      );
      for (const member of next) reached.add(member);
      edge = next;
    }
  }
  return width;
}

function keyOf(a: number, b: number): string {
  return `${Math.min(a, b)}-${Math.max(a, b)}`;
}
