/** Sends files and folders to the members of a group, and tells how each of them stands. */
import { EventEmitter, on } from 'node:events';
import { isIP } from 'node:net';
import { addressBytes, DEFAULT_CAST_PORT, isMulticast } from '../bulk/cast/address.js';
import type { Manifest } from '../bulk/manifest.js';
import { type MemberStanding, UNOFFERED } from '../bulk/ports.js';
import { toHex } from '../core/bytes.js';
import {
  type Checks,
  checkOptions,
  checkRequired,
  isAtLeast,
  isInteger,
  isObjectWith,
  isOneOf,
  isText,
  isTexts,
} from '../core/checks.js';
import { sha256 } from '../crypto/hash.js';
import { closedError, HeadwaterError, invalid } from '../errors.js';
import type { Member } from '../group/group.js';
import type { CastPlan } from '../node/bulk/transfers.js';
import type { Node } from '../node/node.js';
import type { StreamId } from '../wire/symbol.js';
import { isNode } from './options.js';
import { Rates } from './rates.js';
import { type FileSource, openSource } from './source.js';

/** What to send, and how long to wait. */
export interface SendFilesOptions {
  /** The member that sends. It stays open. */
  node: Node;
  /** Files and folders, each sent under its own name. */
  paths: readonly string[];
  /** The name to send a lone file or folder under. Default: its own. */
  name?: string | undefined;
  /** What to do with symbolic links inside of folders, which are never followed. Default 'skip'. */
  symlinks?: 'skip' | 'refuse' | undefined;
  /**
   * Globs of what is left out of folders: one without a slash is compared with each name (`*.tmp`), one with a slash with the path from
   * the outermost name on (`photos/raw/**`).
   */
  exclude?: readonly string[] | undefined;
  /** Milliseconds for which members that are not there are waited for: at the start, and when one has gone. Default 5000. */
  wait?: number | undefined;
  /** Milliseconds after which it is given up if nothing has moved. Default 600,000. */
  timeout?: number | undefined;
  /**
   * How symbols go out. overlay: to each receiver, which relay for each other; multicast: by IP multicast to all whom that reaches;
   * auto: so if it reaches two or more, and not all are on one machine. Whom multicast does not reach, or who carries less than a
   * quarter of what most do, gets all by the overlay. Default 'overlay'.
   */
  mode?: 'overlay' | 'multicast' | 'auto' | undefined;
  /** Where to, in modes 'multicast' and 'auto'. */
  multicast?: MulticastOptions | undefined;
  /** Gives it up. */
  signal?: AbortSignal | undefined;
}

/** Where a transfer goes by multicast. */
export interface MulticastOptions {
  /**
   * Numeric address of the group, IPv4 or IPv6. Default: one in 239.255.0.0/16 (ff15::/16 for members with IPv6 addresses) that
   * follows from the transfer. One of 232.0.0.0/8 or ff3x:: is listened to by source, and needs `interface`.
   */
  address?: string | undefined;
  /** UDP port of the group. Default 7810. */
  port?: number | undefined;
  /** Networks it may get to, each behind a router: 1 to 255. Default 1: this one alone. */
  ttl?: number | undefined;
  /** Name or numeric address of the interface that it leaves by. Default: that of the address that the node is bound to, else as the system chooses. */
  interface?: string | undefined;
}

/**
 * How a member stands. absent: nothing was heard of it yet, or it has gone; joining: it knows of the transfer; verifying: it looks
 * at what it has from before.
 */
export type ReceiverState = 'absent' | 'joining' | 'verifying' | 'receiving' | 'saved' | 'failed';

/** Another member, as far as it has said how it stands. */
export interface Receiver {
  /** Who. */
  member: Member;
  /** How it stands. */
  state: ReceiverState;
  /** Bytes that it has on its disk. */
  bytes: number;
  /** Of these, how many come in a second, over the last few; 0 unless it is receiving. */
  bytesPerSecond: number;
  /** Until it has all at that rate; undefined where that is not known. */
  secondsLeft: number | undefined;
  /** Why it has failed; else empty. */
  reason: string;
  /** Whether multicast reaches it. */
  byMulticast: boolean;
}

/** What went out by multicast. */
export interface MulticastReport {
  /** Numeric address of the group. */
  address: string;
  /** Its UDP port. */
  port: number;
  /** Datagrams that went there. */
  datagrams: number;
  /** Bytes of UDP payload of these. */
  bytes: number;
  /** Members that it reached at any time. */
  reached: Member[];
  /** Those that took the files and were left to the overlay, in the end or all along, and why. */
  left: { member: Member; reason: string }[];
}

/** How it goes. */
export interface SendProgress {
  /** Whether slices go out: before, members are waited for. */
  isSending: boolean;
  /** Bytes in all. */
  bytes: number;
  /** All other members. */
  receivers: Receiver[];
}

/** How it went. */
export interface SendReport extends SendProgress {
  /** SHA-256 of the manifest, hex: the same for the same tree. */
  root: string;
  /** Files and folders. */
  entries: number;
  /** Paths that were not sent: symbolic links, devices and the like. */
  skipped: string[];
  /** From when slices went out. */
  seconds: number;
  /** Undefined if nothing was to go by multicast. */
  multicast: MulticastReport | undefined;
}

/** A transfer that goes out. Iterate it for its progress; `report` is there at its end whether it is iterated or not. */
export interface FileSending extends AsyncIterable<SendProgress> {
  /** What is sent. */
  manifest: Manifest;
  /** See `SendReport`. */
  root: string;
  /** See `SendReport`. */
  skipped: string[];
  /**
   * Resolves once every member that is there has saved the files or failed, and the others have been waited for. Rejects with
   * UNREACHABLE if nothing has moved for long and nobody has saved them, FILE if a source has changed meanwhile, ABORTED, CLOSED.
   */
  report: Promise<SendReport>;
}

/**
 * Sends files and folders, of any size and number. They are read once before, for their hashes, and once as they go out. Who joins
 * late, or comes back, gets what it lacks; a run that is repeated after a crash sends only that.
 *
 * @throws HeadwaterError FILE if one of them is missing, cannot be read or has a name that no receiver would take; TOO_LARGE;
 *   BUSY if the same tree is being sent by this node; INVALID_ARGUMENT for an option that is none, or not what it should be, and if
 *   several paths are to have one name; ABORTED
 * @example
 * const sending = await sendFiles({ node, paths: ['photos'] });
 * for await (const { receivers } of sending) console.log(receivers.map(({ member, state }) => `${member.name} ${state}`));
 * const { receivers } = await sending.report;
 */
export async function sendFiles(options: SendFilesOptions): Promise<FileSending> {
  checkOptions('options', options, OPTIONS);
  checkRequired(options, { node: OPTIONS.node, paths: isTexts });
  const { paths, name, symlinks = 'skip', exclude, signal } = options;
  if (paths.length === 0) throw invalid('paths', 'at least one file or folder', paths);
  planOf(options);
  return sendSource(await openSource(paths, { symlinks, name, exclude, signal }), options);
}

/** The same with what was read before; it is closed at the end. */
export async function sendSource(
  source: FileSource,
  options: Omit<SendFilesOptions, 'paths'>,
): Promise<FileSending> {
  try {
    const sending = new Sending(options.node, source, options, planOf(options));
    sending.begin();
    return sending;
  } catch (error) {
    await source.close();
    throw error;
  }
}

const OPTIONS: Checks = {
  node: isNode,
  paths: isTexts,
  name: isText,
  symlinks: isOneOf('skip', 'refuse'),
  exclude: isTexts,
  wait: isAtLeast(0),
  timeout: isAtLeast(0),
  mode: isOneOf('overlay', 'multicast', 'auto'),
  multicast: isObjectWith(),
  signal: isObjectWith('addEventListener'),
};

const MULTICAST_OPTIONS: Checks = {
  address: (name, value) => {
    isText(name, value);
    if (!isMulticastAddress(value as string)) throw invalid(name, 'a numeric multicast address', value);
  },
  port: isInteger(1, 65_535),
  ttl: isInteger(1, 255),
  interface: isText,
};

function isMulticastAddress(text: string): boolean {
  return isIP(text) !== 0 && isMulticast(addressBytes(text));
}

/** How it goes by multicast, if it does. Throws INVALID_ARGUMENT. */
export function planOf({
  mode = 'overlay',
  multicast = {},
}: Pick<SendFilesOptions, 'mode' | 'multicast'>): CastPlan | undefined {
  checkOptions('multicast', multicast, MULTICAST_OPTIONS);
  if (mode === 'overlay') return undefined;
  const { address, port = DEFAULT_CAST_PORT, ttl = 1, interface: at } = multicast;
  return { mode, address, port, ttl, interface: at };
}

class Sending implements FileSending {
  readonly manifest: Manifest;
  readonly root: string;
  readonly skipped: string[];
  readonly report: Promise<SendReport>;
  private readonly node: Node;
  private readonly source: FileSource;
  private readonly wait: number;
  private readonly timeout: number;
  private readonly signal: AbortSignal | undefined;
  private readonly changes = new EventEmitter();
  private readonly saved = new Set<Member>();
  /** Whom multicast has reached. */
  private readonly reached = new Set<Member>();
  private readonly plan: CastPlan | undefined;
  private readonly rates = new Rates<Member>();
  private readonly openedAt = performance.now();
  /** By member that is not there: since when. */
  private readonly goneAt = new Map<Member, number>();
  private id: StreamId | undefined;
  private startedAt: number | undefined;
  /** Why it has been given up, and since when its receivers are told so. */
  private given: { failure: HeadwaterError; at: number } | undefined;
  private moved = '';
  private movedAt = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private settle: { resolve: (report: SendReport) => void; reject: (error: Error) => void } | undefined;

  constructor(
    node: Node,
    source: FileSource,
    { wait = 5000, timeout = 600_000, signal }: Pick<SendFilesOptions, 'wait' | 'timeout' | 'signal'>,
    plan: CastPlan | undefined,
  ) {
    this.plan = plan;
    this.node = node;
    this.source = source;
    this.manifest = source.manifest;
    this.root = toHex(sha256(source.bytes));
    this.skipped = source.skipped;
    this.wait = wait;
    this.timeout = timeout;
    this.signal = signal;
    this.report = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    // Who only iterates hears of it there.
    this.report.catch(() => {});
  }

  begin(): void {
    const look = () => this.look();
    this.id = this.node.transfers.offer(
      this.source.bytes,
      this.source,
      () => this.changes.emit('change'),
      this.plan,
    );
    this.changes.on('change', look);
    // For what time alone changes.
    this.timer = setInterval(look, LOOK_MS);
    this.signal?.addEventListener('abort', look, { once: true });
    look();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<SendProgress> {
    const over = new AbortController();
    const end = () => over.abort();
    this.report.then(end, end);
    try {
      yield this.progress();
      for await (const _ of on(this.changes, 'progress', { signal: over.signal })) yield this.progress();
    } catch (error) {
      if (!over.signal.aborted) throw error;
    }
    await this.report;
    yield this.progress();
  }

  private progress(): SendProgress {
    const { node, manifest, id } = this;
    const status = id && node.transfers.status(id);
    const here = node.transfers.reachable();
    const receivers = node.group.members.flatMap((member): Receiver[] => {
      if (member === node.self) return [];
      const said = status?.members.find((each) => each.member === member.index);
      if (said?.state === 'saved') this.saved.add(member);
      const byMulticast = status?.cast?.listeners.some(
        (each) => each.member === member.index && each.state === 'hearing',
      );
      if (byMulticast) this.reached.add(member);
      return [{ ...this.receiver(member, said, here.has(member.index)), byMulticast: byMulticast === true }];
    });
    return { isSending: this.startedAt !== undefined, bytes: manifest.bytes, receivers };
  }

  private receiver(
    member: Member,
    said: MemberStanding | undefined,
    reachable: boolean,
  ): Omit<Receiver, 'byMulticast'> {
    const { manifest } = this;
    const isSaved = this.saved.has(member);
    const held = said ? Math.min(manifest.bytes, said.slices * manifest.sliceSize) : 0;
    const bytes = isSaved ? manifest.bytes : held;
    const still = { member, bytes, reason: '', bytesPerSecond: 0, secondsLeft: undefined };
    if (isSaved) return { ...still, state: 'saved' };
    // It has heard of us from others first, and looks at it again once it hears us.
    if (said?.state === 'failed' && said.reason === UNOFFERED) return { ...still, state: 'joining' };
    if (said?.state === 'failed') return { ...still, state: 'failed', reason: said.reason };
    if (!reachable || !said) return { ...still, state: reachable ? 'joining' : 'absent' };
    if (said.state !== 'receiving')
      return { ...still, state: said.state === 'offered' ? 'joining' : said.state };
    const bytesPerSecond = this.rates.of(member, performance.now(), bytes);
    const secondsLeft = bytesPerSecond > 0 ? (manifest.bytes - bytes) / bytesPerSecond : undefined;
    return { ...still, state: 'receiving', bytesPerSecond, secondsLeft };
  }

  private look(): void {
    const { id, settle } = this;
    if (!id || !settle) return;
    const now = performance.now();
    const progress = this.progress();
    const { receivers } = progress;
    const moved = JSON.stringify(receivers.map(({ state, bytes }) => [state, bytes]));
    if (moved !== this.moved && !this.given) {
      this.moved = moved;
      this.movedAt = now;
      this.changes.emit('progress');
    }
    for (const { member, state } of receivers)
      if (state !== 'absent') this.goneAt.delete(member);
      else if (!this.goneAt.has(member)) this.goneAt.set(member, now);
    const failure = this.given?.failure ?? this.failure(progress, now);
    if (failure) {
      this.giveUp(id, failure, now);
      if (!this.isBeingTold(id, now)) this.end(() => settle.reject(failure));
      return;
    }
    if (this.startedAt === undefined && this.mayStart(receivers, now)) {
      this.startedAt = now;
      this.node.transfers.start(id);
    }
    if (!this.isOver(receivers, now)) return;
    // They stay until they hear that we have heard them.
    const report = this.makeReport(progress, now);
    this.end(() => settle.resolve(report), FAREWELL_MS);
  }

  private giveUp(id: StreamId, failure: HeadwaterError, now: number): void {
    if (this.given) return;
    this.given = { failure, at: now };
    const { code, message } = failure;
    // Where its files have changed that has been said.
    this.node.transfers.fail(id, code === 'ABORTED' ? 'it was told to stop' : message);
  }

  /** Whether a member that is here has still to hear that we have given up: it would wait for long. */
  private isBeingTold(id: StreamId, now: number): boolean {
    const { transfers } = this.node;
    const here = transfers.reachable();
    const deaf = transfers.status(id)?.members.some(({ member, state, hasHeard }) => {
      return here.has(member) && !hasHeard && state !== 'saved' && state !== 'failed';
    });
    const { failure, at } = this.given!;
    return deaf === true && now - at < (failure.code === 'ABORTED' ? TELL_STOP_MS : TELL_MS);
  }

  private failure({ receivers }: SendProgress, now: number): HeadwaterError | undefined {
    const { id, signal } = this;
    if (signal?.aborted) return new HeadwaterError('ABORTED', 'interrupted');
    if (this.node.transfers.isClosed) return closedError();
    const status = this.node.transfers.status(id!);
    if (status?.state === 'failed')
      return new HeadwaterError('FILE', `send: expected files that stay as they are, got: ${status.reason}`);
    if (now - this.movedAt < this.timeout || receivers.some(({ state }) => state === 'saved'))
      return undefined;
    const seconds = this.timeout / 1000;
    return new HeadwaterError(
      'UNREACHABLE',
      `send: expected members that receive, got nothing new for ${seconds} s`,
    );
  }

  /** All are ready, or have been waited for and one is. */
  private mayStart(receivers: readonly Receiver[], now: number): boolean {
    if (receivers.every(({ state }) => READY.includes(state))) return true;
    return now - this.openedAt >= this.wait && receivers.some(({ state }) => READY.includes(state));
  }

  private isOver(receivers: readonly Receiver[], now: number): boolean {
    if (this.startedAt === undefined) return false;
    const isStuck = now - this.movedAt >= this.timeout;
    return receivers.every(({ member, state }) => {
      if (state === 'saved' || state === 'failed' || isStuck) return true;
      return state === 'absent' && now - (this.goneAt.get(member) ?? now) >= this.wait;
    });
  }

  private makeReport(progress: SendProgress, now: number): SendReport {
    const { root, skipped, manifest } = this;
    const seconds = (now - this.startedAt!) / 1000;
    const multicast = this.multicastReport();
    return { ...progress, root, entries: manifest.entries.length, skipped, seconds, multicast };
  }

  private multicastReport(): MulticastReport | undefined {
    const cast = this.node.transfers.status(this.id!)?.cast;
    if (!cast) return undefined;
    const { group, datagrams, bytes } = cast;
    const { members } = this.node.group;
    const left = cast.left.map(({ member, reason }) => ({ member: members[member], reason }));
    return { address: group.address, port: group.port, datagrams, bytes, reached: [...this.reached], left };
  }

  private end(tell: () => void, delay = 0): void {
    this.settle = undefined;
    clearInterval(this.timer);
    setTimeout(() => {
      this.node.transfers.close(this.id!);
      this.source.close().then(tell, tell);
    }, delay);
  }
}

const LOOK_MS = 100;
/** What is said is answered within 10 ms (PROTOCOL 14.2); if that is lost they wait until we have been silent for long. */
const FAREWELL_MS = 50;
/** For members that are still said to be here; and where somebody waits for our end: three round trips over a satellite. */
const TELL_MS = 10_000;
const TELL_STOP_MS = 3000;
/** What takes slices, or needs none. */
const READY: readonly ReceiverState[] = ['receiving', 'saved', 'failed'];
