/**
 * By whom members are reached that do not answer themselves (PROTOCOL 4.8). Each member tells the peers that it reaches directly whom it
 * does not, and hears how far those are from them: only of members that the peer hears itself, so that nobody passes on what it was told.
 * In: how each peer is reached, ROUTES, time. Out: ROUTES, and addresses by way of others for the session layer, the best first.
 *
 *   a                      b                      c        a and c do not reach each other
 *   | ROUTES: I lack c --> |                      |
 *   | <-- ROUTES: c, 1 hop |                      |
 *   | FORWARD for c: INITIATION -> | -- FORWARD from a: INITIATION -> |
 */
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../core/time.js';
import { MAX_HOPS, MAX_ROUTES, type RouteEntry, type RoutesFrame } from '../wire/frames/forwarding/routes.js';
import { viaAddress } from '../wire/via.js';
import { Doubts, type Trial, type Tried } from './doubts.js';
import { Neighbour } from './neighbour.js';
import { Punching, type PunchingOptions } from './punching.js';
import { type Distance, Ways } from './ways.js';

/** How a peer with which there is a session is reached now. */
export interface Reach extends Tried {
  /** What became of our datagrams there; undefined if it is a way by others, or the operator has named the address. */
  trial: Trial | undefined;
}

export interface MeshOptions {
  self: number;
  members: number;
  /** Undefined: there is no session. */
  reach: (peer: number) => Reach | undefined;
  /** Whether it knows of all this. */
  speaks: (peer: number) => boolean;
  /** Addresses by way of others, the best first. */
  setWays: (now: Micros, peer: number, addresses: readonly string[]) => void;
  /** The direct address in use last, and whatever is known by no better word, is not taken before a time; NEVER_YET: may be. */
  rest: (peer: number, until: Micros) => void;
  /** Takes this way. */
  moveTo: (peer: number, address: string) => void;
  /** A member that is reached by another one may be asked where its record says that it is. */
  tryDirect: (now: Micros, peer: number) => void;
  /** These members are not reached by this peer. */
  setLacking: (peer: number, lacking: ReadonlySet<number>) => void;
  /** There is something to say to a peer. */
  notify: (peer: number) => void;
  /** Of what members help each other to reach each other directly; what is missing there is the mesh's. */
  punching: Omit<
    PunchingOptions,
    'self' | 'members' | 'isNear' | 'isDirect' | 'helpers' | 'notify' | 'rttOf'
  >;
}

export class Mesh {
  /** How members come to reach each other directly. */
  readonly punching: Punching;
  private readonly options: MeshOptions;
  /** By peer that has said something, or been told. */
  private readonly neighbours = new Map<number, Neighbour>();
  /** By member that is not reached directly. */
  private readonly ways = new Map<number, Ways>();
  private readonly doubts = new Doubts();
  /** By member: since when it has not been reached directly. */
  private readonly lostAt: Micros[];
  private lookAt: Micros = 0;
  private triedAt: Micros = 0;

  constructor(options: MeshOptions) {
    this.options = options;
    this.lostAt = Array.from({ length: options.members }, () => NEVER);
    const { self, members, notify, reach, punching } = options;
    this.punching = new Punching({
      ...{ ...punching, self, members, notify },
      isNear: (member) => isNear(reach(member)),
      isDirect: (now, member) => isDirect(now, reach(member)),
      helpers: (now, member) => this.helpers(now, member),
      rttOf: (peer) => reach(peer)?.rtt ?? 0,
    });
  }

  /** A peer that is reached directly says whom it does not, and how far others are from it. */
  handleRoutes(now: Micros, from: number, frame: RoutesFrame): void {
    if (this.neighbour(from).onRoutes(now, frame)) this.lookAt = now;
  }

  /** A session with this peer has begun: neither knows what was said before. */
  onSession(now: Micros, peer: number): void {
    this.neighbours.delete(peer);
    this.options.setLacking(peer, new Set());
    this.lookAt = now;
    if (isNear(this.options.reach(peer))) this.punching.onNear(now, peer);
  }

  /** When there is something to say to a peer that does not wait for the next datagram. */
  nextControl(peer: number): Micros {
    return this.neighbours.get(peer)?.nextControl ?? NEVER;
  }

  /** What a peer is told now. */
  take(now: Micros, peer: number): RoutesFrame | undefined {
    return this.neighbours.get(peer)?.take(now);
  }

  nextTimeout(): Micros {
    return Math.min(this.lookAt, this.punching.nextTimeout());
  }

  handleTimeout(now: Micros): void {
    this.punching.handleTimeout(now);
    if (now < this.lookAt) return;
    // What a peer said counts for a while only.
    for (const [peer, neighbour] of this.neighbours)
      this.options.setLacking(peer, new Set(neighbour.told(now).lacking));
    this.judge(now);
    const lacking = this.findLacking(now);
    for (const member of this.ways.keys()) if (!lacking.includes(member)) this.forget(now, member);
    for (const member of lacking) {
      this.choose(now, member);
      this.leaveDoubted(now, member);
    }
    this.tell(now, lacking);
    this.punching.onLacking(now, lacking);
    this.lookAt = now + (lacking.some((member) => this.doubts.isSuspected(now, member)) ? LOOK / 5 : LOOK);
    if (now < this.triedAt + SECOND) return;
    this.triedAt = now;
    for (const member of lacking)
      if (this.options.reach(member)?.via !== undefined) this.options.tryDirect(now, member);
  }

  /** Looks at what becomes of what we send directly, and whether what has been left is missed. */
  private judge(now: Micros): void {
    const { members, self, reach, rest } = this.options;
    for (let member = 0; member < members; member++) {
      const way = member === self ? undefined : reach(member);
      const until = way && this.doubts.look(now, member, way, way.trial);
      if (until !== undefined) rest(member, until);
      const found = way && { ...way, isLively: isLively(now, way, FORWARDED_SILENCE) };
      if (this.doubts.isMissed(now, member, found)) rest(member, NEVER_YET);
    }
  }

  /** Leaves a direct way for one by others that is much better. */
  private leaveDoubted(now: Micros, member: number): void {
    const best = this.ways.get(member)?.best(now);
    if (!best || !this.doubts.isBetter(member, best.cost)) return;
    this.options.rest(member, this.doubts.leave(now, member));
    this.options.moveTo(member, viaAddress({ hop: best.hop, member }));
  }

  /** Members that have not been reached directly for a while. */
  private findLacking(now: Micros): number[] {
    const { members, self } = this.options;
    const lacking: number[] = [];
    for (let member = 0; member < members; member++) {
      if (member === self) continue;
      if (this.doubts.isSuspected(now, member))
        this.lostAt[member] = Math.min(this.lostAt[member], now - LOST_AFTER);
      else if (this.isDirect(now, member)) this.lostAt[member] = NEVER;
      else if (this.lostAt[member] === NEVER) this.lostAt[member] = now;
      if (now - this.lostAt[member] >= LOST_AFTER) lacking.push(member);
    }
    return lacking;
  }

  /** Whether it is reached by itself, and that serves. */
  private isDirect(now: Micros, peer: number): boolean {
    return isDirect(now, this.options.reach(peer)) && !this.doubts.isDoubted(peer);
  }

  /** Peers that say that they reach a member by themselves. */
  private helpers(now: Micros, member: number): number[] {
    return [...this.neighbours].flatMap(([hop, neighbour]) =>
      hop !== member && neighbour.routeTo(now, member)?.hops === 1 ? [hop] : [],
    );
  }

  private forget(now: Micros, member: number): void {
    this.ways.delete(member);
    this.options.setWays(now, member, []);
  }

  /** By whom a member is best reached. */
  private choose(now: Micros, member: number): void {
    const { reach, speaks, setWays } = this.options;
    let ways = this.ways.get(member);
    if (!ways) {
      ways = new Ways();
      this.ways.set(member, ways);
    }
    const offers = [...this.neighbours].flatMap(([hop, neighbour]) => {
      const route = hop === member ? undefined : neighbour.routeTo(now, member);
      const near = route && speaks(hop) && this.isDirect(now, hop) ? reach(hop) : undefined;
      return near && route!.hops < MAX_HOPS ? [{ hop, hops: route!.hops + 1, ...join(near, route!) }] : [];
    });
    const hops = ways.choose(now, offers, reach(member));
    if (!hops) return;
    setWays(
      now,
      member,
      hops.map((hop) => viaAddress({ hop, member })),
    );
  }

  /** To whom something is to be said: that we lack somebody, or what it has asked for. */
  private tell(now: Micros, lacking: readonly number[]): void {
    const { members, self, speaks, notify } = this.options;
    for (let peer = 0; peer < members; peer++) {
      const known = this.neighbours.get(peer);
      if (peer === self || (!known && lacking.length === 0)) continue;
      if (!speaks(peer) || !this.isDirect(now, peer)) continue;
      const neighbour = known ?? this.neighbour(peer);
      const told = {
        lacking: lacking.filter((member) => member !== peer).slice(0, MAX_ROUTES),
        routes: neighbour.told(now).lacking.flatMap((member) => this.routeFor(now, peer, member)),
      };
      if (neighbour.say(now, told)) notify(peer);
    }
  }

  /** How far a member is, as `peer` is told: nothing if it would be a way back to itself, or we do not hear that member. */
  private routeFor(now: Micros, peer: number, member: number): RouteEntry[] {
    const { self, members, reach } = this.options;
    const way = member === self || member >= members ? undefined : reach(member);
    if (!way || way.via === peer || !isLively(now, way, FORWARDED_SILENCE)) return [];
    const hops = way.via === undefined ? 1 : (this.ways.get(member)?.hopsBy(way.via) ?? MAX_HOPS);
    if (hops >= MAX_HOPS) return [];
    const rtt = Math.min(0xffff, Math.ceil(way.rtt / MILLISECOND));
    return [{ member, hops, rtt, loss: Math.round(255 * way.loss) }];
  }

  private neighbour(peer: number): Neighbour {
    let neighbour = this.neighbours.get(peer);
    if (!neighbour) {
      neighbour = new Neighbour();
      this.neighbours.set(peer, neighbour);
    }
    return neighbour;
  }
}

function isNear(reach: Reach | undefined): boolean {
  return reach !== undefined && reach.via === undefined;
}

/** Heard by itself, and hears us. */
function isDirect(now: Micros, reach: Reach | undefined): boolean {
  return isNear(reach) && isLively(now, reach!, DIRECT_SILENCE);
}

function isLively(now: Micros, { rtt, heardAt, answeredAt }: Reach, silence: Micros): boolean {
  return now - Math.min(heardAt, answeredAt) < silence + 2 * rtt;
}

/** The way to a peer, and on from there as it says. */
function join(near: Distance, route: RouteEntry): Distance {
  return {
    rtt: near.rtt + route.rtt * MILLISECOND,
    loss: 1 - (1 - near.loss) * (1 - route.loss / 255),
  };
}

/** How often the ways are looked at. */
const LOOK: Micros = 250 * MILLISECOND;
/** Who starts has a session by then, or does not reach the member. */
const LOST_AFTER: Micros = 500 * MILLISECOND;
/** Seven heartbeats: who is not heard for so long directly is looked for elsewhere, and not passed on to others. */
const DIRECT_SILENCE: Micros = 2 * SECOND;
const FORWARDED_SILENCE: Micros = 2 * SECOND;
