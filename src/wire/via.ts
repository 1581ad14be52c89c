/**
 * Where a member is that is reached by another one: an address that no socket has, so that sessions and paths need not know of
 * it. In: two members. Out: text, and back. What is before the colon is who answers for what comes from there.
 */

/** A way to a member. */
export interface Via {
  /** Who is next. */
  hop: number;
  /** Who it leads to. */
  member: number;
}

export function viaAddress({ hop, member }: Via): string {
  return `${MARK}${hop}:${member}`;
}

/** Undefined for an address of a socket. */
export function parseVia(address: string | undefined): Via | undefined {
  if (!address?.startsWith(MARK)) return undefined;
  const [hop, member] = address.slice(1).split(':').map(Number);
  return { hop, member };
}

/** In no name of a host. */
const MARK = '~';
