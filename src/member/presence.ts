/** Which peers can be reached, as it is told. In: who was heard, time. Out: what has changed, with the next timeout. */
import { MILLISECOND, type Micros } from '../core/time.js';
import type { Peer } from './peer.js';

export class Presence {
  private readonly peers: readonly (Peer | undefined)[];
  private readonly tell: (peer: Peer) => void;
  /** Those that were absent. */
  private readonly heard = new Set<Peer>();
  /** When to look again for peers that have fallen silent. */
  private checkAt: Micros = 0;

  /** @param tell is called when `isPresent` of a peer has changed */
  constructor(peers: readonly (Peer | undefined)[], tell: (peer: Peer) => void) {
    this.peers = peers;
    this.tell = tell;
  }

  /** A genuine datagram of this peer has come. */
  onHeard(peer: Peer): void {
    if (!peer.isPresent) this.heard.add(peer);
  }

  nextTimeout(): Micros {
    return this.checkAt;
  }

  handleTimeout(now: Micros): void {
    for (const peer of this.heard) this.look(now, peer);
    this.heard.clear();
    if (this.checkAt > now) return;
    this.checkAt = now + CHECK;
    for (const peer of this.peers) if (peer?.isPresent) this.look(now, peer);
  }

  private look(now: Micros, peer: Peer): void {
    const isPresent = peer.path.isReachable(now);
    if (isPresent === peer.isPresent) return;
    peer.isPresent = isPresent;
    this.tell(peer);
  }
}

const CHECK: Micros = 100 * MILLISECOND;
