/** A member that comes back after thousands of objects: far more than it takes in at a time, and than it can check. */
import { expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { parcelOf, storedObject } from '../broadcast/objects.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';
import { entryOf, servedSymbols } from '../node/traffic.js';

const STREAM = { origin: 1, incarnation: 7 };
const OBJECTS = 4200;
const HOLDERS = [2, 3];

test('a member that is behind by more than its window delivers all that it missed', () => {
  const members = smallGroup(5);
  const bench = new Bench({ ...members, self: 0 }).open();
  const objects = Array.from({ length: OBJECTS }, (_, i) => parcelOf(`${i}`));
  for (const peer of HOLDERS) bench.peer(peer).confirm(entryOf(STREAM, objects));
  for (let i = 0; i < 1000 && bench.store.loaded().streams[0]?.delivered !== OBJECTS; i++) {
    bench.run(20 * MILLISECOND);
    for (const peer of HOLDERS)
      for (const { id } of bench.peer(peer).takePulls())
        bench
          .peer(peer)
          .sendSymbols(servedSymbols(storedObject({ ...STREAM, seq: id.seq }, objects[id.seq], members)));
  }
  bench.run(2 * SECOND);
  const delivered = bench.eventsOf('deliver').map(({ id }) => id.seq);
  expect(delivered).toEqual(Array.from({ length: OBJECTS }, (_, seq) => seq));
}, 60_000);
