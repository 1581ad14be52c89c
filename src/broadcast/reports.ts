/**
 * Who has misbehaved, each thing said once, with the evidence there is. In: what the others find out. Out: events. Of an origin
 * that signs a second object under a name it had used, the first one may have to be read before there is evidence.
 */

import type { Misbehaviour } from '../events.js';
import type { StoredObject } from '../store/store.js';
import { type ObjectId, objectKey } from '../wire/symbol.js';
import type { Stream } from './agreement/stream.js';
import type { BroadcastEvent } from './events.js';

export class Reports {
  private readonly events: BroadcastEvent[];
  /** By member: what it is known to have done. */
  private readonly reported = new Map<number, Set<string>>();
  /** By member: where it disagrees. That calls nobody a liar, so it must not use up what may be said of one. */
  private readonly disagreements = new Map<number, Set<string>>();
  /** By object that is being read: a certificate of another one with its name. */
  private readonly contradictions = new Map<string, Uint8Array>();

  /** @param events where to put what is reported */
  constructor(events: BroadcastEvent[]) {
    this.events = events;
  }

  has(member: number, id: ObjectId, what: Misbehaviour): boolean {
    return this.reported.get(member)?.has(reportKey(id, what)) === true;
  }

  add(member: number, id: ObjectId, what: Misbehaviour, evidence?: [Uint8Array, Uint8Array]): void {
    if (!isNews(this.reported, member, reportKey(id, what))) return;
    this.events.push({ type: 'misbehaviour', member, id, what, ...(evidence ? { evidence } : {}) });
  }

  /** Others hold something else of this stream from what is delivered on: said once for each place and member. */
  addDisagreement(stream: Stream, member: number): void {
    const { origin, incarnation, delivered: seq, comparison } = stream;
    if (isNews(this.disagreements, member, objectKey({ origin, incarnation, seq }))) {
      const against = [...comparison.disputed];
      this.events.push({ type: 'disagreement', member: origin, incarnation, seq, against });
    }
  }

  /** The origin has signed another object than the one that we hold, which is being read: see `onRead`. */
  addOnRead(id: ObjectId, certificate: Uint8Array): void {
    if (this.contradictions.size < MAX_CONTRADICTIONS) this.contradictions.set(objectKey(id), certificate);
  }

  /** An object has been read; undefined if it is not there. */
  onRead(id: ObjectId, object: StoredObject | undefined): void {
    const other = this.contradictions.get(objectKey(id));
    this.contradictions.delete(objectKey(id));
    if (other && object) this.add(id.origin, id, 'equivocation', [object.certificate, other]);
  }
}

function isNews(said: Map<number, Set<string>>, member: number, key: string): boolean {
  const ofMember = said.get(member) ?? new Set();
  said.set(member, ofMember);
  if (ofMember.has(key) || ofMember.size >= MAX_REPORTS) return false;
  ofMember.add(key);
  return true;
}

function reportKey(id: ObjectId, what: Misbehaviour): string {
  return `${objectKey(id)} ${what}`;
}

/** Of one member, and as many disagreements with it: who has done so much is known. */
export const MAX_REPORTS = 100;
/** Of all members; of an origin that has signed two objects one example will do. */
export const MAX_CONTRADICTIONS = 64;
