/**
 * Carries datagrams of sessions whose members do not reach each other, inside of the sessions of those that do (PROTOCOL 4.8). In: our
 * own datagrams for addresses by way of others, FORWARDs. Out: sealed datagrams for whoever is next, and what has come for us.
 */
import { Budgets } from '../core/budget.js';
import { countDrop, type Drops } from '../core/drops.js';
import type { Micros } from '../core/time.js';
import { DATA } from '../session/wire.js';
import type { ForwardFrame } from '../wire/frames/forwarding/forward.js';
import { MAX_HOPS } from '../wire/frames/forwarding/routes.js';
import { frameSize } from '../wire/frames.js';
import { DATAGRAM_SIZE, PROTECTED_OVERHEAD } from '../wire/limits.js';
import { parseVia, viaAddress } from '../wire/via.js';
import type { Heard } from './handlers.js';
import type { Peer } from './peer.js';
import type { Sender, Transmit } from './sender.js';

/** Why a datagram is not carried on. */
export type ForwardDrop =
  /** A FORWARD that another member has passed on, that names nobody, or the peer that it came from, or holds less than any datagram of a session. */
  | 'forward-refused'
  /** There is nobody who takes it further, or it has come too far. */
  | 'no-route'
  /** One peer asks for more than is passed on for it. */
  | 'forward-budget';

export interface CarrierOptions {
  self: number;
  peers: readonly (Peer | undefined)[];
  sender: Sender;
  /** Datagrams that go next. */
  sealed: Transmit[];
  counters: { drops: Drops<ForwardDrop> };
}

/** A datagram that was forwarded to us, and what stands for its address. */
export interface Carried {
  from: string;
  bytes: Uint8Array;
}

export class Carrier {
  private readonly options: CarrierOptions;
  /** By peer: bytes that are passed on for it. */
  private readonly budgets = new Budgets(FORWARD_RATE, FORWARD_BURST);
  private readonly arrived: Carried[] = [];

  constructor(options: CarrierOptions) {
    this.options = options;
  }

  /** A datagram of ours as it goes over a socket; undefined if who is to forward it cannot be sent to now. */
  wrap(now: Micros, transmit: Transmit): Transmit | undefined {
    const via = parseVia(transmit.to);
    if (!via) return transmit;
    const { self, sender, counters } = this.options;
    const hop = this.near(now, via.hop);
    if (hop && transmit.bytes.length <= DATAGRAM_SIZE)
      return sender.sealForward(now, hop, {
        ...{ kind: 'forward', from: self, to: via.member, hops: MAX_HOPS },
        datagram: transmit.bytes,
      });
    countDrop(counters, 'no-route');
    return undefined;
  }

  /** Takes in what is for us, passes on what is for others. */
  handleForward({ now, peer, isForwarded }: Heard, frame: ForwardFrame): void {
    const { self, peers, counters } = this.options;
    const { from, to, datagram } = frame;
    const isOurs = to === self;
    const isStray = isForwarded || !peers[from] || (!isOurs && (!peers[to] || to === peer.index));
    if (isStray || datagram.length < MIN_FORWARDED) return countDrop(counters, 'forward-refused');
    // Sessions write over what they open, and there may be more in the datagram that it came in.
    if (isOurs) this.arrived.push({ from: this.addressOf(peer.index, frame), bytes: datagram.slice() });
    else this.passOn(now, peer, frame);
  }

  /** The next datagram that was forwarded to us. */
  takeArrived(): Carried | undefined {
    return this.arrived.shift();
  }

  /**
   * What stands for the address that it came from. Who sends to us by one member may be sent to by another: data is no reason to
   * change that, but the answer to a question goes where that came from.
   */
  private addressOf(hop: number, { from, datagram }: ForwardFrame): string {
    const { address } = this.options.peers[from]!.failOver;
    return datagram[0] === DATA && parseVia(address) ? address! : viaAddress({ hop, member: from });
  }

  private passOn(now: Micros, peer: Peer, frame: ForwardFrame): void {
    const { peers, sender, sealed, counters } = this.options;
    const { to, hops } = frame;
    const next = parseVia(peers[to]!.failOver.address)?.hop ?? to;
    const hop = next === peer.index || hops === 1 ? undefined : this.near(now, next);
    if (!hop) return countDrop(counters, 'no-route');
    const budget = this.budgets.of(peer.index);
    const cost = sentFor(frame, hop.path.mtu.size);
    if (budget.available(now) < cost) return countDrop(counters, 'forward-budget');
    budget.spend(cost);
    sealed.push(sender.sealForward(now, hop, { ...frame, hops: hops - 1 }));
  }

  /** A member that is reached directly, and knows of all this. */
  private near(now: Micros, index: number): Peer | undefined {
    const peer = this.options.peers[index];
    const isNear = peer?.path.isOpen && !peer.path.isForwarded && peer.has('forwarding');
    return isNear && peer.isUsable(now) ? peer : undefined;
  }
}

/** What passing on takes of a link, in two datagrams where one is too large. */
function sentFor(frame: ForwardFrame, most: number): number {
  const size = PROTECTED_OVERHEAD + frameSize(frame);
  return size <= most ? size + IP_UDP : size + IP_UDP + (PROTECTED_OVERHEAD + IP_UDP) + 2 * PART_FRAME;
}

/** The smallest text is one frame of one byte. */
export const MIN_FORWARDED = PROTECTED_OVERHEAD + 1;
/** IPv4 and UDP. */
const IP_UDP = 20 + 8;
const PART_FRAME = frameSize({ kind: 'part', number: 0, half: 0, bytes: new Uint8Array(0) });
/** Bytes a second that are sent for one peer, with all headers: confirms of a group take a tenth of it. */
export const FORWARD_RATE = 256 * 1024;
export const FORWARD_BURST = 64 * 1024;
