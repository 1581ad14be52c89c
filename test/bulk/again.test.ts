/** Trees that are offered again by who has offered them before, in the same run or another one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { iid } from '../../src/sim/net/loss.js';
import type { StreamId } from '../../src/wire/symbol.js';
import { Crowd, SLICE, treeOf } from './crowd.js';

const tree = treeOf([1_000_000, 0, 100]);
const SLICES = Math.ceil(tree.bytes.length / SLICE);

describe('what was saved, and is offered again', () => {
  let crowd: Crowd;
  let id: StreamId;

  beforeAll(() => {
    crowd = new Crowd({ seed: 'again', members: 3, links: { delay: 10 * MILLISECOND, loss: iid(0.1) } });
    crowd.take(1, 2);
    id = crowd.offer(0, tree);
    crowd.startWith(0, id, 1, 2);
    crowd.runUntil(isKnown);
  });

  afterAll(() => crowd.dispose());

  const isKnown = () => [1, 2].every((member) => crowd.standing(0, id, member)?.state === 'saved');

  test('is told to be saved where it is there still', () => {
    crowd.close(0, id);
    crowd.offer(0, tree);
    expect(crowd.runUntil(isKnown, 5 * SECOND)).toBe(true);
    expect(crowd.shelf(1, id)!.written).toHaveLength(SLICES);
  });

  test('comes again where it is gone', () => {
    crowd.close(0, id);
    crowd.discard(2, id);
    crowd.offer(0, tree);
    crowd.startWith(0, id, 2);
    expect(crowd.runUntil(isKnown, 20 * SECOND)).toBe(true);
    expect(crowd.isSaved(id, 1, 2)).toBe(true);
  });

  test('is looked at again after its sender has started anew', () => {
    crowd.cluster.crash(0);
    crowd.discard(1, id);
    crowd.restart(0);
    crowd.offer(0, tree);
    crowd.startWith(0, id, 1);
    expect(crowd.runUntil(isKnown, 20 * SECOND)).toBe(true);
    expect(crowd.isSaved(id, 1, 2)).toBe(true);
  });

  test('is looked at sixteen times in a moment, however often it is offered', () => {
    const before = crowd.opened.filter((member) => member === 1).length;
    for (let i = 0; i < 40; i++) {
      crowd.close(0, id);
      crowd.offer(0, tree);
      crowd.runUntil(() => false, SECOND / 20);
    }
    const looks = crowd.opened.filter((member) => member === 1).length - before;
    expect(looks).toBeGreaterThan(8);
    expect(looks).toBeLessThanOrEqual(18);
  });
});
