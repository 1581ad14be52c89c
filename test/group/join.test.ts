/** A member that has only the group's id asks for its file: who is answered, what is believed, and what it costs who answers. */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { type KeyPair, keyPair } from '../../src/crypto/keys.js';
import { agreementKeyOf, defaultAgreement } from '../../src/crypto/x25519.js';
import { formatGroup, groupOfTold } from '../../src/group/descriptor.js';
import { createGroup, type Group, type GroupOptions, parseGroup } from '../../src/group/group.js';
import { Asker, MAX_TELLERS } from '../../src/group/join/asker.js';
import { parseAnswer, parseQuestion, writeAnswer, writeQuestion } from '../../src/group/join/messages.js';
import { ALL_JOINS_BURST, JOIN_BURST, JOIN_RATE, Teller } from '../../src/group/join/teller.js';

const key = (byte: number) => keyPair(new Uint8Array(32).fill(byte));
const [ANNA, BEN, CLEO, DORA, STRANGER] = [1, 2, 3, 4, 9].map(key);
const LISTED = [ANNA, BEN, CLEO, DORA];
const AT = '192.0.2.1:7000';

function groupOf(keys: readonly KeyPair[], more: Partial<GroupOptions> = {}, at = 1): Group {
  return createGroup({
    name: 'lab',
    members: keys.map(({ publicKey }, i) => ({
      ...{ publicKey, name: `m${i}`, locators: [`192.0.2.${i >> 8}:${7000 + i + (at - 1) * 1000}`] },
    })),
    ...more,
  });
}

const GROUP = groupOf(LISTED);

/** A member that answers: whoever `as` is of the group. */
function tellerOf(group: Group, as: KeyPair): Teller {
  const rng = new Rng('teller');
  return new Teller({
    group,
    self: group.members.findIndex(({ publicKey }) => publicKey === as.publicKey),
    shared: (member) => {
      const { publicKey } = group.members[member];
      return defaultAgreement().agree(as.exchangeKeys().secret, agreementKeyOf(publicKey)!);
    },
    random: (length) => rng.bytes(length),
  });
}

type Answering = (now: Micros, bytes: Uint8Array) => Uint8Array | undefined;

/** One member at AT: what it answers with, and what it drops. */
function at(teller: Teller, drops: string[] = []): Answering {
  return (now, bytes) => {
    const { bytes: answer, drop } = teller.answer(now, '198.51.100.1:9', bytes);
    if (drop) drops.push(drop);
    return answer;
  };
}

function ask(as: KeyPair, groupId: Uint8Array, peers = [AT]): Asker {
  const rng = new Rng('asker');
  return new Asker(0, { groupId, keys: as, peers, random: (length) => rng.bytes(length) });
}

/** Until the group is there, or so long: what went out and came back, in bytes. */
function run(asker: Asker, answering: Answering, seconds = 3): { asked: number; told: number } {
  const bytes = { asked: 0, told: 0 };
  for (let now = 0; now < seconds * SECOND && !asker.group; now += 10 * MILLISECOND) {
    if (asker.nextTimeout() <= now) asker.handleTimeout(now);
    for (let next = asker.pollTransmit(); next; next = asker.pollTransmit()) {
      bytes.asked += next.bytes.length;
      const answer = answering(now, next.bytes);
      bytes.told += answer?.length ?? 0;
      if (answer) asker.handleDatagram(now, answer);
    }
  }
  return bytes;
}

describe('a member', () => {
  test('is told the whole group by another one', () => {
    const asker = ask(ANNA, GROUP.id);
    run(asker, at(tellerOf(GROUP, BEN)));
    expect(formatGroup(asker.group!)).toBe(
      formatGroup(groupOfTold(formatGroup(GROUP), { groupId: GROUP.id, teller: BEN.publicKey, address: AT })),
    );
    expect(asker.group!.id).toEqual(GROUP.id);
  });

  test('is told one of 512 members, though every third datagram is lost', () => {
    const many = Array.from({ length: 512 }, (_, i) => keyPair(new Rng(i).bytes(32)));
    const large = groupOf(many);
    const asker = ask(many[7], large.id);
    const teller = at(tellerOf(large, many[300]));
    let count = 0;
    run(asker, (now, bytes) => (++count % 3 === 0 ? undefined : teller(now, bytes)), 60);
    expect(asker.group?.members.length).toBe(512);
  });

  test('reaches who has told it first where that was', () => {
    const asker = ask(ANNA, GROUP.id, ['203.0.113.5:99']);
    run(asker, at(tellerOf(GROUP, BEN)));
    const ben = asker.group!.members.find(({ publicKey }) => Buffer.compare(publicKey, BEN.publicKey) === 0);
    expect(ben?.locators).toEqual(['203.0.113.5:99', '192.0.2.0:7001']);
  });

  test('believes names and Cp of a member where none is expected to lie, and else its keys alone', () => {
    const told = (byzantine: number) => {
      const group = groupOf(LISTED, { byzantine, faulty: 1, pessimism: 9 });
      const asker = ask(ANNA, group.id);
      run(asker, at(tellerOf(group, BEN)));
      const { members, pessimism } = asker.group!;
      return [pessimism, members.map(({ name }) => name).sort()];
    };
    expect(told(0)).toEqual([9, ['m0', 'm1', 'm2', 'm3']]);
    expect(told(1)).toEqual([2, ['member-0', 'member-1', 'member-2', 'member-3']]);
  });
});

describe('is not taken', () => {
  const reasonOf = (asker: Asker) => asker.asked[0].reason;

  test('a file of another group, from a member that lies', () => {
    // Of the same members, with another bound.
    const other = groupOf(LISTED, { faulty: 0 });
    const asker = ask(ANNA, GROUP.id);
    const secret = defaultAgreement().agree(BEN.exchangeKeys().secret, agreementKeyOf(ANNA.publicKey)!)!;
    const text = new TextEncoder().encode(formatGroup(other));
    run(asker, (_now, bytes) =>
      writeAnswer(parseQuestion(bytes)!, BEN.publicKey, secret, new Uint8Array(16), {
        pieces: 1,
        bytes: text,
      }),
    );
    expect(asker.group).toBeUndefined();
    expect(reasonOf(asker)).toContain(`expected group ${Buffer.from(GROUP.id).toString('hex')}`);
  });

  test('a file that a stranger tells, though it is the right one', () => {
    const asker = ask(ANNA, GROUP.id);
    const secret = defaultAgreement().agree(STRANGER.exchangeKeys().secret, agreementKeyOf(ANNA.publicKey)!)!;
    const text = new TextEncoder().encode(formatGroup(GROUP));
    run(asker, (_now, bytes) =>
      writeAnswer(parseQuestion(bytes)!, STRANGER.publicKey, secret, new Uint8Array(16), {
        ...{ pieces: 1, bytes: text },
      }),
    );
    expect([asker.group, reasonOf(asker)]).toEqual([undefined, expect.stringContaining('who has told it')]);
  });

  test('rubbish, with the nonce and without; and the answer of a member that comes behind it', () => {
    const asker = ask(ANNA, GROUP.id);
    const rng = new Rng('rubbish');
    const teller = at(tellerOf(GROUP, BEN));
    run(asker, (now, bytes) => {
      for (let i = 0; i < 50; i++) {
        const rubbish = rng.bytes(rng.integer(1, 1232));
        rubbish[0] = bytes[0] + 1;
        if (i % 2 === 0) rubbish.set(bytes.subarray(1, 17).subarray(0, rubbish.length - 1), 1);
        asker.handleDatagram(now, rubbish);
      }
      return teller(now, bytes);
    });
    expect(asker.group?.id).toEqual(GROUP.id);
    expect(asker.asked[0].garbage).toBeGreaterThan(10);
  });

  test('any of a flood of made-up tellers: so many agreements it costs, and no more', () => {
    const asker = ask(ANNA, GROUP.id);
    const rng = new Rng('flood');
    const identities = Array.from({ length: 2 * MAX_TELLERS }, () => keyPair(rng.bytes(32)).publicKey);
    run(
      asker,
      (now, bytes) => {
        for (const identity of identities)
          asker.handleDatagram(
            now,
            writeAnswer(parseQuestion(bytes)!, identity, new Uint8Array(32), rng.bytes(16), {
              ...{ pieces: 1, bytes: new Uint8Array(10) },
            }),
          );
        return undefined;
      },
      1,
    );
    expect(asker.group).toBeUndefined();
    expect(asker['secrets'].size).toBe(MAX_TELLERS);
  });

  test('an answer whose piece is another one than asked for', () => {
    const question = { nonce: new Uint8Array(16), groupId: GROUP.id, identity: ANNA.publicKey, piece: 0 };
    const { bytes } = tellerOf(GROUP, BEN).answer(0, AT, writeQuestion(question));
    const moved = bytes!.slice();
    moved[1 + 16 + 1 + 32 + 16 + 1] ^= 1;
    expect(parseAnswer(moved)).toMatchObject({ piece: 1 });
    const asker = ask(ANNA, GROUP.id);
    run(asker, (_now, asked) => {
      moved.set(asked.subarray(1, 17), 1);
      return moved.slice();
    });
    expect([asker.group, asker.asked[0].garbage > 0]).toEqual([undefined, true]);
  });
});

describe('who answers', () => {
  test('never answers with more bytes than it was asked with', () => {
    const bytes = run(ask(ANNA, GROUP.id), at(tellerOf(GROUP, BEN)));
    expect(bytes.told).toBeGreaterThan(0);
    expect(bytes.told).toBeLessThan(bytes.asked);
  });

  test('tells nobody anything who does not know the id', () => {
    const drops: string[] = [];
    const asker = ask(ANNA, groupOf(LISTED, { name: 'another' }).id);
    expect(run(asker, at(tellerOf(GROUP, BEN), drops)).told).toBe(0);
    expect(new Set(drops)).toEqual(new Set(['join-refused']));
  });

  test('tells who is no member that it is none, and nothing of who is', () => {
    const drops: string[] = [];
    const asker = ask(STRANGER, GROUP.id);
    const heard: Uint8Array[] = [];
    const teller = at(tellerOf(GROUP, BEN), drops);
    run(asker, (now, bytes) => {
      const answer = teller(now, bytes)!;
      heard.push(answer.slice());
      return answer;
    });
    expect(asker.asked[0]).toMatchObject({ isRefused: true, wrong: 0, garbage: 0 });
    expect(new Set(heard.map(({ length }) => length))).toEqual(new Set([18]));
    expect(new Set(drops)).toEqual(new Set(['join-refused']));
  });

  test('gives who asks in a member’s name what that member alone can read', () => {
    // The stranger sends Anna's question, and hears the answer.
    const { bytes } = tellerOf(GROUP, BEN).answer(
      0,
      AT,
      writeQuestion({
        ...{ nonce: new Uint8Array(16), groupId: GROUP.id, identity: ANNA.publicKey, piece: 0 },
      }),
    );
    const text = Buffer.from(bytes!).toString('latin1');
    expect(text).not.toContain('headwater');
    expect(text).not.toContain(Buffer.from(CLEO.publicKey).toString('hex'));
  });

  test('answers one address, and all, so often and no more', () => {
    const teller = tellerOf(GROUP, BEN);
    const question = (i: number) =>
      writeQuestion({
        ...{ nonce: new Uint8Array(16).fill(i), groupId: GROUP.id, identity: ANNA.publicKey, piece: 0 },
      });
    const answered = (now: Micros, from: (i: number) => string, count: number) =>
      Array.from({ length: count }, (_, i) => teller.answer(now, from(i), question(i & 255))).filter(
        ({ bytes }) => bytes,
      ).length;
    const one = () => '198.51.100.1:9';
    const each = (i: number) => `10.${i >> 8}.${i & 255}.1:9`;
    expect(answered(0, one, 2 * JOIN_BURST)).toBe(JOIN_BURST);
    expect(answered(SECOND, one, 2 * JOIN_BURST)).toBe(JOIN_RATE);
    expect(answered(10 * SECOND, each, 2 * ALL_JOINS_BURST)).toBe(ALL_JOINS_BURST);
    expect(teller.answer(10 * SECOND, '10.99.0.1:9', question(1))).toEqual({ drop: 'join-budget' });
  });

  test('tells nothing where keys are learned one by one', () => {
    const learned = { ...GROUP, id: new Uint8Array(32).fill(7) };
    expect(run(ask(ANNA, learned.id), at(tellerOf(learned, BEN))).told).toBe(0);
  });
});

test('a group file that is written reads back as the same group', () => {
  const group = groupOf(LISTED, { byzantine: 1, faulty: 1, pessimism: 3 });
  expect(parseGroup(formatGroup(group))).toEqual(group);
});
