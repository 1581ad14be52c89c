import { expect, test } from 'vitest';
import { Outgoing } from '../../src/broadcast/outgoing.js';
import { fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { Path } from '../../src/path/path.js';
import { MAX_SYMBOL_BODY } from '../../src/wire/limits.js';
import { storedObject } from './objects.js';
import { smallGroup } from './small-group.js';

const PEER = 1;

test('a wave ends also if every path has shut by the time that it is out', () => {
  const small = smallGroup(2);
  const { certificate, bytes } = storedObject(
    { origin: 0, incarnation: 1, seq: 0 },
    new Uint8Array(10_000),
    small,
  );
  const path = new Path({ controller: () => fixedRate(1e6), rng: new Rng('path'), maxDatagram: 1232 });
  const outgoing = new Outgoing(
    0,
    small.group,
    small.keys[0],
    [undefined, path],
    new Rng('wave'),
    certificate,
    bytes,
  );
  const target = new Uint8Array(MAX_SYMBOL_BODY);

  while (outgoing.next(0, PEER, target) > 0);

  expect(outgoing.hasFor(0, PEER)).toBe(false);
  outgoing.dispose();
});
