/**
 * Attacks: what a member can say of streams, its own and others', to silence somebody or to make them work, wait or keep
 * without end. Each was shown once to do harm. In: a liar's voice and keys. Out: its `Tamper`.
 */
import { writeParcel } from '../../broadcast/delivery/parcel.js';
import { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros } from '../../core/time.js';
import { sha256 } from '../../crypto/hash.js';
import type { Tamper, Voice } from '../../member/tamper.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import type { Frame } from '../../wire/frames.js';
import { DESCRIPTOR_SIZE, HASH_SIZE } from '../../wire/limits.js';
import { copyOf, type Manifest } from '../../wire/manifest.js';
import { type StreamId, streamKey } from '../../wire/symbol.js';
import { Forgery, type Signer } from './forgery.js';

export const ATTACKS = [
  /** Names a later stream of another member, as if it had seen it. */
  'phantom',
  /** Names more streams of another member than anyone may have at once. */
  'phantoms',
  /** Claims to keep all of what it hears of, and serves nothing. */
  'keep',
  /** Tells a false digest of each stream, and takes it back. */
  'fickle',
  /** Says, unasked, that everybody's messages are gone, also those to come. */
  'gone',
  /** Says that others have said far more than they have. */
  'huge',
  /** Broadcasts what depends on messages that nobody has said. */
  'unmet',
  /** Begins one stream of its own after the other, each with one message. */
  'streams',
  /** Asks for all that there is, again and again. */
  'pulls',
  /** Takes all, confirms nothing and says that everything is missing. */
  'greedy',
  /** Acknowledges all that may have been sent, whether it came or not. */
  'acks',
  /** Says of each stream that it has ended, and that it is over. */
  'ended',
  /** Lets one member alone retire streams, its own and others', and broadcasts what depends on more of them than there is. */
  'split',
  /** Tells manifests of others under numbers in use, some changed, and symbols that refer to whatever number. */
  'manifests',
] as const;

export type Attack = (typeof ATTACKS)[number];

/** What a liar knows and can do. */
export type Liar = Signer & Voice;

type Trick = (liar: Liar) => Tamper;

export const ATTACK_TRICKS: Record<Attack, Trick> = {
  phantom(liar) {
    const victim = other(liar);
    // One later than any that comes, or one just above the victim's own.
    const incarnation = liar.rng.chance(0.5) ? LATEST : 2;
    const phantom = entry({ origin: victim, incarnation }, 1, liar.rng);
    return repeatedly(liar, 1, () => [vectorOf([phantom])]);
  },
  phantoms(liar) {
    const victim = other(liar);
    return repeatedly(liar, 3, () => {
      const some = () => entry({ origin: victim, incarnation: liar.rng.integer(2, 1e6) }, 1, liar.rng);
      return [vectorOf(Array.from({ length: TOO_MANY }, some))];
    });
  },
  keep: () => ({
    hear: (_now, _peer, { frames, symbol }) => ({
      frames: frames.filter(({ kind }) => kind !== 'pull'),
      symbol,
    }),
    frames: (_now, _peer, frames) =>
      frames.map((frame) =>
        frame.kind === 'vector'
          ? { ...frame, entries: frame.entries.map((each) => ({ ...each, base: 0 })) }
          : frame,
      ),
  }),
  fickle({ rng, say }) {
    const truths = new Map<string, { entry: VectorEntry; at: Micros }>();
    return {
      frames: (now, peer, frames) =>
        frames.map((frame) => {
          if (frame.kind !== 'vector') return frame;
          const entries = frame.entries.map((truth) => {
            const key = `${peer} ${streamKey(truth)}`;
            const known = truths.get(key);
            truths.set(key, { entry: truth, at: known?.at ?? now + 300 * MILLISECOND });
            return known || truth.count === 0 ? truth : { ...truth, chain: rng.bytes(HASH_SIZE) };
          });
          return { ...frame, entries };
        }),
      hear(now, peer, contents) {
        for (const [key, { entry: truth, at }] of truths) {
          if (at > now || !key.startsWith(`${peer} `)) continue;
          truths.set(key, { entry: truth, at: Number.POSITIVE_INFINITY });
          say(now, peer, [vectorOf([truth])]);
        }
        return contents;
      },
    };
  },
  gone(liar) {
    const heard = new Heard();
    const { rng } = liar;
    return {
      ...repeatedly(liar, 2, () =>
        [...heard.streams.values()].slice(0, 8).map((stream) => ({
          kind: 'gone',
          ...idOf(stream),
          base: rng.chance(0.5) ? 2 ** 32 - 16 : stream.count + rng.integer(1, 5),
          chain: rng.bytes(HASH_SIZE),
        })),
      ),
      hear: (_now, _peer, contents) => heard.take(contents),
    };
  },
  huge(liar) {
    const heard = new Heard();
    const { rng } = liar;
    return {
      ...repeatedly(liar, 2, () => [
        vectorOf(
          [...heard.streams.values()].slice(0, 8).map((stream) => entry(idOf(stream), 2 ** 32 - 1, rng)),
        ),
      ]),
      hear: (_now, _peer, contents) => heard.take(contents),
    };
  },
  unmet(liar) {
    const incarnation = 1000 + liar.rng.integer(0, 1000);
    const dependencies = liar.group.members
      .filter(({ index }) => index !== liar.self)
      .map(({ index }) => ({ origin: index, incarnation: 1, count: 2 ** 31 }));
    return broadcasting(liar, 3, () => ({ incarnation, dependencies }));
  },
  streams: (liar) => broadcasting(liar, 24, (i) => ({ incarnation: 1000 + i, dependencies: [] })),
  pulls(liar) {
    const heard = new Heard();
    return {
      ...repeatedly(liar, 1, () =>
        // Others may make up thousands.
        [...heard.streams.values()]
          .slice(0, 60)
          .flatMap((stream) =>
            Array.from({ length: Math.min(30, stream.count) }, (_, seq) => ({
              kind: 'pull' as const,
              id: { ...idOf(stream), seq },
              missing: [],
            })),
          )
          .slice(0, 60),
      ),
      hear: (_now, _peer, contents) => heard.take(contents),
    };
  },
  greedy: () => ({
    frames: (_now, _peer, frames) =>
      frames.map((frame) => {
        if (frame.kind === 'vector') return { ...frame, entries: [] };
        if (frame.kind !== 'progress') return frame;
        const missing = Array.from({ length: Math.min(64, frame.sourceBlocks) }, (_, sbn) => ({
          sbn,
          symbols: 0xffff,
        }));
        return { ...frame, complete: new Uint8Array(frame.complete.length), missing };
      }),
  }),
  acks: ({ rng }) => ({
    frames: (_now, _peer, frames) =>
      frames.map((frame) => {
        if (frame.kind !== 'ack' || rng.chance(0.5)) return frame;
        const largest = frame.ack.ranges[0] + rng.integer(0, 3);
        return { kind: 'ack', ack: { ...frame.ack, ranges: [largest, Math.max(1, largest - 1000)] } };
      }),
  }),
  manifests(liar) {
    const heard: Manifest[] = [];
    return {
      ...repeatedly(liar, 1, () => confused(heard, liar.rng)),
      hear(_now, _peer, contents) {
        for (const frame of contents.frames)
          if (frame.kind === 'manifest' && heard.length < TOO_MANY) heard.push(copyOf(frame.manifest));
        return contents;
      },
    };
  },
  ended: ({ rng }) => ({
    frames: (_now, _peer, frames) =>
      frames.map((frame) => {
        if (frame.kind !== 'vector') return frame;
        const over = rng.chance(0.5);
        const change = over ? { ended: true, over, ahead: NOTHING } : { ended: true };
        const entries = frame.entries.map((each) => ({
          ...each,
          ...change,
          base: over ? each.count : each.base,
        }));
        return { ...frame, entries };
      }),
  }),
  split(liar) {
    const chosen = other(liar);
    const { self: origin, say } = liar;
    const [former, later] = [5000, 5001].map((incarnation) => ({ origin, incarnation }));
    const own = [new OwnObjects(liar, former), new OwnObjects(liar, later)];
    own[0].add([]);
    own[1].add([]);
    own[1].add([{ ...former, count: 1000 }]);
    const over = new Set<string>();
    const times = new Map<number, number>();
    return {
      hear(_now, _peer, contents) {
        for (const frame of contents.frames)
          for (const entry of frame.kind === 'vector' ? frame.entries : []) {
            if (!entry.over || entry.origin === origin || over.size >= 4 || over.has(streamKey(entry)))
              continue;
            over.add(streamKey(entry));
            own[1].add([{ ...idOf(entry), count: entry.count + 1000 }]);
          }
        return contents;
      },
      frames(now, peer, frames) {
        const time = times.get(peer) ?? 0;
        times.set(peer, time + 1);
        const end = { base: 1, ended: true, first: peer === chosen };
        // Nothing depends on the former before there was time to retire it.
        const seq = time < 16 ? 0 : time % own[1].count;
        if (time < 4) say(now, peer, [vectorOf([own[0].entry(1)])], own[0].bodies[0]);
        else if (time < 120)
          say(
            now,
            peer,
            [vectorOf([own[1].entry(seq + 1), { ...own[0].entry(1), ...end }])],
            own[1].bodies[seq],
          );
        if (peer === chosen) return frames;
        return frames.map((frame) =>
          frame.kind === 'vector'
            ? {
                ...frame,
                entries: frame.entries
                  .filter((each) => !each.over)
                  .map((each) => ({ ...each, first: false })),
              }
            : frame,
        );
      },
    };
  },
};

/** Small objects of one stream that a liar has made up. */
class OwnObjects {
  readonly bodies: Uint8Array[] = [];
  private readonly liar: Liar;
  private readonly id: StreamId;
  private readonly chains: Uint8Array[] = [new Uint8Array(HASH_SIZE)];

  constructor(liar: Liar, id: StreamId) {
    this.liar = liar;
    this.id = id;
  }

  get count(): number {
    return this.bodies.length;
  }

  add(dependencies: (StreamId & { count: number })[]): void {
    const seq = this.count;
    // After a restart it says the same again: to sign two objects under one name is another lie.
    const { origin, incarnation } = this.id;
    const message = new Rng(`forged ${origin} ${incarnation} ${seq}`).bytes(20);
    const bytes = writeParcel({ dependencies, messages: [message] });
    this.bodies.push(new Forgery(this.liar, { ...this.id, seq }, bytes).served(0, 0, 1200));
    this.chains.push(sha256(Buffer.concat([this.chains[seq], sha256(bytes)])));
  }

  /** What the liar says of it with so many objects. */
  entry(count: number): VectorEntry {
    return { ...entry(this.id, count, this.liar.rng), chain: this.chains[count], ready: count };
  }
}

/** Manifests that were heard, told again as they were or not, and what refers to them or to none. */
function confused(manifests: readonly Manifest[], rng: Rng): Frame[] {
  const [number, other] = [rng.integer(0, 12), rng.integer(0, 12)];
  const symbol = rng.bytes(manifests.length > 0 ? rng.pick(manifests).descriptor.symbolSize : 16);
  const frames: Frame[] = [
    { kind: 'listed', number: other, place: rng.integer(0, 33), symbol },
    { kind: 'served', number, sbn: rng.integer(0, 1), esi: rng.integer(0, 2000), symbols: symbol },
  ];
  if (manifests.length === 0) return frames;
  const manifest = rng.pick(manifests);
  const bytes = manifest.bytes.slice();
  // Beyond the descriptor and the depth, where it is still one.
  if (rng.chance(0.5)) bytes[rng.integer(DESCRIPTOR_SIZE + 1, bytes.length - 1)] ^= 1;
  return [{ kind: 'manifest', number, manifest: { ...manifest, bytes } }, ...frames];
}

/** The last of each stream that anyone has told of. */
class Heard {
  readonly streams = new Map<string, StreamId & { count: number }>();

  take<T extends { frames: readonly Frame[] }>(contents: T): T {
    for (const frame of contents.frames)
      if (frame.kind === 'vector')
        for (const { origin, incarnation, count } of frame.entries)
          this.streams.set(streamKey({ origin, incarnation }), { origin, incarnation, count });
    return contents;
  }
}

/** Says something with each `every`-th control datagram, which are 300 ms apart where nothing happens. */
function repeatedly({ say }: Voice, every: number, what: (peer: number) => Frame[]): Tamper {
  const times = new Map<number, number>();
  return {
    frames(now, peer, frames) {
      const time = times.get(peer) ?? 0;
      times.set(peer, time + 1);
      if (time % every === 0) {
        const said = what(peer);
        if (said.length > 0) say(now, peer, said);
      }
      return frames;
    },
  };
}

/** Broadcasts so many small objects in streams of its own that it has made up, one after the other, and confirms them itself. */
function broadcasting(
  liar: Liar,
  count: number,
  plan: (i: number) => {
    incarnation: number;
    dependencies: { origin: number; incarnation: number; count: number }[];
  },
): Tamper {
  const { self, say } = liar;
  const bodies: Uint8Array[] = [];
  const entries: VectorEntry[] = [];
  const streams = new Map<number, OwnObjects>();
  for (let i = 0; i < count; i++) {
    const { incarnation, dependencies } = plan(i);
    const stream = streams.get(incarnation) ?? new OwnObjects(liar, { origin: self, incarnation });
    streams.set(incarnation, stream);
    stream.add(dependencies);
    bodies.push(...stream.bodies.slice(-1));
    entries.push(stream.entry(stream.count));
  }
  const times = new Map<number, number>();
  return {
    frames(now, peer, frames) {
      const time = times.get(peer) ?? 0;
      times.set(peer, time + 1);
      // Some members are told each of them twice.
      const i = time % (count + (peer % 2) * count);
      if (time < 4 * count && i < count) say(now, peer, [vectorOf([entries[i]])], bodies[i]);
      return frames;
    },
  };
}

function other({ group, self, rng }: Liar): number {
  return rng.pick(group.members.flatMap(({ index }) => (index === self ? [] : [index])));
}

function idOf({ origin, incarnation }: StreamId): StreamId {
  return { origin, incarnation };
}

function entry(stream: StreamId, count: number, rng: Rng): VectorEntry {
  const { origin, incarnation } = stream;
  const chain = rng.bytes(HASH_SIZE);
  return {
    origin,
    incarnation,
    base: 0,
    count,
    ready: 0,
    chain,
    ahead: NOTHING,
    ended: false,
    first: false,
    over: false,
  };
}

/** A VECTOR to be numbered by the endpoint. */
export function vectorOf(entries: VectorEntry[]): Frame {
  return { kind: 'vector', version: 0, heard: 0, heardBefore: 0, entries };
}

const LATEST = 2 ** 48 - 1;
const TOO_MANY = 20;
const NOTHING = new Uint8Array(0);
