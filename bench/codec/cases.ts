/**
 * The operations that bench/codec compares: ours and npm raptorq's, on the same bytes and the same symbols. Each is one
 * function without arguments that does the whole operation once; results are checked by verify(), outside of the timing.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as raptorq from 'raptorq/raptorq.js';
import { Engine } from '../../src/codec/engine.js';
import { Decoder, Encoder, Oti } from '../../src/codec/index.js';
import { Rng } from '../../src/core/rng.js';

export interface Case {
  readonly ours: () => void;
  readonly peer: () => void;
  /** Throws if the last results are wrong. */
  readonly verify: () => void;
}

export const engine = new Engine();

const peerMemory = raptorq.initSync(
  readFileSync(createRequire(import.meta.url).resolve('raptorq/raptorq_bg.wasm')),
).memory;

/** Linear memory that either side has grown to so far, in bytes. */
export function memory(): { ours: number; peer: number } {
  return { ours: engine.usage().reserved, peer: peerMemory.buffer.byteLength };
}

export function randomObject(k: number, t: number): Uint8Array {
  const rng = new Rng(`bench ${k}`);
  const bytes = new Uint8Array(k * t);
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = rng.uint32();
  return bytes;
}

/**
 * K source symbols and 10 % repair symbols in the caller's hands. Ours writes them into the caller's buffer by one call,
 * the peer returns an array for each; both start from the object's bytes. Cold: no plan is cached; the peer never caches.
 */
export function encodeCase(bytes: Uint8Array, k: number, t: number, cold: boolean): Case {
  const repair = Math.max(1, Math.round(k / 10));
  const target = new Uint8Array((k + repair) * t);
  let packets: Uint8Array[] = [];
  return {
    ours: () => {
      if (cold) engine.clear();
      const encoder = new Encoder(bytes, { symbolSize: t, sourceBlocks: 1, engine });
      encoder.symbolsInto(0, 0, k + repair, target);
      encoder.dispose();
    },
    peer: () => {
      const encoder = raptorq.Encoder.with_defaults(bytes, t);
      packets = encoder.encode(repair);
      encoder.free();
    },
    verify: () => {
      const padding = engine.parameters(k).K - k;
      if (packets.length !== k + repair) throw new Error(`encode K=${k}: the peer made ${packets.length}`);
      // From some 8000 symbols on the peer cuts the block in two sub-blocks: another layout, checked by decoding only.
      if (k > 7000) return;
      for (const packet of packets) {
        const id = new DataView(packet.buffer, packet.byteOffset).getUint32(0);
        const esi = id < k ? id : id - padding;
        if (Buffer.compare(packet.subarray(4), target.subarray(esi * t, (esi + 1) * t)) !== 0)
          throw new Error(`encode K=${k}: symbol ${esi} differs`);
      }
    },
  };
}

/** How many of k source symbols are lost at this percentage: at least one unless it is zero. */
export function lostOf(k: number, percent: number): number {
  return percent === 0 ? 0 : Math.max(1, Math.round((k * percent) / 100));
}

/**
 * The object from K symbols given one by one: the source symbols that are left, in order, then as many repair symbols as
 * were lost (more only if those do not determine the block). Each side gets them in its own form: ours as (ESI, symbol),
 * the peer as packets with a payload id.
 */
export function decodeCase(bytes: Uint8Array, k: number, t: number, percent: number): Case {
  const rng = new Rng(`bench ${k} ${percent}`);
  const lost = lostOf(k, percent);
  const gone = new Set(rng.shuffle(Array.from({ length: k }, (_, esi) => esi)).slice(0, lost));
  const oti = new Oti({ transferLength: bytes.length, symbolSize: t, sourceBlocks: 1 });
  const source = Array.from({ length: k }, (_, esi) => esi).filter((esi) => !gone.has(esi));
  const peerSource = percent === 0 ? peerPackets(bytes, t, 0) : peerPackets(bytes, t, lost + 2);
  const packets = peerSource.filter((_, i) => i >= k || !gone.has(i));
  const symbols = repairSymbols(bytes, k, t, lost + 2);
  const arrivals: [number, Uint8Array][] = [
    ...source.map((esi): [number, Uint8Array] => [esi, bytes.subarray(esi * t, (esi + 1) * t)]),
    ...symbols,
  ];
  let ours: Uint8Array | undefined;
  let peer: Uint8Array | undefined;
  return {
    ours: () => {
      const decoder = new Decoder(oti, { engine });
      for (const [esi, symbol] of arrivals) if (decoder.add(0, esi, symbol)) break;
      ours = decoder.object();
      decoder.dispose();
    },
    peer: () => {
      const decoder = raptorq.Decoder.with_defaults(BigInt(bytes.length), t);
      peer = undefined;
      for (const packet of packets) {
        peer = decoder.decode(packet);
        if (peer) break;
      }
      decoder.free();
    },
    verify: () => {
      for (const [name, result] of [
        ['ours', ours],
        ['peer', peer],
      ] as const)
        if (!result || Buffer.compare(result, bytes) !== 0)
          throw new Error(`decode K=${k} at ${percent} %: ${name} is wrong`);
    },
  };
}

function peerPackets(bytes: Uint8Array, t: number, repair: number): Uint8Array[] {
  const encoder = raptorq.Encoder.with_defaults(bytes, t);
  const packets = encoder.encode(repair);
  encoder.free();
  return packets;
}

function repairSymbols(bytes: Uint8Array, k: number, t: number, count: number): [number, Uint8Array][] {
  const encoder = new Encoder(bytes, { symbolSize: t, sourceBlocks: 1, engine });
  const all = encoder.symbolsInto(0, k, count, new Uint8Array(count * t));
  encoder.dispose();
  return Array.from({ length: count }, (_, i) => [k + i, all.subarray(i * t, (i + 1) * t)]);
}
