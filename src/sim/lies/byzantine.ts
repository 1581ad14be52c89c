/**
 * Members that lie. A liar is an honest endpoint that says something else than it means to: what it puts on the wire goes
 * through its sessions, so that only the contents are wrong. In: what it is to do wrong. Out: its `Tamper`.
 */

import type { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, NEVER_YET } from '../../core/time.js';
import type { KeyPair } from '../../crypto/keys.js';
import type { Group } from '../../group/group.js';
import type { Tamper, Voice } from '../../member/tamper.js';
import type { Contents } from '../../wire/datagram.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import type { Frame } from '../../wire/frames.js';
import { DESCRIPTOR_SIZE, HASH_SIZE } from '../../wire/limits.js';
import { SERVED, streamKey } from '../../wire/symbol.js';
import { ATTACK_TRICKS, ATTACKS, vectorOf } from './attacks.js';
import { otherObject, wrongSymbols } from './forgery.js';

/**
 * All that a member of a simulation can do wrong.
 *
 * @example
 * const cluster = createCluster({ seed: 'a', members: 4, byzantine: 1, liars: new Map([[3, LIES]]) });
 * cluster.dispose();
 */
export const LIES = [
  /** Relays nothing. */
  'mute',
  /** Sends nothing about objects at all, neither symbols nor confirms. */
  'silent',
  /** Flips bits in the symbols that it relays or sends. */
  'garbage',
  /** Sends symbols again that it sent or received long ago. */
  'replay',
  /** Asks for whatever comes to its mind, and claims that nobody keeps it. */
  'flood',
  /** Claims to hold what others hold, or what nobody does, and serves nothing. */
  'confirm',
  /** Confirms to some whatever they hold themselves, for a while, and says nothing to the others. */
  'collude',
  /** Serves wrong symbols to those who ask. */
  'serve',
  /** Signs two objects under one name and sends one to some, the other to the others. */
  'equivocate',
  /** Signs symbols that do not give what their hash says. */
  'mismatch',
  ...ATTACKS,
] as const;

/** What a member of a simulation does wrong. */
export type Lie = (typeof LIES)[number];

export interface LiarContext {
  group: Group;
  /** Its index. */
  self: number;
  keys: KeyPair;
  rng: Rng;
}

/** What makes a liar of an endpoint. A mute one is made by `EndpointOptions.relay`. */
export function liar(lies: readonly Lie[], context: LiarContext): Tamper {
  let voice: Voice | undefined;
  let saidAt: Micros = NEVER_YET;
  let said = 0;
  // Liars that answer each other would otherwise never let the clock go on.
  const say: Voice['say'] = (now, ...what) => {
    if (now > saidAt) said = 0;
    saidAt = now;
    return ++said <= MAX_SAID && voice!.say(now, ...what);
  };
  // What is forged must be genuine before; what comes after may break it.
  const inOrder = [...lies].sort((a, b) => Number(FORGING.has(b)) - Number(FORGING.has(a)));
  const parts = inOrder.map((lie) => TRICKS[lie]({ ...context, say }));
  return {
    begin(of) {
      voice = of;
    },
    hear: (now, peer, contents) =>
      parts.reduce((heard, part) => part.hear?.(now, peer, heard) ?? heard, contents),
    frames: (now, peer, frames) =>
      parts.reduce((said, part) => part.frames?.(now, peer, said) ?? said, frames),
    symbol: (now, peer, body, room) =>
      parts.reduce<Uint8Array | undefined>(
        (said, part) => (said && part.symbol ? part.symbol(now, peer, said, room) : said),
        body,
      ),
  };
}

type Trick = (liar: LiarContext & Voice) => Tamper;

const TRICKS: Record<Lie, Trick> = {
  mute: () => ({}),
  silent: () => ({
    symbol: () => undefined,
    frames: (_now, _peer, frames) => frames.filter(({ kind }) => !ABOUT_OBJECTS.has(kind)),
  }),
  garbage: ({ rng }) => ({
    symbol: (_now, _peer, body) => (rng.chance(0.5) ? flipped(body, rng, 0) : body),
  }),
  replay({ rng }) {
    const old: Uint8Array[] = [];
    const keep = (body: Uint8Array) => {
      if (old.length < MAX_REPLAYED) old.push(body.slice());
    };
    return {
      hear(_now, _peer, contents) {
        symbolsOf(contents).forEach(keep);
        return contents;
      },
      symbol(_now, _peer, body) {
        keep(body);
        return rng.chance(0.5) ? rng.pick(old) : body;
      },
    };
  },
  flood({ rng, group }) {
    const floodedAt = group.members.map(() => NEVER_YET);
    return {
      frames(now, peer, frames) {
        // Two that flood each other would answer each other's answers, ever more of them.
        if (now - floodedAt[peer] < MILLISECOND) return frames;
        floodedAt[peer] = now;
        const origin = rng.integer(0, group.members.length - 1);
        const id = { origin, incarnation: 1, seq: rng.integer(0, 20) };
        const base = rng.integer(1, 20);
        return [
          ...frames,
          { kind: 'pull', id, missing: rng.chance(0.5) ? [] : [{ sbn: rng.integer(0, 2), symbols: 0xffff }] },
          { kind: 'gone', origin, incarnation: 1, base, chain: rng.bytes(32) },
          {
            kind: 'progress',
            id,
            sourceBlocks: 1,
            complete: new Uint8Array([rng.integer(0, 1)]),
            missing: [{ sbn: 0, symbols: rng.integer(0, 0xffff) }],
          },
        ];
      },
    };
  },
  confirm({ rng, group, self, say }) {
    const heard = new Map<string, VectorEntry>();
    let toldAt = NEVER_YET;
    const lie = (entry: VectorEntry): VectorEntry => {
      const told = heard.get(streamKey(entry));
      if (rng.chance(0.2))
        return { ...entry, count: entry.count + rng.integer(1, 3), chain: rng.bytes(HASH_SIZE) };
      const claim = told && told.count > entry.count ? told : entry;
      return rng.chance(0.3) ? { ...claim, ready: claim.count } : claim;
    };
    return {
      hear(now, _peer, contents) {
        for (const entry of entriesOf(contents.frames)) {
          if ((heard.get(streamKey(entry))?.count ?? 0) >= entry.count) continue;
          heard.set(streamKey(entry), { ...copyOf(entry), ahead: NOTHING });
          // Beside one that makes up streams, each of them would be lied about to all of a large group.
          if (now - toldAt < MILLISECOND) continue;
          toldAt = now;
          for (const { index } of group.members)
            if (index !== self) say(now, index, [vectorOf([lie(entry)])]);
        }
        return without(contents, 'pull');
      },
      frames: (_now, _peer, frames) => changeEntries(frames, (entries) => entries.map(lie)),
    };
  },
  collude({ group, rng, say }) {
    const patience = group.members.map(() => (rng.chance(0.6) ? rng.integer(1, 20) : 0));
    const claims = group.members.map(() => new Map<string, VectorEntry[]>());
    const isFlattered = (peer: number) => patience[peer]-- > 0;
    return {
      hear(now, peer, contents) {
        const entries = entriesOf(contents.frames);
        for (const key of new Set(entries.map(streamKey))) {
          const said = entries.filter((entry) => streamKey(entry) === key).map(flattering);
          claims[peer].set(key, said);
          if (isFlattered(peer)) say(now, peer, [vectorOf(said)]);
        }
        return contents;
      },
      frames: (_now, peer, frames) =>
        changeEntries(frames, (entries) => {
          if (entries.length === 0) return entries;
          const streams = isFlattered(peer) ? [...new Set(entries.map(streamKey))] : [];
          return streams.flatMap((key) => claims[peer].get(key) ?? []);
        }),
    };
  },
  serve: ({ rng }) => ({
    symbol: (_now, _peer, body) =>
      body[DESCRIPTOR_SIZE] === SERVED ? flipped(body, rng, body.length - 16) : body,
  }),
  equivocate: (context) => ({ symbol: otherObject(context) }),
  mismatch: (context) => ({ symbol: wrongSymbols(context) }),
  ...ATTACK_TRICKS,
};

const FORGING: ReadonlySet<Lie> = new Set(['equivocate', 'mismatch']);
const ABOUT_OBJECTS: ReadonlySet<Frame['kind']> = new Set(['vector', 'progress', 'pull', 'gone']);

function entriesOf(frames: readonly Frame[]): VectorEntry[] {
  return frames.flatMap((frame) => (frame.kind === 'vector' ? frame.entries : []));
}

function changeEntries(frames: Frame[], change: (entries: VectorEntry[]) => VectorEntry[]): Frame[] {
  return frames.map((frame) =>
    frame.kind === 'vector' ? { ...frame, entries: change(frame.entries) } : frame,
  );
}

function without({ frames, symbol }: Contents, kind: Frame['kind']): Contents {
  return { frames: frames.filter((frame) => frame.kind !== kind), symbol };
}

function symbolsOf({ frames, symbol }: Contents): Uint8Array[] {
  const bodies = frames.flatMap((frame) => (frame.kind === 'sized-symbol' ? [frame.body] : []));
  return symbol ? [...bodies, symbol] : bodies;
}

/** An entry as heard is a view of a datagram. */
function copyOf(entry: VectorEntry): VectorEntry {
  return { ...entry, chain: entry.chain.slice(), ahead: entry.ahead.slice() };
}

/** What a member said, as if someone else said it too and were READY. */
function flattering(entry: VectorEntry): VectorEntry {
  return { ...copyOf(entry), ready: entry.count };
}

/** A copy with one bit flipped somewhere from `from` on. */
function flipped(bytes: Uint8Array, rng: Rng, from: number): Uint8Array {
  const copy = bytes.slice();
  copy[rng.integer(from, copy.length - 1)] ^= 1 << rng.integer(0, 7);
  return copy;
}

const MAX_REPLAYED = 64;
/** Datagrams that a liar makes up at one instant. */
const MAX_SAID = 200;
const NOTHING = new Uint8Array(0);
