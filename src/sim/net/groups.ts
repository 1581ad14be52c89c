/** Multicast groups of the virtual world. In: who joins and leaves. Out: who hears what is sent to a group. */
export class Groups {
  private readonly joined = new Map<string, Set<string>>();

  /** The node at `address` hears from now on what others send to a group, each datagram by the link from its sender. */
  join(address: string, group: string): void {
    this.joined.set(group, (this.joined.get(group) ?? new Set()).add(address));
  }

  /** It does not any more. */
  leave(address: string, group: string): void {
    this.joined.get(group)?.delete(address);
  }

  /** The addresses at which a datagram from `address` is heard. */
  hearing(group: string, address: string): string[] {
    return [...(this.joined.get(group) ?? [])].filter((other) => other !== address);
  }
}
