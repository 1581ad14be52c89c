/** The objects under way: those of other members until they are held and relayed, our own until the others hold them. */
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../../core/time.js';
import { CERTIFICATE_SIZE } from '../../wire/limits.js';
import { type ObjectId, objectId, streamKey } from '../../wire/symbol.js';
import type { Incoming } from './incoming.js';
import type { Outgoing } from './outgoing/outgoing.js';
import type { StreamView } from './view.js';

/** One object as it stands, for people to look at. */
export interface ObjectStatus {
  /** Its name. */
  id: ObjectId;
  /** Bytes. */
  length: number;
  /** Source symbols of the object: about as many symbols rebuild it. */
  needed: number;
  /** Useful symbols received (for our own: symbols sent). */
  held: number;
  /** Whether this member holds it whole. */
  complete: boolean;
  /** Whether its messages have been delivered here. */
  delivered: boolean;
  /** Members that hold it, ourselves included. */
  confirmed: number;
  /** If asked for: the members that have not said to hold it, and the source symbols that each lacks by its last report. */
  lacking?: { member: number; symbols: number }[];
}

export class ObjectUnderWay<S extends StreamView = StreamView> {
  readonly stream: S;
  readonly seq: number;
  incoming: Incoming | undefined;
  outgoing: Outgoing | undefined;
  /** Of an incoming object: what its first symbol rested on. */
  certificate: Uint8Array = new Uint8Array(CERTIFICATE_SIZE);
  /** Rebuilt, but not yet in our store. */
  storing = false;
  /** Members that have served symbols of it, and whether others were signed by the origin. */
  readonly servers = new Set<number>();
  hasSigned = false;
  /** Symbols of use that its origin has given us past the relays. */
  unrelayed = 0;
  /** Its symbols gave wrong bytes: from then on only those that `onlyFrom` serves are taken, once that is chosen. */
  isSuspect = false;
  onlyFrom: number | undefined;
  /** Members that were chosen to serve it since it is suspect, and that have not begun to: they may be further away than we wait. */
  private readonly awaited = new Set<number>();
  /** How often that member was asked to go on, and by member how often it may be. */
  private serverTries = 0;
  private readonly allowed = new Map<number, number>();
  /** Members whose symbols alone gave wrong bytes, and the origin if it has signed two: not asked while others may be. */
  readonly distrusted = new Set<number>();
  /** When something last happened that may happen again. */
  touchedAt: Micros;
  /** When the last symbol came that brought something new. */
  usefulAt: Micros = NEVER_YET;
  /** When the first of these came. */
  begunAt: Micros = NEVER_YET;
  progressAt: Micros = NEVER;
  private idleReports = 0;
  private heldAtReport = 0;
  /** Below all at first: that it has begun is said, too. */
  private blocksAtReport = -1;

  constructor(stream: S, seq: number, now: Micros) {
    this.stream = stream;
    this.seq = seq;
    this.touchedAt = now;
  }

  /** Its first symbol has come, which rests on this certificate. */
  begin(incoming: Incoming, certificate: Uint8Array): void {
    this.incoming = incoming;
    this.certificate = certificate;
  }

  /** A symbol of use has come, served by `hop` or signed. */
  onUseful(now: Micros, hop: number, isServed: boolean): void {
    if (isServed) this.servers.add(hop);
    else this.hasSigned = true;
    if (this.usefulAt === NEVER_YET) this.begunAt = now;
    this.usefulAt = now;
  }

  /** It is in our store. */
  onHeld(now: Micros): void {
    this.storing = false;
    this.progressAt = NEVER;
    this.touchedAt = now;
    this.incoming?.release();
  }

  /** Begins anew, from the symbols that one member serves, or none until one is chosen. */
  beginAnew(onlyFrom?: number): void {
    const { onlyFrom: former } = this;
    if (former !== undefined && this.isTriedEnough(former)) this.allowed.set(former, 2 * this.serverTries);
    this.incoming?.dispose();
    this.incoming = undefined;
    this.isSuspect = true;
    this.onlyFrom = onlyFrom;
    if (onlyFrom !== undefined) this.awaited.add(onlyFrom);
    this.serverTries = 0;
    this.servers.clear();
    this.hasSigned = false;
    this.unrelayed = 0;
    this.progressAt = NEVER;
  }

  /**
   * Another object under its name came, served by `hop`; the origin has signed both. Ours may be one that nobody else has,
   * so it gives way, but not to the word of its origin, nor while it comes from a member that we asked: that one has its tries.
   *
   * @returns whether it has given way, and is begun anew with what `hop` serves
   */
  giveWayTo(hop: number): boolean {
    const { stream, seq } = this;
    const { origin } = stream;
    if (hop === origin || this.storing || !stream.lacks(seq)) return false;
    const server = this.isSuspect ? this.onlyFrom : [...this.servers].find((member) => member !== origin);
    // What another one has begun meanwhile, and nothing is taken of.
    const isEmpty = this.incoming?.heldSymbols === 0 && (server === hop || this.mayReplace(hop));
    if (server !== undefined && server !== origin && !isEmpty) {
      this.isSuspect = true;
      this.onlyFrom = server;
      return false;
    }
    this.beginAnew(hop);
    return true;
  }

  /**
   * Whether symbols of a suspect object are taken that `hop` serves. While nothing of the one member has come, any that was chosen before takes its place,
   * once for each time.
   */
  takesFrom(hop: number): boolean {
    if (hop !== this.onlyFrom && !(this.incoming?.heldSymbols === 0 && this.mayReplace(hop))) return false;
    this.onlyFrom = hop;
    this.awaited.delete(hop);
    return true;
  }

  private mayReplace(hop: number): boolean {
    return this.awaited.has(hop) && !this.distrusted.has(hop);
  }

  /** The one member whose symbols are taken, if some have come and it has not been asked to go on too often. */
  get unfinishedServer(): number | undefined {
    const { onlyFrom, incoming } = this;
    const isBegun = incoming !== undefined && incoming.heldSymbols > 0;
    return isBegun && onlyFrom !== undefined && !this.isTriedEnough(onlyFrom) ? onlyFrom : undefined;
  }

  /** That member is asked to go on. */
  onAskedOn(): void {
    this.serverTries++;
  }

  private isTriedEnough(server: number): boolean {
    return this.serverTries >= (this.allowed.get(server) ?? SERVER_TRIES);
  }

  get id(): ObjectId {
    return objectId(this.stream, this.seq);
  }

  get isHeld(): boolean {
    return this.stream.holds(this.seq);
  }

  /** Whose symbols alone there are; undefined if several members have served some, or signed and served ones are mixed. */
  get culprit(): number | undefined {
    const { servers, hasSigned, stream } = this;
    if (servers.size === 0) return stream.origin;
    // Among symbols that the origin has signed, a wrong one may be the origin's own.
    if (servers.size > 1 || hasSigned) return undefined;
    const [server] = servers;
    return server;
  }

  /** When it is forgotten if nothing happens to it. */
  endsAt(): Micros {
    if (this.outgoing || this.storing) return NEVER;
    return this.touchedAt + (this.isHeld ? LINGER : RETENTION);
  }

  nextTimeout(): Micros {
    return Math.min(this.endsAt(), this.progressAt, this.outgoing?.nextTimeout() ?? NEVER);
  }

  /** A symbol has come: report soon, though not for each one. */
  scheduleProgress(now: Micros): void {
    this.progressAt = Math.min(this.progressAt, this.stream.reportAt?.(now) ?? now + PROGRESS_INTERVAL);
  }

  /** Sets the time of the next report: soon while symbols come, then ever more rarely, in case a report was lost. */
  onProgressReported(now: Micros): void {
    const held = this.incoming?.heldSymbols ?? 0;
    this.idleReports = held > this.heldAtReport ? 0 : this.idleReports + 1;
    this.heldAtReport = held;
    const wait = PROGRESS_INTERVAL * 2 ** Math.min(10, 1 + this.idleReports);
    const inTurn = this.stream.reportAt?.(now) ?? now;
    this.progressAt = Math.max(inTurn, now + Math.min(MAX_PROGRESS_INTERVAL, wait));
  }

  /** Whether it was begun, or blocks of it were completed, since this was last asked. */
  takeBlockChange(): boolean {
    const blocks = this.incoming?.completeBlocks() ?? 0;
    const changed = blocks !== this.blocksAtReport;
    this.blocksAtReport = blocks;
    return changed;
  }

  /** `member` has lost what it had reported. */
  onRestart(member: number): void {
    this.outgoing?.onRestart(member);
    this.incoming?.onRestart(member);
  }

  status(members: number, self: number, isDetailed = false): ObjectStatus {
    const { incoming, outgoing, id, stream, seq } = this;
    let confirmed = 0;
    const lacking: ObjectStatus['lacking'] = [];
    for (let member = 0; member < members; member++)
      if (member === self ? this.isHeld : member === id.origin || stream.claims.isHeldBy(member, seq))
        confirmed++;
      else if (isDetailed && member !== self)
        lacking.push({ member, symbols: (outgoing ?? incoming)?.missingAt(member) ?? 0 });
    return {
      id,
      length: outgoing?.descriptor.length ?? incoming?.descriptor.length ?? 0,
      needed: outgoing?.sourceSymbols ?? incoming?.neededSymbols ?? 0,
      held: outgoing?.sentSymbols ?? incoming?.heldSymbols ?? 0,
      complete: this.isHeld,
      delivered: seq < stream.delivered,
      confirmed,
      ...(isDetailed ? { lacking } : {}),
    };
  }

  dispose(): void {
    this.outgoing?.dispose();
    this.incoming?.dispose();
    this.outgoing = undefined;
    this.progressAt = NEVER;
  }
}

/** The objects under way, by stream and seq, in the order in which they were begun. */
export class Objects<S extends StreamView = StreamView> {
  private readonly byStream = new Map<S, Map<number, ObjectUnderWay<S>>>();

  find(stream: S, seq: number): ObjectUnderWay<S> | undefined {
    return this.byStream.get(stream)?.get(seq);
  }

  /** Those of one stream, by seq. */
  of(stream: S): ReadonlyMap<number, ObjectUnderWay<S>> {
    return this.byStream.get(stream) ?? NONE;
  }

  add(object: ObjectUnderWay<S>): void {
    const { stream, seq } = object;
    const known = this.byStream.get(stream);
    if (known) known.set(seq, object);
    else this.byStream.set(stream, new Map([[seq, object]]));
  }

  delete({ stream, seq }: ObjectUnderWay<S>): void {
    const all = this.byStream.get(stream);
    all?.delete(seq);
    if (all?.size === 0) this.byStream.delete(stream);
  }

  /** Whether none is of a stream that is over. */
  check(streams: Iterable<S>): string | undefined {
    const all = new Set(streams);
    for (const stream of this.byStream.keys())
      if (!all.has(stream)) return `objects under way of ${streamKey(stream)}, which is over`;
    return undefined;
  }
}

const NONE: ReadonlyMap<number, never> = new Map<number, never>();
const PROGRESS_INTERVAL: Micros = 10 * MILLISECOND;
const MAX_PROGRESS_INTERVAL: Micros = 1000 * MILLISECOND;
/** How long an object that is held is still relayed. */
export const LINGER: Micros = 3 * SECOND;
/** How long an object may stand still before what is held of it is given up. */
export const RETENTION: Micros = 60 * SECOND;
/** Tries to get a whole object from one member; twice as many each time: one that trickles holds up no more than one that is slow. */
const SERVER_TRIES = 8;
