/** What a node tells its operator: what its member does, and what the shell finds besides. */
import { toHex } from '../../core/bytes.js';
import { type MemberEvent, mapWho } from '../../events.js';
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

/** The event as plain data, which is the same as JSON: members by their names, bytes in hex, errors as their text. */
export function plainEvent(event: NodeEvent): { type: NodeEvent['type'] } & Record<string, unknown> {
  // Those of the node alone name members in the same way.
  const plain: { type: NodeEvent['type'] } & Record<string, unknown> = {
    ...mapWho(event as MemberEvent<Member>, ({ name }) => name),
  };
  if ('evidence' in event) plain.evidence = event.evidence?.map(toHex);
  if ('error' in event) plain.error = String(event.error);
  return plain;
}
