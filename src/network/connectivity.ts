/**
 * Connectivity as a Hydra node knows it: peers are announced while a quorum is within reach; once it is not, that alone is
 * said, and when it is back, so are they.
 */
import type { Group, Member } from '../group/group.js';
import type { NodeEvent } from '../node/node.js';
import type { Connectivity } from './network.js';

export class ConnectivityTracker {
  private readonly group: Group;
  private readonly version: number;
  private readonly reachable = new Set<Member>();
  /** Versions and groups are told once for each member, until it has gone and come back. */
  private readonly told = new Set<string>();
  private connected = false;

  constructor(group: Group, version: number) {
    this.group = group;
    this.version = version;
  }

  /** What there is to say at the start: a group of one is a quorum by itself. */
  start(): Connectivity[] {
    return this.update();
  }

  /** What an event of the node says of connectivity, in order. */
  on(event: NodeEvent): Connectivity[] {
    switch (event.type) {
      case 'peer':
        return this.onPeer(event.member, event.reachable);
      case 'other-version':
        return this.once(event.member, 'version', {
          type: 'VersionMismatch',
          ours: this.version,
          theirs: event.version,
          peer: event.member,
        });
      case 'foreign-version':
        return this.once(event.member, 'protocol', {
          type: 'VersionMismatch',
          ours: this.version,
          peer: event.member,
          protocol: { ours: event.ours, theirs: event.theirs },
        });
      case 'foreign-group':
        return this.once(event.member, 'group', {
          type: 'ClusterIDMismatch',
          clusterPeers: this.group.members.map(({ name, locator }) => `${name}=${locator}`).join(','),
        });
      default:
        return [];
    }
  }

  private onPeer(peer: Member, isHere: boolean): Connectivity[] {
    if (isHere) this.reachable.add(peer);
    else {
      this.reachable.delete(peer);
      for (const what of ['version', 'protocol', 'group']) this.told.delete(`${what} ${peer.index}`);
    }
    const changes = this.update();
    if (changes.length > 0 || !this.connected) return changes;
    return [{ type: isHere ? 'PeerConnected' : 'PeerDisconnected', peer }];
  }

  private update(): Connectivity[] {
    const hasQuorum = this.reachable.size + 1 >= this.group.quorum;
    if (hasQuorum === this.connected) return [];
    this.connected = hasQuorum;
    if (!hasQuorum) return [{ type: 'NetworkDisconnected' }];
    const peers = [...this.reachable].map((peer): Connectivity => ({ type: 'PeerConnected', peer }));
    return [{ type: 'NetworkConnected' }, ...peers];
  }

  private once(member: Member | undefined, what: string, event: Connectivity): Connectivity[] {
    const key = `${what} ${member?.index}`;
    if (this.told.has(key)) return [];
    this.told.add(key);
    return [event];
  }
}
