/**
 * What size of datagrams the paths of the whole group carry, as far as it has shown: our own to the members that we hear, and
 * what these say of theirs (PATH_SIZE). In: paths, what peers tell, time. Out: what to tell each peer and when, and the size
 * that reaches everyone in one piece.
 */
import type { Marks } from '../core/marks.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import { DATAGRAM_SIZE, ETHERNET_DATAGRAM } from '../wire/limits.js';
import type { Path } from './path.js';

export class PathSizes {
  /** By member; undefined at our own place. */
  private readonly paths: readonly (Path | undefined)[];
  private readonly changed: Marks;
  /** By member: what it has told of its own paths, what it was told of ours and when; 0 for nothing. */
  private readonly heard: Uint16Array;
  private readonly told: Uint16Array;
  private readonly toldAt: Float64Array;
  /** Of our own paths, once one is known; looked at again now and then, since members come and go. */
  private ours: number | undefined;
  private lookedAt: Micros = -NEVER;
  /** Until when it is waited for, and when that may begin again. */
  private waitUntil: Micros = -NEVER;
  private restUntil: Micros = -NEVER;

  private readonly tells: (peer: number) => boolean;
  private readonly isAlone: boolean;
  private readonly liars: number;

  /**
   * @param liars members that may lie: what so many do not tell is not waited for
   * @param changed peers to whom there may be something to say
   * @param tells whether a peer tells the size of its own paths
   */
  constructor(
    liars: number,
    paths: readonly (Path | undefined)[],
    changed: Marks,
    tells: (peer: number) => boolean,
  ) {
    this.liars = liars;
    this.paths = paths;
    this.tells = tells;
    this.isAlone = !paths.some((path) => path);
    this.changed = changed;
    this.heard = new Uint16Array(paths.length);
    this.told = new Uint16Array(paths.length);
    this.toldAt = new Float64Array(paths.length);
  }

  /** A peer has told the size of its own paths. */
  onTold(peer: number, size: number): void {
    this.heard[peer] = Math.min(size, ETHERNET_DATAGRAM);
  }

  /** The peer has begun anew. */
  onSession(peer: number): void {
    this.heard[peer] = 0;
    this.told[peer] = 0;
  }

  /** What one of our paths carries may be another size than it was. */
  onPath(now: Micros): void {
    let ours: number | undefined;
    for (const path of this.paths)
      if (path?.isOpen && path.mtu.isKnown && path.isResponsive(now))
        ours = Math.min(ours ?? ETHERNET_DATAGRAM, path.mtu.size);
    this.lookedAt = now;
    if (ours === this.ours) return;
    this.ours = ours;
    this.changed.markAll();
  }

  /** Whether the peer has not been told yet what our paths carry now. */
  isNews(peer: number): boolean {
    return this.ours !== undefined && this.ours !== this.told[peer];
  }

  /** What to tell a peer in a datagram that goes to it anyway: news, and now and then the same again, as it may have been lost. */
  take(now: Micros, peer: number): number | undefined {
    if (now - this.lookedAt >= LOOK_INTERVAL) this.onPath(now);
    const { ours } = this;
    if (ours === undefined || (!this.isNews(peer) && now - this.toldAt[peer] < REPEAT)) return undefined;
    this.told[peer] = ours;
    this.toldAt[peer] = now;
    return ours;
  }

  /**
   * The size that gets from here to all responsive members in one piece, and from each of these to the others, at most 1452.
   * Undefined while that is not known of all of them, or none is there.
   */
  group(now: Micros): number | undefined {
    const { size, unknown } = this.survey(now);
    // It cannot become less.
    return unknown === 0 || size === DATAGRAM_SIZE ? size : undefined;
  }

  /** The smallest size that is known, if any is, and of how many responsive members none is. */
  private survey(now: Micros): { size: number | undefined; unknown: number } {
    let size: number | undefined;
    let unknown = 0;
    for (const [peer, path] of this.paths.entries()) {
      if (!path?.isOpen || !path.isResponsive(now)) continue;
      const theirs = this.tells(peer) ? this.heard[peer] : DATAGRAM_SIZE;
      if (!path.mtu.isKnown || theirs === 0) unknown++;
      if (path.mtu.isKnown) size = Math.min(size ?? ETHERNET_DATAGRAM, path.mtu.size);
      if (theirs > 0) size = Math.min(size ?? ETHERNET_DATAGRAM, theirs);
    }
    return { size, unknown };
  }

  private isAwaited(now: Micros): boolean {
    const { size, unknown } = this.survey(now);
    if (size === undefined) return true;
    return size > DATAGRAM_SIZE && unknown > this.liars;
  }

  /** Somebody would rather know the size before it goes on: sessions may just have begun. It is not waited for again and again. */
  onWanted(now: Micros): void {
    if (now < this.restUntil || this.isAlone || !this.isAwaited(now)) return;
    this.waitUntil = now + PATIENCE;
    this.restUntil = now + REST;
  }

  /** Until when to wait for the size; in the past if it is known, or is not waited for. */
  awaitedUntil(now: Micros): Micros {
    return now < this.waitUntil && this.isAwaited(now) ? this.waitUntil : -NEVER;
  }
}

const LOOK_INTERVAL: Micros = 100 * MILLISECOND;
const REPEAT: Micros = SECOND;
/** Three round trips before one is measured: a handshake, a probe, what others tell. */
const PATIENCE: Micros = SECOND;
/** Where it does not become known there is little use in waiting. */
const REST: Micros = 60 * SECOND;
