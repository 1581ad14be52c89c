/** The exchange of a code, from both ends: who knows it is let in whatever the network does, and nobody else. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { piecesOf } from '../../src/rendezvous/contents.js';
import { MAX_GUESTS, MAX_RUNS, MAX_RUNS_AN_ADDRESS, MAX_WRONG } from '../../src/rendezvous/host.js';
import { decodeMessage, encodeMessage, MAX_MESSAGE } from '../../src/rendezvous/messages.js';
import { CODE, HOST, joinOf, Meeting } from './meeting.js';

const sender = new Uint8Array(32).fill(5);

test('who knows the code waits, and is introduced once the sender begins', () => {
  const meeting = new Meeting('one');
  meeting.host.setRoom(3, 3);
  const { told } = meeting.join('198.51.100.2:5000');
  meeting.run(2);
  expect(told).toEqual([{ type: 'waiting', here: 1, expected: 3 }]);
  const [guest] = meeting.host.waiting();
  expect(meeting.told).toEqual([{ type: 'joined', guest }]);
  meeting.host.introduce(guest, piecesOf({ sender, group: 'g'.repeat(5000) }));
  meeting.run(2);
  expect(told.at(-1)).toEqual({ type: 'introduced', introduction: { sender, group: 'g'.repeat(5000) } });
});

test('whatever is lost, repeated and reordered, who knows the code is introduced once and who does not is told', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 30 }),
      (seed, loss, repeats) => {
        const meeting = new Meeting(seed, { loss: loss / 100, repeats: repeats / 100 });
        const right = [1, 2, 3].map((i) => meeting.join(`198.51.100.${i}:5000`));
        const wrong = meeting.join('198.51.100.9:5000', { code: '7-clockwork-acorn' });
        meeting.run(40);
        for (const guest of meeting.host.waiting())
          meeting.host.introduce(guest, piecesOf({ sender, group: guest.address.repeat(100) }));
        meeting.run(20);
        const groups = right.flatMap(({ told }) =>
          told.flatMap((event) => (event.type === 'introduced' ? [event.introduction.group] : [])),
        );
        expect(groups).toEqual([1, 2, 3].map((i) => `198.51.100.${i}:5000`.repeat(100)));
        expect(wrong.told).toEqual([{ type: 'refused', reason: 'wrong' }]);
        expect(meeting.told.filter(({ type }) => type === 'wrong')).toEqual([
          { type: 'wrong', address: '198.51.100.9:5000', count: 1 },
        ]);
      },
    ),
    { numRuns: 25 },
  );
}, 60_000);

describe('guesses', () => {
  test('after ten wrong codes nobody new is let in, not even who knows it; who is in stays', () => {
    const meeting = new Meeting('guesser');
    const early = meeting.join('198.51.100.2:5000');
    meeting.run(1);
    for (let i = 0; i < MAX_WRONG; i++) {
      meeting.join(`203.0.113.${i}:4000`, { code: '7-acorn-acorn' });
      meeting.run(1);
    }
    const late = meeting.join('198.51.100.3:5000');
    meeting.run(3);
    expect(meeting.told.at(-1)).toEqual({ type: 'wrong', address: '203.0.113.9:4000', count: MAX_WRONG });
    expect(late.told).toEqual([{ type: 'refused', reason: 'closed' }]);
    expect(early.told).toEqual([{ type: 'waiting', here: 1, expected: 0 }]);
    expect(meeting.host.waiting()).toHaveLength(1);
  });

  test('an answer that is never proven is no guess: it tells nothing that a code could be tried against', () => {
    const meeting = new Meeting('silent');
    meeting.join('203.0.113.1:4000', { code: '7-acorn-acorn' });
    for (
      let i = 0;
      i < 400 && !meeting.sent.some(({ bytes }) => decodeMessage(bytes)?.type === 'answer');
      i++
    )
      meeting.run(0.005);
    meeting.drop('203.0.113.1:4000');
    meeting.run(31);
    expect(meeting.host.wrong).toBe(0);
    expect(meeting.host.sizes().runs).toBe(0);
  });

  test('a sender of another number says so, and counts no guess', () => {
    const meeting = new Meeting('other');
    const { told } = meeting.join('203.0.113.1:4000', { number: 8, code: '8-acorn-acorn' });
    meeting.run(1);
    expect(told).toEqual([{ type: 'refused', reason: 'other' }]);
    expect(meeting.host.wrong).toBe(0);
  });

  test('what was recorded lets nobody in: replayed from there, from elsewhere and later', () => {
    const meeting = new Meeting('replay');
    meeting.join('198.51.100.2:5000');
    meeting.run(2);
    const recorded = meeting.sent.filter(({ to }) => to === HOST);
    const joined = meeting.told.length;
    for (const from of ['198.51.100.2:5000', '203.0.113.1:4000'])
      for (const { bytes } of recorded) meeting.send(from, HOST, bytes);
    meeting.run(1);
    expect(meeting.told).toHaveLength(joined);
    meeting.drop('198.51.100.2:5000');
    meeting.run(100);
    for (const { bytes } of recorded) meeting.send('198.51.100.2:5000', HOST, bytes);
    meeting.run(2);
    expect(meeting.host.waiting()).toEqual([]);
    expect(meeting.told.filter(({ type }) => type === 'joined')).toHaveLength(1);
  });
});

test('a POLL that is replayed from elsewhere is not answered, and moves nobody', () => {
  const meeting = new Meeting('moved');
  meeting.join('198.51.100.2:5000');
  meeting.run(3);
  const polls = meeting.sent.filter(({ bytes }) => decodeMessage(bytes)?.type === 'poll');
  expect(polls.length).toBeGreaterThan(1);
  const { forged } = meeting.host.drops;
  for (const { bytes } of polls) meeting.host.handleDatagram(meeting.now, '203.0.113.1:4000', bytes);
  expect(meeting.host.pollTransmit()).toBeUndefined();
  expect(meeting.host.drops.forged).toBe(forged + polls.length);
  expect(meeting.host.waiting().map(({ address }) => address)).toEqual(['198.51.100.2:5000']);
});

test('no exchange is begun with who has no cookie of ours, or one that was given to another address', () => {
  const meeting = new Meeting('cookies');
  const { host } = meeting;
  const rng = new Rng('cookies');
  const id = rng.bytes(16);
  host.handleDatagram(meeting.now, '198.51.100.2:5000', encodeMessage({ type: 'hello', id, number: 7 }));
  const given = decodeMessage(host.pollTransmit()!.bytes);
  if (given?.type !== 'cookie') throw new Error('expected a cookie');
  const share = rng.bytes(32);
  for (const [from, cookie] of [
    ['198.51.100.2:5000', rng.bytes(16)],
    ['198.51.100.2:5001', given.cookie],
  ] as const)
    host.handleDatagram(meeting.now, from, encodeMessage({ type: 'share', id, cookie, share }));
  expect([host.pollTransmit(), host.sizes().runs, host.drops.forged]).toEqual([undefined, 0, 2]);
});

describe('who comes and goes', () => {
  test('who expects two takes two; the third is told at once, and comes in when one has gone', () => {
    const meeting = new Meeting('full');
    meeting.host.setRoom(2, 2);
    const [first] = [meeting.join('198.51.100.1:1'), meeting.join('198.51.100.2:1')];
    meeting.run(1);
    const third = meeting.join('198.51.100.3:1');
    meeting.run(1);
    expect(third.told).toEqual([{ type: 'full', expected: 2 }]);
    meeting.send('198.51.100.1:1', HOST, first.guest.leave()!);
    meeting.run(1);
    expect(meeting.told.at(-1)).toMatchObject({ type: 'left', said: true });
    const again = meeting.join('198.51.100.3:1');
    meeting.run(1);
    expect(again.told).toEqual([{ type: 'waiting', here: 2, expected: 2 }]);
  });

  test('who vanishes is missed after ten seconds, and those who wait are told how many are left', () => {
    const meeting = new Meeting('vanishes');
    meeting.join('198.51.100.1:1');
    const { told } = meeting.join('198.51.100.2:1');
    meeting.run(2);
    meeting.drop('198.51.100.1:1');
    meeting.run(12);
    expect(meeting.told.at(-1)).toMatchObject({ type: 'left', said: false });
    expect(told.at(-1)).toEqual({ type: 'waiting', here: 1, expected: 0 });
  });

  test('a sender that ends says so; one that vanishes is missed', () => {
    const meeting = new Meeting('ends');
    const { told } = meeting.join('198.51.100.1:1');
    meeting.run(1);
    meeting.host.end();
    meeting.run(1);
    expect(told.at(-1)).toEqual({ type: 'ended' });

    const alone = new Meeting('alone', { loss: 1, repeats: 0 });
    const silent = alone.join('198.51.100.1:1');
    alone.run(21);
    expect(silent.told).toEqual([{ type: 'silent', met: false }]);
  });

  test('a key that is in cannot come in twice', () => {
    const meeting = new Meeting('twice');
    const { publicKey } = joinOf(new Uint8Array(32).fill(1));
    meeting.join('198.51.100.1:1', { publicKey });
    meeting.join('198.51.100.2:1', { publicKey });
    meeting.run(2);
    expect(meeting.host.waiting()).toHaveLength(1);
  });
});

describe('floods', () => {
  test('state stays within its bounds, whoever asks, and who knows the code still comes in', () => {
    const meeting = new Meeting('flood');
    const rng = new Rng('flood');
    const { host } = meeting;
    // Strangers that hear at their addresses: they have cookies, and begin exchanges that they never prove.
    for (let i = 0; i < 3000; i++) {
      const from = `203.0.${i % 200}.${rng.integer(1, 250)}:${rng.integer(1024, 65535)}`;
      const id = rng.bytes(16);
      host.handleDatagram(meeting.now, from, encodeMessage({ type: 'hello', id, number: 7 }));
      const answer = decodeMessage(host.pollTransmit()!.bytes);
      if (answer?.type !== 'cookie') throw new Error('expected a cookie');
      host.handleDatagram(
        meeting.now,
        from,
        encodeMessage({ type: 'share', id, cookie: answer.cookie, share: rng.bytes(32) }),
      );
      while (host.pollTransmit());
      meeting.now += 1000;
      const { runs, addresses, entries, verdicts } = host.sizes();
      expect(runs).toBeLessThanOrEqual(MAX_RUNS);
      expect([addresses <= 1024, entries, verdicts <= 64]).toEqual([true, 0, true]);
    }
    const { told } = meeting.join('198.51.100.1:1');
    meeting.run(10);
    expect(told).toEqual([{ type: 'waiting', here: 1, expected: 0 }]);
    expect(host.drops.busy).toBeGreaterThan(2000);
  });

  test('one address has so many exchanges at once', () => {
    const meeting = new Meeting('address');
    for (let i = 0; i < 2 * MAX_RUNS_AN_ADDRESS; i++) {
      const address = `203.0.113.1:${1000 + i}`;
      meeting.join(address, { code: '7-acorn-acorn' });
      meeting.run(0.1);
      expect(meeting.host.sizes().runs).toBeLessThanOrEqual(MAX_RUNS_AN_ADDRESS);
    }
  });

  test('who has no cookie is answered with no more bytes than it has sent', () => {
    const meeting = new Meeting('amplified');
    const rng = new Rng('amplified');
    const ids = { id: rng.bytes(16), cookie: rng.bytes(16), share: rng.bytes(32), tag: rng.bytes(32) };
    const sealed = rng.bytes(100);
    const asked = [
      encodeMessage({ type: 'hello', ...ids, number: 7 }),
      encodeMessage({ type: 'hello', ...ids, number: 8 }),
      encodeMessage({ type: 'share', ...ids }),
      encodeMessage({ type: 'proof', ...ids, sealed }),
      encodeMessage({ type: 'poll', ...ids, counter: 3, sealed }),
    ];
    for (const bytes of asked) {
      meeting.host.handleDatagram(meeting.now, '203.0.113.1:1', bytes);
      const answered = meeting.host.pollTransmit()?.bytes.length ?? 0;
      expect(answered).toBeLessThanOrEqual(bytes.length);
    }
  });

  test('no datagram makes an end throw, or changes anything but a counter', () => {
    const meeting = new Meeting('malformed');
    const { guest, told } = meeting.join('198.51.100.1:1');
    meeting.run(1);
    const seen = meeting.sent.map(({ bytes }) => bytes);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: MAX_MESSAGE + 10 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (bytes, which, where, change) => {
          const flipped = Uint8Array.from(seen[which % seen.length]);
          flipped[where % flipped.length] ^= change;
          for (const each of [bytes, flipped, flipped.subarray(0, where % flipped.length)]) {
            meeting.host.handleDatagram(meeting.now, '198.51.100.1:1', each);
            guest.handleDatagram(meeting.now, each);
            while (meeting.host.pollTransmit());
          }
          expect(meeting.host.waiting()).toHaveLength(1);
        },
      ),
      { numRuns: 300 },
    );
    expect(meeting.host.pollEvent()).toBeUndefined();
    expect(told).toEqual([{ type: 'waiting', here: 1, expected: 0 }]);
  });

  test('a group has at most 512 members', () => {
    const meeting = new Meeting('many');
    meeting.host.setRoom(Number.POSITIVE_INFINITY, 0);
    expect(MAX_GUESTS).toBe(511);
    for (let i = 0; i < MAX_GUESTS + 2; i++) {
      meeting.join(`198.51.${Math.floor(i / 200)}.${i % 200}:1`);
      if (i % 20 === 19) meeting.run(1);
    }
    meeting.run(5);
    expect(meeting.host.waiting()).toHaveLength(MAX_GUESTS);
  });
});

test('a code is never in what is sent', () => {
  const meeting = new Meeting('secret');
  meeting.join('198.51.100.1:1');
  meeting.run(2);
  for (const { bytes } of meeting.sent)
    expect(Buffer.from(bytes).toString('latin1')).not.toContain(CODE.slice(2));
});
