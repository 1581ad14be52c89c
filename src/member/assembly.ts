/** What an endpoint is made of, put together. In: its options. Out: the parts, each of which knows those that it needs. */
import { Broadcast } from '../broadcast/broadcast.js';
import type { Metrics } from '../broadcast/metrics.js';
import type { BroadcastObserver } from '../broadcast/observer.js';
import type { BroadcastDrop } from '../broadcast/wings.js';
import { Bulk } from '../bulk/bulk.js';
import type { ControllerFactory } from '../congestion/controller.js';
import { Egress } from '../congestion/egress.js';
import { Marks } from '../core/marks.js';
import type { Rng } from '../core/rng.js';
import type { Micros } from '../core/time.js';
import type { KeyPair } from '../crypto/keys.js';
import { Epochs } from '../epochs/epochs.js';
import { Mesh } from '../forwarding/mesh.js';
import type { PunchDrop } from '../forwarding/punching.js';
import type { Group, Member } from '../group/group.js';
import { Teller } from '../group/join/teller.js';
import type { LocatorDrop } from '../locators/book.js';
import { Locators } from '../locators/locators.js';
import type { Settings } from '../options.js';
import type { PathEvent } from '../path/observer.js';
import { Path } from '../path/path.js';
import { PathSizes } from '../path/sizes.js';
import { type Entropy, SessionTable } from '../session/index.js';
import type { Loaded } from '../store/store.js';
import type { Dialect, Feature } from '../wire/dialect.js';
import { parseVia } from '../wire/via.js';
import { Peer } from './peer.js';
import type { Tamper } from './tamper.js';

export interface EndpointOptions extends Omit<Settings, 'controller'> {
  group: Group;
  keys: KeyPair;
  rng: Rng;
  /** Keys of handshakes, indices and cookies come from here. */
  entropy: Entropy;
  /** Greater than at any earlier start with the same key; 48 bits. */
  incarnation: number;
  /** Makes the congestion controller of one path. */
  controller: ControllerFactory;
  /** What this member's store holds. */
  loaded: Loaded;
  /** Is told what the paths measure. */
  observe?: ((now: Micros, peer: Member, event: PathEvent) => void) | undefined;
  /** Is told of frames, symbols and objects. */
  observer?: BroadcastObserver | undefined;
  /** Milliseconds since 1970 at time 0, as the clock says. Default 0. */
  epoch?: number | undefined;
  /** What of the protocol it speaks, as a build of another age would: for tests of upgrades. Default: all that there is. */
  dialect?: Dialect | undefined;
  /** What this member says in place of the truth: for tests of what lies come to. */
  tamper?: Tamper | undefined;
}

/** @param counters where all of them count what they drop */
export function assemble(
  options: EndpointOptions,
  self: Member,
  counters: Metrics<BroadcastDrop | LocatorDrop | PunchDrop>,
) {
  const { group, keys, rng, controller, maxDatagram, incarnation, entropy, observe } = options;
  const { members } = group;
  const epochs = group.epochs && new Epochs(group, self.index, options.loaded.epochs);
  const isPeer = (member: Member) => member !== self && (epochs?.isSpokenTo(member.index) ?? true);
  const egress = new Egress({ rate: options.maxRate, peers: members.length });
  const changed = new Marks(members.length);
  const paths = members.map((member) => {
    if (!isPeer(member)) return undefined;
    egress.setWeight(member.index);
    return new Path({
      controller,
      rng: rng.fork(`path ${member.index}`),
      maxDatagram,
      observer: observe && ((now, event) => observe(now, member, event)),
    });
  });
  const has = (feature: Feature) => (peer: number) => peers[peer]?.has(feature) === true;
  const sizes = new PathSizes(group.byzantine, paths, changed, has('path-size'));
  const sessions = new SessionTable({
    groupId: group.id,
    keys: keys.exchangeKeys(),
    incarnation,
    version: options.version,
    dialect: options.dialect,
    entropy,
    peers: members.map((member) => (isPeer(member) ? member : undefined)),
  });
  const spreading = { ...options, self: self.index, paths, sizes, changed };
  const bulk = new Bulk(
    {
      ...{ ...spreading, rng: rng.fork('bulk') },
      ...{ speaks: has('transfer'), hears: has('multicast'), hearsOwed: has('owed') },
    },
    counters,
  );
  const broadcaster = new Broadcast({ ...spreading, lodger: bulk, epochs }, counters);
  const locators = new Locators({
    ...{ group, self: self.index, keys, incarnation, counters, epoch: options.epoch ?? 0 },
    addressOf: (peer) => sessions.session(peer)?.addresses.current,
    learn: (member, addresses) => sessions.learn(member, addresses),
    notify: (peer) => changed.mark(peer),
  });
  const mesh = new Mesh({
    ...{ self: self.index, members: members.length, speaks: has('forwarding') },
    reach: (peer) => {
      const path = paths[peer];
      if (!path?.isOpen) return undefined;
      const addresses = sessions.session(peer)?.addresses;
      const via = parseVia(addresses?.current)?.hop;
      const { rtt, loss, heardAt, liveness, recovery } = path;
      const { ackedPackets, lostPackets, spuriousPackets } = recovery.stats;
      const isTried = addresses && !addresses.isNamed(addresses.current!);
      const trial = isTried
        ? {
            path: addresses.path,
            acked: ackedPackets,
            lost: lostPackets - spuriousPackets,
            unanswered: path.unanswered,
          }
        : undefined;
      return { via, rtt: rtt.smoothed, loss, heardAt, answeredAt: liveness.heardAt, trial };
    },
    rest: (peer, until) => sessions.session(peer)?.addresses.rest(until),
    moveTo: (peer, address) => {
      sessions.moveTo(peer, address);
      changed.mark(peer);
    },
    setWays: (now, peer, ways) => {
      sessions.setWays(now, peer, ways);
      changed.mark(peer);
    },
    tryDirect: (now, peer) => {
      const address = sessions.session(peer)?.addresses.nextLearned(now);
      if (address !== undefined) sessions.challenge(now, peer, address);
    },
    setLacking: (peer, lacking) => {
      if (paths[peer]) paths[peer].lacking = lacking;
    },
    notify: (peer) => changed.mark(peer),
    punching: {
      counters,
      isUnlisted: (member) => members[member].locators.length === 0,
      speaks: has('punch'),
      addressOf: (peer) => sessions.session(peer)?.addresses.current,
      own: () => locators.candidates,
      knock: (now, member, address) => sessions.knock(now, member, address),
    },
  });
  const peers: (Peer | undefined)[] = members.map((member, index) => {
    const path = paths[index];
    return (
      path &&
      new Peer({
        member,
        path,
        sizes,
        locators,
        mesh,
        sessions,
        broadcaster,
        notify: () => changed.mark(index),
      })
    );
  });
  const teller = new Teller({
    ...{ group, self: self.index },
    shared: (member) => sessions.session(member)?.sharedStatic,
    random: (length) => entropy.bytes(length),
  });
  return { epochs, egress, changed, sizes, sessions, bulk, broadcaster, peers, teller, locators, mesh };
}
