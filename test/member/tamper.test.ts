/** The seam for lies: what a `Tamper` says in place of an honest endpoint goes out in that endpoint's own sessions. */
import { describe, expect, test } from 'vitest';
import { SECOND } from '../../src/core/time.js';
import type { Tamper } from '../../src/member/tamper.js';
import type { Frame } from '../../src/wire/frames.js';
import { parcelOf } from '../broadcast/objects.js';
import { smallGroup } from '../broadcast/small-group.js';
import { Bench } from '../node/peer.js';
import { entryOf, signedSymbols } from '../node/traffic.js';

const SELF = 0;
const members = smallGroup(3);
const STREAM = { origin: 1, incarnation: 7 };
const PULL: Frame = { kind: 'pull', id: { ...STREAM, seq: 3 }, missing: [] };

const benchWith = (tamper?: Tamper) => new Bench({ ...members, self: SELF, tamper }).open();

describe('a tampered endpoint', () => {
  test('says at once what it is told to say, frames and a symbol behind them', () => {
    const bench = benchWith({});
    const body = new Uint8Array([1, 2, 3]);
    expect(bench.endpoint.say(bench.now, 2, [PULL], body)).toBe(true);
    bench.settle();
    expect(bench.peer(2).heard.find(({ symbol }) => symbol)).toMatchObject({ frames: [PULL], symbol: body });
  });

  test('numbers the VECTORs that it is told to say after its own', () => {
    const bench = benchWith({});
    const entries = [entryOf(STREAM, [parcelOf('x')])];
    const vector: Frame = { kind: 'vector', version: 0, heard: 0, heardBefore: 0, entries };
    for (let i = 0; i < 2; i++) bench.endpoint.say(bench.now, 2, [vector]);
    bench.settle();
    const said = bench.peer(2).frames('vector') as Extract<Frame, { kind: 'vector' }>[];
    const versions = said.filter((frame) => frame.entries.length > 0).map(({ version }) => version);
    expect(versions).toHaveLength(2);
    expect(versions[0]).toBeGreaterThan(0);
    expect(versions[1]).toBe(versions[0] + 1);
  });

  test('says nothing without a session', () => {
    const bench = new Bench({ ...members, self: SELF, tamper: {} });
    expect(bench.endpoint.say(bench.now, 2, [PULL])).toBe(false);
  });

  test('hears only what the tamper lets through', () => {
    const bench = benchWith({ hear: (_now, _peer, { frames }) => ({ frames, symbol: undefined }) });
    bench.peer(1).sendSymbols(signedSymbols(members, { ...STREAM, seq: 0 }, parcelOf('unheard')));
    bench.peer(1).confirm(entryOf(STREAM, [parcelOf('unheard')]));
    bench.run(SECOND);
    expect(bench.eventsOf('deliver')).toEqual([]);
  });

  test('sends the frames and symbols that the tamper gives for its own, and no more frames than fit', () => {
    const many = Array.from({ length: 500 }, () => PULL);
    const bench = benchWith({
      frames: (_now, _peer, frames) => [...many, ...frames],
      symbol: (_now, _peer, body) => body.fill(7),
    });
    bench.clear();
    bench.submit(new Uint8Array(100));
    bench.run(SECOND);
    expect(bench.peer(2).frames('pull').length).toBeGreaterThan(50);
    expect(bench.peer(2).symbols().length).toBeGreaterThan(0);
    expect(
      bench
        .peer(2)
        .symbols()
        .every((body) => body.every((byte) => byte === 7)),
    ).toBe(true);
  });
});

test('an endpoint that nobody tampers with says nothing but the truth', () => {
  const bench = benchWith();
  expect(() => bench.endpoint.say(bench.now, 2, [PULL])).toThrow(/tamper: expected one/);
});
