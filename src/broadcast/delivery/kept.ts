/**
 * How much of the store each stream takes, to within 64 objects. In: what is stored, with its length. Out: whose
 * objects go first when there is no room: those of the origin that takes most, so that none pays for another.
 */
import { type Loaded, storedSize } from '../../store/store.js';
import type { Stream } from '../agreement/stream.js';
import type { Streams } from '../agreement/streams.js';
import { certifiedDescriptor } from '../proof/certificate.js';

export class Kept {
  private readonly streams: Streams;
  /** By stream, by 64 objects: what they take. */
  private readonly bytes = new WeakMap<Stream, Map<number, number>>();

  /** Of what was delivered before a restart only the sum is known: it is taken for objects of one size. */
  constructor(streams: Streams, loaded: Loaded) {
    this.streams = streams;
    let rest = loaded.bytes;
    for (const { certificate } of loaded.held) {
      const descriptor = certifiedDescriptor(certificate);
      const stream = streams.find(descriptor);
      if (stream) this.add(stream, descriptor.seq, descriptor.length);
      rest -= storedSize(descriptor.length);
    }
    let objects = 0;
    for (const { base, delivered } of streams) objects += delivered - base;
    for (const stream of streams)
      for (let seq = stream.base; seq < stream.delivered; seq = GRAIN * (grain(seq) + 1)) {
        const end = Math.min(stream.delivered, GRAIN * (grain(seq) + 1));
        this.put(stream, seq, ((end - seq) * rest) / objects);
      }
  }

  /** An object of `length` bytes is in the store. */
  add(stream: Stream, seq: number, length: number): void {
    this.put(stream, seq, storedSize(length));
  }

  private put(stream: Stream, seq: number, size: number): void {
    let grains = this.bytes.get(stream);
    if (!grains) {
      grains = new Map();
      this.bytes.set(stream, grains);
    }
    grains.set(grain(seq), (grains.get(grain(seq)) ?? 0) + size);
  }

  /** What is held of this stream from `from` on is dropped. */
  drop(stream: Stream, from: number): void {
    const grains = this.bytes.get(stream);
    for (const index of grains?.keys() ?? []) if (GRAIN * index >= from) grains!.delete(index);
  }

  /** The stream that gives way first: of the origin that takes most, of those with anything that may go. */
  first(): Stream | undefined {
    const byOrigin = new Map<number, { bytes: number; largest?: { stream: Stream; bytes: number } }>();
    for (const stream of this.streams) {
      const bytes = this.bytesOf(stream);
      const sum = byOrigin.get(stream.origin) ?? { bytes: 0 };
      byOrigin.set(stream.origin, sum);
      sum.bytes += bytes;
      if (stream.delivered === stream.base) continue;
      if (!sum.largest || bytes > sum.largest.bytes) sum.largest = { stream, bytes };
    }
    const able = [...byOrigin.values()].filter(({ largest }) => largest !== undefined);
    return able.sort((a, b) => b.bytes - a.bytes)[0]?.largest?.stream;
  }

  private bytesOf(stream: Stream): number {
    const grains = this.bytes.get(stream);
    let sum = 0;
    for (const [index, bytes] of grains ?? [])
      if (index < grain(stream.base)) grains!.delete(index);
      else sum += bytes;
    return sum;
  }
}

function grain(seq: number): number {
  return Math.floor(seq / GRAIN);
}

/** Objects that are counted together. */
const GRAIN = 64;
