/** What an observer of the wire sees: all datagrams of a broadcast, captured and searched for the message. */
import { expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { SECOND } from '../../src/core/time.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';

const SELF = 0;
/** So short that no message of the same length would hold it by chance: 2^-88 or so in all that is captured here. */
const WINDOW = 12;

test.each([
  ['that fits one symbol', 'attack at dawn, by the river, with everything we have'],
  ['of many symbols', Array.from({ length: 2000 }, (_, i) => `line ${i} of the plan\n`).join('')],
])('no part of a message %s is visible in any datagram', (_what, message) => {
  const bench = new Bench({ ...smallGroup(3), self: SELF }).open();
  bench.endpoint.messages.submit(new TextEncoder().encode(message));
  bench.run(SECOND);
  const captured = bench.wire.filter(({ from }) => from === bench.address);
  expect(captured.some(({ bytes }) => bytes.length > message.length / 50)).toBe(true);
  const rng = new Rng('windows');
  const starts = [
    0,
    message.length - WINDOW,
    ...Array.from({ length: 200 }, () => rng.integer(0, message.length - WINDOW)),
  ];
  for (const start of starts) {
    const text = message.slice(start, start + WINDOW);
    expect(captured.filter(({ bytes }) => Buffer.from(bytes).includes(text))).toEqual([]);
  }
});

test('the search would find it: what the session opens holds the text', () => {
  const bench = new Bench({ ...smallGroup(3), self: SELF }).open();
  bench.endpoint.messages.submit(new TextEncoder().encode('attack at dawn'));
  bench.run(SECOND);
  expect(
    bench
      .peer(1)
      .symbols()
      .some((body) => Buffer.from(body).includes('attack at dawn')),
  ).toBe(true);
});
