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
import { Broadcast } from '../broadcast/broadcast.js';
import type { BroadcastEvent } from '../broadcast/events.js';
import { countDrop, createMetrics, type DropReason, type Metrics } from '../broadcast/metrics.js';
import type { ConsumerPort, Messages, StorePort } from '../broadcast/ports.js';
import type { ControllerFactory } from '../congestion/controller.js';
import { Egress } from '../congestion/egress.js';
import { Writer } from '../core/bytes.js';
import { Marks } from '../core/marks.js';
import type { Rng } from '../core/rng.js';
import type { Micros } from '../core/time.js';
import type { KeyPair } from '../crypto/keys.js';
import { HeadwaterError } from '../errors.js';
import { type Group, type Member, memberWith } from '../group/group.js';
import type { PathEvent } from '../path/observer.js';
import { Path } from '../path/path.js';
import { type Entropy, type SessionDropReason, type SessionEvent, SessionTable } from '../session/index.js';
import type { Loaded } from '../store/store.js';
import {
  type Contents,
  FRAMES_ROOM,
  hasSymbols,
  isEliciting,
  parseContents,
  SymbolWriter,
  writeDatagram,
} from '../wire/datagram.js';
import type { Ack } from '../wire/frames/ack.js';
import { ACK_POLICY_SIZE } from '../wire/frames/ack-policy.js';
import { type Frame, frameSize } from '../wire/frames.js';
import { PROTECTED_OVERHEAD } from '../wire/limits.js';
import { parseSymbol } from '../wire/symbol.js';
import { Agenda } from './agenda.js';
import { FailOver } from './failover.js';
import { type FrameHandlers, frameHandlers, type Heard, handleFrame } from './handlers.js';
import { type EndpointStatus, peerStatus } from './status.js';
import type { Tamper, Voice } from './tamper.js';

export interface EndpointOptions {
  group: Group;
  keys: KeyPair;
  rng: Rng;
  /** Keys of handshakes, indices and cookies come from here. */
  entropy: Entropy;
  /** Greater than at any earlier start with the same key; 48 bits. */
  incarnation: number;
  /** Makes the congestion controller of one path. */
  controller: ControllerFactory;
  /** Bytes per second of the whole member; Infinity: as the paths allow. */
  egressRate: number;
  /** The largest datagram worth a try, bytes of UDP payload. */
  maxDatagram: number;
  /** What this member's store holds. */
  loaded: Loaded;
  /** That objects kept for members that lack them may take: see `storedSize`. */
  maxStoredBytes: number;
  /** Of the application's messages, told to every peer; 16 bits. Default 0. */
  version?: number;
  /** Whether our messages are held back everywhere until those before them have been delivered. */
  order: 'fifo' | 'causal';
  /** Bytes; larger messages are refused. */
  maxObjectSize: number;
  /** False: a member that relays nothing (a fault, for demonstrations and tests). */
  relay?: boolean;
  /** Is told what the paths measure. */
  observe?: ((now: Micros, peer: Member, event: PathEvent) => void) | undefined;
  /** What this member says in place of the truth: for tests of what lies come to. */
  tamper?: Tamper | undefined;
}

/** A datagram to be sent to `to`: a locator of the group, or the address that a peer was last heard from. */
export interface Transmit {
  to: string;
  bytes: Uint8Array;
}

/** Everything that is thrown away is counted under one of these. */
export type EndpointDrops = Partial<Record<DropReason | SessionDropReason, number>>;
export type EndpointMetrics = Omit<Metrics, 'drops'> & { drops: EndpointDrops };

type StrangerEvent =
  | 'older-run'
  | 'superseded'
  | 'unheard'
  | 'other-version'
  | 'foreign-version'
  | 'foreign-group';
type OwnEvent =
  | Extract<SessionEvent, { type: StrangerEvent }>
  /** The member has acknowledged what it cannot have received: its path is held to a trickle, longer each time. */
  | { type: 'misbehaviour'; member: number; what: 'bad-ack'; detail: string; id?: never; evidence?: never };
export type EndpointEvent = BroadcastEvent | OwnEvent;

export class Endpoint implements Voice {
  readonly self: Member;
  private readonly counters: Metrics = createMetrics();
  private readonly options: EndpointOptions;
  private readonly sessions: SessionTable;
  private readonly paths: (Path | undefined)[];
  private readonly failOvers: (FailOver | undefined)[];
  private readonly egress: Egress;
  private readonly broadcaster: Broadcast;
  /** What sessions and paths say of members. */
  private readonly own: OwnEvent[] = [];
  /** Memory of the last datagram with symbols, and of one that has been given back. */
  private lent: Uint8Array | undefined;
  private spare: Uint8Array | undefined;
  private readonly agenda: Agenda;
  private readonly handlers: FrameHandlers;
  /** Peers whose deadlines, or what there is to send to them, may be others than they were. */
  private readonly changed: Marks;
  /** Datagrams that a liar has said: see `say`. */
  private readonly said: Transmit[] = [];

  /** Throws INVALID_CONFIG if the key is none of the group's. */
  constructor(options: EndpointOptions) {
    const { group, keys, rng, controller, maxDatagram, incarnation, entropy, observe } = options;
    this.options = options;
    this.self = memberWith(group, keys.publicKey);
    const { self } = this;
    this.egress = new Egress({ rate: options.egressRate, peers: group.members.length });
    this.changed = new Marks(group.members.length);
    this.paths = group.members.map((member) => {
      if (member === self) return undefined;
      this.egress.setWeight(member.index);
      return new Path({
        controller,
        rng: rng.fork(`path ${member.index}`),
        maxDatagram,
        observer: observe && ((now, event) => observe(now, member, event)),
      });
    });
    this.sessions = new SessionTable({
      groupId: group.id,
      keys: keys.exchangeKeys(),
      incarnation,
      version: options.version ?? 0,
      entropy,
      peers: group.members.map(({ publicKey, locators }, index) =>
        index === self.index ? undefined : { publicKey, locators },
      ),
    });
    this.failOvers = this.paths.map((path, peer) => path && new FailOver(peer, this.sessions, path));
    this.broadcaster = new Broadcast(
      {
        ...options,
        self: self.index,
        paths: this.paths,
        relay: options.relay ?? true,
        changed: this.changed,
      },
      this.counters,
    );
    const { paths, failOvers, broadcaster, egress, changed } = this;
    this.agenda = new Agenda({ paths, failOvers, broadcaster, egress, changed });
    this.handlers = frameHandlers({
      broadcaster,
      onAck: (heard, ack) => this.handleAck(heard, ack),
      onSymbol: (heard, body) => this.handleSymbol(heard, body),
    });
    options.tamper?.begin?.(this);
  }

  get metrics(): EndpointMetrics {
    const drops: EndpointDrops = { ...this.counters.drops };
    for (const [reason, count] of Object.entries(this.sessions.metrics.drops))
      drops[reason as SessionDropReason] = (drops[reason as SessionDropReason] ?? 0) + count;
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

  /** Takes in one datagram, which is overwritten. Never throws for what it holds: bad ones are counted and dropped. */
  handleDatagram(now: Micros, from: string, bytes: Uint8Array): void {
    this.counters.receivedDatagrams++;
    this.counters.receivedBytes += bytes.length;
    const received = this.sessions.handleDatagram(now, from, bytes);
    this.followSessions(now);
    if (!received) return;
    try {
      const size = received.payload.length + PROTECTED_OVERHEAD;
      this.handleContents(now, received.peer, received.packetNumber, size, parseContents(received.payload));
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.code !== 'MALFORMED') throw error;
      this.drop('malformed');
    }
  }

  handleTimeout(now: Micros): void {
    this.sessions.handleTimeout(now);
    this.followSessions(now);
    const { agenda } = this;
    for (let peer = agenda.timeoutDue(now); peer >= 0; peer = agenda.timeoutDue(now, peer + 1)) {
      const path = this.paths[peer]!;
      if (path.nextTimeout() <= now) path.handleTimeout(now);
    }
    for (let peer = agenda.timeoutDue(now); peer >= 0; peer = agenda.timeoutDue(now, peer + 1))
      this.failOvers[peer]!.handleTimeout(now);
    this.followSessions(now);
    this.broadcaster.handleTimeout(now);
  }

  /** The host did not let us run for a while: rates measured in that time are its own, not the network's. */
  noteStall(now: Micros): void {
    for (const path of this.paths) if (path?.isOpen) path.recovery.onHostLimited(now);
    for (const failOver of this.failOvers) failOver?.onStall(now);
    this.changed.markAll();
  }

  /**
   * The next datagram to send now; its answer may change after any other call. What sessions, acknowledgements and confirms
   * need goes before symbols; symbols of different peers take turns.
   */
  pollTransmit(now: Micros): Transmit | undefined {
    this.lent = undefined;
    // What polling may start is a handshake, whose first message is then there at once.
    const control =
      this.said.shift() ??
      this.sessions.pollTransmit() ??
      this.pollControl(now) ??
      this.sessions.pollTransmit();
    const transmit = control ?? this.pollSymbols(now);
    return transmit && this.count(transmit);
  }

  /** The bytes that `pollTransmit` gave last are not needed any more: what it gives next may stand in the same memory. */
  takeBack(): void {
    this.spare = this.lent ?? this.spare;
    this.lent = undefined;
  }

  /** When `handleTimeout` (or `pollTransmit`) is due next; NEVER if not at all. May change after any other call. */
  nextTimeout(now: Micros): Micros {
    if (this.said.length > 0) return now;
    const own = Math.min(this.sessions.nextTimeout(), this.broadcaster.nextTimeout(now));
    return Math.max(0, Math.min(own, this.agenda.nextTimeout(now)));
  }

  pollEvent(): EndpointEvent | undefined {
    return this.own.shift() ?? this.broadcaster.pollEvent();
  }

  /** Objects on their way, and each peer as it stands. */
  status(now: Micros): EndpointStatus {
    const { members } = this.options.group;
    return {
      objects: this.broadcaster.status(),
      peers: this.paths.flatMap((path, peer) =>
        path ? [peerStatus(now, members[peer], path, this.failOvers[peer]!)] : [],
      ),
    };
  }

  /** What of its state contradicts the rest; undefined if nothing does, as ever. For the simulator, after any call. */
  check(): string | undefined {
    return this.agenda.check() ?? this.broadcaster.check();
  }

  say(now: Micros, peer: number, frames: readonly Frame[], symbol?: Uint8Array): boolean {
    if (!this.options.tamper) throw new HeadwaterError('INVALID_CONFIG', 'tamper: expected one, got none');
    if (!this.paths[peer]?.isOpen || !this.isUsable(now, peer)) return false;
    const numbered = frames.map((frame) =>
      frame.kind === 'vector' && frame.version === 0 && frame.entries.length > 0
        ? { ...frame, ...this.broadcaster.numberVector(peer) }
        : frame,
    );
    const eliciting = isEliciting({ frames: numbered, symbol });
    this.said.push(this.seal(now, peer, writeDatagram(numbered, symbol), eliciting));
    return true;
  }

  /** Frees what the codec holds. */
  dispose(): void {
    this.broadcaster.dispose();
  }

  private handleContents(now: Micros, peer: number, number: number, size: number, contents: Contents): void {
    this.changed.mark(peer);
    const path = this.paths[peer]!;
    const eliciting = isEliciting(contents);
    // Symbols come in streams, which acks sample; whatever else asks is rare, and shows how far away the peer is.
    if (path.onReceived(now, number, eliciting, eliciting && !hasSymbols(contents)))
      this.broadcaster.onHeard(peer);
    const { frames, symbol } = this.options.tamper?.hear?.(now, peer, contents) ?? contents;
    const heard = { now, peer, path, size };
    for (const frame of frames) handleFrame(this.handlers, heard, frame);
    if (symbol) this.handleSymbol(heard, symbol);
  }

  private handleAck({ now, peer, path }: Heard, ack: Ack): void {
    // What the ack says of the path depends on whether we had more to send until now.
    this.agenda.lookForSymbols(now, peer);
    const { losses } = path.trust;
    const outcome = path.onAck(now, ack);
    if (outcome.ok) return;
    this.drop('bad-ack');
    // Its path is held back from now on: said when that begins, however many follow.
    if (path.trust.losses > losses)
      this.own.push({ type: 'misbehaviour', member: peer, what: 'bad-ack', detail: outcome.detail });
  }

  private handleSymbol({ now, peer }: Heard, body: Uint8Array): void {
    this.broadcaster.handleSymbol(now, peer, parseSymbol(body), body);
  }

  /** What became of sessions, for the paths. */
  private followSessions(now: Micros): void {
    for (let event = this.sessions.pollEvent(); event; event = this.sessions.pollEvent()) {
      if (isOfStrangers(event)) {
        this.own.push(event);
        continue;
      }
      this.changed.mark(event.peer);
      const path = this.paths[event.peer]!;
      const failOver = this.failOvers[event.peer]!;
      const next = this.sessions.session(event.peer)!.nextNumber;
      if (event.type === 'answered') failOver.onAnswer(now, event.address, event.rtt);
      else if (event.type === 'elsewhere') failOver.onElsewhere(now);
      else if (event.type === 'established') {
        path.isOpen = true;
        path.move(next);
        failOver.onMoved();
        this.broadcaster.onSession(event.peer, false);
      } else if (event.type === 'migrated') {
        path.move(next, failOver.rtt(event.address));
        failOver.onMoved();
      } else if (event.type === 'reset') {
        path.isOpen = false;
        path.restart(next);
        this.broadcaster.onSession(event.peer, true);
      } else if (event.type === 'expired') path.isOpen = false;
    }
  }

  /** The next datagram without a symbol: acknowledgements, news of objects, heartbeats, probes of size. */
  private pollControl(now: Micros): Transmit | undefined {
    const { agenda } = this;
    for (let peer = agenda.controlDue(now); peer >= 0; peer = agenda.controlDue(now, peer + 1)) {
      const path = this.paths[peer]!;
      const isNews = this.broadcaster.nextControl(peer) <= now;
      if (!path.isOpen || !this.isUsable(now, peer)) {
        if (isNews) this.connect(now, peer);
        continue;
      }
      if (isNews || path.nextFrames() <= now)
        return this.sealControl(now, peer, this.controlFrames(now, peer, path));
      const size = path.mtu.takeProbe(now, path.rtt.smoothed);
      if (size) return this.sealControl(now, peer, [{ kind: 'mtu-probe', size }], size);
    }
    return undefined;
  }

  /** The next datagram with symbols. */
  private pollSymbols(now: Micros): Transmit | undefined {
    const { egress } = this;
    this.agenda.findSymbols(now);
    for (let peer = egress.next(now); peer !== undefined; peer = egress.next(now)) {
      const transmit = this.isUsable(now, peer) ? this.sealSymbols(now, peer, this.paths[peer]!) : undefined;
      if (transmit) return transmit;
      egress.want(peer, false);
    }
    return undefined;
  }

  private controlFrames(now: Micros, peer: number, path: Path): Frame[] {
    const isHeartbeat = this.broadcaster.nextControl(peer) <= now;
    const frames = path.takeFrames(now);
    const room = FRAMES_ROOM - ACK_POLICY_SIZE - frames.reduce((sum, frame) => sum + frameSize(frame), 0);
    const objects = isHeartbeat ? this.broadcaster.takeControl(now, peer, room) : [];
    frames.push(...objects);
    // Something has to ask for an answer: that is what shows that the peer is there.
    const policy = isHeartbeat ? path.takePolicy(now) : undefined;
    if (policy) frames.push(policy);
    if ((isHeartbeat && objects.length === 0) || path.recovery.probesDue > 0) frames.push({ kind: 'ping' });
    const said = this.options.tamper?.frames?.(now, peer, frames);
    return said ? fitting(said) : frames;
  }

  /** Whether the session's keys may still be used; if not, its path is closed until there are new ones. */
  private isUsable(now: Micros, peer: number): boolean {
    const usable = this.sessions.session(peer)?.isUsable(now) === true;
    if (!usable) {
      this.paths[peer]!.isOpen = false;
      this.changed.mark(peer);
    }
    return usable;
  }

  private connect(now: Micros, peer: number): void {
    this.broadcaster.takeControl(now, peer, 0);
    this.sessions.connect(now, peer);
    this.followSessions(now);
  }

  /** A datagram with as many symbols for `peer` as fit, if there are any. The ack policy rides along where it is due. */
  private sealSymbols(now: Micros, peer: number, path: Path): Transmit | undefined {
    if (!this.broadcaster.hasSymbol(now, peer)) return undefined;
    const policy = path.takePolicy(now);
    const memory = this.takeMemory(path.mtu.size);
    const writer = new SymbolWriter(memory, policy ? [policy] : []);
    const fill = (room: Uint8Array) => this.fillSymbol(now, peer, room);
    while (writer.add(fill));
    const bytes = writer.finish();
    if (!bytes) return undefined;
    this.lent = memory;
    this.egress.onSent(now, peer, bytes.length);
    return this.seal(now, peer, bytes, true);
  }

  private fillSymbol(now: Micros, peer: number, room: Uint8Array): number {
    const length = this.broadcaster.nextSymbol(now, peer, room);
    const { tamper } = this.options;
    if (length === 0 || !tamper?.symbol) return length;
    const said = tamper.symbol(now, peer, room.slice(0, length), room.length);
    if (!said || said.length > room.length) return 0;
    room.set(said);
    return said.length;
  }

  /** Memory for a datagram of at most `size` bytes: that of the last one, if it has been given back. */
  private takeMemory(size: number): Uint8Array {
    const { spare } = this;
    this.spare = undefined;
    return spare?.length === size ? spare : new Writer(size).bytes;
  }

  private sealControl(now: Micros, peer: number, frames: Frame[], size = 0): Transmit {
    this.agenda.lookForSymbols(now, peer);
    const bytes = writeDatagram(frames, undefined, size);
    this.egress.onControl(now, bytes.length);
    // A probe of size is nothing to congestion control: its loss says that it was too large.
    return this.seal(now, peer, bytes, size === 0 && isEliciting({ frames, symbol: undefined }));
  }

  private seal(now: Micros, peer: number, bytes: Uint8Array, eliciting: boolean): Transmit {
    const path = this.paths[peer]!;
    // Callers have seen that the session is usable.
    const sealed = this.sessions.protectInPlace(now, peer, bytes, path.recovery.nextNumber)!;
    this.changed.mark(peer);
    path.onSent(now, bytes.length, eliciting);
    return sealed;
  }

  private count(transmit: Transmit): Transmit {
    this.counters.sentDatagrams++;
    this.counters.sentBytes += transmit.bytes.length;
    return transmit;
  }

  private drop(reason: DropReason): void {
    countDrop(this.counters, reason);
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

function isOfStrangers(event: SessionEvent): event is Extract<SessionEvent, { type: StrangerEvent }> {
  return STRANGERS.has(event.type);
}

const STRANGERS = new Set<string>([
  'older-run',
  'superseded',
  'unheard',
  'other-version',
  'foreign-version',
  'foreign-group',
] satisfies StrangerEvent[]);
