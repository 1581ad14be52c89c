/**
 * A member of the group as one sans-IO state machine: datagrams and deadlines in, datagrams and events out. Sessions keep
 * strangers out and the text secret, a path for each peer says when it may be sent to, the broadcast says what.
 *
 * Its methods, and those of all below, are of these kinds; each takes the time as `now`, and keeps it nowhere:
 * - `handleX`: input from outside, a datagram or a timeout. `onX` is news from a neighbour.
 * - `nextTimeout`: when to call `handleTimeout`; it may change after any other call.
 * - `pollX`: what the shell is to do next, until there is nothing. `takeX` is the same between neighbours.
 * - `check`: what of the state contradicts the rest.
 *
 * What is the store's, the consumer's or about our messages goes to `store`, `consumer` and `messages` themselves. After any
 * call, in this order: `store.pollRequest`, `pollTransmit` and `pollEvent` until each has nothing, then `nextTimeout`.
 */

import type { AgreementDrop } from '../broadcast/agreement/streams.js';
import type { Broadcast } from '../broadcast/broadcast.js';
import type { BroadcastEvent } from '../broadcast/events.js';
import { createMetrics, type Metrics, type RepairDrop } from '../broadcast/metrics.js';
import type { ConsumerPort, Messages, StorePort } from '../broadcast/ports.js';
import type { SpreadDrop } from '../broadcast/spread/drops.js';
import type { BroadcastDrop } from '../broadcast/wings.js';
import type { Bulk } from '../bulk/bulk.js';
import { countDrop, sumDrops } from '../core/drops.js';
import type { Micros } from '../core/time.js';
import type { Epochs } from '../epochs/epochs.js';
import { HeadwaterError } from '../errors.js';
import type { MemberEvent } from '../events.js';
import type { Mesh } from '../forwarding/mesh.js';
import type { PunchDrop } from '../forwarding/punching.js';
import { type Member, memberWith } from '../group/group.js';
import { DESCRIPTOR_ASK } from '../group/join/messages.js';
import type { Teller } from '../group/join/teller.js';
import type { LocatorDrop } from '../locators/book.js';
import type { Locators } from '../locators/locators.js';
import type { SessionDropReason, SessionTable } from '../session/index.js';
import { ackWish, type Contents, parseContents, writeDatagram } from '../wire/datagram.js';
import type { Ack } from '../wire/frames/ack.js';
import type { PartFrame } from '../wire/frames/path/part.js';
import type { VectorFrame } from '../wire/frames/vector.js';
import type { Frame } from '../wire/frames.js';
import { PROTECTED_OVERHEAD } from '../wire/limits.js';
import { parseSymbol } from '../wire/symbol.js';
import { parseVia } from '../wire/via.js';
import { Agenda } from './agenda.js';
import { assemble, type EndpointOptions } from './assembly.js';
import { type Carried, Carrier, type ForwardDrop } from './carrier.js';
import { type FrameHandlers, frameHandlers, type Heard, handleFrame, isHandled } from './handlers.js';
import type { Peer } from './peer.js';
import { Presence } from './presence.js';
import { Sender, type Transmit } from './sender.js';
import { type EndpointStatus, peerStatus } from './status.js';
import type { Voice } from './tamper.js';

export type { EndpointOptions };

/** Why a datagram of a session is dropped, or an ACK in it. */
export type MemberDrop =
  /** A datagram of a session with impossible fields. */
  | 'malformed'
  /** An optional frame of a type that we do not know, or of a feature that the session does not have; the rest counts. */
  | 'unknown-frame'
  /** Half of a text whose other half has not come while a few more did. */
  | 'part-alone'
  /** An acknowledgement of what was never sent. */
  | 'bad-ack'
  /** A question for the group file that is none, of another group, or of somebody who is no member. */
  | 'join-refused'
  /** More questions for the group file than are answered. */
  | 'join-budget'
  /** A datagram of a session with a member that was removed, once we are active without it. */
  | 'removed-member';
/** Everything that is thrown away is counted under one of these: each layer's own. */
export type DropReason =
  | MemberDrop
  | ForwardDrop
  | PunchDrop
  | LocatorDrop
  | SessionDropReason
  | AgreementDrop
  | SpreadDrop
  | RepairDrop;
/** Counters of a member. */
export type EndpointMetrics = Metrics<DropReason>;

/** What a member tells its shell. */
export type EndpointEvent = BroadcastEvent;
export type { Transmit };

export class Endpoint implements Voice {
  readonly self: Member;
  private readonly counters: Metrics<MemberDrop | ForwardDrop | PunchDrop | LocatorDrop | BroadcastDrop> =
    createMetrics();
  private readonly options: EndpointOptions;
  private readonly sessions: SessionTable;
  /** Files that move beside the messages. */
  readonly bulk: Bulk;
  private readonly broadcaster: Broadcast;
  /** Where members are; and in which epoch of a group that changes. */
  readonly locators: Locators;
  readonly epochs: Epochs | undefined;
  /** By member; undefined at our own place. */
  private readonly peers: readonly (Peer | undefined)[];
  private readonly presence: Presence;
  private readonly agenda: Agenda;
  private readonly handlers: FrameHandlers;
  private readonly sender: Sender;
  private readonly teller: Teller;
  private readonly mesh: Mesh;
  private readonly carrier: Carrier;
  /** What sessions and paths say of members. */
  private readonly own: MemberEvent<number>[] = [];
  /** Datagrams that are sealed, and go next. */
  private readonly sealed: Transmit[] = [];

  /** Throws INVALID_CONFIG if the key is none of the group's. */
  constructor(options: EndpointOptions) {
    const { tamper } = options;
    this.options = options;
    this.self = memberWith(options.group, options.keys.publicKey);
    const parts = assemble(options, this.self, this.counters);
    const { peers, sessions, bulk, broadcaster, egress, sizes, changed, locators } = parts;
    this.sessions = sessions;
    this.bulk = bulk;
    this.broadcaster = broadcaster;
    this.peers = peers;
    this.teller = parts.teller;
    this.locators = locators;
    this.epochs = parts.epochs;
    this.presence = new Presence(peers, ({ index, isPresent }) =>
      this.own.push({ type: 'peer', member: index, reachable: isPresent }),
    );
    this.agenda = new Agenda({ peers, egress, changed });
    this.sender = new Sender({
      peers,
      sessions,
      egress,
      agenda: this.agenda,
      tamper,
      observer: options.observer,
      sealed: this.sealed,
      connect: (now, peer) => this.connect(now, peer),
    });
    this.mesh = parts.mesh;
    this.carrier = new Carrier({
      ...{ self: this.self.index, peers, sealed: this.sealed },
      ...{ sender: this.sender, counters: this.counters },
    });
    this.handlers = frameHandlers({
      broadcaster,
      bulk,
      sizes,
      locators,
      onAck: (heard, ack) => this.handleAck(heard, ack),
      onPart: (heard, part) => this.handlePart(heard, part),
      onSymbol: (heard, body) => this.handleSymbol(heard, body),
      mesh: this.mesh,
      onForward: (heard, frame) => this.carrier.handleForward(heard, frame),
    });
    tamper?.begin?.(this);
  }

  get metrics(): EndpointMetrics {
    const drops = sumDrops(this.counters.drops, this.sessions.metrics.drops);
    return { ...this.counters, drops };
  }

  /** Where messages of ours are given in. */
  get messages(): Messages {
    return this.broadcaster.messages;
  }

  /** What is wanted of the store, and where its answers go. */
  get store(): StorePort {
    return this.broadcaster;
  }

  /** Where it is said that the consumer has done with a message. */
  get consumer(): ConsumerPort {
    return this.broadcaster;
  }

  /**
   * Takes in one datagram, which is overwritten, and of which nothing is kept. Never throws for what it holds: bad ones are
   * counted and dropped.
   *
   * @param receivedAt when it came to this host, at most `now`: how late we are is none of the network's delay
   */
  handleDatagram(now: Micros, from: string, bytes: Uint8Array, receivedAt: Micros = now): void {
    this.counters.receivedDatagrams++;
    this.counters.receivedBytes += bytes.length;
    if (bytes[0] === DESCRIPTOR_ASK) return this.handleQuestion(now, from, bytes);
    this.receive(now, { from, bytes }, receivedAt);
    for (let next = this.carrier.takeArrived(); next; next = this.carrier.takeArrived())
      this.receive(now, next, receivedAt);
  }

  handleTimeout(now: Micros): void {
    this.sessions.handleTimeout(now);
    this.followSessions(now);
    const { agenda } = this;
    for (let peer = agenda.timeoutDue(now); peer; peer = agenda.timeoutDue(now, peer))
      if (peer.path.nextTimeout() <= now) peer.handleTimeout(now);
    for (let peer = agenda.timeoutDue(now); peer; peer = agenda.timeoutDue(now, peer))
      peer.failOver.handleTimeout(now);
    this.mesh.handleTimeout(now);
    this.followSessions(now);
    this.presence.handleTimeout(now);
    this.broadcaster.handleTimeout(now);
    this.bulk.handleTimeout(now);
    this.locators.handleTimeout(now);
  }

  /** The host did not let us run for a while. */
  handleStall(now: Micros): void {
    for (const peer of this.peers) peer?.onStall(now);
    this.bulk.casts.onHostLimited(now);
  }

  /**
   * The next datagram to send now; its answer may change after any other call. What sessions, acknowledgements and confirms
   * need goes before symbols; symbols of different peers take turns.
   */
  pollTransmit(now: Micros): Transmit | undefined {
    const { sender, carrier, counters, bulk } = this;
    for (let next = sender.poll(now, bulk.casts); next; next = sender.poll(now, bulk.casts)) {
      const transmit = carrier.wrap(now, next);
      if (!transmit) continue;
      counters.sentDatagrams++;
      counters.sentBytes += transmit.bytes.length;
      return transmit;
    }
    return undefined;
  }

  /** The bytes that `pollTransmit` gave last are not needed any more: what it gives next may stand in the same memory. */
  takeBack(): void {
    this.sender.takeBack();
  }

  /** When `handleTimeout` (or `pollTransmit`) is due next; NEVER if not at all. May change after any other call. */
  nextTimeout(now: Micros): Micros {
    if (this.sealed.length > 0) return now;
    return Math.max(
      0,
      Math.min(
        this.sessions.nextTimeout(),
        this.presence.nextTimeout(),
        this.broadcaster.nextTimeout(now),
        this.bulk.nextTimeout(),
        this.locators.nextTimeout(),
        this.mesh.nextTimeout(),
        this.sender.nextCast(now, this.bulk.casts),
        this.agenda.nextTimeout(now),
      ),
    );
  }

  pollEvent(): EndpointEvent | undefined {
    return this.own.shift() ?? this.broadcaster.pollEvent();
  }

  takeRebuilds(): Micros[] {
    return this.broadcaster.takeRebuilds();
  }

  /** Objects on their way, and each peer as it stands. `isDetailed`: with what each member lacks of each object. */
  status(now: Micros, isDetailed = false): EndpointStatus {
    const broadcast = this.broadcaster.status(isDetailed);
    return {
      ...broadcast,
      ...this.locators.status(now),
      objects: [...broadcast.objects, ...this.bulk.objectsUnderWay(isDetailed)],
      peers: this.peers.flatMap((peer) => (peer ? [peerStatus(now, peer, this.options.group.members)] : [])),
    };
  }

  /** What of its state contradicts the rest; undefined if nothing does, as ever. For the simulator, after any call. */
  check(): string | undefined {
    return this.agenda.check() ?? this.broadcaster.check() ?? this.bulk.check();
  }

  say(now: Micros, index: number, frames: readonly Frame[], symbol?: Uint8Array): boolean {
    if (!this.options.tamper) throw new HeadwaterError('INVALID_CONFIG', 'tamper: expected one, got none');
    const peer = this.peers[index];
    if (!peer?.path.isOpen || !peer.isUsable(now)) return false;
    const numbered = numberedFor(peer, frames);
    this.sealed.push(
      this.sender.seal(now, peer, writeDatagram(numbered, symbol), ackWish({ frames: numbered, symbol })),
    );
    return true;
  }

  /** Frees what the codec holds. */
  dispose(): void {
    this.broadcaster.dispose();
    this.bulk.dispose();
  }

  /** Takes in a datagram that came over the socket, or was forwarded. */
  private receive(now: Micros, { from, bytes }: Carried, receivedAt: Micros): void {
    const received = this.sessions.handleDatagram(now, from, bytes);
    this.followSessions(now);
    if (!received) return;
    // What only it holds now is not taken from it any more (EPOCHS.md).
    if (this.epochs?.isSpokenTo(received.peer) === false) return countDrop(this.counters, 'removed-member');
    try {
      const size = received.payload.length + PROTECTED_OVERHEAD;
      const isForwarded = parseVia(from) !== undefined;
      const heard = { now, peer: this.peers[received.peer]!, size, receivedAt, isForwarded };
      this.handleContents(heard, received.packetNumber, parseContents(received.payload));
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.code !== 'MALFORMED') throw error;
      countDrop(this.counters, 'malformed');
    }
  }

  /** Somebody asks for our group file. */
  private handleQuestion(now: Micros, from: string, question: Uint8Array): void {
    const { bytes, drop } = this.teller.answer(now, from, question);
    if (drop) countDrop(this.counters, drop);
    if (bytes) this.sealed.push({ to: from, bytes });
  }

  private handleContents(heard: Heard, number: number, contents: Contents): void {
    const { now, peer, receivedAt } = heard;
    peer.notify();
    if (peer.path.onReceived(now, number, ackWish(contents), receivedAt)) this.presence.onHeard(peer);
    this.handleFrames(heard, contents);
  }

  private handleFrames(heard: Heard, contents: Contents): void {
    const { now, peer } = heard;
    const { frames, symbol } = this.options.tamper?.hear?.(now, peer.index, contents) ?? contents;
    const { observer } = this.options;
    for (const frame of frames) {
      observer?.(now, { topic: 'frames', way: 'in', peer: peer.index, frame });
      if (isHandled(frame, peer, this.options.group)) handleFrame(this.handlers, heard, frame);
      else countDrop(this.counters, 'unknown-frame');
    }
    if (symbol) this.handleSymbol(heard, symbol);
  }

  /** Half of a text: with the other one it is taken as if it had come in a datagram of its own. */
  private handlePart(heard: Heard, part: PartFrame): void {
    const text = heard.peer.parts.join(part);
    if (text === 'alone') countDrop(this.counters, 'part-alone');
    if (typeof text === 'string') return;
    const contents = parseContents(text);
    if (contents.frames.some(({ kind }) => kind === 'part'))
      throw new HeadwaterError('MALFORMED', 'part: expected none in a text that came in parts, got one');
    this.handleFrames({ ...heard, size: 0 }, contents);
  }

  private handleAck({ now, peer, receivedAt }: Heard, ack: Ack): void {
    const { path, index } = peer;
    // What the ack says of the path depends on whether we had more to send until now.
    this.agenda.lookForSymbols(now, peer);
    const { losses } = path.trust;
    const outcome = path.onAck(now, ack, receivedAt);
    peer.outbound.manifests.onFates();
    if (outcome.ok) return;
    countDrop(this.counters, 'bad-ack');
    // Its path is held back from now on: said when that begins, however many follow.
    if (path.trust.losses > losses)
      this.own.push({ type: 'misbehaviour', member: index, what: 'bad-ack', detail: outcome.detail });
  }

  private handleSymbol({ now, peer }: Heard, body: Uint8Array): void {
    this.broadcaster.handleSymbol(now, peer.index, parseSymbol(body), body);
  }

  /** Hands on what became of sessions. */
  private followSessions(now: Micros): void {
    const { sessions, peers, own } = this;
    for (let event = sessions.pollEvent(); event; event = sessions.pollEvent())
      if ('member' in event) own.push(event);
      else peers[event.peer]!.onSession(now, event);
  }

  /** There is something to say to a peer without a session. */
  private connect(now: Micros, { index, outbound }: Peer): void {
    outbound.takeControl(now, 0);
    this.sessions.connect(now, index);
    this.followSessions(now);
  }
}

/** VECTORs of these that are to have the next version that the peer waits for have it. */
function numberedFor(peer: Peer, frames: readonly Frame[]): Frame[] {
  const numbered = (frame: VectorFrame): VectorFrame =>
    frame.version === 0 && frame.entries.length > 0 ? { ...frame, ...peer.outbound.numberVector() } : frame;
  return frames.map((frame) => {
    if (frame.kind === 'vector') return numbered(frame);
    return frame.kind === 'said' ? { ...frame, vector: numbered(frame.vector) } : frame;
  });
}
