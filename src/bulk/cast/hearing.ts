/**
 * A transfer of another member as it comes by multicast. In: how to listen, as its origin says in its session, and datagrams of the
 * group. Out: symbols whose signatures hold, and reports of what has come. Whoever has the key can send to the group; what its
 * origin has not signed changes nothing.
 */
import { BatchVerifier } from '../../broadcast/proof/batch.js';
import { HeardManifests, type Reference } from '../../broadcast/spread/manifests/heard.js';
import { equalBytes } from '../../core/bytes.js';
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../../core/time.js';
import { type Cipher, defaultAead } from '../../crypto/aead.js';
import { HeadwaterError } from '../../errors.js';
import type { Group } from '../../group/group.js';
import { AckTracker } from '../../path/ack.js';
import { type CastText, nameOf, openCast } from '../../wire/cast.js';
import type { CastFrame } from '../../wire/frames/cast/cast.js';
import {
  type CastReportFrame,
  type CastState,
  MAX_CAST_REASON,
  MAX_LACKING,
} from '../../wire/frames/cast/cast-report.js';
import { parseSymbol, SERVED, type StreamId, type SymbolFrame } from '../../wire/symbol.js';
import { type CastGroup, NO_MULTICAST } from '../ports.js';
import { addressText, isMulticast } from './address.js';

/** Why a datagram of a group, or what it holds, is thrown away. */
export type CastDrop = 'not-sealed' | 'malformed' | 'bad-signature' | 'signature-budget' | 'no-manifest';

export interface HearingOptions {
  group: Group;
  /** This member's index. */
  self: number;
  /** Whether multicast is taken at all. */
  isAllowed: boolean;
  join(group: CastGroup): void;
  leave(): void;
  /** A symbol that its origin has signed, and its SYMBOL body if it had one. */
  onSymbol(now: Micros, frame: SymbolFrame, body?: Uint8Array): void;
  onDrop(reason: CastDrop): void;
  /** There is something to report. */
  changed(): void;
}

/** A reference that waits for its manifest, and the number of its datagram. */
type Numbered = Reference & { datagram: number };

export class Hearing {
  private readonly id: StreamId;
  private readonly options: HearingOptions;
  private frame: CastFrame | undefined;
  private cipher: Cipher | undefined;
  private state: CastState = 'off';
  private reason = '';
  private acks = new AckTracker();
  private heard = new HeardManifests();
  private readonly verifier: BatchVerifier;
  /** Datagrams since the last report, and when it is due. */
  private pending = 0;
  private reportAt: Micros = NEVER;
  private heardAt: Micros = NEVER_YET;
  private joinedAt: Micros = NEVER_YET;
  /** When it last began with a group or a key. */
  private begunAt: Micros = NEVER_YET;
  private isSuspected = false;

  constructor(id: StreamId, options: HearingOptions) {
    this.id = id;
    this.options = options;
    this.verifier = new BatchVerifier(options.group);
  }

  /** Where it is listened to; undefined if it is not. */
  get address(): string | undefined {
    return this.frame && castKey(groupOf(this.frame));
  }

  get isHearing(): boolean {
    return this.state === 'hearing';
  }

  /** Its origin says how to listen, or to stop. */
  onFrame(now: Micros, frame: CastFrame): void {
    if (!frame.open) {
      this.stop();
      return;
    }
    const before = this.frame;
    const isNew =
      !before ||
      before.port !== frame.port ||
      !equalBytes(before.key, frame.key) ||
      !equalBytes(before.address, frame.address);
    // Each time takes sockets and what has come; its origin says it again.
    if (isNew && now - this.begunAt < BEGUN_AGAIN) return;
    this.frame = {
      ...frame,
      key: frame.key.slice(),
      address: frame.address.slice(),
      source: frame.source.slice(),
    };
    if (isNew) this.begin(now, before !== undefined);
    else if (this.state === 'off') this.say(now);
    else if (this.hasMissed(now, frame)) {
      // What has come while we did not run may still be read.
      if (this.isSuspected) this.rejoin(now);
      this.isSuspected = !this.isSuspected;
    } else if (this.state === 'listening') this.say(now);
  }

  /** @param failure why it cannot be listened to */
  onJoined(now: Micros, failure?: string): void {
    if (!this.frame) return;
    this.joinedAt = now;
    this.state = failure === undefined ? (this.state === 'hearing' ? 'hearing' : 'listening') : 'off';
    this.reason = failure ?? '';
    this.say(now);
  }

  /** A datagram of the group, which is overwritten; false if it is not sealed under this transfer's key. */
  handleDatagram(now: Micros, bytes: Uint8Array): boolean {
    const { cipher } = this;
    const opened = cipher && openCast(cipher, bytes);
    if (!opened) return false;
    if (opened === 'malformed') this.options.onDrop('malformed');
    else this.take(now, opened.number, opened.text);
    return true;
  }

  /** When a report is due. */
  dueAt(): Micros {
    return this.reportAt;
  }

  takeReport(now: Micros): CastReportFrame {
    this.pending = 0;
    this.reportAt = NEVER;
    const ack = this.state === 'hearing' ? this.acks.take(now) : undefined;
    const lacking = ack ? this.heard.lacking(now - MANIFEST_DELAY, MAX_LACKING) : [];
    const reason = new TextEncoder().encode(this.reason).subarray(0, MAX_CAST_REASON);
    const { origin, incarnation } = this.id;
    return { kind: 'cast-report', origin, incarnation, state: this.state, reason, ack, lacking };
  }

  /** When to report what an object lacks: in a large group all take turns. */
  progressAt(now: Micros): Micros | undefined {
    const delay = this.frame?.delay ?? 0;
    if (this.state !== 'hearing') return undefined;
    if (delay <= SHORT) return now + MIN_PROGRESS;
    const { group, self } = this.options;
    const turn = Math.floor((delay * self) / group.members.length);
    const next = Math.floor((now - turn) / delay) * delay + turn;
    return next > now ? next : next + delay;
  }

  stop(): void {
    if (this.frame) this.options.leave();
    this.frame = undefined;
    this.cipher = undefined;
    this.state = 'off';
    this.reportAt = NEVER;
  }

  private begin(now: Micros, wasListening: boolean): void {
    const frame = this.frame!;
    this.begunAt = now;
    this.acks = new AckTracker();
    this.heard = new HeardManifests();
    this.cipher = defaultAead().cipher(frame.key);
    this.state = 'off';
    this.heardAt = now;
    if (wasListening) this.options.leave();
    this.reason = this.options.isAllowed ? '' : NO_MULTICAST;
    if (!isMulticast(frame.address)) this.reason = 'that is no multicast address';
    if (this.reason !== '') return this.say(now);
    this.joinedAt = now;
    this.options.join(groupOf(frame));
  }

  /** Its origin has sent since, and nothing has come: a membership may have been lost, as after a sleep. */
  private hasMissed(now: Micros, { sent }: CastFrame): boolean {
    const isBehind = sent > this.acks.largest + 1;
    return isBehind && now - Math.max(this.heardAt, this.joinedAt) >= DEAF;
  }

  private rejoin(now: Micros): void {
    this.state = 'listening';
    this.reason = 'nothing reaches it any more';
    this.joinedAt = now;
    this.options.join(groupOf(this.frame!));
    this.say(now);
  }

  private take(now: Micros, number: number, text: CastText): void {
    switch (text.kind) {
      case 'probe':
        this.acknowledge(now, number);
        break;
      case 'manifests': {
        const { origin } = this.id;
        for (const manifest of text.manifests) {
          const isShare = manifest.depth !== SERVED && manifest.descriptor.origin === origin;
          const verdict = isShare ? this.verifier.verifyManifest(now, origin, manifest) : 'bad-signature';
          if (verdict !== 'valid') return this.options.onDrop(verdict);
          for (const held of this.heard.onManifest(nameOf(manifest), manifest))
            this.refer(now, held as Numbered);
        }
        this.acknowledge(now, number);
        break;
      }
      case 'listed':
        this.refer(now, { ...text, datagram: number });
        break;
      case 'body':
        this.handleBody(now, number, text.body);
    }
  }

  private handleBody(now: Micros, number: number, body: Uint8Array): void {
    try {
      this.handleSymbol(now, number, parseSymbol(body), body);
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.code !== 'MALFORMED') throw error;
      this.options.onDrop('malformed');
    }
  }

  private refer(now: Micros, reference: Numbered): void {
    const frame = this.heard.find(reference);
    // It has come, and who waits to say so until it can be checked looks like one that loses more.
    if (frame === undefined) this.acknowledge(now, reference.datagram);
    if (frame === undefined)
      for (let dropped = this.heard.hold(now, reference); dropped > 0; dropped--)
        this.options.onDrop('no-manifest');
    else if (frame === 'malformed') this.options.onDrop('malformed');
    else this.handleSymbol(now, reference.datagram, frame);
  }

  private handleSymbol(now: Micros, number: number, frame: SymbolFrame, body?: Uint8Array): void {
    const { origin } = this.id;
    const isSigned = frame.depth !== SERVED && frame.descriptor.origin === origin;
    const verdict = isSigned ? this.verifier.verify(now, origin, frame) : 'bad-signature';
    if (verdict !== 'valid') return this.options.onDrop(verdict);
    this.acknowledge(now, number);
    this.options.onSymbol(now, frame, body);
  }

  /** Of what its origin has made, as far as can be told. */
  private acknowledge(now: Micros, number: number): void {
    const frame = this.frame!;
    if (!this.acks.onReceived(now, number)) return;
    this.heardAt = now;
    this.isSuspected = false;
    if (this.state !== 'hearing') {
      this.state = 'hearing';
      this.reason = '';
      return this.say(now);
    }
    const before = this.reportAt;
    if (this.pending++ === 0) this.reportAt = Math.min(this.reportAt, now + frame.delay);
    if (this.pending >= Math.max(1, frame.packets)) this.reportAt = Math.min(this.reportAt, now);
    if (this.reportAt < before) this.options.changed();
  }

  private say(now: Micros): void {
    this.reportAt = Math.min(this.reportAt, now);
    this.options.changed();
  }
}

/** Names a group among those that are listened to. */
export function castKey({ address, port }: CastGroup): string {
  return `${address} ${port}`;
}

function groupOf({ address, port, source }: CastFrame): CastGroup {
  return {
    address: addressText(address),
    port,
    ...(source.length === 0 ? {} : { source: addressText(source) }),
  };
}

/** Another group or key of a transfer is taken, or the same one after it was left, so long after the one before at the earliest. */
export const BEGUN_AGAIN: Micros = SECOND;
/** Nothing has come for so long although something was sent. */
const DEAF: Micros = 2 * SECOND;
/** A manifest is told again soon by itself. */
const MANIFEST_DELAY: Micros = 10 * MILLISECOND;
/** Up to this wait members report as they do on any path. */
const SHORT: Micros = 25 * MILLISECOND;
const MIN_PROGRESS: Micros = 10 * MILLISECOND;
