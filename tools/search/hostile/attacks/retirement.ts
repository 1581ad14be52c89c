/**
 * A liar lets some members retire a stream and others not: each needs its word for that. Then it broadcasts what depends on more of
 * the stream than there is. Stopped by: that a stream is over here meets no dependency beyond its end, only that enough members
 * say so; these make the others retire it, too (PROTOCOL 9.3, 10.4).
 */
import { sha256 } from '../../../../src/crypto/hash.js';
import type { VectorEntry } from '../../../../src/wire/frames/vector.js';
import type { StreamId } from '../../../../src/wire/symbol.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf, type Forged, parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const text = new Uint8Array(40);

/** The liar's endpoint does not hear what becomes of the streams that are forged in its name, and says nothing of them. */
function silence(
  arena: Arena,
  change: (entry: VectorEntry, peer: number) => VectorEntry[] = (entry) => [entry],
): void {
  const isOwn = ({ origin }: StreamId) => origin === arena.liar;
  arena.tamper({
    hear: (_now, _peer, { frames, symbol }) => ({
      symbol,
      frames: frames
        .filter((frame) => !((frame.kind === 'pull' || frame.kind === 'progress') && isOwn(frame.id)))
        .map((frame) =>
          frame.kind === 'vector'
            ? { ...frame, entries: frame.entries.filter((entry) => !isOwn(entry)) }
            : frame,
        ),
    }),
    frames: (_now, peer, frames) =>
      frames.map((frame) =>
        frame.kind === 'vector'
          ? { ...frame, entries: frame.entries.flatMap((entry) => (isOwn(entry) ? [] : change(entry, peer))) }
          : frame,
      ),
  });
}

/** What the liar says of a stream of these objects. */
function said(objects: readonly Forged[], changes: Partial<VectorEntry> = {}): VectorEntry {
  let chain: Uint8Array = new Uint8Array(32);
  for (const { descriptor } of objects) chain = sha256(Buffer.concat([chain, descriptor.hash]));
  const count = objects.length;
  return entryOf(objects[0].stream, count, { chain, ready: count, ...changes });
}

const ended = (objects: readonly Forged[], changes: Partial<VectorEntry>) =>
  said(objects, { base: objects.length, ended: true, ...changes });

/** Two streams of the liar: the first ends, and members that `isFirst` holds of may retire it; then more of the second. */
function split(
  arena: Arena,
  isFirst: (peer: number) => boolean,
  over: (peer: number) => boolean = () => false,
): void {
  silence(arena);
  const { origin, incarnation } = arena.stream(arena.liar);
  const [former, later] = [1, 2].map((i) => arena.forge(parcel([text]), 0, { incarnation: incarnation + i }));
  const beyond = parcel([text], [{ origin, incarnation: incarnation + 1, count: 1000 }]);
  const dependent = arena.forge(beyond, 1, { incarnation: incarnation + 2 });
  arena.at(ATTACK_AT, () => arena.serve(former));
  arena.each(ATTACK_AT + 0.2, 3, 100_000, () => arena.tell(() => [said([former])]));
  arena.at(3, () => arena.serve(later));
  arena.each(3.3, 4.3, 100_000, () =>
    arena.tell((peer) => [said([later]), ended([former], { first: isFirst(peer) })]),
  );
  arena.at(4.5, () => arena.serve(dependent));
  arena.each(4.7, 9, 200_000, () =>
    arena.tell((peer) => [
      said([later, dependent]),
      ...(over(peer) ? [ended([former], { over: true, ready: 0 })] : []),
    ]),
  );
}

export const one = virtual({
  name: 'lets one member alone retire a stream of its own, and depends on more of it than there is',
  severe: true,
  order: 'causal',
  large: 0,
  attack: (arena) => split(arena, (peer) => peer === arena.honest[0]),
});

export const ready = virtual({
  name: 'lets one of seven alone retire a stream of its own, and depends on more of it than there is (k 2)',
  order: 'causal',
  large: 0,
  every: 400_000,
  members: 7,
  faulty: 2,
  attack: (arena) => split(arena, (peer) => peer === arena.honest[0]),
});

export const some = virtual({
  name: 'lets all but one member retire a stream of its own, and depends on more of it than there is',
  severe: true,
  order: 'causal',
  large: 0,
  attack: (arena) =>
    split(
      arena,
      (peer) => peer !== arena.honest[2],
      (peer) => peer === arena.honest[0],
    ),
});

export const anothers = virtual({
  name: 'lets all but one member retire a stream of another that lost its store, and depends on more of it than there is',
  severe: true,
  order: 'causal',
  large: 0,
  story: (arena) => {
    arena.at(2.5, () => arena.stop(2));
    arena.at(2.9, () => arena.lose(2));
    arena.at(3, () => arena.start(2));
  },
  attack: (arena) => {
    const former = arena.stream(2);
    const isFormer = ({ origin, incarnation }: StreamId) =>
      origin === former.origin && incarnation === former.incarnation;
    silence(arena, (entry, peer) => {
      if (peer !== 1 || !isFormer(entry)) return [entry];
      return entry.over ? [] : [{ ...entry, first: false }];
    });
    const incarnation = arena.stream(arena.liar).incarnation + 1;
    const beyond = parcel([text], [{ ...former, count: 2 ** 32 - 1 }]);
    const dependent = arena.forge(beyond, 0, { incarnation });
    arena.at(5.5, () => arena.serve(dependent));
    arena.each(5.7, 8, 200_000, () => arena.tell(() => [said([dependent])]));
  },
});
