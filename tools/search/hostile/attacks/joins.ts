/**
 * Questions for the group file, by who knows the id and the name of a member. Stopped by: answers that are shorter than their
 * questions, and so many a second for each address and for all (PROTOCOL 2.2).
 */
import { JOIN_NONCE_SIZE, writeQuestion } from '../../../../src/group/join/messages.js';
import { ALL_JOINS_BURST, ALL_JOINS_RATE } from '../../../../src/group/join/teller.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const SECONDS = 6;

export const questions = virtual({
  name: 'strangers: questions for the group file, 6,000 a second, as if from everywhere',
  seconds: SECONDS,
  attack: (arena) => {
    const { group, honest, rng } = arena;
    arena.each(ATTACK_AT, SECONDS, 1e6 / 6000, (i) => {
      const nonce = rng.bytes(JOIN_NONCE_SIZE);
      const { publicKey } = group.members[i % group.members.length];
      const question = writeQuestion({ nonce, groupId: group.id, identity: publicKey, piece: 0 });
      arena.inject(honest[i % honest.length], `10.9.${(i >> 6) & 255}.${i & 63}:9`, question);
    });
  },
  more: (attacked: Arena) => [
    {
      what: 'answered, bytes for each byte',
      measured: attacked.strayBytes / Math.max(1, attacked.injected),
      must: 1,
    },
    {
      what: 'answers of all three',
      measured: attacked.strayBytes / SMALLEST,
      must: 3 * (ALL_JOINS_BURST + ALL_JOINS_RATE * SECONDS),
    },
  ],
});

/** Bytes of an answer with most of a piece in it. */
const SMALLEST = 900;
