/**
 * What a member tells of others, of its messages and of its store: declared once, for the inside, where members are indices,
 * and for the outside, where they are the group's.
 */
import type { VersionRange } from './wire/dialect.js';
import type { MessageId, ObjectId } from './wire/symbol.js';

/** What a member is caught at: two objects under one name, symbols that are none of the object's, an object that is no list of messages. */
export type Misbehaviour = 'equivocation' | 'wrong-symbols' | 'malformed-object';

/** What is told to whoever runs a member. `Who`: how members are named in it. */
export type MemberEvent<Who> =
  /** The member has come within reach, or gone. */
  | { type: 'peer'; member: Who; reachable: boolean }
  /** `evidence`: two certificates that the member has signed, for different objects of one id. */
  | {
      type: 'misbehaviour';
      member: Who;
      id: ObjectId;
      what: Misbehaviour;
      evidence?: [Uint8Array, Uint8Array];
    }
  /** The member has acknowledged what it cannot have received (`detail`): its path is held to a trickle, longer each time. */
  | { type: 'misbehaviour'; member: Who; what: 'bad-ack'; detail: string; id?: never; evidence?: never }
  /**
   * Objects `from` to `to` (excluded) of this member will not be delivered here: nobody keeps them any more; or they are our
   * own, were to be said again in another stream, and are damaged.
   */
  | { type: 'lost'; member: Who; incarnation: number; from: number; to: number }
  /**
   * The members `against` hold other objects of this member than we do, from `seq` on: it has signed two under one name, or
   * somebody lies of what it holds. Nobody can tell from this who it is.
   */
  | { type: 'disagreement'; member: Who; incarnation: number; seq: number; against: Who[] }
  /**
   * Our store is a copy; or others know a later stream of ours than it does, or other objects under the names of ours, as after a run
   * with another store: another stream has begun, and what was not delivered anywhere is said there again.
   */
  | { type: 'begun-anew'; incarnation: number; former: number }
  /** The disk no longer gives an object of this member as it was written; the others are asked for it. */
  | { type: 'damaged'; member: Who; id: ObjectId }
  /** For want of room, objects of this member below `to` are no longer kept, though `lacking` do not hold them. */
  | { type: 'overflow'; member: Who; incarnation: number; to: number; lacking: Who[] }
  /**
   * A run of this member was refused, since a later one (`counting`) is here: one key runs in two places, or its clock was put
   * back. `address`: where it called from. The other run is let in once the later one has been silent for ten seconds. Only a hint: it may be a replay.
   */
  | { type: 'older-run'; member: Who; incarnation: number; counting: number; address: string }
  /** The same from the other side: the member does not let us in, since for it a later run with our key counts. */
  | { type: 'superseded'; member: Who; counting: number }
  /** We hear the member, but it does not hear us: a firewall, a wrong address of ours, a route that works one way only. */
  | { type: 'unheard'; member: Who }
  /** The member runs another version of the application. */
  | { type: 'other-version'; member: Who; version: number }
  /**
   * At the member's address somebody speaks other versions of this protocol than we do, so that there is no session: one of the
   * two needs another build. Only a hint: anyone may have sent it.
   */
  | { type: 'foreign-version'; member: Who; theirs: VersionRange; ours: VersionRange }
  /** Somebody, at the member's address if it is one, knows our key but holds another group file: only a hint. */
  | { type: 'foreign-group'; member: Who | undefined }
  /** The member sends an object above `maxMessageSize`, `length` bytes: it and what comes after it are not delivered here. */
  | { type: 'too-large'; member: Who; id: ObjectId; length: number }
  /** Several runs in a row have ended while `deliver` had this message: it is kept as a dead letter, and the next one comes. */
  | { type: 'dead-letter'; member: Who; id: MessageId }
  /**
   * We have the descriptor of this epoch: what is broadcast from now on waits until we are `active` in it. Once enough members are, those that
   * are not of it any more may be switched off.
   */
  | { type: 'epoch'; epoch: number; active: boolean }
  /** The member has descriptors up to this epoch, or another one for an epoch, that our group file does not have. */
  | { type: 'epoch-unknown'; member: Who; epoch: number }
  /** The store takes nothing more, or does again; meanwhile nothing is confirmed, and nothing lost. */
  | { type: 'store-full'; full: boolean };

/** What sessions find out that is told as it is. */
export type Hint =
  | 'older-run'
  | 'superseded'
  | 'unheard'
  | 'other-version'
  | 'foreign-version'
  | 'foreign-group';

/** The same event, with other names for the members in it. */
export function mapWho<A, B>(event: MemberEvent<A>, who: (member: A) => B): MemberEvent<B> {
  const { member, against, lacking } = event as { member?: A; against?: A[]; lacking?: A[] };
  const mapped = {
    ...event,
    ...(member === undefined ? {} : { member: who(member) }),
    ...(against ? { against: against.map(who) } : {}),
    ...(lacking ? { lacking: lacking.map(who) } : {}),
  };
  return mapped as MemberEvent<B>;
}
