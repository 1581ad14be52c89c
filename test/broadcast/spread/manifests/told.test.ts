/** Manifests that a peer is told: once, again when all datagrams with them are lost, and sooner where much is lost. */
import { describe, expect, test } from 'vitest';
import { MAX_TOLD, ToldManifests } from '../../../../src/broadcast/spread/manifests/told.js';
import { fixedRate } from '../../../../src/congestion/controller.js';
import { Rng } from '../../../../src/core/rng.js';
import { SECOND } from '../../../../src/core/time.js';
import { Path } from '../../../../src/path/path.js';
import { parseContents, SymbolWriter } from '../../../../src/wire/datagram.js';
import { DATAGRAM_SIZE, PROTECTED_HEADER, PROTECTED_TAG } from '../../../../src/wire/limits.js';
import { type Manifest, servedManifest } from '../../../../src/wire/manifest.js';
import { storedObject } from '../../objects.js';

/** A path with what it is told, of which datagrams are sent one by one. */
class Sender {
  readonly path = new Path({ controller: () => fixedRate(1e6), rng: new Rng('told'), maxDatagram: 1232 });
  readonly told = new ToldManifests(this.path);
  private now = 0;

  constructor() {
    this.path.isOpen = true;
  }

  /** Sends a datagram with a symbol of this manifest, if one is given and there is room; returns what it held. */
  send(manifest?: Manifest): string[] {
    const writer = new SymbolWriter(new Uint8Array(DATAGRAM_SIZE), [], this.told);
    this.told.writeOwed(writer, false);
    if (manifest) writer.served(manifest, { sbn: 0, esi: 0, most: 1 }, (_, target) => target.fill(1));
    if (writer.isEmpty) this.told.writeOwed(writer, true);
    const bytes = writer.finish();
    if (!bytes) return [];
    this.told.onSent(this.path.recovery.nextNumber);
    this.path.onSent(++this.now, bytes.length, 'soon');
    const { frames } = parseContents(bytes.slice(PROTECTED_HEADER, -PROTECTED_TAG));
    return frames.map((frame) => ('number' in frame ? `${frame.kind} ${frame.number}` : frame.kind));
  }

  /** The peer acknowledges a datagram, by its number. */
  ack(number: number): void {
    this.now += SECOND;
    this.path.onAck(this.now, { ranges: [number, number], delay: 0, received: 1 });
    this.told.onFates();
  }
}

/** Of an object of its own, so large that a symbol leaves no room for anything else. */
function manifestOf(seq: number): Manifest {
  return servedManifest(storedObject({ origin: 0, incarnation: 1, seq }, new Uint8Array(12_000)).certificate);
}

describe('a manifest', () => {
  test('is told before its symbols, and not again with those that follow', () => {
    const sender = new Sender();
    const [a, b] = [manifestOf(0), manifestOf(1)];
    const said = [a, a, a, b, b, a].map((manifest) => sender.send(manifest));
    expect(said).toEqual([
      ['manifest 0'],
      ['served 0'],
      ['served 0'],
      ['manifest 1'],
      ['served 1'],
      ['served 0'],
    ]);
  });

  test('is told again, under its number, when its datagram is lost, and not once it has arrived', () => {
    const sender = new Sender();
    const manifest = manifestOf(0);
    for (let i = 0; i < 4; i++) sender.send(manifest);
    expect(sender.told.hasOwed).toBe(false);
    sender.ack(3);
    expect([sender.told.hasOwed, sender.send()]).toEqual([true, ['manifest 0']]);
    expect([sender.told.hasOwed, sender.send()]).toEqual([false, []]);
    sender.ack(4);
    expect(sender.told.hasOwed).toBe(false);
  });

  test('is not told again for what is lost besides', () => {
    const sender = new Sender();
    const manifest = manifestOf(0);
    for (let i = 0; i < 5; i++) sender.send(manifest);
    sender.ack(0);
    sender.ack(4);
    expect([sender.told.hasOwed, sender.send()]).toEqual([false, []]);
  });

  test('is told again when the path has begun anew', () => {
    const sender = new Sender();
    sender.send(manifestOf(0));
    sender.path.move(100);
    sender.told.onFates();
    expect(sender.send()).toEqual(['manifest 0']);
  });

  test('goes where a probe is due, the oldest one of which nothing is known', () => {
    const sender = new Sender();
    for (const seq of [0, 1]) sender.send(manifestOf(seq));
    sender.told.onProbe();
    expect([sender.send(), sender.send()]).toEqual([['manifest 0'], []]);
  });

  test('goes several times where much is lost, with other datagrams between', () => {
    const sender = new Sender();
    Object.defineProperty(sender.path, 'loss', { value: 0.2 });
    const manifest = manifestOf(0);
    const said = Array.from({ length: 8 }, () => sender.send(manifest).join());
    // 0.2^3 is below 0.02.
    expect(said.filter((text) => text === 'manifest 0')).toHaveLength(3);
    const places = said.flatMap((text, i) => (text === 'manifest 0' ? [i] : []));
    for (let i = 1; i < places.length; i++) expect(places[i] - places[i - 1]).toBeGreaterThan(1);
  });

  test('goes several times also where nothing else does', () => {
    const sender = new Sender();
    Object.defineProperty(sender.path, 'loss', { value: 0.2 });
    sender.send(manifestOf(0));
    expect([sender.send(), sender.send(), sender.send()]).toEqual([['manifest 0'], ['manifest 0'], []]);
  });

  test('goes again while symbols refer to it and none is known to have arrived: they wait for it', () => {
    const sender = new Sender();
    const manifest = manifestOf(0);
    const said = Array.from({ length: 200 }, () => sender.send(manifest).join());
    expect(said.flatMap((text, i) => (text.includes('manifest 0') ? [i] : []))).toEqual([0, 65, 130, 195]);
  });

  test('has another number when the peer has lost what it knew', () => {
    const sender = new Sender();
    const manifest = manifestOf(0);
    sender.send(manifest);
    sender.told.clear();
    expect([sender.told.hasOwed, sender.send(manifest)]).toEqual([false, ['manifest 1']]);
  });
});

test('512 are remembered: the oldest is told anew', () => {
  const sender = new Sender();
  const all = Array.from({ length: MAX_TOLD + 1 }, (_, seq) => manifestOf(seq));
  for (const manifest of all) sender.send(manifest);
  expect(sender.told.numberOf(all[0])).toBeUndefined();
  expect(sender.send(all[0])).toEqual([`manifest ${MAX_TOLD + 1}`]);
  expect(sender.told.numberOf(all[2])).toBe(2);
});
