/**
 * A member of the group as one sans-IO state machine: datagrams and deadlines in, datagrams and events out. It tells
 * genuine datagrams from others, counts every one that it drops, and gives each peer a path of its own.
 */
import { Broadcast, type BroadcastEvent, type ObjectStatus } from '../broadcast/broadcast.js';
import type { Group, Member } from '../broadcast/group.js';
import { countDrop, createMetrics, type DropReason, type Metrics } from '../broadcast/metrics.js';
import type { Controller } from '../congestion/controller.js';
import { equalBytes, Writer } from '../core/bytes.js';
import type { Rng } from '../core/rng.js';
import { type Micros, NEVER } from '../core/time.js';
import { defaultProvider } from '../crypto/ed25519.js';
import type { KeyPair } from '../crypto/keys.js';
import { HeadwaterError } from '../errors.js';
import { Path } from '../path/path.js';
import { type Control, parseControl, splitControl, writeControl } from '../wire/control.js';
import { datagramOf, type Header, parseHeader } from '../wire/header.js';
import { HASH_SIZE, HEADER_SIZE } from '../wire/limits.js';
import { type ObjectId, parseSymbol, type SymbolFrame } from '../wire/symbol.js';

export interface EndpointOptions {
  group: Group;
  keys: KeyPair;
  rng: Rng;
  /** Greater than at any earlier start with the same key; 48 bits. */
  incarnation: number;
  /** Makes the congestion controller of one path. */
  controller: () => Controller;
  /** Bytes; larger objects are refused. */
  maxObjectSize: number;
  /** False: a member that relays nothing (a fault, for demonstrations and tests). */
  relay?: boolean;
}

/** A datagram to be sent to `to`, a locator of the group. */
export interface Transmit {
  to: string;
  bytes: Uint8Array;
}

/** One peer as it stands, for people to look at. */
export interface PeerStatus {
  member: Member;
  reachable: boolean;
  /** Smoothed, in microseconds; undefined before the first sample. */
  rtt: Micros | undefined;
  /** Share of our datagrams to it that are lost. */
  loss: number;
  /** Share of its datagrams to us that are lost. */
  inboundLoss: number;
  sentBytes: number;
  sentDatagrams: number;
}

export class Endpoint {
  readonly self: Member;
  readonly metrics: Metrics = createMetrics();
  private readonly options: EndpointOptions;
  private readonly provider = defaultProvider();
  private readonly paths: (Path | undefined)[];
  private readonly broadcaster: Broadcast;
  private now: Micros = 0;
  private turn = 0;

  /** Throws INVALID_CONFIG if the key is none of the group's. */
  constructor(options: EndpointOptions) {
    const { group, keys } = options;
    this.options = options;
    const self = group.members.find((member) => equalBytes(member.publicKey, keys.publicKey));
    if (!self)
      throw new HeadwaterError('INVALID_CONFIG', `key: expected one of group '${group.name}', got another`);
    this.self = self;
    this.paths = group.members.map((member) =>
      member === self ? undefined : new Path(options.controller()),
    );
    this.broadcaster = new Broadcast(
      { ...options, self: self.index, paths: this.paths, relay: options.relay ?? true },
      this.metrics,
    );
  }

  /** See `Broadcast.broadcast`. */
  broadcast(now: Micros, bytes: Uint8Array): ObjectId {
    this.now = now;
    return this.broadcaster.broadcast(now, bytes);
  }

  cancel(id: ObjectId): void {
    this.broadcaster.cancel(id);
  }

  /** Takes in one datagram. Never throws for what it holds: bad ones are counted and dropped. */
  handleDatagram(now: Micros, _from: string, bytes: Uint8Array): void {
    this.now = now;
    this.metrics.receivedDatagrams++;
    this.metrics.receivedBytes += bytes.length;
    try {
      const header = parseHeader(bytes);
      if (!equalBytes(header.groupTag, this.options.group.tag)) return this.drop('foreign-group');
      const path = this.paths[header.sender];
      if (!path) return this.drop('unknown-member');
      if (header.type === 'control') this.handleControl(now, path, header, bytes);
      else this.handleSymbol(now, path, header, bytes, parseSymbol(bytes, HEADER_SIZE));
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.code !== 'MALFORMED') throw error;
      this.drop('malformed');
    }
  }

  handleTimeout(now: Micros): void {
    this.now = now;
    this.broadcaster.handleTimeout(now);
  }

  /** The next datagram to send now; its answer may change after any other call. Control goes before symbols. */
  pollTransmit(now: Micros): Transmit | undefined {
    this.now = now;
    for (let peer = 0; peer < this.paths.length; peer++)
      if (this.paths[peer] && this.broadcaster.nextControl(peer) <= now)
        return this.transmit(now, peer, this.controlFor(now, peer));
    for (let i = 0; i < this.paths.length; i++) {
      this.turn = (this.turn + 1) % this.paths.length;
      const path = this.paths[this.turn];
      if (!path || path.nextSend(now) > now || !this.broadcaster.hasSymbol(now, this.turn)) continue;
      const body = this.broadcaster.nextSymbol(now, this.turn);
      if (body) return this.transmit(now, this.turn, datagramOf(this.header('symbol', path), body));
    }
    return undefined;
  }

  /** When `handleTimeout` (or `pollTransmit`) is due next; NEVER if not at all. May change after any other call. */
  pollTimeout(): Micros {
    const { now } = this;
    let next = this.broadcaster.nextTimeout(now);
    this.paths.forEach((path, peer) => {
      if (!path) return;
      next = Math.min(next, Math.max(now, this.broadcaster.nextControl(peer)));
      if (this.broadcaster.hasSymbol(now, peer)) next = Math.min(next, path.nextSend(now));
    });
    return next;
  }

  pollEvent(): BroadcastEvent | undefined {
    return this.broadcaster.pollEvent();
  }

  objects(): ObjectStatus[] {
    return this.broadcaster.status();
  }

  peers(): PeerStatus[] {
    return this.paths.flatMap((path, index) => {
      if (!path) return [];
      const { loss, inboundLoss, sentBytes, sentDatagrams } = path;
      const rtt = path.rtt.min === undefined ? undefined : path.rtt.smoothed;
      const member = this.options.group.members[index];
      return [
        { member, reachable: path.isReachable(this.now), rtt, loss, inboundLoss, sentBytes, sentDatagrams },
      ];
    });
  }

  /** Frees what the codec holds. */
  dispose(): void {
    this.broadcaster.dispose();
    this.now = NEVER;
  }

  private handleSymbol(now: Micros, path: Path, header: Header, bytes: Uint8Array, frame: SymbolFrame): void {
    const genuine = this.broadcaster.handleSymbol(now, header.sender, frame, bytes.subarray(HEADER_SIZE));
    if (genuine) path.onReceived(header.packetNumber);
  }

  private handleControl(now: Micros, path: Path, header: Header, bytes: Uint8Array): void {
    const control = parseControl(bytes);
    if (control.receiver !== this.self.index) return this.drop('misdirected');
    const { signed, signature } = splitControl(bytes);
    const { publicKey } = this.options.group.members[header.sender];
    if (!this.provider.verify(publicKey, this.controlMessage(signed), signature))
      return this.drop('bad-signature');
    if (!path.acceptControl(control.incarnation, header.packetNumber)) return this.drop('replayed');
    path.onReceived(header.packetNumber);
    path.onReport(now, control, this.options.incarnation);
    this.broadcaster.handleFrames(now, header.sender, control.frames);
  }

  private controlFor(now: Micros, peer: number): Uint8Array {
    const path = this.paths[peer]!;
    const control: Control = {
      ...path.report(now),
      receiver: peer,
      incarnation: this.options.incarnation,
      frames: this.broadcaster.takeControl(now, peer),
    };
    return writeControl(this.header('control', path), control, (signed) =>
      this.options.keys.sign(this.controlMessage(signed)),
    );
  }

  private controlMessage(signed: Uint8Array): Uint8Array {
    return new Writer(CONTROL_DOMAIN.length + HASH_SIZE + signed.length)
      .put(CONTROL_DOMAIN)
      .put(this.options.group.id)
      .put(signed)
      .finish();
  }

  private header(type: Header['type'], path: Path): Header {
    return {
      type,
      groupTag: this.options.group.tag,
      sender: this.self.index,
      packetNumber: path.nextPacketNumber(),
    };
  }

  private transmit(now: Micros, peer: number, bytes: Uint8Array): Transmit {
    this.paths[peer]!.onSent(now, bytes.length);
    this.metrics.sentDatagrams++;
    this.metrics.sentBytes += bytes.length;
    return { to: this.options.group.members[peer].locator, bytes };
  }

  private drop(reason: DropReason): void {
    countDrop(this.metrics, reason);
  }
}

const CONTROL_DOMAIN = new TextEncoder().encode('headwater control v1\0');
