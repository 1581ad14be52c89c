/** What a node tells its operator: what its member does, and what the shell finds besides. */
import type { MemberEvent } from '../../events.js';
import type { Member } from '../../group/group.js';
import type { MessageId } from '../../wire/symbol.js';
import type { RouteChange } from '../routes.js';
import type { WarningEvent } from './warnings.js';

/** What a node tells its operator. */
export type NodeEvent =
  | MemberEvent<Member>
  /** Something is wrong, still, or no more: docs/OPERATING.md has a paragraph for each `code`. */
  | WarningEvent<Member>
  /** An address of the member leads nowhere, or does again, or its name leads elsewhere. */
  | ({ type: 'address'; member: Member } & RouteChange)
  /** The store could not be written. */
  | { type: 'store-error'; error: Error }
  /** `deliver` threw: the same message comes again after a while. */
  | { type: 'consumer-error'; error: unknown; id: MessageId; attempt: number };
