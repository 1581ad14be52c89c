/** What members say of a file, and what its sender makes of it; who may leave when. */
import { describe, expect, test } from 'vitest';
import { Answers, reasonOf, Verdicts } from '../../src/cli/receipts.js';
import { HeadwaterError } from '../../src/errors.js';
import { unwrap } from '../../src/file/envelope.js';
import type { Member } from '../../src/group/group.js';
import type { Node } from '../../src/node/node.js';
import type { MessageId } from '../../src/wire/symbol.js';

const members = ['anna', 'ben', 'cleo', 'dora'].map((name, index) => ({ name, index }) as Member);
const [anna, ben, cleo, dora] = members;
const file: MessageId = { origin: anna.index, incarnation: 7, seq: 3, index: 0 };

/** Ben's node: `here` are the peers that it can reach, `settle` puts what is under way into its store. */
function bensNode() {
  const sent: Uint8Array[] = [];
  const ends: (() => void)[] = [];
  const here = new Set([anna, cleo, dora]);
  const node = {
    self: ben,
    submit: (bytes: Uint8Array) => {
      sent.push(bytes);
      return new Promise<void>((done) => ends.push(done));
    },
    group: { members: [anna, cleo, dora] },
    status: () => ({
      peers: [anna, cleo, dora].map((member) => ({ name: member.name, reachable: here.has(member) })),
    }),
  };
  const settle = async () => {
    for (const end of ends.splice(0)) end();
    await new Promise((done) => setImmediate(done));
  };
  return { node: node as unknown as Node, sent, here, settle };
}

describe('a receiver', () => {
  test('tells the group what became of a file', () => {
    const { node, sent } = bensNode();
    new Answers(node).answer(file, 'failed', 'its disk is full');
    expect(unwrap(sent[0])).toEqual({
      kind: 'receipt',
      receipt: { of: file, state: 'failed', reason: 'its disk is full' },
    });
  });

  test('stays until its answer has come back, and so is with a quorum, whatever one member never confirms', () => {
    const { node } = bensNode();
    const answers = new Answers(node);
    answers.answer(file, 'saved');
    for (const member of [cleo, dora]) answers.heard(file, member);
    expect(answers.settled).toBe(false);
    answers.heard(file, ben);
    expect(answers.settled).toBe(true);
  });

  test('stays until all that are here have answered, since its confirm may be part of their quorum', () => {
    const { node } = bensNode();
    const answers = new Answers(node);
    answers.answer(file, 'saved');
    for (const member of [ben, cleo]) answers.heard(file, member);
    expect(answers.settled).toBe(false);
    answers.heard(file, dora);
    expect(answers.settled).toBe(true);
  });

  test.each([
    ['one that has not answered is gone', dora],
    ['the sender is gone', anna],
  ])('does not stay when %s', (_what, gone) => {
    const { node, here } = bensNode();
    const answers = new Answers(node);
    answers.answer(file, 'saved');
    for (const member of [ben, cleo]) answers.heard(file, member);
    here.delete(gone);
    expect(answers.settled).toBe(true);
  });

  test('has answers for others however many files one member sends', () => {
    const { node, sent } = bensNode();
    const answers = new Answers(node);
    for (let seq = 0; seq < 5000; seq++) answers.answer({ ...file, origin: dora.index, seq }, 'held');
    const before = sent.length;
    answers.answer(file, 'saved');
    expect(sent.length).toBe(before + 1);
  });

  test('says no more than a bounded number of things at once', async () => {
    const { node, sent, settle } = bensNode();
    const answers = new Answers(node);
    for (let seq = 0; seq < 5000; seq++) answers.answer({ ...file, seq }, 'saved');
    expect(sent).toHaveLength(1024);
    await settle();
    answers.answer(file, 'saved');
    expect(sent).toHaveLength(1025);
  });
});

describe('a sender', () => {
  test('takes what was said of its file, also before it knows the file’s name, and nothing else', () => {
    const verdicts = new Verdicts();
    verdicts.hear({ of: file, state: 'saved', reason: '' }, ben);
    verdicts.hear({ of: { ...file, incarnation: 6 }, state: 'saved', reason: '' }, cleo);
    verdicts.hear({ of: { ...file, origin: dora.index }, state: 'saved', reason: '' }, dora);
    expect(members.map((member) => verdicts.of(member))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    verdicts.sent(file);
    expect(members.map((member) => verdicts.of(member)?.state)).toEqual([
      undefined,
      'saved',
      undefined,
      undefined,
    ]);
  });

  test('does not wait for word of a file that its killed run had sent, which comes back after its own', () => {
    const verdicts = new Verdicts();
    verdicts.hear({ of: file, state: 'saved', reason: '' }, ben);
    verdicts.sent(file);
    verdicts.sent({ ...file, incarnation: file.incarnation - 1 });
    expect(verdicts.of(ben)?.state).toBe('saved');
  });

  test('keeps a bounded number of what is said of files that are not its own', () => {
    const verdicts = new Verdicts();
    for (let seq = 0; seq < 5000; seq++)
      verdicts.hear({ of: { ...file, seq: 10 + seq }, state: 'saved', reason: '' }, ben);
    verdicts.sent({ ...file, seq: 10 });
    expect(verdicts.of(ben)).toBeUndefined();
  });

  test('does not lose what one member says by what another says of files that there are not', () => {
    const verdicts = new Verdicts();
    verdicts.hear({ of: file, state: 'saved', reason: '' }, ben);
    const liar = { ...ben, index: ben.index + 1 };
    for (let seq = 0; seq < 5000; seq++)
      verdicts.hear({ of: { ...file, seq: 10 + seq }, state: 'saved', reason: '' }, liar);
    verdicts.sent(file);
    expect(verdicts.of(ben)?.state).toBe('saved');
  });
});

describe('the reason that others are told', () => {
  const caused = (code: string, syscall = 'link') =>
    new HeadwaterError('FILE', 'file: expected to write, got it for /home/ben/secret', {
      cause: Object.assign(new Error(), { code, syscall }),
    });
  test.each([
    [caused('EEXIST'), 'it has a file of that name'],
    [caused('EEXIST', 'mkdir'), 'it cannot write the file (EEXIST)'],
    [caused('ENOSPC'), 'its disk is full (ENOSPC)'],
    [caused('EACCES'), 'it cannot write the file (EACCES)'],
    [new HeadwaterError('FILE', 'file name: expected a plain one'), 'file name: expected a plain one'],
  ])('%#: %s', (error, reason) => {
    expect(reasonOf(error)).toBe(reason);
  });
});
