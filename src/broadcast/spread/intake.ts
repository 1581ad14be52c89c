/**
 * What becomes of a symbol that has come: every check of PROTOCOL 8.2, in its order. In: symbols as received. Out: a verdict:
 * whether to relay it and whether to add it, or why not, and what it shows of its origin.
 */
import { equalBytes } from '../../core/bytes.js';
import { MILLISECOND, type Micros } from '../../core/time.js';
import { HeadwaterError } from '../../errors.js';
import type { Group } from '../../group/group.js';
import type { Settings } from '../../options.js';
import type { StoredObject } from '../../store/store.js';
import { MAX_REPAIR_SYMBOLS } from '../../wire/limits.js';
import { type Descriptor, type ObjectId, objectId, SERVED, type SymbolFrame } from '../../wire/symbol.js';
import type { Metrics } from '../metrics.js';
import { BatchVerifier } from '../proof/batch.js';
import { writeCertificate } from '../proof/certificate.js';
import { Admission } from './admission.js';
import type { SpreadDrop } from './drops.js';
import { Incoming } from './incoming.js';
import { type Objects, ObjectUnderWay } from './objects.js';
import type { StreamsView, StreamView } from './view.js';

export interface IntakeOptions extends Pick<Settings, 'maxStoredBytes' | 'relay'> {
  group: Group;
  self: number;
  /** Of an object: larger ones are refused. */
  maxObjectSize: number;
  /** Whether so much waits for the store that nothing more of this origin is taken. */
  isStoreBusy(origin: number): boolean;
  /** Memory for an object that is rebuilt, which need not be zero. Default: fresh. */
  allocate?: ((size: number) => Uint8Array) | undefined;
}

/** What a symbol has brought, where that is more than itself. */
export type Arrival<S extends StreamView = StreamView> =
  /** Its object, rebuilt. `asked`: it came since we had asked for it. */
  | { type: 'complete'; object: ObjectUnderWay<S>; stored: StoredObject; asked: boolean }
  /** Symbols that do not give what the hash says: those of `culprit`, if they are of one member alone. */
  | { type: 'wrong-symbols'; object: ObjectUnderWay<S>; culprit: number | undefined }
  /** Two objects under one name, each signed by its origin. */
  | { type: 'equivocation'; object: ObjectUnderWay<S>; evidence: [Uint8Array, Uint8Array] }
  /** The same, but of ours only the store has the certificate. */
  | { type: 'late-equivocation'; id: ObjectId; certificate: Uint8Array }
  /** Above our limit, and signed by its origin. */
  | { type: 'too-large'; id: ObjectId; length: number };

/** A symbol under examination, and in the end the verdict. */
export interface Examined<S extends StreamView = StreamView> {
  readonly now: Micros;
  /** The member that sent it. */
  readonly hop: number;
  readonly frame: SymbolFrame;
  readonly isServed: boolean;
  stream: S | undefined;
  object: ObjectUnderWay<S> | undefined;
  /** It is the first one of its object. */
  isFirst: boolean;
  /** An object that has to be given up for it. */
  instead: ObjectUnderWay<S> | undefined;
  arrival: Arrival<S> | undefined;
  relay: boolean;
  add: boolean;
  drop: SpreadDrop | undefined;
}

/** What the checks go by. */
interface Desk {
  readonly options: IntakeOptions;
  readonly metrics: Metrics<SpreadDrop>;
  readonly streams: StreamsView;
  readonly objects: Objects;
  readonly admission: Admission;
  readonly verifier: BatchVerifier;
  /** By origin: when the next object above our limit is told. */
  readonly refuseAt: Map<number, Micros>;
}

type Check = (desk: Desk, symbol: Examined) => SpreadDrop | undefined;

/** In the order of PROTOCOL 8.2. From `RELAYED` on they concern what is relayed whatever they find. */
export const CHECKS: readonly { drops: readonly SpreadDrop[]; check: Check }[] = [
  { drops: ['tainted'], check: notOfThoseFollowed },
  { drops: ['store-busy'], check: storeBusy },
  { drops: ['unknown-member'], check: unknownMember },
  { drops: ['too-large'], check: tooLarge },
  { drops: ['stale'], check: streamOver },
  { drops: ['unasked'], check: unasked },
  { drops: ['stale', 'equivocation', 'bad-signature', 'signature-budget'], check: objectHeld },
  { drops: ['duplicate', 'late'], check: nothingNew },
  { drops: ['stale'], check: formerStream },
  { drops: ['beyond-window', 'open-quota', 'store-quota'], check: noRoom },
  { drops: ['bad-signature', 'signature-budget'], check: notSigned },
  { drops: ['equivocation', 'open-quota', 'store-quota'], check: otherObject },
  { drops: ['stream-quota', 'stale', 'unknown-member'], check: notAttested },
  { drops: ['malformed'], check: notBegun },
  { drops: ['absurd-esi'], check: absurdSymbol },
  { drops: ['tainted'], check: notOfTheOneServer },
  { drops: ['duplicate', 'late'], check: redundant },
];
export const RELAYED = CHECKS.findIndex(({ check }) => check === absurdSymbol) + 1;

export class Intake<S extends StreamView = StreamView> {
  readonly admission: Admission<S>;
  private readonly desk: Desk;
  private readonly streams: StreamsView<S>;
  private readonly objects: Objects<S>;

  constructor(
    options: IntakeOptions,
    metrics: Metrics<SpreadDrop>,
    streams: StreamsView<S>,
    objects: Objects<S>,
  ) {
    const { members, byzantine } = options.group;
    this.admission = new Admission(streams, { ...options, byzantine, members: members.length });
    this.streams = streams;
    this.objects = objects;
    const { admission } = this;
    const verifier = new BatchVerifier(options.group);
    this.desk = { options, metrics, streams, objects, admission, verifier, refuseAt: new Map() };
  }

  /** A symbol has come from member `hop`. If nothing speaks against it its stream is attested and its object begun with it. */
  examine(now: Micros, hop: number, frame: SymbolFrame): Examined<S> {
    const stream = this.streams.find(frame.descriptor);
    const symbol: Examined<S> = {
      now,
      hop,
      frame,
      isServed: frame.depth === SERVED,
      stream,
      object: stream && this.objects.find(stream, frame.descriptor.seq),
      isFirst: false,
      instead: undefined,
      arrival: undefined,
      relay: false,
      add: false,
      drop: undefined,
    };
    for (let i = 0; i < CHECKS.length; i++) {
      if (i === RELAYED) {
        symbol.object!.touchedAt = now;
        symbol.relay = isOurs(this.desk, symbol);
      }
      symbol.drop = CHECKS[i].check(this.desk, symbol);
      if (symbol.drop) return symbol;
    }
    symbol.add = true;
    return symbol;
  }

  /** Whether there is no room for an object that is not begun, as far as we know it. */
  isRefused(now: Micros, stream: S, seq: number): boolean {
    return !this.objects.find(stream, seq)?.incoming && this.admission.isRefused(now, stream, seq);
  }
}

// ---- the checks: each gives the reason to drop the symbol, if there is one

function notOfThoseFollowed(_: Desk, { stream, hop, isServed, frame }: Examined) {
  return stream && !stream.following.admits(hop, isServed, frame.descriptor) ? 'tainted' : undefined;
}

function storeBusy(desk: Desk, symbol: Examined) {
  if (!desk.options.isStoreBusy(symbol.frame.descriptor.origin)) return undefined;
  return isVouched(desk, symbol) ? undefined : 'store-busy';
}

function unknownMember({ options }: Desk, { frame, isServed }: Examined) {
  const { origin } = frame.descriptor;
  const { members } = options.group;
  if (origin >= members.length || (frame.leaf.firstHop >= members.length && !isServed))
    return 'unknown-member';
  // Nobody but us can tell us what we said; it may be asked back only if we have lost it.
  return origin === options.self && !isServed ? 'unknown-member' : undefined;
}

/** Its origin waits for us in vain, and is to hear it; not at each symbol, since that takes a look at its signature. */
function tooLarge(desk: Desk, symbol: Examined) {
  const { now, hop, frame, isServed } = symbol;
  const { origin, seq, length } = frame.descriptor;
  if (length <= desk.options.maxObjectSize) return undefined;
  if (now < (desk.refuseAt.get(origin) ?? 0)) return 'too-large';
  // What it serves itself is its word, too.
  if (isServed ? hop !== origin : desk.verifier.verify(now, hop, frame) !== 'valid') return 'too-large';
  desk.refuseAt.set(origin, now + REFUSAL_PAUSE);
  symbol.arrival = { type: 'too-large', id: objectId(frame.descriptor, seq), length };
  return 'too-large';
}

function streamOver(desk: Desk, { stream, frame }: Examined) {
  if (desk.streams.retired.has(frame.descriptor)) return 'stale';
  return stream && isClosed(stream, frame.descriptor.seq) ? 'stale' : undefined;
}

/** Nobody but its origin could be blamed for what spoils an object with symbols that nobody wanted. */
function unasked(_: Desk, { now, hop, isServed, stream, frame }: Examined) {
  const isWanted = !isServed || hop === frame.descriptor.origin || stream?.keepers.mayServe(now, hop);
  return isWanted ? undefined : 'unasked';
}

function objectHeld(desk: Desk, symbol: Examined) {
  const { now, hop, frame, stream, object } = symbol;
  const { origin, seq, hash } = frame.descriptor;
  if (!stream || stream.lacks(seq) || object?.incoming) return undefined;
  if (origin === desk.options.self || stream.ledger.fits(seq, hash)) return 'stale';
  const verdict = desk.verifier.verify(now, hop, frame);
  if (verdict !== 'valid') return verdict;
  const id = objectId(frame.descriptor, seq);
  symbol.arrival = { type: 'late-equivocation', id, certificate: certificateOf(desk, frame) };
  return 'equivocation';
}

function nothingNew(desk: Desk, symbol: Examined) {
  const incoming = symbol.object?.incoming;
  if (!incoming || !sameObject(incoming.descriptor, symbol.frame.descriptor)) return undefined;
  const redundancy = incoming.redundancy(symbol.frame.leaf);
  return redundancy && !isOurs(desk, symbol) ? redundancy : undefined;
}

/** It may be anyone who says again what its origin had once signed, and of that nobody has anything. */
function formerStream({ streams }: Desk, { stream, frame }: Examined) {
  return !stream && streams.hasLater(frame.descriptor) ? 'stale' : undefined;
}

/** Before the signature is checked: of what cannot be taken in anyway it need not be. */
function noRoom(desk: Desk, symbol: Examined) {
  const { now, stream, object, frame } = symbol;
  if (object?.incoming) return undefined;
  const { descriptor } = frame;
  const isNear = descriptor.seq < (stream?.delivered ?? 0) + WINDOW;
  const room = isNear ? desk.admission.admits(now, stream, descriptor) : 'beyond-window';
  if (room === true) return undefined;
  if (typeof room !== 'string') {
    symbol.instead = room;
    return undefined;
  }
  const { refused } = desk.metrics;
  refused[descriptor.origin] = (refused[descriptor.origin] ?? 0) + 1;
  if (stream) desk.admission.onRefused({ ...descriptor, hash: NOTHING });
  return room;
}

function notSigned(desk: Desk, symbol: Examined) {
  const { now, hop, frame, isServed } = symbol;
  // What we have asked others for is not kept from us by what else its origin signs.
  const mayCharge = () => isServed && hop !== frame.descriptor.origin && isVouched(desk, symbol);
  const verdict = desk.verifier.verify(now, hop, frame, mayCharge);
  return verdict === 'valid' ? undefined : verdict;
}

function otherObject(desk: Desk, symbol: Examined) {
  const { hop, isServed, object, frame } = symbol;
  if (!object?.incoming || sameObject(object.incoming.descriptor, frame.descriptor)) return undefined;
  const evidence: [Uint8Array, Uint8Array] = [object.certificate, certificateOf(desk, frame)];
  symbol.arrival = { type: 'equivocation', object, evidence };
  if (!isServed || !object.giveWayTo(hop)) return 'equivocation';
  desk.admission.remove(object);
  return noRoom(desk, symbol);
}

function notAttested(desk: Desk, symbol: Examined) {
  const { stream, frame } = symbol;
  if (stream?.standing.attested) return undefined;
  const opened = desk.streams.signed(frame.descriptor);
  if (typeof opened === 'string') return opened;
  symbol.stream = opened;
  return isClosed(opened, frame.descriptor.seq) ? 'stale' : undefined;
}

function notBegun(desk: Desk, symbol: Examined) {
  const { now, stream, frame } = symbol;
  if (symbol.object?.incoming) return undefined;
  const { descriptor } = frame;
  try {
    const incoming = new Incoming(descriptor, desk.options.allocate);
    if (!symbol.object) {
      symbol.object = new ObjectUnderWay(stream!, descriptor.seq, now);
      desk.objects.add(symbol.object);
    }
    symbol.object.begin(incoming, certificateOf(desk, frame));
    symbol.isFirst = true;
    desk.admission.add(symbol.object);
    return undefined;
  } catch (error) {
    if (error instanceof HeadwaterError) return 'malformed';
    throw error;
  }
}

function absurdSymbol(_: Desk, { object, frame }: Examined) {
  const { descriptor, leaf } = frame;
  const beyond = leaf.esi + leaf.symbol.length / descriptor.symbolSize;
  const most = object!.incoming!.sourceSymbols(leaf.sbn) + MAX_REPAIR_SYMBOLS;
  return beyond > most ? 'absurd-esi' : undefined;
}

function notOfTheOneServer(_: Desk, { object, isServed, hop }: Examined) {
  if (!object!.isSuspect) return undefined;
  return isServed && object!.takesFrom(hop) ? undefined : 'tainted';
}

function redundant(_: Desk, { object, frame }: Examined) {
  return object!.incoming!.redundancy(frame.leaf);
}

// ---- what they ask

/** Whether it is ours to relay, and has not been. */
function isOurs({ options }: Desk, { object, isServed, frame }: Examined) {
  const { relay, self } = options;
  return relay && !isServed && frame.leaf.firstHop === self && !object?.incoming?.isRelayed(frame.leaf);
}

/** Whether others hold the object, more than may lie: no bound on what its origin may spend keeps it from us. */
function isVouched({ admission }: Desk, { stream, frame }: Examined) {
  return stream !== undefined && admission.isVouchedFor(stream, frame.descriptor.seq);
}

/** Its origin has begun anew: an object that is nowhere else any more would be delivered by some only. */
function isClosed(stream: StreamView, seq: number) {
  return stream.standing.closed && !stream.holds(seq) && !stream.claims.isVouched(seq);
}

function certificateOf({ verifier }: Desk, frame: SymbolFrame) {
  return writeCertificate(frame.descriptorBytes, verifier.root, frame.signature);
}

function sameObject(a: Descriptor, b: Descriptor): boolean {
  return (
    a.length === b.length &&
    a.symbolSize === b.symbolSize &&
    a.sourceBlocks === b.sourceBlocks &&
    equalBytes(a.hash, b.hash)
  );
}

/** A hash that nobody asks for: that of the datagram is a view of it. */
const NOTHING = new Uint8Array(0);
/** How far ahead of what is delivered objects of one stream are taken in: a consumer that stands still holds up no memory. */
export const WINDOW = 4096;
/** Between two refusals of what an origin sends above the limit: as often as PROGRESS begins. */
const REFUSAL_PAUSE: Micros = 10 * MILLISECOND;
