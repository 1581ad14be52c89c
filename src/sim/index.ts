/** Deterministic simulation of groups and links, as `headwater/sim`. */

export type { StreamOverview } from '../broadcast/delivery/overview.js';
export type { BroadcastEvent, MessageEvent } from '../broadcast/events.js';
export type { ObjectStatus } from '../broadcast/spread/objects.js';
export type { Outcome } from '../broadcast/spread/outgoing/outgoing.js';
export {
  type Controller,
  type ControllerFactory,
  fixedRate,
  type LossEvent,
  type RateSample,
} from '../congestion/controller.js';
export { CONTROLLERS } from '../congestion/index.js';
export { Rng } from '../core/rng.js';
export { MILLISECOND, SECOND } from '../core/time.js';
export type { EpochOverview } from '../epochs/epochs.js';
export type { Hint, MemberEvent, Misbehaviour } from '../events.js';
export type { Descriptor, Epoch, OperatorSignature, SlotMember } from '../group/epochs/descriptor.js';
export type { EndpointEvent, Transmit } from '../member/endpoint.js';
export type { EndpointPeer, EndpointStatus } from '../member/status.js';
export type { SessionEvent } from '../session/events.js';
export { type Cluster, type ClusterOptions, createCluster } from './cluster.js';
export type { SimDiskOptions } from './disk.js';
export type { Pair } from './graph.js';
export { LIES, type Lie } from './lies/byzantine.js';
export { type SimClock, type SimEvent, SimMember } from './member.js';
export {
  type Delivery,
  type DropReason as LinkDropReason,
  Link,
  type LinkCounters,
  type LinkOptions,
  type LinkRule,
} from './net/link.js';
export { type GilbertElliottOptions, gilbertElliott, iid, type LossModel } from './net/loss.js';
export {
  NAT_KINDS,
  NatBox,
  type NatFilter,
  type NatKind,
  type NatOptions,
  Nats,
  natsOf,
  type Passage,
} from './net/nat.js';
export { type RunOptions, type RunReport, runScenario } from './run.js';
export { type Fault, type Message, randomScenario, type Scenario, type When } from './scenario.js';
export { shrink } from './shrink.js';
export { type SimNode, World, type WorldCounters, type WorldOptions } from './world.js';
