/** A member that the others do not let in, or do not hear: its endpoint and theirs say so, by name and cause, once a minute. */
import { describe, expect, test } from 'vitest';
import { SECOND } from '../../src/core/time.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';

const OTHER = 1;
const { group, keys } = smallGroup(3);
const CAUSES = ['older-run', 'superseded', 'unheard', 'other-version', 'foreign-version', 'foreign-group'];

function told(bench: Bench): unknown[] {
  return bench.events().filter(({ type }) => CAUSES.includes(type));
}

describe('what the operator hears of', () => {
  test('a member whose clock was put back: it, and the run that counts', () => {
    const bench = new Bench({ group, keys, self: 0 });
    bench.replace(OTHER, { incarnation: 9 });
    bench.open();
    bench.events();
    const late = bench.replace(OTHER, { incarnation: 7 });
    for (let i = 0; i < 5; i++) {
      late.connect();
      bench.run(SECOND);
    }
    expect(told(bench)).toEqual([
      { type: 'older-run', member: OTHER, incarnation: 7, counting: 9, address: expect.any(String) },
    ]);
  });

  test('a later run of ours that a member knows', () => {
    const later = new Bench({ group, keys, self: 0, incarnation: 6 }).open();
    const bench = new Bench({ group, keys, self: 0, incarnation: 5 });
    // The member has met the later one, and meets ours now.
    bench.peers[OTHER] = Object.assign(
      Object.create(Object.getPrototypeOf(later.peer(OTHER))),
      later.peer(OTHER),
      { bench },
    );
    bench.now = later.now;
    bench.run(5 * SECOND);
    expect(told(bench)).toEqual([{ type: 'superseded', member: OTHER, counting: 6 }]);
  });

  test('a member that we hear and that does not hear us', () => {
    const bench = new Bench({ group, keys, self: 0 });
    bench.isLost = ({ from }) => from === bench.address;
    for (let i = 0; i < 30; i++) {
      bench.peer(OTHER).connect();
      bench.run(SECOND);
    }
    expect(told(bench)).toEqual([{ type: 'unheard', member: OTHER }]);
  });

  test('a member with another group file, within seconds and then once a minute', () => {
    const bench = new Bench({ group, keys, self: 0 });
    bench.replace(OTHER, { groupId: new Uint8Array(32) });
    for (let i = 0; i < 130; i++) {
      bench.peer(OTHER).connect();
      bench.run(SECOND);
    }
    expect(told(bench)).toEqual(Array(3).fill({ type: 'foreign-group', member: OTHER }));
  });
});
