/**
 * Transfers that are none, of each member, named to each: what all would then tell each other of them comes to thousands of frames.
 * Stopped by: of a transfer of which neither the manifest nor a word of its origin has come a member speaks to those alone that have
 * named it (PROTOCOL 14.2), and 64 count of what a member names (11).
 */
import { MAX_NAMED } from '../../../../src/bulk/transfers.js';
import type { TransferFrame } from '../../../../src/wire/frames/transfer.js';
import { TRANSFER_BIT } from '../../../../src/wire/symbol.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

/** As said to a member: none that is said to another one. */
function made(arena: Arena, peer: number): TransferFrame[] {
  const none = new Uint8Array(0);
  const others = arena.honest.filter((origin) => origin !== peer);
  return Array.from({ length: MAX_NAMED }, (_, i) => {
    const id = { origin: others[i % others.length], incarnation: TRANSFER_BIT + MAX_NAMED * peer + i };
    const stands = { state: 'saved', count: 1, sent: 0, reason: none, ahead: none } as const;
    return { kind: 'transfer', ...id, version: 1, heard: 0, ...stands };
  });
}

/** How many of them the member knows that knows most. */
function known(arena: Arena): number {
  const all = arena.honest.flatMap((peer) => made(arena, peer));
  const of = (member: number) =>
    all.filter((id) => arena.members[member].endpoint.bulk.files.status(id) !== undefined).length;
  return Math.max(...arena.honest.map(of));
}

export const madeUp = virtual({
  name: 'transfers that are none, 64 of each member to each',
  members: 10,
  seconds: 4,
  attack: (arena) =>
    arena.each(ATTACK_AT, 4, 20_000, (i) => {
      for (const peer of arena.honest) {
        const frames = made(arena, peer);
        const from = (8 * i) % frames.length;
        arena.say(peer, frames.slice(from, from + 8));
      }
    }),
  more: (attacked) => [{ what: 'of these known to one', measured: known(attacked), must: MAX_NAMED }],
});
