/** What commands make of what they are given and what they say: numbers, sizes, exit codes, events. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Events } from '../../src/cli/events.js';
import { EXIT, formatBytes, formatPercent, integer, number, print, reportError } from '../../src/cli/io.js';
import { type ErrorCode, HeadwaterError } from '../../src/errors.js';
import type { Member } from '../../src/group/group.js';
import type { NodeEvent } from '../../src/node/node.js';

let out: string;
let err: string;

beforeEach(() => {
  [out, err] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => void vi.restoreAllMocks());

test.each<[string, boolean, boolean]>([
  ['1', true, true],
  ['5', true, true],
  ['1.5', true, false],
  ['0.999', false, false],
  ['0', false, false],
  ['5.001', false, false],
  ['6', false, false],
  [' ', false, false],
  ['', false, false],
  ['three', false, false],
  ['NaN', false, false],
  ['Infinity', false, false],
])('of 1 to 5, %j is a number: %s, and an integer: %s', (text, isNumber, isInteger) => {
  const takes = (parse: (text: string) => number): boolean => {
    try {
      return parse(text) === Number(text);
    } catch (error) {
      expect(String(error)).toMatch(/expected an? (number|integer) from 1 to 5/);
      return false;
    }
  };
  expect([takes(number(1, 5)), takes(integer(1, 5))]).toEqual([isNumber, isInteger]);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [1550, '1.6 kB'],
  [999_949, '999.9 kB'],
  [1_000_000, '1.0 MB'],
  [4_200_000_000, '4.2 GB'],
  [5e13, '50000.0 GB'],
])('%i bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('a share is told in tenths of a percent', () => {
  expect([0, 0.0004, 0.0126, 1].map(formatPercent)).toEqual(['0.0 %', '0.0 %', '1.3 %', '100.0 %']);
});

test('what is printed cannot drive a terminal', () => {
  print('a\u001b[2Jb');
  expect(out).not.toContain('\u001b');
  expect(out.endsWith('\n')).toBe(true);
});

test.each<[ErrorCode, number, string]>([
  ['INVALID_ARGUMENT', 2, 'headwater: why\n'],
  ['INVALID_CONFIG', 2, 'headwater: why\n'],
  ['FILE', 1, 'headwater: why\n'],
  ['TOO_LARGE', 1, 'headwater: why\n'],
  ['ABORTED', 130, 'headwater: interrupted\n'],
])('an error with %s ends a command with %i', (code, exit, said) => {
  expect([reportError(new HeadwaterError(code, 'why')), out, err]).toEqual([exit, '', said]);
});

test('any other error ends it with 1, and says where it came from', () => {
  expect(reportError(new TypeError('odd'))).toBe(EXIT.failed);
  expect(err).toMatch(/^headwater: TypeError: odd\n +at /);
});

describe('each event', () => {
  const ben = { name: 'ben', index: 1 } as Member;
  const cleo = { name: 'cleo', index: 2 } as Member;
  const id = { origin: 1, incarnation: 7, seq: 3 };
  const all: NodeEvent[] = [
    { type: 'peer', member: ben, reachable: true },
    { type: 'peer', member: ben, reachable: false },
    { type: 'misbehaviour', member: ben, what: 'bad-ack', detail: '9 was skipped' },
    {
      type: 'misbehaviour',
      member: ben,
      what: 'equivocation',
      id,
      evidence: [Uint8Array.of(1), Uint8Array.of(255)],
    },
    { type: 'lost', member: ben, incarnation: 7, from: 1, to: 3 },
    { type: 'disagreement', member: ben, incarnation: 7, seq: 3, against: [ben, cleo] },
    { type: 'begun-anew', incarnation: 8, former: 7 },
    { type: 'damaged', member: ben, id },
    { type: 'overflow', member: ben, incarnation: 7, to: 3, lacking: [ben, cleo] },
    { type: 'older-run', member: ben, incarnation: 7, counting: 8, address: '10.0.0.9:7801' },
    { type: 'superseded', member: ben, counting: 8 },
    { type: 'unheard', member: ben },
    { type: 'other-version', member: ben, version: 4 },
    {
      type: 'foreign-version',
      member: ben,
      theirs: { lowest: 4, highest: 5 },
      ours: { lowest: 3, highest: 3 },
    },
    { type: 'foreign-group', member: ben },
    { type: 'foreign-group', member: undefined },
    { type: 'too-large', member: ben, id, length: 4_200_000 },
    { type: 'store-full', full: true },
    { type: 'store-full', full: false },
    { type: 'store-error', error: new Error('no room') },
    { type: 'consumer-error', error: new Error('no room'), id, attempt: 2 },
  ] as NodeEvent[];

  test('is told to people in a line of its own', () => {
    const events = new Events(false);
    for (const event of all) events.on(event);
    expect(err).toMatchSnapshot();
    expect(out).toBe('');
  });

  test('is told to programs with all that belongs to it, members by name', () => {
    const events = new Events(true);
    for (const event of all) events.on(event);
    expect(out).toMatchSnapshot();
    expect(err).toBe('');
  });

  test('is a cause for a member that does not confirm, or is none', () => {
    const node = { status: () => ({ peers: [] }), group: { members: [] } } as never;
    const causes = all.filter((event) => {
      const events = new Events(true);
      events.on(event);
      return !['it has gone', 'nothing was heard of it'].includes(events.why(ben, node));
    });
    expect(causes.map(({ type }) => type)).toEqual([
      'older-run',
      'superseded',
      'unheard',
      'foreign-version',
      'foreign-group',
    ]);
  });
});
