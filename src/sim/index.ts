/** Deterministic simulation of groups and links, as `headwater/sim`. */
export { type Cluster, type ClusterOptions, createCluster } from './cluster.js';
export { type Delivery, Link, type LinkCounters, type LinkOptions, type LinkRule } from './link.js';
export { type GilbertElliottOptions, gilbertElliott, iid, type LossModel } from './loss.js';
export { type SimClock, type SimEvent, SimMember } from './member.js';
export { type SimNode, World, type WorldCounters, type WorldOptions } from './world.js';
