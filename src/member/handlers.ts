/** What a member does with each kind of frame. In: a frame that a peer has sent in its session. Out: calls of the path and the broadcast. */
import type { Broadcast } from '../broadcast/broadcast.js';
import type { Bulk } from '../bulk/bulk.js';
import type { Micros } from '../core/time.js';
import type { Mesh } from '../forwarding/mesh.js';
import type { Group } from '../group/group.js';
import type { Locators } from '../locators/locators.js';
import type { PathSizes } from '../path/sizes.js';
import type { Ack } from '../wire/frames/ack.js';
import type { ForwardFrame } from '../wire/frames/forwarding/forward.js';
import type { PartFrame } from '../wire/frames/path/part.js';
import { type Frame, type FrameKind, type FrameOf, featureOf } from '../wire/frames.js';
import { isTransfer } from '../wire/symbol.js';
import type { Peer } from './peer.js';

/** The datagram that a frame came in. */
export interface Heard {
  now: Micros;
  peer: Peer;
  /** Bytes of its UDP payload. */
  size: number;
  /** When it came to this host: at most `now`, and earlier where we were late to look. */
  receivedAt: Micros;
  /** Whether another member has passed it on. */
  isForwarded: boolean;
}

export type FrameHandlers = { [K in Known]: (heard: Heard, frame: FrameOf<K>) => void };

/** Of others there is nothing to do. */
type Known = Exclude<FrameKind, 'unknown'>;

export interface HandlerOptions {
  broadcaster: Broadcast;
  bulk: Bulk;
  sizes: PathSizes;
  locators: Locators;
  mesh: Mesh;
  onAck: (heard: Heard, ack: Ack) => void;
  onPart: (heard: Heard, part: PartFrame) => void;
  onSymbol: (heard: Heard, body: Uint8Array) => void;
  onForward: (heard: Heard, frame: ForwardFrame) => void;
}

export function frameHandlers({
  broadcaster,
  bulk,
  sizes,
  locators,
  onAck,
  onPart,
  onSymbol,
  mesh,
  onForward,
}: HandlerOptions): FrameHandlers {
  return {
    ack: (heard, { ack }) => onAck(heard, ack),
    'ack-policy': ({ peer }, frame) => peer.path.onPolicy(frame),
    'mtu-probe': ({ peer, size }, frame) => {
      // Only what came in one piece of that size shows that the path carries it.
      if (frame.size === size) peer.path.onMtuProbe(size);
    },
    'mtu-report': ({ now, peer }, { size }) => {
      peer.path.onMtuReport(now, size);
      sizes.onPath(now);
    },
    'path-size': ({ peer }, { size }) => sizes.onTold(peer.index, size),
    part: (heard, frame) => onPart(heard, frame),
    ping: () => {},
    'sized-symbol': (heard, { body }) => onSymbol(heard, body),
    manifest: ({ now, peer }, frame) => broadcaster.references.handleManifest(now, peer.index, frame),
    listed: ({ now, peer }, frame) => broadcaster.references.handle(now, peer.index, frame),
    served: ({ now, peer }, frame) => broadcaster.references.handle(now, peer.index, frame),
    vector: ({ now, peer }, frame) => broadcaster.handleVector(now, peer.index, frame),
    said: ({ now, peer }, frame) => broadcaster.handleVector(now, peer.index, frame.vector, frame),
    epoch: ({ now, peer }, frame) => broadcaster.passage?.handleFrame(now, peer.index, frame),
    progress: ({ now, peer }, frame) =>
      (isTransfer(frame.id) ? bulk : broadcaster).handleProgress(now, peer.index, frame),
    owed: ({ now, peer }, frame) =>
      (frame.files ? bulk : broadcaster.repair).handleOwed(now, peer.index, frame),
    pull: ({ now, peer }, frame) =>
      (isTransfer(frame.id) ? bulk : broadcaster.repair).handlePull(now, peer.index, frame),
    gone: ({ now, peer }, frame) => broadcaster.handleGone(now, peer.index, frame),
    cast: ({ now, peer }, frame) => bulk.casts.handleCast(now, peer.index, frame),
    'cast-report': ({ now, peer }, frame) => bulk.casts.handleReport(now, peer.index, frame),
    transfer: ({ now, peer }, frame) => bulk.handleFrame(now, peer.index, frame),
    locators: ({ now, peer }, frame) => locators.handleRecord(now, peer.index, frame),
    'locators-heard': ({ now, peer }, { records }) => locators.handleHeard(now, peer.index, records),
    'observed-address': ({ now, peer }, { address }) => locators.handleObserved(now, peer.index, address),
    routes({ now, peer, isForwarded }, frame) {
      // It is of those that reach each other.
      if (!isForwarded) mesh.handleRoutes(now, peer.index, frame);
    },
    forward: onForward,
    punch: ({ now, peer, isForwarded }, frame) => mesh.punching.handle(now, peer.index, frame, isForwarded),
  };
}

/** Whether a frame is of what we speak with this peer, in such a group: confirms of one that changes say when they were said. */
export function isHandled(frame: Frame, peer: Peer, { epochs }: Group): frame is FrameOf<Known> {
  if (frame.kind === 'unknown' || frame.kind === (epochs ? 'vector' : 'said')) return false;
  if (frame.kind === 'epoch' && !epochs) return false;
  const feature = featureOf(frame);
  return !feature || peer.has(feature);
}

/** Calls the handler of a frame's kind. */
export function handleFrame(handlers: FrameHandlers, heard: Heard, frame: FrameOf<Known>): void {
  // TypeScript does not see that a kind's handler takes frames of that kind.
  (handlers[frame.kind] as (heard: Heard, frame: FrameOf<Known>) => void)(heard, frame);
}
