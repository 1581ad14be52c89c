/**
 * Members that lie. A liar is an honest endpoint, parts of which are replaced from outside: what it puts on the wire has
 * gone through its sessions, so that only what it says is wrong. In: an endpoint and what it is to do wrong.
 */
import type { Broadcast } from '../broadcast/broadcast.js';
import { signCertificate } from '../broadcast/certificate.js';
import type { Group } from '../broadcast/group.js';
import { Outgoing } from '../broadcast/outgoing.js';
import { writeParcel } from '../broadcast/parcel.js';
import { cutObject } from '../broadcast/plan.js';
import type { Streams } from '../broadcast/streams.js';
import type { Transfer } from '../broadcast/transfer.js';
import type { Vectors } from '../broadcast/vectors.js';
import type { Rng } from '../core/rng.js';
import type { Micros } from '../core/time.js';
import { sha256 } from '../crypto/hash.js';
import type { KeyPair } from '../crypto/keys.js';
import type { Endpoint } from '../node/endpoint.js';
import { frameSize, type ObjectFrame, type VectorEntry } from '../wire/frames.js';
import { CHAIN_SIZE, DESCRIPTOR_SIZE } from '../wire/limits.js';
import { SERVED, streamKey, writeDescriptor } from '../wire/symbol.js';

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
] as const;

export type Lie = (typeof LIES)[number];

interface LiarContext {
  group: Group;
  keys: KeyPair;
  rng: Rng;
}

type Paths = ConstructorParameters<typeof Outgoing>[3];

/** What a liar reaches into: not for honest code. */
type Inside = Pick<Broadcast, 'handleFrame' | 'takeControl' | 'hasSymbol' | 'nextSymbol'> & {
  transfer: Pick<Transfer, 'send' | 'handleSymbol'> & { options: { paths: Paths }; relay: () => void };
  vectors: Vectors;
  streams: Streams;
};

/** Makes a liar of `endpoint`. */
export function corrupt(endpoint: Endpoint, lies: readonly Lie[], context: LiarContext): void {
  const { broadcaster } = endpoint as unknown as { broadcaster: Inside };
  for (const lie of lies) TRICKS[lie](broadcaster, context);
}

type Trick = (broadcaster: Inside, context: LiarContext) => void;

const TRICKS: Record<Lie, Trick> = {
  mute(broadcaster) {
    broadcaster.transfer.relay = () => {};
  },
  silent(broadcaster) {
    broadcaster.hasSymbol = () => false;
    broadcaster.nextSymbol = () => 0;
    changeFrames(broadcaster, () => []);
  },
  garbage(broadcaster, { rng }) {
    changeSymbols(broadcaster, (body) => (rng.chance(0.5) ? flipped(body, rng, 0) : body));
  },
  replay(broadcaster, { rng }) {
    const old: Uint8Array[] = [];
    const keep = (body: Uint8Array) => {
      if (old.length < MAX_REPLAYED) old.push(body.slice());
      return body;
    };
    const handleSymbol = broadcaster.transfer.handleSymbol.bind(broadcaster.transfer);
    broadcaster.transfer.handleSymbol = (now, hop, frame, body) => handleSymbol(now, hop, frame, keep(body));
    changeSymbols(broadcaster, (body) => {
      keep(body);
      return rng.chance(0.5) ? rng.pick(old).slice() : body;
    });
  },
  flood(broadcaster, { rng, group }) {
    changeFrames(broadcaster, (frames) => {
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
    });
  },
  confirm(broadcaster, { rng }) {
    const heard = new Map<string, VectorEntry>();
    const handleFrame = broadcaster.handleFrame.bind(broadcaster);
    broadcaster.handleFrame = (now, from, frame) => {
      if (frame.kind === 'pull') return;
      handleFrame(now, from, frame);
      if (frame.kind !== 'vector') return;
      for (const entry of frame.entries) {
        const stream = broadcaster.streams.find(entry);
        if (!stream || (heard.get(streamKey(entry))?.count ?? 0) >= entry.count) continue;
        heard.set(streamKey(entry), { ...entry, chain: entry.chain.slice(), ahead: new Uint8Array(0) });
        broadcaster.vectors.touch(stream);
      }
    };
    changeFrames(broadcaster, (frames) =>
      frames.map((frame) => {
        if (frame.kind !== 'vector') return frame;
        const entries = frame.entries.map((entry) => {
          const told = heard.get(streamKey(entry));
          if (rng.chance(0.2))
            return { ...entry, count: entry.count + rng.integer(1, 3), chain: rng.bytes(CHAIN_SIZE) };
          const claim = told && told.count > entry.count ? told : entry;
          return rng.chance(0.3) ? { ...claim, ready: claim.count } : claim;
        });
        return { ...frame, entries };
      }),
    );
  },
  collude(broadcaster, { group, rng }) {
    const patience = group.members.map(() => (rng.chance(0.6) ? rng.integer(1, 20) : 0));
    const claims = group.members.map(() => new Map<string, VectorEntry[]>());
    const handleFrame = broadcaster.handleFrame.bind(broadcaster);
    broadcaster.handleFrame = (now, from, frame) => {
      handleFrame(now, from, frame);
      if (frame.kind !== 'vector') return;
      for (const key of new Set(frame.entries.map(streamKey))) {
        const said = frame.entries.filter((entry) => streamKey(entry) === key);
        claims[from].set(key, said.map(flattering));
        const stream = broadcaster.streams.find(said[0]);
        if (stream) broadcaster.vectors.touchFor(from, stream);
      }
    };
    changeFrames(broadcaster, (frames, peer) =>
      frames.map((frame) => {
        if (frame.kind !== 'vector' || frame.entries.length === 0) return frame;
        const isFlattered = patience[peer]-- > 0;
        const streams = isFlattered ? [...new Set(frame.entries.map(streamKey))] : [];
        return { ...frame, entries: streams.flatMap((key) => claims[peer].get(key) ?? []) };
      }),
    );
  },
  serve(broadcaster, { rng }) {
    changeSymbols(broadcaster, (body) =>
      body[DESCRIPTOR_SIZE] === SERVED ? flipped(body, rng, body.length - 16) : body,
    );
  },
  equivocate(broadcaster, { group, keys, rng }) {
    const { transfer } = broadcaster;
    const send = transfer.send.bind(transfer);
    transfer.send = (now, stream, object) => {
      const record = send(now, stream, object);
      const other = writeParcel({ dependencies: [], messages: [rng.bytes(rng.integer(1, 40))] });
      const { origin, incarnation, seq } = object;
      const second = {
        origin,
        incarnation,
        seq,
        length: other.length,
        hash: sha256(other),
        ...cutObject(other.length),
      };
      const certificate = signCertificate(group, writeDescriptor(second), keys.sign);
      const { paths } = transfer.options;
      record.outgoing = twoFaced(
        record.outgoing!,
        new Outgoing(now, group, keys, paths, rng, certificate, other),
        new Set(group.members.flatMap(({ index }) => (rng.chance(0.5) ? [index] : []))),
      );
      return record;
    };
  },
  mismatch(broadcaster, { rng }) {
    const { transfer } = broadcaster;
    const send = transfer.send.bind(transfer);
    transfer.send = (now, stream, object) =>
      send(now, stream, { ...object, bytes: flipped(object.bytes, rng, 0) });
  },
};

/** An object that is one thing to the members in `deceived` and another to the rest. */
function twoFaced(main: Outgoing, other: Outgoing, deceived: ReadonlySet<number>): Outgoing {
  const { hasFor, next, handleTimeout, nextTimeout, onProgress, onConfirm, dispose } = main;
  main.hasFor = (now, peer) => (deceived.has(peer) ? other.hasFor(now, peer) : hasFor.call(main, now, peer));
  main.next = (now, peer, target) =>
    deceived.has(peer) ? other.next(now, peer, target) : next.call(main, now, peer, target);
  main.onProgress = (now, peer, frame) =>
    deceived.has(peer) ? other.onProgress(now, peer, frame) : onProgress.call(main, now, peer, frame);
  main.onConfirm = (peer) => {
    onConfirm.call(main, peer);
    other.onConfirm(peer);
  };
  main.handleTimeout = (now: Micros) => {
    handleTimeout.call(main, now);
    other.handleTimeout(now);
  };
  main.nextTimeout = () => Math.min(nextTimeout.call(main), other.nextTimeout());
  main.dispose = () => {
    dispose.call(main);
    other.dispose();
  };
  return main;
}

function changeSymbols(broadcaster: Inside, change: (body: Uint8Array) => Uint8Array): void {
  const nextSymbol = broadcaster.nextSymbol.bind(broadcaster);
  broadcaster.nextSymbol = (now, peer, target) => {
    const length = nextSymbol(now, peer, target);
    const changed = change(target.slice(0, length));
    // A longer one than there is room for stays away.
    if (length === 0 || changed.length > target.length) return 0;
    target.set(changed);
    return changed.length;
  };
}

/** Frames beyond what fits are left out. */
function changeFrames(
  broadcaster: Inside,
  change: (frames: ObjectFrame[], peer: number) => ObjectFrame[],
): void {
  const takeControl = broadcaster.takeControl.bind(broadcaster);
  broadcaster.takeControl = (now, peer, room) => {
    let left = room;
    return change(takeControl(now, peer, room), peer).filter((frame) => {
      const size = frameSize(frame);
      if (size > left) return false;
      left -= size;
      return true;
    });
  };
}

/** What a member said, as if someone else said it too and were READY: copied, since it was a view of a datagram. */
function flattering(entry: VectorEntry): VectorEntry {
  return { ...entry, ready: entry.count, chain: entry.chain.slice(), ahead: entry.ahead.slice() };
}

/** A copy with one bit flipped somewhere from `from` on. */
function flipped(bytes: Uint8Array, rng: Rng, from: number): Uint8Array {
  const copy = bytes.slice();
  copy[rng.integer(from, copy.length - 1)] ^= 1 << rng.integer(0, 7);
  return copy;
}

const MAX_REPLAYED = 64;
