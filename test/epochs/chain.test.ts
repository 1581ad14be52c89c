/** Descriptors one after the other: what may follow what, who must sign it, and the file that has them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { type Chain, chainOf, continues, MAX_EPOCHS, MAX_OPERATORS } from '../../src/group/epochs/chain.js';
import type { Descriptor } from '../../src/group/epochs/descriptor.js';
import { formatChain, parseChain, parseGroupFile } from '../../src/group/epochs/file.js';
import { beginChain, propose, sign } from '../../src/group/epochs/propose.js';

const keyOf = (number: number) => keyPair(new Uint8Array(32).fill(number));
const member = (number: number) => ({
  name: `m${number}`,
  publicKey: keyOf(number).publicKey,
  locators: [`10.0.0.${number}:7801`],
});
const operator = keyOf(200);
const others = [keyOf(201), keyOf(202)];

function begun(members = 3, needed = 1, operators = [operator]): Chain {
  return beginChain({
    name: 'lab',
    members: Array.from({ length: members }, (_, i) => member(i + 1)),
    operators: operators.map(({ publicKey }) => publicKey),
    needed,
  });
}

const added = (chain: Chain, number: number) => sign(propose(chain, { add: member(number) }), operator);

test('a member is added, removed, replaced, and its slot stays with its key', () => {
  const first = begun();
  const slots = (chain: Chain) => chain.at(-1)!.members.map(({ slot }) => slot);
  const four = added(first, 4);
  expect(slots(four)).toEqual([0, 1, 2, 3]);
  const three = sign(propose(four, { remove: four.at(-1)!.members[1].name }), operator);
  expect(slots(three)).toEqual([0, 2, 3]);
  const { name } = three.at(-1)!.members[0];
  const rekeyed = sign(propose(three, { rekey: { name, publicKey: keyOf(9).publicKey } }), operator);
  expect(slots(rekeyed)).toEqual([2, 3, 4]);
  const group = parseGroupFile(formatChain(rekeyed));
  expect(group.id).toEqual(first[0].hash);
  expect(group.members.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
  expect(new Set(group.members.map((each) => each.name)).size).toBe(5);
  expect(group.quorum).toBe(2);
  expect(continues(first, rekeyed)).toBe(true);
  expect(continues(rekeyed, first)).toBe(false);
});

describe('what is not taken', () => {
  const descriptorsOf = (chain: Chain): Descriptor[] => [...chain];

  test('a change that nobody, or too few of the operators before it, have signed', () => {
    const chain = begun(3, 2, [operator, ...others]);
    const proposed = propose(chain, { add: member(4) });
    expect(() => parseChain(formatChain(proposed))).toThrow(/signatures of 2 of the operators.*got 0/);
    const one = sign(sign(proposed, operator), operator);
    expect(() => parseChain(formatChain(one))).toThrow(/got 1/);
    expect(parseChain(formatChain(sign(one, others[0])))).toHaveLength(2);
  });

  test('signatures of operators that a change itself brings', () => {
    const proposed = propose(begun(), { operators: [others[0].publicKey] });
    expect(() => sign(proposed, others[0])).toThrow(/expected the key of an operator that epoch 0 names/);
    const chain = sign(proposed, operator);
    expect(() => sign(propose(chain, { add: member(4) }), operator)).toThrow(/epoch 1 names/);
    expect(sign(propose(chain, { add: member(4) }), others[0])).toHaveLength(3);
  });

  test('two members at once', () => {
    const [first] = begun();
    const { members } = first;
    const two = [4, 5].map((number, i) => ({ slot: 3 + i, ...member(number) }));
    expect(() => chainOf([first, { ...first, members: [...members, ...two] }], { unsigned: true })).toThrow(
      /at most one member to be added and one removed, got 2 and 0/,
    );
    expect(() => chainOf([first, { ...first, members: members.slice(2) }], { unsigned: true })).toThrow(
      /got 0 and 2/,
    );
  });

  test('a slot with another key, a slot that is not the next, a key that was a member’s before', () => {
    const chain = added(begun(), 4);
    const last = chain.at(-1)!;
    const next = (members: Descriptor['members']) => () =>
      chainOf([...descriptorsOf(chain), { ...last, members }], { unsigned: true });
    const [head, ...rest] = last.members;
    expect(next([{ ...head, publicKey: keyOf(9).publicKey }, ...rest])).toThrow(/slot 0 to keep its key/);
    expect(next([...last.members, { slot: 7, ...member(5) }])).toThrow(/expected slot 4 for m5/);
    const removed = sign(propose(chain, { remove: 'm4' }), operator);
    expect(() => propose(removed, { add: { ...member(4), name: 'back' } })).toThrow(/never a member's/);
  });

  test('another name of the group, too many operators, more members that may fail than it bears', () => {
    const [first] = begun();
    expect(() => chainOf([first, { ...first, name: 'other' }], { unsigned: true })).toThrow(/another group/);
    expect(() => propose(begun(), { faulty: 2 })).toThrow(/faulty: expected an integer from 0 to 1/);
    const many = Array.from({ length: MAX_OPERATORS + 1 }, (_, i) => keyOf(100 + i));
    expect(() => begun(3, 1, many)).toThrow(`1 to ${MAX_OPERATORS} operators`);
    expect(() => begun(3, 1, many.slice(1))).not.toThrow();
    expect(() => chainOf(Array.from({ length: MAX_EPOCHS + 1 }, () => first))).toThrow(`1 to ${MAX_EPOCHS}`);
    expect(() => propose(begun(), {})).toThrow(/expected a change, got none/);
  });

  test('a file that anything was changed in: refused, or the same but for addresses', () => {
    const text = formatChain(added(begun(), 4));
    const whole = parseChain(text);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('0', '1', 'f', '"', ' ', '}'), (at, put) => {
        const other = text.slice(0, at) + put + text.slice(at + 1);
        let read: Chain;
        try {
          read = parseChain(other);
        } catch (error) {
          expect((error as { code: string }).code).toBe('INVALID_CONFIG');
          return;
        }
        // The first descriptor is what its hash says: another one is another group.
        if (read[0].hash.join() === whole[0].hash.join()) expect(read[1].hash).toEqual(whole[1].hash);
      }),
      { numRuns: 300 },
    );
  });
});
