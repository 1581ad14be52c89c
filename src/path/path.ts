/**
 * One peer as this member sees it: packet numbers, round-trip time, loss both ways, pacing, and whether it is there.
 * In: what was sent, what arrived, the peer's signed reports. Out: when the next datagram may go, and our own report.
 */
import type { Controller } from '../congestion/controller.js';
import { Pacer } from '../congestion/pacer.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import type { Control } from '../wire/control.js';
import { Rtt } from './rtt.js';

/** The fields of a control datagram that are about the path and not about objects. */
export type PathReport = Omit<Control, 'frames' | 'receiver' | 'incarnation'>;

export class Path {
  readonly rtt = new Rtt();
  /** When the peer's last signed datagram came. */
  heardAt: Micros = -NEVER;
  sentBytes = 0;
  sentDatagrams = 0;
  receivedDatagrams = 0;
  private readonly controller: Controller;
  private readonly pacer = new Pacer();
  private packetNumber = 0;
  /** Peer -> us, in the peer's present incarnation. */
  private peerIncarnation = 0;
  private received = 0;
  private highest = 0;
  private lastControl = 0;
  private newestTimestamp: { value: number; at: Micros } | undefined;
  /** Us -> peer, from its reports. */
  private reportedReceived = 0;
  private reportedHighest = 0;
  private smoothedLoss = 0;

  constructor(controller: Controller) {
    this.controller = controller;
  }

  /** The share of our datagrams to this peer that are lost, smoothed, in [0, 1]. */
  get loss(): number {
    return this.smoothedLoss;
  }

  /** The share of the peer's datagrams to us that are lost, since it started. */
  get inboundLoss(): number {
    return this.highest === 0 ? 0 : Math.max(0, 1 - this.received / this.highest);
  }

  isReachable(now: Micros): boolean {
    return now - this.heardAt < UNREACHABLE_AFTER;
  }

  /** Not heard from for long, though it was waited for since `since`. */
  isGone(now: Micros, since: Micros): boolean {
    return now - Math.max(since, this.heardAt) >= UNREACHABLE_AFTER;
  }

  /** Heard from lately: less certain than reachable, but known much sooner. */
  isResponsive(now: Micros): boolean {
    return now - this.heardAt < UNRESPONSIVE_AFTER + 2 * this.rtt.smoothed;
  }

  nextSend(now: Micros): Micros {
    return this.pacer.nextSend(now, this.controller.pacingRate());
  }

  /** Numbers a datagram that is about to be sent; the first is 1. */
  nextPacketNumber(): number {
    this.packetNumber = (this.packetNumber + 1) >>> 0;
    return this.packetNumber;
  }

  onSent(now: Micros, bytes: number): void {
    this.sentBytes += bytes;
    this.sentDatagrams++;
    this.pacer.onSent(now, bytes, this.controller.pacingRate());
    this.controller.onSent(now, bytes);
  }

  /** Counts a datagram whose content has been verified (its packet number may still be a lie: see the header). */
  onReceived(packetNumber: number): void {
    this.receivedDatagrams++;
    if (packetNumber > this.highest + MAX_NUMBER_JUMP) return;
    this.received++;
    this.highest = Math.max(this.highest, packetNumber);
  }

  /** False if this control datagram is not newer than the last one: replayed or overtaken, its content is known. */
  acceptControl(incarnation: number, packetNumber: number): boolean {
    if (incarnation < this.peerIncarnation) return false;
    if (incarnation > this.peerIncarnation) {
      this.peerIncarnation = incarnation;
      this.received = 0;
      this.highest = Math.max(0, packetNumber - 1);
      this.received = this.highest;
      this.lastControl = 0;
      this.newestTimestamp = undefined;
    }
    if (packetNumber <= this.lastControl) return false;
    this.lastControl = packetNumber;
    // This number is signed, so a jump is an outage and not a lie.
    if (packetNumber > this.highest + MAX_NUMBER_JUMP) this.highest = packetNumber - 1;
    return true;
  }

  onReport(now: Micros, report: PathReport, ownIncarnation: number): void {
    this.heardAt = now;
    this.newestTimestamp = { value: report.timestamp, at: now };
    let rtt: Micros | undefined;
    if (report.echo) {
      const elapsed = (lowWord(now) - report.echo.timestamp) >>> 0;
      rtt = Math.max(0, elapsed - report.echo.delay);
      if (rtt < MAX_RTT) this.rtt.onSample(rtt);
      else rtt = undefined;
    }
    if (report.ackedIncarnation !== ownIncarnation) return;
    const advanced = report.highest - this.reportedHighest;
    if (advanced <= 0 || report.highest > this.packetNumber) return;
    const received = Math.min(advanced, Math.max(0, report.received - this.reportedReceived));
    this.reportedHighest = report.highest;
    this.reportedReceived = report.received;
    const weight = Math.min(1, advanced / LOSS_WINDOW);
    this.smoothedLoss += weight * ((advanced - received) / advanced - this.smoothedLoss);
  }

  /** What our next control datagram says about this path. */
  report(now: Micros): PathReport {
    const newest = this.newestTimestamp;
    return {
      timestamp: lowWord(now),
      echo: newest && { timestamp: newest.value, delay: now - newest.at },
      ackedIncarnation: this.peerIncarnation,
      received: this.received,
      highest: this.highest,
    };
  }
}

function lowWord(time: Micros): number {
  return Math.floor(time) % 0x100000000;
}

/** Ten heartbeats: at 50 % loss the chance to miss all of them is 0.1 %. */
export const HEARTBEAT: Micros = 300 * MILLISECOND;
const UNREACHABLE_AFTER: Micros = 10 * HEARTBEAT;
const UNRESPONSIVE_AFTER: Micros = 1.5 * HEARTBEAT;
/** An echo older than this is of another life of the clock. */
const MAX_RTT: Micros = 60_000 * MILLISECOND;
/** A number this far ahead is no loss burst but a forgery or a restart that its next signed report will settle. */
const MAX_NUMBER_JUMP = 1 << 16;
/** Datagrams over which the loss estimate is smoothed. */
const LOSS_WINDOW = 256;
