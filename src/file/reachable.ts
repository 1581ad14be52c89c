import type { Node } from '../node/node.js';

/** Indices of the other members that are within reach. */
export function reachableOf(node: Node): Set<number> {
  const names = new Set(node.status().peers.flatMap(({ name, reachable }) => (reachable ? [name] : [])));
  return new Set(node.group.members.flatMap(({ name, index }) => (names.has(name) ? [index] : [])));
}
