/**
 * A transfer of ours as it goes to a multicast group. In: who takes it, what they report, slices. Out: for each of them how to
 * listen, and the datagrams of the group, each sealed under the transfer's key: probes, manifests, symbols.
 */
import { SymbolMaker } from '../../broadcast/spread/outgoing/symbols.js';
import { manifestCopiesFor } from '../../broadcast/spread/plan.js';
import type { Paths } from '../../broadcast/spread/rtts.js';
import type { ControllerFactory } from '../../congestion/controller.js';
import type { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../../core/time.js';
import { type Cipher, defaultAead } from '../../crypto/aead.js';
import type { KeyPair } from '../../crypto/keys.js';
import type { Group } from '../../group/group.js';
import type { StoredObject } from '../../store/store.js';
import { castBody, castListed, castProbe, listedSize, sealCast } from '../../wire/cast.js';
import { CAST_KEY_SIZE, type CastFrame } from '../../wire/frames/cast/cast.js';
import type { CastReportFrame } from '../../wire/frames/cast/cast-report.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import { DATAGRAM_SIZE, ETHERNET_DATAGRAM } from '../../wire/limits.js';
import type { CastGroup, CastMode, CastStatus } from '../ports.js';
import type { BulkTransfer } from '../transfer.js';
import { Invitations } from './invitations.js';
import { Listeners } from './listeners.js';
import { CastManifests } from './manifests.js';
import { Pace } from './pace.js';
import { type Reach, Wave } from './wave.js';

export interface CastingOptions {
  group: Group;
  self: number;
  keys: KeyPair;
  paths: Paths;
  rng: Rng;
  controller: ControllerFactory;
  /** Of which the key is made. */
  entropy: { bytes(length: number): Uint8Array };
  to: CastGroup;
  mode: CastMode;
  /** Whether a member has a session in which multicast is spoken of. */
  speaks(member: number): boolean;
  /** There is something to say to a member. */
  changed(member: number): void;
}

export class Casting {
  readonly to: CastGroup;
  private readonly transfer: BulkTransfer;
  private readonly options: CastingOptions;
  private readonly key: Uint8Array;
  private readonly cipher: Cipher;
  private readonly pace: Pace;
  private readonly listeners = new Listeners();
  /** By object, in the order in which they go out. */
  private readonly waves = new Map<number, Wave>();
  private readonly invitations: Invitations;
  private readonly manifests = new CastManifests();
  private sentAt: Micros = NEVER_YET;
  private probeAt: Micros = NEVER;
  private datagrams = 0;
  private bytes = 0;
  private isClosed = false;
  /** Members that multicast did not reach, or no longer, and why. */
  private readonly left = new Map<number, string>();

  constructor(transfer: BulkTransfer, options: CastingOptions) {
    this.transfer = transfer;
    this.options = options;
    this.to = options.to;
    this.key = options.entropy.bytes(CAST_KEY_SIZE);
    this.cipher = defaultAead().cipher(this.key);
    this.pace = new Pace({
      controller: options.controller,
      rng: options.rng.fork('pace'),
      mtu: ETHERNET_DATAGRAM,
    });
    const { to, key, pace, listeners } = this;
    this.invitations = new Invitations({ ...options, id: transfer, to, key, pace, listeners });
  }

  /** Who takes the transfer is asked to listen, who does not any more is not. */
  settle(now: Micros): void {
    const { claims } = this.transfer;
    for (const member of claims.members) {
      const isWanted = claims.isReceiving(member) && this.options.speaks(member);
      const known = this.listeners.get(member);
      if (isWanted && !known) {
        this.listeners.ask(now, member);
        this.probeAt = Math.min(this.probeAt, now + PROBE_INTERVAL);
        this.options.changed(member);
      } else if (claims.isReceiving(member) && !isWanted)
        this.left.set(member, 'its build knows no multicast');
      else if (!isWanted && known && claims.stateOf(member) !== 'receiving') this.leave(member);
    }
    this.pace.handleTimeout(now);
    for (const member of this.pace.judge(now)) {
      const listener = this.listeners.get(member)!;
      listener.state = 'slow';
      listener.reason = 'it carries less than a quarter of what most do';
      this.drop(member);
    }
    const silent = this.listeners.fallenSilent(this.sentAt, (member) => this.patience(member));
    for (const { member } of silent) this.drop(member);
    for (const { member } of this.listeners) if (this.frameDueAt(member) <= now) this.options.changed(member);
  }

  /** Whether it is known who is reached, or that has been waited for. */
  isSettled(now: Micros, members: readonly number[]): boolean {
    return this.listeners.isSettled(now, members);
  }

  /** Those of `members` that a slice now goes to by multicast. */
  reached(members: Iterable<number>): Set<number> {
    const hearing = [...members].filter((member) => this.listeners.isHearing(member));
    const isOneMachine = this.options.paths.every((path) => !path || path.mtu.size > LARGEST_FRAME);
    if (this.options.mode === 'auto' && (hearing.length < 2 || isOneMachine)) return new Set();
    return new Set(hearing);
  }

  isReached(member: number): boolean {
    return this.listeners.isHearing(member);
  }

  send(object: StoredObject, members: ReadonlySet<number>): void {
    const { group, keys, self } = this.options;
    const maker = new SymbolMaker(group, keys, object);
    this.waves.set(object.seq, new Wave(members, { maker, self, reachOf: (member) => this.reachOf(member) }));
  }

  end(seq: number): void {
    this.waves.get(seq)?.dispose();
    this.waves.delete(seq);
    this.manifests.forget(seq);
  }

  close(): void {
    for (const seq of [...this.waves.keys()]) this.end(seq);
    this.isClosed = true;
  }

  onConfirm(seq: number, member: number): void {
    this.waves.get(seq)?.onConfirm(member);
  }

  onProgress(now: Micros, member: number, frame: ProgressFrame): void {
    this.waves.get(frame.id.seq)?.onProgress(now, member, frame);
  }

  /** A member has begun anew, or is in session again. */
  onSession(member: number, fresh: boolean): void {
    this.invitations.renew(member);
    if (!fresh) return;
    this.leave(member);
    for (const wave of this.waves.values()) wave.onRestart(member);
  }

  /** What a member says that it hears. */
  onReport(now: Micros, member: number, frame: CastReportFrame): void {
    const listener = this.listeners.get(member);
    if (!listener || listener.state === 'slow') return;
    const { ack } = frame;
    // Datagrams that were never sent: its word, or that of another one with the key, who can do no more than that.
    if (ack && ack.ranges[0] >= this.pace.next) return;
    const wasHearing = listener.state === 'hearing';
    const hasBegun = this.listeners.onReport(now, listener, frame);
    if (!ack) {
      if (wasHearing) this.drop(member);
      this.left.set(member, listener.reason || UNREACHED);
      return;
    }
    if (hasBegun) this.left.delete(member);
    if (hasBegun && !this.pace.isFull) this.pace.add(now, member, this.options.paths[member]?.rtt.min);
    else if (!this.pace.isAcker(member)) this.elect(member, listener.loss);
    this.pace.onAck(now, member, ack);
    const rtt = this.reachOf(member)?.rtt ?? 0;
    for (const name of frame.lacking) this.manifests.onLacking(now, name, rtt);
  }

  // ---- what goes to each member in its session

  frameDueAt(member: number): Micros {
    return this.isClosed ? NEVER : this.invitations.dueAt(member);
  }

  takeFrame(now: Micros, member: number): CastFrame {
    return this.invitations.take(now, member);
  }

  // ---- what goes to the group

  /** When there is something to send; NEVER if there is nothing. */
  nextSend(now: Micros): Micros {
    if (this.isClosed) return NEVER;
    const isProbe = this.probeAt <= now && this.listeners.hasAudience;
    if (isProbe || this.pace.isProbeDue) return now;
    const probeAt = this.listeners.hasAudience ? this.probeAt : NEVER;
    if (!this.hasSymbols) return probeAt;
    return Math.min(probeAt, this.pace.opensAt(now));
  }

  /** The next datagram for the group, if one may go now. */
  poll(now: Micros): Uint8Array | undefined {
    if (this.isClosed) return undefined;
    if (this.hasSymbols && this.pace.opensAt(now) <= now) {
      const datagram = this.nextManifests(now) ?? this.nextSymbol(now);
      if (datagram) return this.seal(now, datagram);
    } else if (!this.hasSymbols) this.pace.onIdle(now);
    if (!this.listeners.hasAudience) return undefined;
    if (this.probeAt > now && !this.pace.isProbeDue) return undefined;
    this.probeAt = now + (this.listeners.isProbing(now) ? PROBE_INTERVAL : KEEP_INTERVAL);
    return this.seal(now, castProbe(this.probeSize()));
  }

  nextTimeout(): Micros {
    if (this.isClosed) return NEVER;
    let next = this.pace.nextTimeout();
    for (const wave of this.waves.values()) next = Math.min(next, wave.nextTimeout());
    return next;
  }

  handleTimeout(now: Micros): void {
    this.pace.handleTimeout(now);
    for (const wave of this.waves.values()) wave.handleTimeout(now);
  }

  onHostLimited(now: Micros): void {
    this.pace.onHostLimited(now);
  }

  status(): CastStatus {
    const { to: group, datagrams, bytes } = this;
    const listeners = [...this.listeners].map(({ member, state, reason, loss }) => {
      const rate = Math.round(this.pace.of(member)?.rate ?? 0);
      return { member, state, reason, loss, rate };
    });
    const left = [...this.left].map(([member, reason]) => ({ member, reason }));
    return { group, datagrams, bytes, listeners, left };
  }

  private get hasSymbols(): boolean {
    for (const wave of this.waves.values()) if (wave.hasSymbol) return true;
    return this.manifests.hasOwed;
  }

  /** As large as what is to go there. */
  private probeSize(): number {
    const [wave] = this.waves.values();
    if (wave) return listedSize(wave.symbolSize);
    const known = this.options.paths.flatMap((path) => (path?.isOpen ? [path.mtu.size] : []));
    return Math.min(ETHERNET_DATAGRAM, Math.max(DATAGRAM_SIZE, ...known));
  }

  private seal(now: Micros, datagram: Uint8Array): Uint8Array {
    this.datagrams++;
    this.bytes += datagram.length;
    this.sentAt = now;
    this.probeAt = Math.max(
      this.probeAt,
      now + (this.listeners.isProbing(now) ? PROBE_INTERVAL : KEEP_INTERVAL),
    );
    return sealCast(this.cipher, this.pace.onSent(now, datagram.length), datagram);
  }

  /** Manifests, if the next symbol refers to one that was not told, or some have to be told again. */
  private nextManifests(now: Micros): Uint8Array | undefined {
    const wave = this.nextWave();
    const symbol = wave?.first();
    const manifest = symbol && !(symbol instanceof Uint8Array) ? symbol.manifest : undefined;
    const isNew = manifest !== undefined && this.manifests.nameOf(manifest) === undefined;
    if (isNew) this.manifests.add(now, manifest, manifestCopiesFor(this.listeners.worstLoss));
    return this.manifests.next(now, wave && isNew);
  }

  private nextSymbol(now: Micros): Uint8Array | undefined {
    const wave = this.nextWave();
    const symbol = wave?.first();
    if (!wave || !symbol) return undefined;
    wave.shift(now);
    this.manifests.onSymbol();
    return symbol instanceof Uint8Array
      ? castBody(symbol)
      : castListed(this.manifests.nameOf(symbol.manifest)!, symbol);
  }

  private nextWave(): Wave | undefined {
    for (const wave of this.waves.values()) if (wave.hasSymbol) return wave;
    return undefined;
  }

  private reachOf(member: number): Reach | undefined {
    const listener = this.listeners.get(member);
    if (listener?.state !== 'hearing') return undefined;
    const acker = this.pace.of(member);
    const rtt = this.options.paths[member]?.rtt;
    const [smoothed, variation] = [
      acker?.smoothed ?? rtt?.smoothed ?? 0,
      acker?.variation ?? rtt?.variation ?? 0,
    ];
    return {
      loss: listener.loss,
      rtt: smoothed,
      answer: smoothed + 4 * variation + this.invitations.policyOf(member).delay,
    };
  }

  /** Who loses more than an acker takes the place of the one that loses least: the slowest is among them. */
  private elect(member: number, loss: number): void {
    if (!this.pace.isFull || this.listeners.get(member)?.state !== 'hearing') return;
    let best: { member: number; loss: number } | undefined;
    for (const each of this.listeners)
      if (this.pace.isAcker(each.member) && (!best || each.loss < best.loss)) best = each;
    if (!best || loss < best.loss + NOTABLY) return;
    this.pace.replace(best.member, member);
    for (const each of [best.member, member]) this.options.changed(each);
  }

  private patience(member: number): Micros {
    return Math.max(SILENCE, 4 * (this.reachOf(member)?.answer ?? 0));
  }

  /** It is not counted on any more. */
  private drop(member: number): void {
    this.left.set(member, this.listeners.get(member)?.reason || UNREACHED);
    this.pace.remove(member);
    this.invitations.renew(member);
    this.options.changed(member);
  }

  private leave(member: number): void {
    const state = this.listeners.get(member)?.state;
    if (state === 'asked' || state === 'listening') this.left.set(member, UNREACHED);
    this.listeners.forget(member);
    this.pace.remove(member);
    this.invitations.renew(member);
  }
}

const UNREACHED = 'multicast does not reach it';
/** An Ethernet frame of the largest kind: beyond it all is on one machine. */
const LARGEST_FRAME = 16_384;
const PROBE_INTERVAL: Micros = 20 * MILLISECOND;
const KEEP_INTERVAL: Micros = 500 * MILLISECOND;
/** Without anything new from a member meanwhile it counts as out of reach. */
const SILENCE: Micros = SECOND;
/** Of all datagrams. */
const NOTABLY = 0.02;
