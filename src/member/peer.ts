/**
 * Another member, as this one deals with it. In: what becomes of its session, datagrams, time. Out: when it is due, the frames
 * of its next datagram without symbols.
 */
import type { Broadcast } from '../broadcast/broadcast.js';
import type { Outbound } from '../broadcast/outbound.js';
import { type Micros, NEVER } from '../core/time.js';
import type { Mesh } from '../forwarding/mesh.js';
import type { Member } from '../group/group.js';
import type { Locators } from '../locators/locators.js';
import type { Path } from '../path/path.js';
import type { PathSizes } from '../path/sizes.js';
import type { SessionEvent, SessionTable } from '../session/index.js';
import { FRAMES_ROOM } from '../wire/datagram.js';
import type { Agreed, Feature } from '../wire/dialect.js';
import { ACK_POLICY_SIZE } from '../wire/frames/ack-policy.js';
import { MAX_PUNCH_ADDRESSES } from '../wire/frames/forwarding/punch.js';
import { MAX_ROUTES, type RouteEntry } from '../wire/frames/forwarding/routes.js';
import { type Frame, frameSize } from '../wire/frames.js';
import { parseVia } from '../wire/via.js';
import { FailOver } from './failover.js';
import { Parts } from './parts.js';

export interface PeerOptions {
  member: Member;
  path: Path;
  sizes: PathSizes;
  locators: Locators;
  mesh: Mesh;
  sessions: SessionTable;
  broadcaster: Broadcast;
  /** Called when its deadlines, or what there is to send to it, may be others than they were. */
  notify: () => void;
}

export class Peer {
  readonly member: Member;
  readonly path: Path;
  readonly failOver: FailOver;
  /** Texts that its path does not carry in one piece. */
  readonly parts = new Parts();
  /** What there is to say to it. */
  readonly outbound: Outbound;
  /** See `PeerOptions.notify`. */
  readonly notify: () => void;
  /** Whether it has been told that it can be reached: see `Presence`. */
  isPresent = false;
  private readonly sizes: PathSizes;
  private readonly locators: Locators;
  private readonly mesh: Mesh;
  private readonly sessions: SessionTable;
  private readonly broadcaster: Broadcast;

  constructor({ member, path, sizes, locators, mesh, sessions, broadcaster, notify }: PeerOptions) {
    this.member = member;
    this.path = path;
    this.sizes = sizes;
    this.locators = locators;
    this.mesh = mesh;
    this.sessions = sessions;
    this.broadcaster = broadcaster;
    this.notify = notify;
    this.outbound = broadcaster.outbound[member.index]!;
    this.failOver = new FailOver(member.index, sessions, path);
  }

  get index(): number {
    return this.member.index;
  }

  /** What is spoken in its session. */
  get agreed(): Agreed | undefined {
    return this.sessions.session(this.index)?.agreed;
  }

  /** Where its own record says that it is, as far as that can be tried from here. */
  get told(): readonly string[] {
    return this.locators.learnedOf(this.index);
  }

  /** Whether both have this feature. */
  has(feature: Feature): boolean {
    return this.agreed?.features.has(feature) === true;
  }

  /** What became of its session. */
  onSession(now: Micros, event: Extract<SessionEvent, { peer: number }>): void {
    const { path, failOver, broadcaster, index } = this;
    this.notify();
    switch (event.type) {
      case 'answered':
        failOver.onAnswer(now, event.address, event.rtt);
        break;
      case 'elsewhere':
        failOver.onElsewhere(now);
        break;
      case 'established':
        path.isOpen = true;
        path.via = parseVia(event.address)?.hop;
        path.move(this.nextNumber);
        path.rtt.seed(event.rtt, event.isMost);
        this.sizes.onSession(index);
        this.locators.onSession(now, index);
        this.mesh.onSession(now, index);
        failOver.onMoved();
        this.outbound.manifests.onFates();
        broadcaster.onSession(index, false);
        break;
      case 'migrated':
        path.via = parseVia(event.address)?.hop;
        path.move(this.nextNumber, failOver.rtt(event.address));
        failOver.onMoved();
        this.outbound.manifests.onFates();
        break;
      case 'reset':
        path.isOpen = false;
        path.restart(this.nextNumber);
        this.parts.clear();
        broadcaster.onSession(index, true);
        break;
      case 'expired':
        path.isOpen = false;
        break;
    }
  }

  /** Its path's timers are due. */
  handleTimeout(now: Micros): void {
    const { path, outbound } = this;
    const { probeTimeouts } = path.recovery.stats;
    path.handleTimeout(now);
    outbound.manifests.onFates();
    if (path.recovery.stats.probeTimeouts > probeTimeouts) outbound.manifests.onProbe();
  }

  /** The host did not let us run for a while: rates measured in that time are its own, not the network's. */
  onStall(now: Micros): void {
    if (this.path.isOpen) this.path.recovery.onHostLimited(now);
    this.failOver.onStall(now);
    this.notify();
  }

  /** Whether the session's keys may still be used; if not, the path is closed until there are new ones. */
  isUsable(now: Micros): boolean {
    const isUsable = this.sessions.session(this.index)?.isUsable(now) === true;
    if (!isUsable) {
      this.path.isOpen = false;
      this.notify();
    }
    return isUsable;
  }

  /** When a datagram without symbols is due. */
  nextControl(): Micros {
    const { path } = this;
    if (this.tellsSize && this.sizes.isNews(this.index)) return -NEVER;
    const probe = path.isOpen ? path.mtu.nextProbe() : NEVER;
    return Math.min(this.outbound.nextControl(), path.nextFrames(), probe, this.nextWord());
  }

  /** Whether there is news of objects for it, a heartbeat is due, or what our paths carry has changed. */
  hasNews(now: Micros): boolean {
    if (this.outbound.nextControl() <= now || this.nextWord() <= now) return true;
    return this.tellsSize && this.sizes.isNews(this.index);
  }

  /** The frames of a datagram without symbols: acknowledgements, news of objects, heartbeats. */
  takeFrames(now: Micros): Frame[] {
    const { path, outbound } = this;
    const hasNews = this.hasNews(now);
    const frames = path.takeFrames(now);
    const size = hasNews && this.tellsSize ? this.sizes.take(now, this.index) : undefined;
    if (size !== undefined) frames.push({ kind: 'path-size', size });
    const words = hasNews ? this.takeWords(now, roomBeside(frames)) : [];
    frames.push(...words);
    const objects = hasNews ? outbound.takeControl(now, roomBeside(frames)) : [];
    frames.push(...objects);
    // Something has to ask for an answer: that is what shows that the peer is there.
    const policy = hasNews ? path.takePolicy(now) : undefined;
    if (policy) frames.push(policy);
    if ((hasNews && objects.length + words.length === 0 && size === undefined) || path.recovery.probesDue > 0)
      frames.push({ kind: 'ping' });
    return frames;
  }

  /** When its path or fail-over wants to be woken. */
  nextTimeout(): Micros {
    return Math.min(this.path.nextTimeout(), this.failOver.nextTimeout());
  }

  /** Whether it hears of PATH_SIZE now. */
  private get tellsSize(): boolean {
    return this.path.isOpen && this.has('path-size');
  }

  /** Whether it hears of where members are. */
  private get tellsLocators(): boolean {
    return this.path.isOpen && this.has('locators');
  }

  /** Whether it hears of ways to members. */
  private get tellsWays(): boolean {
    return this.path.isOpen && !this.path.isForwarded && this.has('forwarding');
  }

  /** Whether it hears of whom it might reach. */
  private get tellsPunch(): boolean {
    return this.path.isOpen && this.has('punch');
  }

  /** When there is something to say of where members are, or of ways to them. */
  private nextWord(): Micros {
    const locators = this.tellsLocators ? this.locators.nextControl(this.index) : NEVER;
    const punch = this.tellsPunch ? this.mesh.punching.nextControl(this.index) : NEVER;
    const ways = this.tellsWays ? this.mesh.nextControl(this.index) : NEVER;
    return Math.min(locators, punch, ways);
  }

  /** What does not fit beside a large acknowledgement goes with the next datagram. */
  private takeWords(now: Micros, room: number): Frame[] {
    const { mesh, locators, index } = this;
    const ways = this.tellsWays && room >= MAX_ROUTES_FRAME ? mesh.take(now, index) : undefined;
    const words: Frame[] = ways ? [ways] : [];
    let left = room - (ways ? frameSize(ways) : 0);
    if (this.tellsPunch && left >= MAX_PUNCH_FRAME)
      for (const punch of mesh.punching.take(index, Math.floor(left / MAX_PUNCH_FRAME))) {
        words.push(punch);
        left -= frameSize(punch);
      }
    if (this.tellsLocators && left >= LOCATORS_ROOM) words.push(...locators.take(now, index, LOCATORS_ROOM));
    return words;
  }

  private get nextNumber(): number {
    return this.sessions.session(this.index)!.nextNumber;
  }
}

/** Of a datagram, beside acknowledgements: two records at least. */
const LOCATORS_ROOM = 512;
const MAX_PUNCH_FRAME = frameSize({
  ...{ kind: 'punch', from: 0, to: 0, isAnswer: false, wait: 0 },
  addresses: Array<string>(MAX_PUNCH_ADDRESSES).fill('[::1]:1'),
});
const MAX_ROUTES_FRAME = frameSize({
  ...{ kind: 'routes', number: 0, lacking: Array<number>(MAX_ROUTES).fill(0) },
  routes: Array<RouteEntry>(MAX_ROUTES).fill({ member: 0, hops: 1, rtt: 0, loss: 0 }),
});

/** What else a datagram without symbols has room for. */
function roomBeside(frames: readonly Frame[]): number {
  return FRAMES_ROOM - ACK_POLICY_SIZE - frames.reduce((sum, frame) => sum + frameSize(frame), 0);
}
