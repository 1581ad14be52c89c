import { describe, expect, test } from 'vitest';
import { Outgoing } from '../../../../src/broadcast/spread/outgoing/outgoing.js';
import { Owed } from '../../../../src/broadcast/spread/outgoing/owed.js';
import { Shortfall } from '../../../../src/broadcast/spread/outgoing/shortfall.js';
import { fixedRate } from '../../../../src/congestion/controller.js';
import { Marks } from '../../../../src/core/marks.js';
import { Rng } from '../../../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../../../src/core/time.js';
import { Path } from '../../../../src/path/path.js';
import { SERVED } from '../../../../src/wire/symbol.js';
import { storedObject } from '../../objects.js';
import { smallGroup } from '../../small-group.js';
import { Way } from '../../way.js';

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
    {
      group: small.group,
      keys: small.keys[0],
      paths: [undefined, path],
      rng: new Rng('wave'),
      shortfall: new Shortfall(0),
      direct: 0,
      ...placeOf([undefined, path]),
    },
    { certificate, bytes },
  );

  new Way().all((writer) => outgoing.next(0, PEER, writer));

  expect(outgoing.hasFor(0, PEER)).toBe(false);
  outgoing.dispose();
});

test('what is dealt to a peer after a pause is not given up before it could take it', () => {
  const later = 10 * SECOND;
  const bytes = new Rng('object').bytes(100_000);
  const [paused, other] = [1, 2].map(
    () =>
      new Sender(
        [1, 1, 1].map((ms) => ms * MILLISECOND),
        bytes,
      ),
  );
  paused.hear(later);
  expect(new Way().next((writer) => paused.outgoing.next(later, PEER, writer))).toHaveLength(1);
  paused.outgoing.handleTimeout(later + 1);
  expect(1 + paused.drain(later + 1)).toBe(other.drain(0));
});

describe('top-ups', () => {
  const FAST = 10 * MILLISECOND;
  const SLOW = 4 * SECOND;
  const [NEAR, ALSO_NEAR, FAR] = [1, 2, 3];
  const bytes = new Rng('object').bytes(100_000);

  test('of a near peer do not wait for one that is late', () => {
    const sender = new Sender([FAST, FAST, SLOW], bytes);
    sender.drain(0);
    sender.lacks(NEAR, 50 * MILLISECOND, 3);
    const at = 100 * MILLISECOND;
    sender.hear(at);
    sender.outgoing.handleTimeout(at);
    expect(sender.outgoing.hasFor(at, NEAR)).toBe(true);
  });

  test('of a late peer wait for that one', () => {
    const sender = new Sender([FAST, FAST, SLOW], bytes);
    sender.drain(0);
    for (const peer of [NEAR, ALSO_NEAR]) sender.outgoing.onConfirm(peer);
    const at = 100 * MILLISECOND;
    sender.hear(at);
    sender.outgoing.handleTimeout(at);
    expect(sender.outgoing.hasFor(at, FAR)).toBe(false);
  });

  test('do not wait for symbols that one path alone does not take', () => {
    const sender = new Sender([FAST, FAST, FAST], new Uint8Array(300));
    sender.drain(0, [NEAR, ALSO_NEAR]);
    const at = 100 * MILLISECOND;
    sender.hear(at);
    sender.outgoing.handleTimeout(at);
    sender.drain(at, [NEAR]);
    expect(sender.symbolsOf(NEAR)).toBe(2);
  });

  test('are not made for a peer for which symbols of the block still wait', () => {
    const sender = new Sender([FAST, FAST, FAST], new Uint8Array(300));
    sender.drain(0, [NEAR, ALSO_NEAR]);
    for (const peer of [NEAR, ALSO_NEAR]) sender.outgoing.onConfirm(peer);
    const at = 100 * MILLISECOND;
    sender.hear(at);
    sender.outgoing.handleTimeout(at);
    sender.drain(at);
    expect(sender.symbolsOf(FAR)).toBe(1);
  });

  test('go to who has spoken since, and by that one to who has fallen silent', () => {
    const sender = new Sender([FAST, FAST, FAST], bytes);
    sender.drain(0);
    sender.outgoing.onConfirm(ALSO_NEAR);
    const before = sender.symbolsOf(FAR);
    const at = 100 * MILLISECOND;
    sender.hear(at, [NEAR]);
    sender.lacks(NEAR, at / 2, 3);
    sender.outgoing.handleTimeout(at);
    expect(sender.drain(at)).toBeGreaterThan(3);
    expect(sender.symbolsOf(FAR)).toBe(before);
  });

  test('come to what the neediest wants of those whose turn is about to come', () => {
    const sender = new Sender([FAST, FAST, FAST], bytes);
    sender.drain(0);
    sender.outgoing.onConfirm(FAR);
    const at = 100 * MILLISECOND;
    sender.hear(at);
    sender.lacks(NEAR, at / 2, 1);
    sender.lacks(ALSO_NEAR, at - 35 * MILLISECOND, 20);
    sender.outgoing.handleTimeout(at);
    expect(sender.drain(at)).toBeGreaterThanOrEqual(20);
  });

  test('of few symbols go to each who lacks them, and wait for no relay', () => {
    const sender = new Sender([FAST, FAST, FAST], bytes);
    sender.drain(0);
    const before = [NEAR, ALSO_NEAR].map((peer) => sender.symbolsOf(peer));
    sender.outgoing.onConfirm(FAR);
    const at = 100 * MILLISECOND;
    sender.hear(at);
    for (const peer of [NEAR, ALSO_NEAR]) sender.lacks(peer, at / 2, 1);
    sender.outgoing.handleTimeout(at);
    sender.drain(at);
    expect([NEAR, ALSO_NEAR].map((peer, i) => sender.symbolsOf(peer) - before[i])).toEqual([1, 1]);
  });

  test.each([0, 1])(
    'of an object are served to one of several up to 32, where members may lie (f %i)',
    (f) => {
      const sender = new Sender([FAST, FAST, FAST], bytes, { byzantine: f });
      sender.drain(0);
      for (let now = 100 * MILLISECOND; now < 2 * SECOND; now += 100 * MILLISECOND) {
        sender.hear(now);
        for (const peer of [NEAR, ALSO_NEAR]) sender.lacks(peer, now - 50 * MILLISECOND, 12);
        sender.outgoing.handleTimeout(now);
        sender.drain(now);
      }
      if (f === 0) expect(sender.served).toBeGreaterThan(64);
      else expect(sender.served).toBeLessThanOrEqual(64);
    },
  );

  test('of one that is never content come to four times the object and a little', () => {
    const sender = new Sender([FAST, FAST, FAST], bytes);
    const k = sender.outgoing.sourceSymbols;
    const wave = sender.drain(0);
    for (const peer of [NEAR, ALSO_NEAR]) sender.outgoing.onConfirm(peer);
    let sent = 0;
    for (let now = 0; now < 60 * SECOND; now += 20 * MILLISECOND) {
      sender.hear(now);
      sender.lacks(FAR, now, k);
      sender.outgoing.handleTimeout(now);
      sent += sender.drain(now);
    }
    expect(wave).toBeLessThan(3 * k);
    expect(sent).toBeGreaterThan(k);
    expect(sent).toBeLessThanOrEqual(5 * k + 16);
  });
});

test('who is late is not first to get a symbol that the others wait for', () => {
  const sender = new Sender([10 * MILLISECOND, 10 * MILLISECOND, SECOND], new Rng('object').bytes(100_000));
  sender.drain(0);
  expect([1, 2].map((peer) => sender.symbolsOf(peer) > 0)).toEqual([true, true]);
  expect(sender.symbolsOf(3)).toBe(0);
});

test('who is late is the first to get a symbol where nobody relays any', () => {
  const sender = new Sender([10 * MILLISECOND, 10 * MILLISECOND, SECOND], new Uint8Array(300));
  sender.drain(0);
  expect([1, 2, 3].map((peer) => sender.symbolsOf(peer))).toEqual([1, 1, 1]);
});

test('peers on one machine get the source symbols themselves, and nobody relays them', () => {
  const sender = new Sender([MILLISECOND, MILLISECOND], new Uint8Array(120_000), {
    direct: 2,
    datagram: 65_488,
  });

  sender.drain(0);

  const { sourceSymbols } = sender.outgoing;
  expect([1, 2].map((peer) => sender.symbolsOf(peer))).toEqual([sourceSymbols, sourceSymbols]);
  expect(sender.served).toBe(2 * sourceSymbols);
});

test('where there are more of them than one origin is to serve, they relay', () => {
  const sender = new Sender([MILLISECOND, MILLISECOND], new Uint8Array(120_000), {
    direct: 1,
    datagram: 65_488,
  });

  sender.drain(0);

  expect(sender.served).toBe(0);
});

/** Member 0 of a small group, with an object to send to peers that are so far away. */
class Sender {
  readonly outgoing: Outgoing;
  private readonly paths: (Path | undefined)[];
  private readonly taken = new Map<number, number>();
  /** How many of all that were taken nobody relays. */
  served = 0;

  constructor(rtts: number[], bytes: Uint8Array, { byzantine = 0, direct = 0, datagram = 1232 } = {}) {
    const small = smallGroup(rtts.length + 1, 'test', { byzantine });
    const { certificate } = storedObject({ origin: 0, incarnation: 1, seq: 0 }, bytes, small);
    this.paths = [undefined, ...rtts.map((rtt) => pathOf(rtt, datagram))];
    this.outgoing = new Outgoing(
      0,
      {
        group: small.group,
        keys: small.keys[0],
        paths: this.paths,
        rng: new Rng('wave'),
        shortfall: new Shortfall(1),
        direct,
        ...placeOf(this.paths, small.group.faulty),
      },
      { certificate, bytes },
    );
    this.hear(0);
  }

  /** These peers are heard. */
  hear(now: number, peers = [...this.paths.keys()].slice(1)): void {
    for (const peer of peers) this.paths[peer]!.heardAt = now;
  }

  /** Takes all that is to be sent to these peers; returns how many symbols that is. */
  drain(now: number, peers = [...this.paths.keys()].slice(1)): number {
    const before = this.outgoing.sentSymbols;
    for (const peer of peers) {
      const symbols = new Way().all((writer) => this.outgoing.next(now, peer, writer));
      this.taken.set(peer, this.symbolsOf(peer) + symbols.length);
      this.served += symbols.filter(({ depth }) => depth === SERVED).length;
    }
    return this.outgoing.sentSymbols - before;
  }

  /** How many symbols were taken for this peer. */
  symbolsOf(peer: number): number {
    return this.taken.get(peer) ?? 0;
  }

  lacks(peer: number, now: number, symbols: number): void {
    const id = { origin: 0, incarnation: 1, seq: 0 };
    const missing = [{ sbn: 0, symbols }];
    this.outgoing.onProgress(now, peer, {
      kind: 'progress',
      id,
      sourceBlocks: 1,
      complete: new Uint8Array(1),
      missing,
    });
  }
}

/** Nothing else is sent, and relays owe nothing. */
function placeOf(paths: (Path | undefined)[], faulty = 0) {
  const owed = new Owed({ self: 0, paths, faulty, changed: new Marks(paths.length), numberOf: () => 0 });
  return { owed, number: 0, absent: faulty };
}

function pathOf(rtt: number, maxDatagram: number): Path {
  const path = new Path({ controller: () => fixedRate(1e6), rng: new Rng('path'), maxDatagram });
  path.mtu.size = maxDatagram;
  path.isOpen = true;
  path.rtt.onSample(rtt);
  return path;
}
