/**
 * Makes the datagrams of a member. In: who is due, what there is to say to it, and the memory of datagrams that are gone.
 * Out: sealed datagrams, one at a time: first those without symbols, then those with.
 */

import type { BroadcastObserver } from '../broadcast/observer.js';
import { castKey } from '../bulk/cast/hearing.js';
import type { Egress } from '../congestion/egress.js';
import { Writer } from '../core/bytes.js';
import { type Micros, NEVER } from '../core/time.js';
import type { SessionTable } from '../session/index.js';
import { type AckWish, ackWish, FRAMES_ROOM, SymbolWriter, writeDatagram } from '../wire/datagram.js';
import type { ForwardFrame } from '../wire/frames/forwarding/forward.js';
import { type Frame, frameSize } from '../wire/frames.js';
import { ETHERNET_DATAGRAM, PROTECTED_HEADER, PROTECTED_TAG } from '../wire/limits.js';
import type { StreamId } from '../wire/symbol.js';
import type { Agenda } from './agenda.js';
import type { Peer } from './peer.js';
import type { Tamper } from './tamper.js';
import { TamperedWriter } from './tampered.js';

/** A datagram to be sent to `to`: a locator of the group, or the address that a peer was last heard from. */
export interface Transmit {
  /** Where to. */
  to: string;
  /** UDP payload. */
  bytes: Uint8Array;
  /** Of which transfer it is, if `to` is a multicast group. */
  cast?: StreamId;
}

/** Datagrams for multicast groups. */
interface Casts {
  nextSend(now: Micros): Micros;
  poll(
    now: Micros,
  ): { id: StreamId; group: { address: string; port: number }; bytes: Uint8Array } | undefined;
}

export interface SenderOptions {
  peers: readonly (Peer | undefined)[];
  sessions: SessionTable;
  egress: Egress;
  agenda: Agenda;
  tamper: Tamper | undefined;
  observer: BroadcastObserver | undefined;
  /** Datagrams that go before all else. */
  sealed: Transmit[];
  /** There is something to say to a peer without a session. */
  connect: (now: Micros, peer: Peer) => void;
}

/** A text of symbols, and the memory that it stands in if that is ours. */
interface Written {
  bytes: Uint8Array;
  memory: Uint8Array | undefined;
}

export class Sender {
  private readonly options: SenderOptions;
  /** Memory of the last datagram with symbols, and of one that has been given back. */
  private lent: Uint8Array | undefined;
  private spare: Uint8Array | undefined;
  /** Objects of one symbol that are in the datagram being written. */
  private readonly beside = new Set<object>();
  private isCastsTurn = false;

  constructor(options: SenderOptions) {
    this.options = options;
  }

  /** The bytes of the last datagram are not needed any more: the next one may stand in the same memory. */
  takeBack(): void {
    this.spare = this.lent ?? this.spare;
    this.lent = undefined;
  }

  /** The bytes of the last datagram are the caller's for good. */
  private letGo(): void {
    this.lent = undefined;
  }

  /**
   * The next datagram: what sessions, acknowledgements and confirms need goes before symbols; symbols of different peers take
   * turns.
   */
  poll(now: Micros, casts: Casts): Transmit | undefined {
    const { sealed, sessions } = this.options;
    this.letGo();
    // What polling may start is a handshake, whose first message is then there at once.
    return (
      sealed.shift() ??
      sessions.pollTransmit() ??
      this.pollControl(now) ??
      sessions.pollTransmit() ??
      this.pollSymbols(now, casts)
    );
  }

  /** The next datagram without a symbol: acknowledgements, news of objects, heartbeats, probes of size. */
  private pollControl(now: Micros): Transmit | undefined {
    const { agenda, connect } = this.options;
    for (let peer = agenda.controlDue(now); peer; peer = agenda.controlDue(now, peer)) {
      const { path } = peer;
      const hasNews = peer.hasNews(now);
      if (!path.isOpen || !peer.isUsable(now)) {
        if (hasNews) connect(now, peer);
        continue;
      }
      if (hasNews || path.nextFrames() <= now) {
        const frames = this.framesFor(now, peer);
        return this.sealBeside(now, peer, frames) ?? this.sealControl(now, peer, frames);
      }
      const size = path.mtu.takeProbe(now, path.rtt.smoothed);
      if (size) return this.sealControl(now, peer, [{ kind: 'mtu-probe', size }], size);
    }
    return undefined;
  }

  /** The next datagram with symbols: those for groups and those for peers take turns. */
  private pollSymbols(now: Micros, casts: Casts): Transmit | undefined {
    this.isCastsTurn = !this.isCastsTurn;
    return this.isCastsTurn
      ? (this.pollCast(now, casts) ?? this.pollPeers(now))
      : (this.pollPeers(now) ?? this.pollCast(now, casts));
  }

  /** When there is a datagram for a group. */
  nextCast(now: Micros, casts: Casts): Micros {
    const next = casts.nextSend(now);
    return next === NEVER ? NEVER : Math.max(next, this.options.egress.opensAt(now));
  }

  private pollCast(now: Micros, casts: Casts): Transmit | undefined {
    const { egress } = this.options;
    if (casts.nextSend(now) > now || egress.opensAt(now) > now) return undefined;
    const datagram = casts.poll(now);
    if (!datagram) return undefined;
    const { id, group, bytes } = datagram;
    egress.onControl(now, bytes.length);
    return { to: castKey(group), bytes, cast: id };
  }

  private pollPeers(now: Micros): Transmit | undefined {
    const { egress, agenda, peers } = this.options;
    agenda.findSymbols(now);
    for (let index = egress.next(now); index !== undefined; index = egress.next(now)) {
      const peer = peers[index]!;
      const transmit = peer.isUsable(now) ? this.sealSymbols(now, peer) : undefined;
      if (transmit) return transmit;
      egress.want(index, false);
    }
    return undefined;
  }

  /** Seals the text of a datagram for a peer whose session is usable. */
  seal(
    now: Micros,
    { index, path, notify }: Peer,
    text: Uint8Array,
    wish: AckWish,
    hasAsked = false,
  ): Transmit {
    const sealed = this.options.sessions.protectInPlace(now, index, text, path.recovery.nextNumber)!;
    notify();
    path.onSent(now, text.length, wish, hasAsked);
    return sealed;
  }

  /** A datagram of others, or of a session that is forwarded, inside of that with `peer`; in two where its path is too narrow. */
  sealForward(now: Micros, peer: Peer, frame: ForwardFrame): Transmit {
    const datagram = writeDatagram([frame]);
    this.observe(now, peer, [frame]);
    if (datagram.length > peer.path.mtu.size) return this.sealHalves(now, peer, datagram);
    this.options.egress.onControl(now, datagram.length);
    return this.seal(now, peer, datagram, 'soon');
  }

  private framesFor(now: Micros, peer: Peer): Frame[] {
    const frames = peer.takeFrames(now);
    const said = this.options.tamper?.frames?.(now, peer.index, frames);
    return said ? fitting(said) : frames;
  }

  /** The same frames with symbols behind them, if there are any that may go now and fit. */
  private sealBeside(now: Micros, peer: Peer, frames: Frame[]): Transmit | undefined {
    const { egress, tamper } = this.options;
    const { path, outbound } = peer;
    const mayGo = outbound.hasSymbol(now) && path.askToSend(now) === 'any' && egress.opensAt(now) <= now;
    if (!mayGo || tamper) return undefined;
    const written = this.writeSymbols(now, peer, path.mtu.size, frames);
    return written && this.sealWritten(now, peer, written, frames);
  }

  private sealControl(now: Micros, peer: Peer, frames: Frame[], size = 0): Transmit {
    const { agenda, egress } = this.options;
    agenda.lookForSymbols(now, peer);
    this.observe(now, peer, frames);
    const bytes = writeDatagram(frames, undefined, size);
    egress.onControl(now, bytes.length);
    // A probe of size is nothing to congestion control: its loss says that it was too large.
    return this.seal(now, peer, bytes, size === 0 ? ackWish({ frames, symbol: undefined }) : 'none');
  }

  /** A datagram with as many symbols for `peer` as fit, if there are any. The ack policy rides along where it is due. */
  private sealSymbols(now: Micros, peer: Peer): Transmit | undefined {
    const { path, outbound } = peer;
    if (!outbound.hasSymbol(now)) return undefined;
    const policy = path.takePolicy(now);
    const { size } = path.mtu;
    // The largest symbol leaves no room for it.
    if (policy && size < ETHERNET_DATAGRAM) return this.sealControl(now, peer, [policy]);
    const written = this.writeSymbols(now, peer, size, policy ? [policy] : []);
    if (!written) return size < ETHERNET_DATAGRAM ? this.sealParts(now, peer) : undefined;
    return this.sealWritten(now, peer, written);
  }

  private sealWritten(now: Micros, peer: Peer, { bytes, memory }: Written, frames: Frame[] = []): Transmit {
    this.observe(now, peer, frames);
    this.lent = memory;
    this.options.egress.onSent(now, peer.index, bytes.length);
    peer.outbound.manifests.onSent(peer.path.recovery.nextNumber);
    return this.seal(now, peer, bytes, 'soon', true);
  }

  private observe(now: Micros, { index }: Peer, frames: readonly Frame[]): void {
    const { observer } = this.options;
    if (observer)
      for (const frame of frames) observer(now, { topic: 'frames', way: 'out', peer: index, frame });
  }

  /** A symbol of an object that was cut for wider paths than this one is, in two datagrams. */
  private sealParts(now: Micros, peer: Peer): Transmit | undefined {
    const written = this.writeSymbols(now, peer, ETHERNET_DATAGRAM, []);
    if (!written) return undefined;
    return this.sealHalves(now, peer, written.bytes);
  }

  /** The text of a datagram that is not sealed yet, in two. */
  private sealHalves(now: Micros, peer: Peer, bytes: Uint8Array): Transmit {
    const text = bytes.subarray(PROTECTED_HEADER, bytes.length - PROTECTED_TAG);
    const [first, second] = peer.parts.split(text).map((half) => {
      const datagram = writeDatagram([half]);
      this.options.egress.onSent(now, peer.index, datagram.length);
      return this.seal(now, peer, datagram, 'soon', true);
    });
    this.options.sealed.push(second);
    return first;
  }

  /** A text of as many symbols as fit in a datagram of `size` bytes. */
  private writeSymbols(
    now: Micros,
    { index, outbound }: Peer,
    size: number,
    frames: Frame[],
  ): Written | undefined {
    const change = this.options.tamper?.symbol;
    const memory = change ? undefined : this.takeMemory(size);
    const told = outbound.manifests;
    const writer = memory
      ? new SymbolWriter(memory, frames, told)
      : new TamperedWriter(size, frames, { told, change: (body, room) => change!(now, index, body, room) });
    this.beside.clear();
    outbound.addSymbols(now, writer, this.beside);
    const bytes = writer.finish();
    return bytes && { bytes, memory };
  }

  /** Memory for a datagram of at most `size` bytes: that of the last one, if it has been given back. */
  private takeMemory(size: number): Uint8Array {
    const { spare } = this;
    this.spare = undefined;
    return spare?.length === size ? spare : new Writer(size).bytes;
  }
}

/** The first of these frames that fit in a datagram. */
function fitting(frames: readonly Frame[]): Frame[] {
  let left = FRAMES_ROOM;
  return frames.filter((frame) => {
    const size = frameSize(frame);
    if (size > left) return false;
    left -= size;
    return true;
  });
}
