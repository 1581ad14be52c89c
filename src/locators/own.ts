/**
 * Where we are: the address that we are bound to, and those at which others see us. In: both, as they change. Out: addresses for our
 * record, and who says what.
 */
import { numericAddress } from '../wire/address.js';
import { MAX_LOCATORS } from '../wire/limits.js';

export class OwnAddresses {
  private bound: string | undefined;
  /** By member: where it sees us. */
  private readonly observed = new Map<number, string>();
  private isListening = false;

  /** The socket is bound to this address; that of all interfaces says nothing of where we are. */
  onBound(address: string): void {
    this.isListening = true;
    this.bound = numericAddress(address);
  }

  /** A member sees us at this address; says whether that is news. */
  onObserved(member: number, address: string): boolean {
    if (this.observed.get(member) === address) return false;
    this.observed.set(member, address);
    return true;
  }

  /** For our record: bound first, then what most members see. Nothing before there is a socket. */
  addresses(): string[] {
    if (!this.isListening) return [];
    const seen = this.seen().map(({ address }) => address);
    return [...new Set(this.bound === undefined ? seen : [this.bound, ...seen])].slice(0, MAX_LOCATORS);
  }

  /** Where others see us, what most say first: one member has one word. */
  seen(): { address: string; by: number[] }[] {
    const by = new Map<string, number[]>();
    for (const [member, address] of this.observed) by.set(address, [...(by.get(address) ?? []), member]);
    const all = [...by].map(([address, members]) => ({ address, by: members.sort((a, b) => a - b) }));
    return all.sort((a, b) => b.by.length - a.by.length || (a.address < b.address ? -1 : 1));
  }
}
