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
  /** Of the machine, where the socket is bound to all of them. */
  private nearby: readonly string[] = [];

  /** The socket is bound to this address; that of all interfaces says nothing of where we are, but `nearby` has those of the machine. */
  onBound(address: string, nearby: readonly string[] = []): void {
    this.isListening = true;
    this.bound = numericAddress(address);
    this.nearby = nearby.flatMap((each) => numericAddress(each) ?? []).slice(0, MAX_NEARBY);
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

  /** Where we may be reached by somebody who does not reach us yet: as above, and on networks that we are in. */
  candidates(): string[] {
    return [...new Set([...this.nearby, ...this.addresses()])];
  }

  /** Where others see us, what most say first: one member has one word. */
  seen(): { address: string; by: number[] }[] {
    const by = new Map<string, number[]>();
    for (const [member, address] of this.observed) by.set(address, [...(by.get(address) ?? []), member]);
    const all = [...by].map(([address, members]) => ({ address, by: members.sort((a, b) => a - b) }));
    return all.sort((a, b) => b.by.length - a.by.length || (a.address < b.address ? -1 : 1));
  }
}

/** A machine has one network or two that others may be in, and often some of its own that they are not. */
const MAX_NEARBY = 2;
