/**
 * A receiver's end of a rendezvous as a running thing: looks for senders with the code's number, tries the code with each, and gives
 * what the one that has it says.
 */
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { toHex } from '../../core/bytes.js';
import { HeadwaterError } from '../../errors.js';
import { parseLocator } from '../../group/locator.js';
import { monotonic } from '../../node/clock.js';
import { openAny, type UdpSocket } from '../../node/udp.js';
import type { Code } from '../code.js';
import { type Introduction, type Join, locatorOf } from '../contents.js';
import { Guest, type GuestEvent } from '../guest.js';
import { decodeMessage } from '../messages.js';
import { USUAL_PORT } from './lobby.js';
import { machineHosts } from './machine.js';
import { browse, type Search } from './mdns.js';

export type FindEvent =
  /** Nothing with this number answers yet; `problems`: interfaces where nobody can be looked for, and why. */
  | { type: 'looking'; problems: ReadonlyMap<string, string> }
  /** The code is right. */
  | { type: 'waiting'; address: string; here: number; expected: number }
  /** It is, and all who are expected are there: it is tried again for a while. */
  | { type: 'full'; address: string; expected: number };

export interface FindOptions {
  code: Code;
  /** Who we are. */
  join: Omit<Join, 'via' | 'hosts'>;
  /** Milliseconds to look for a sender. */
  wait: number;
  signal: AbortSignal;
  onEvent: (event: FindEvent) => void;
}

/** One sender that may be the one, at one address or several. */
interface Target {
  guest: Guest;
  addresses: string[];
  /** Where it has answered from. */
  address: string | undefined;
  sent: number;
  isMet: boolean;
}

/**
 * Finds the sender and waits until it begins.
 *
 * @throws HeadwaterError CODE_REFUSED if the code is wrong, used up or closed; UNREACHABLE if no sender answers, or it goes; ABORTED
 */
export async function findSender(options: FindOptions): Promise<Introduction> {
  const addresses = options.code.at === undefined ? undefined : await addressesOf(options.code.at);
  const finder = new Finder(options);
  try {
    return await finder.run(addresses);
  } finally {
    await finder.close();
  }
}

class Finder {
  private readonly options: FindOptions;
  private readonly targets = new Map<string, Target>();
  /** Those that have refused us are not asked again: each time would be a guess. */
  private readonly tried = new Set<string>();
  /** Of targets that are over: why. */
  private readonly failures: HeadwaterError[] = [];
  private search: Search | undefined;
  private socket: UdpSocket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private settle:
    | { resolve: (introduction: Introduction) => void; reject: (error: Error) => void }
    | undefined;
  private readonly begunAt = performance.now();
  /** Since when all who are expected were there, and what is said if that does not change. */
  private full: { since: number; failure: HeadwaterError } | undefined;
  private hasSaidLooking = false;

  constructor(options: FindOptions) {
    this.options = options;
  }

  async run(addresses: string[] | undefined): Promise<Introduction> {
    this.socket = await openAny(0, [], (from, bytes) => this.onDatagram(from, bytes));
    const done = new Promise<Introduction>((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    const { code, signal } = this.options;
    const onAbort = () => this.settle?.reject(new HeadwaterError('ABORTED', 'interrupted'));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else if (addresses) this.add('given', addresses);
    else
      this.search = browse(({ instance, address, number }) => {
        if (number === code.number) this.add(instance, [address]);
      });
    this.turn();
    try {
      return await done;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    for (const target of this.targets.values()) {
      const bytes = target.guest.leave();
      if (bytes && target.address !== undefined) this.socket?.send(target.address, bytes);
    }
    this.socket?.flush();
    await Promise.all([this.search?.close(), this.socket?.close()]);
  }

  private add(name: string, addresses: readonly string[]): void {
    const known = this.targets.get(name);
    if (known) {
      for (const address of addresses)
        if (!known.addresses.includes(address) && known.addresses.length < MAX_ADDRESSES)
          known.addresses.push(address);
      return;
    }
    // Each may be somebody who tries one guess on us.
    if (this.tried.has(name) || this.targets.size + this.failures.length >= MAX_TARGETS) return;
    // The one on this machine, found in two ways.
    if (name !== USUAL && this.isUsual(addresses[0])) return;
    const { code, join } = this.options;
    const guest = new Guest(monotonic(), {
      ...{ code: code.text, number: code.number },
      join: () => ({ ...join, hosts: machineHosts(), via: parseLocator(addressOf(target)).host }),
      random: (length) => Uint8Array.from(randomBytes(length)),
    });
    const target: Target = { guest, addresses: [...addresses], address: undefined, sent: 0, isMet: false };
    this.targets.set(name, target);
    this.turn();
  }

  private isUsual(address: string): boolean {
    const { host, port } = parseLocator(address);
    return port === USUAL_PORT && this.targets.has(USUAL) && machineHosts().includes(host);
  }

  private onDatagram(from: string, bytes: Uint8Array): void {
    const id = decodeMessage(bytes)?.id;
    if (!id) return;
    for (const target of this.targets.values())
      if (toHex(target.guest.id) === toHex(id)) {
        target.address ??= from;
        target.guest.handleDatagram(monotonic(), bytes);
      }
    this.turn();
  }

  private turn(): void {
    const now = monotonic();
    for (const [name, target] of this.targets) {
      const { guest } = target;
      if (guest.nextTimeout() <= now) guest.handleTimeout(now);
      for (let out = guest.pollTransmit(now); out; out = guest.pollTransmit(now)) {
        this.socket?.send(addressOf(target), out);
        target.sent++;
      }
      for (let event = guest.pollEvent(); event; event = guest.pollEvent()) this.onEvent(name, target, event);
    }
    this.socket?.flush();
    this.look();
    clearTimeout(this.timer);
    const next = Math.min(...[...this.targets.values()].map(({ guest }) => guest.nextTimeout()));
    const wait = Math.min(LOOK_MS, Math.max(0, Math.ceil((next - monotonic()) / 1000)));
    this.timer = setTimeout(() => this.turn(), wait);
  }

  /** What time alone brings. */
  private look(): void {
    const { code, wait, onEvent } = this.options;
    const passed = performance.now() - this.begunAt;
    if ([...this.targets.values()].some(({ isMet }) => isMet)) return;
    // Its sender may have gone meanwhile, and answer nothing more.
    if (this.full) {
      if (performance.now() - this.full.since >= FULL_MS) this.settle?.reject(this.full.failure);
      return;
    }
    const isHeard = [...this.targets.values()].some(({ address }) => address !== undefined);
    if (this.search && this.targets.size + this.tried.size === 0 && passed >= USUAL_MS)
      this.add(USUAL, [`127.0.0.1:${USUAL_PORT}`]);
    if (!isHeard && !this.hasSaidLooking && passed >= SAY_MS) {
      this.hasSaidLooking = true;
      onEvent({ type: 'looking', problems: this.search?.problems ?? new Map() });
    }
    if (passed < wait) return;
    const where = code.at === undefined ? 'on this network' : `at ${code.at}`;
    const got = this.failures.at(-1)?.message ?? `none for ${wait / 1000} s`;
    this.settle?.reject(
      new HeadwaterError(
        'UNREACHABLE',
        `receive: expected a sender of code ${code.number} ${where}, got ${got}`,
      ),
    );
  }

  private onEvent(name: string, target: Target, event: GuestEvent): void {
    const { code, onEvent } = this.options;
    const address = addressOf(target);
    if (event.type === 'introduced') return this.settle?.resolve(event.introduction);
    if (event.type === 'waiting') {
      target.isMet = true;
      this.full = undefined;
      return onEvent({ ...event, address });
    }
    this.targets.delete(name);
    if (event.type === 'full') return this.onFull(name, target, event.expected);
    if (event.type === 'ended' || (event.type === 'silent' && event.met)) {
      const got = event.type === 'ended' ? 'that it has ended' : 'nothing more from it';
      return this.settle?.reject(
        new HeadwaterError('UNREACHABLE', `receive: expected the sender at ${address} to begin, got ${got}`),
      );
    }
    if (event.type === 'silent') {
      if (code.at !== undefined) this.add(name, target.addresses);
      return;
    }
    this.tried.add(name);
    // Somebody else's number: no guess was spent, and nothing is wrong.
    if (event.reason === 'other' && code.at === undefined) return;
    const failure = new HeadwaterError('CODE_REFUSED', `code: ${REASONS[event.reason]} (${address})`);
    this.failures.push(failure);
    const isLast = this.targets.size === 0;
    if (code.at !== undefined || (isLast && this.failures.length >= MAX_TARGETS))
      this.settle?.reject(failure);
    else if (isLast) setTimeout(() => this.targets.size === 0 && this.settle?.reject(failure), OTHERS_MS);
  }

  /** Whoever has crashed and comes back is not missed yet: its place is free in a moment. */
  private onFull(name: string, target: Target, expected: number): void {
    const address = addressOf(target);
    if (!this.full) {
      this.options.onEvent({ type: 'full', address, expected });
      const text = `code: its sender expects ${expected} receivers, and all are there (${address})`;
      this.full = { since: performance.now(), failure: new HeadwaterError('CODE_REFUSED', text) };
    }
    setTimeout(() => this.add(name, [address]), FULL_AGAIN_MS);
  }
}

/** Where it has answered from; before, one after another. */
function addressOf({ address, addresses, sent }: Target): string {
  return address ?? addresses[sent % addresses.length];
}

/** All that a name leads to. */
async function addressesOf(at: string): Promise<string[]> {
  const { host, port } = parseLocator(at);
  if (isIP(host)) return [at];
  try {
    const found = await lookup(host, { all: true });
    return found.slice(0, MAX_ADDRESSES).map(({ address }) => locatorOf(address, port));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeadwaterError('UNREACHABLE', `receive: expected a known host, got ${code} for ${at}`, {
      cause,
    });
  }
}

const REASONS = {
  wrong: 'expected that of a sender, got a wrong one; look for a slip, each try counts as a guess',
  other: 'expected that of the sender, got one with another number',
  closed:
    'expected a sender that lets in, got one that takes nobody new: too many wrong codes have come, or it has ended',
  busy: 'expected a sender that has time, got one that too many ask',
};
const USUAL = 'usual';
const MAX_TARGETS = 4;
const MAX_ADDRESSES = 8;
/** Others are found by multicast within that time, if at all. */
const USUAL_MS = 1500;
const SAY_MS = 4000;
const LOOK_MS = 250;
/** Other senders of the same number have so long to be found. */
const OTHERS_MS = 1000;
/** A receiver that has gone is missed within some 5 s. */
const FULL_MS = 20_000;
const FULL_AGAIN_MS = 2000;
