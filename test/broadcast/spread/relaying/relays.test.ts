/** What waits to be relayed: origins take turns, and one that sends much spends only room of its own. */
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../../src/broadcast/agreement/stream.js';
import { ObjectUnderWay } from '../../../../src/broadcast/spread/objects.js';
import { MAX_RELAYS, Relays } from '../../../../src/broadcast/spread/relaying/relays.js';
import { parseContents, SymbolWriter } from '../../../../src/wire/datagram.js';
import { DATAGRAM_SIZE, PROTECTED_HEADER, PROTECTED_TAG } from '../../../../src/wire/limits.js';
import { boundsOf } from '../../bounds.js';
import { Numbers } from '../../way.js';

const [PEER, OTHER] = [1, 2];

function record(origin: number): ObjectUnderWay<Stream> {
  return new ObjectUnderWay(new Stream({ origin, incarnation: 7 }, boundsOf(0, 4)), 0, 0);
}

function push(relays: Relays, of: ObjectUnderWay, count: number, peer = PEER): number {
  let overflows = 0;
  for (let i = 0; i < count; i++)
    if (relays.push(peer, { at: 0, object: of, sbn: 0, symbol: Uint8Array.of(of.stream.origin, i) }))
      overflows++;
  return overflows;
}

/** Origins of what `peer` is sent next. */
function take(relays: Relays, count: number, peer = PEER): (number | undefined)[] {
  return Array.from({ length: count }, () => {
    const writer = new SymbolWriter(new Uint8Array(DATAGRAM_SIZE), [], new Numbers());
    if (!relays.next(peer, writer)) return -1;
    const { frames } = parseContents(writer.finish()!.slice(PROTECTED_HEADER, -PROTECTED_TAG));
    return frames[0].kind === 'sized-symbol' ? frames[0].body[0] : undefined;
  });
}

describe('symbols of several origins', () => {
  test('take turns, whoever came first', () => {
    const relays = new Relays(4);
    push(relays, record(3), 100);
    push(relays, record(2), 2);
    expect(take(relays, 6)).toEqual([3, 2, 3, 2, 3, 3]);
  });

  test('share the room: the oldest of the origin that has most goes', () => {
    const relays = new Relays(4);
    push(relays, record(2), 10);
    expect(push(relays, record(3), 2 * MAX_RELAYS)).toBe(MAX_RELAYS + 10);
    const sent = take(relays, MAX_RELAYS + 1);
    expect([sent.filter((origin) => origin === 2).length, sent.at(-1)]).toEqual([10, -1]);
  });

  test('wait for each peer on their own', () => {
    const relays = new Relays(4);
    push(relays, record(3), 3);
    push(relays, record(3), 1, OTHER);
    expect([take(relays, 2, OTHER), take(relays, 1)]).toEqual([[3, -1], [3]]);
  });
});

test('what a peer says that it holds is passed over', () => {
  const relays = new Relays(4);
  const held = record(3);
  push(relays, held, 5);
  push(relays, record(2), 1);
  held.stream.onClaim(PEER, { ...held.stream.telling.entry(), count: 1 });
  relays.onHeard(PEER);
  expect([take(relays, 2), relays.has(PEER)]).toEqual([[2, -1], false]);
});

test('an object that is forgotten is not relayed any more, and gives back its room', () => {
  const relays = new Relays(4);
  const forgotten = record(3);
  push(relays, forgotten, MAX_RELAYS);
  relays.forget(forgotten);
  expect(push(relays, record(2), MAX_RELAYS)).toBe(0);
  expect(take(relays, 1)).toEqual([2]);
});
