/** What a consumer gets. */

import type { Member } from '../group/group.js';
import type { MessageId } from '../wire/symbol.js';

/** A message as `deliver` gets it. */
export interface Delivery {
  /** Who sent it; may be ourselves. */
  from: Member;
  /** The same at every member, and after a restart. Those of one member's incarnation (a life of its store) rise: seq, then index. */
  id: MessageId;
  /** The consumer's own, to keep or to change. */
  bytes: Uint8Array;
}
