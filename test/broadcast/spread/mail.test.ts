/** What waits to be said to a peer is bounded, whatever there is to ask of it and however seldom it can be said. */

import { expect, test } from 'vitest';
import { Broadcast } from '../../../src/broadcast/broadcast.js';
import { createMetrics } from '../../../src/broadcast/metrics.js';
import type { SpreadDrop } from '../../../src/broadcast/spread/drops.js';
import { fixedRate } from '../../../src/congestion/controller.js';
import { Marks } from '../../../src/core/marks.js';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../../src/core/time.js';
import { Path } from '../../../src/path/path.js';
import type { VectorEntry } from '../../../src/wire/frames/vector.js';
import { entryOf } from '../../node/traffic.js';
import { emptyStore } from '../objects.js';
import { smallGroup } from '../small-group.js';

const PEER = 1;
const ROOM = 1100;
const { group, keys } = smallGroup(3);

/** Member 0 of three, with an open path to member 1. */
function newMember(): { broadcast: Broadcast; path: Path; metrics: ReturnType<typeof createMetrics> } {
  const path = new Path({
    controller: () => fixedRate(1e6),
    rng: new Rng('path'),
    maxDatagram: 1232,
  });
  path.isOpen = true;
  const metrics = createMetrics<SpreadDrop>();
  const broadcast = new Broadcast(
    {
      group,
      self: 0,
      keys: keys[0],
      paths: [undefined, path, undefined],
      rng: new Rng('mail'),
      maxMessageSize: 1e6,
      relay: true,
      loaded: emptyStore(),
      maxStoredBytes: 1e9,
      order: 'fifo',
      changed: new Marks(group.members.length),
      sizes: { group: () => undefined, onWanted: () => {}, awaitedUntil: () => 0 },
      lodger: { sources: { frames: [], symbols: [] }, onSession: () => {}, handleSymbol: () => {} },
    },
    metrics,
  );
  return { broadcast, path, metrics };
}

/** Streams of PEER, of each of which it claims more objects than are wanted at once. */
function claims(): VectorEntry[] {
  const objects = Array.from({ length: 80 }, (_, i) => Uint8Array.of(i));
  return Array.from({ length: 16 }, (_, i) => entryOf({ origin: PEER, incarnation: i + 1 }, objects));
}

function claimAll(broadcast: Broadcast, path: Path, now: Micros): void {
  path.heardAt = now;
  claims().forEach((entry, i) => {
    const version = i + 1;
    broadcast.handleVector(now, PEER, {
      kind: 'vector',
      version,
      heard: 0,
      heardBefore: 0,
      entries: [entry],
    });
  });
}

test('wishes that cannot be said for a minute come to no more than 1,024', () => {
  const { broadcast, path, metrics } = newMember();
  claimAll(broadcast, path, 0);
  let now = 0;
  for (; now < 60 * SECOND; now += 50 * MILLISECOND) {
    path.heardAt = now;
    broadcast.handleTimeout(now);
  }
  let pulls = 0;
  for (let i = 0; i < 1000; i++)
    pulls += broadcast.outbound[PEER]!.takeControl(now, ROOM).filter(({ kind }) => kind === 'pull').length;
  expect(pulls).toBe(1024);
  expect(metrics.drops['mail-overflow']).toBeGreaterThan(0);
});

test('wishes are said though there is always more to say of streams', () => {
  const { broadcast, path } = newMember();
  claimAll(broadcast, path, 0);
  const now = SECOND;
  path.heardAt = now;
  broadcast.handleTimeout(now);
  broadcast.onSession(PEER, false);
  broadcast.handleTimeout(now + SECOND);
  const kinds = broadcast.outbound[PEER]!.takeControl(now + SECOND, 200).map(({ kind }) => kind);
  expect(kinds).toContain('pull');
  expect(kinds).toContain('vector');
});
