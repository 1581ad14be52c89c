/** A member that has only the id of a group is told its file (PROTOCOL 2.2): one question for each piece, and its answer. */
import { toHex } from '../../src/core/bytes.js';
import { keyPair } from '../../src/crypto/keys.js';
import { agreementKeyOf, defaultAgreement } from '../../src/crypto/x25519.js';
import { formatGroup } from '../../src/group/descriptor.js';
import { PIECE_SIZE, writeAnswer, writeQuestion, writeRefusal } from '../../src/group/join/messages.js';
import { seedOf, vectorGroup } from './sessions.js';

export function joinVectors(): unknown {
  const group = vectorGroup('vectors', [1, 2, 3, 4, 5, 6, 7, 8]);
  const [asker, teller] = [keyPair(seedOf(1)), keyPair(seedOf(2))];
  const shared = defaultAgreement().agree(teller.exchangeKeys().secret, agreementKeyOf(asker.publicKey)!)!;
  const file = formatGroup(group);
  const bytes = new TextEncoder().encode(file);
  const pieces = Math.ceil(bytes.length / PIECE_SIZE);
  const nonce = new Uint8Array(16).fill(0xa1);
  return {
    ...{ groupId: toHex(group.id), askerSeed: toHex(seedOf(1)), tellerSeed: toHex(seedOf(2)) },
    ...{ file, nonce: toHex(nonce), refusal: toHex(writeRefusal(nonce)) },
    pieces: Array.from({ length: pieces }, (_, piece) => {
      const question = { nonce, groupId: group.id, identity: asker.publicKey, piece };
      const salt = new Uint8Array(16).fill(0xb0 + piece);
      const part = bytes.subarray(piece * PIECE_SIZE, (piece + 1) * PIECE_SIZE);
      const answer = writeAnswer(question, teller.publicKey, shared, salt, { pieces, bytes: part });
      return { piece, salt: toHex(salt), question: toHex(writeQuestion(question)), answer: toHex(answer) };
    }),
  };
}
