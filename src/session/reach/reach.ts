/**
 * Where a peer is reached, and whether it is there: challenges to the address in use (`Probe`), to new ones (`Addresses`), and
 * wherever the caller asks. In: what has come, and the keys to answer with. Out: CONTROL datagrams, 'migrated', 'answered',
 * 'elsewhere'.
 */
import type { Micros } from '../../core/time.js';
import { parseVia } from '../../wire/via.js';
import type { SessionContext } from '../context.js';
import type { SessionDropReason } from '../events.js';
import { ELSEWHERE_INTERVAL } from '../limits.js';
import type { Transport } from '../transport.js';
import * as wire from '../wire.js';
import { Addresses } from './addresses.js';
import { Probe } from './probe.js';

/** An authentic datagram, opened. */
export interface Heard<Owner> {
  from: string;
  datagram: Uint8Array;
  packetNumber: number;
  /** The keys that it came under. */
  transport: Transport<Owner>;
}

export class Reach {
  readonly addresses: Addresses;
  readonly probe = new Probe();
  private readonly context: SessionContext;
  private readonly peer: number;
  private nextElsewhere: Micros = 0;
  private readonly challengeData = (): Uint8Array => this.context.entropy.bytes(wire.CHALLENGE_BYTES);

  constructor(context: SessionContext, peer: number, locators: readonly string[]) {
    this.context = context;
    this.peer = peer;
    this.addresses = new Addresses(locators);
  }

  /** Asks an address for a sign of life: 'answered' tells. */
  challenge(now: Micros, address: string, transport: Transport<unknown>): void {
    const data = this.challengeData();
    this.addresses.ask(now, address, data);
    this.send(transport, address, wire.FRAME_CHALLENGE, data);
  }

  /** Takes a validated address into use ('migrated'). */
  moveTo(address: string): void {
    const { addresses, peer } = this;
    const previous = addresses.current;
    if (!addresses.moveTo(address)) return;
    this.probe.end();
    this.context.emit({ type: 'migrated', peer, address, previous: previous!, path: addresses.path });
  }

  /** By way of whom the peer can be reached now, the best first: a way in use that is none of them any more is left for that. */
  setWays(ways: readonly string[]): void {
    const { addresses } = this;
    addresses.setWays(ways);
    const isLost = parseVia(addresses.current) && !ways.includes(addresses.current!);
    if (isLost && ways.length > 0) this.moveTo(ways[0]);
  }

  /** Notes where a datagram came from. `isCurrent`: it came under the keys that protect. */
  onHeard(now: Micros, heard: Heard<unknown>, isCurrent: boolean): void {
    const { from, datagram, transport, packetNumber } = heard;
    const isNewest = isCurrent && packetNumber === transport.highest(datagram[0]);
    const { length: size } = datagram;
    const arrival = { from, size, kind: kindOf(datagram, transport.text), isNewest };
    if (!this.addresses.onHeard(now, arrival, this.challengeData) || now < this.nextElsewhere) return;
    this.nextElsewhere = now + ELSEWHERE_INTERVAL;
    this.context.emit({ type: 'elsewhere', peer: this.peer });
  }

  /** Takes in a CONTROL datagram; gives the reason if there is no sense in it. */
  handleControl(now: Micros, { from, transport }: Heard<unknown>): SessionDropReason | undefined {
    const { text } = transport;
    if (text.length !== 1 + wire.CHALLENGE_BYTES) return 'bad-control';
    const data = text.subarray(1);
    if (text[0] === wire.FRAME_CHALLENGE) {
      this.send(transport, from, wire.FRAME_ANSWER, data);
      return undefined;
    }
    if (text[0] !== wire.FRAME_ANSWER) return 'bad-control';
    const answered = this.addresses.onAnswer(now, from, data);
    if (answered && 'move' in answered) {
      if (!this.addresses.isResting(now, answered.move)) this.moveTo(answered.move);
    } else if (answered) this.context.emit({ type: 'answered', peer: this.peer, ...answered });
    return undefined;
  }

  /** Sends the challenge that is due to the address in use; false if all were in vain. */
  runProbe(now: Micros, transport: Transport<unknown>): boolean {
    const due = this.probe.poll(now);
    if (due === 'challenge')
      this.send(transport, this.addresses.current!, wire.FRAME_CHALLENGE, this.challengeData());
    return due !== 'unanswered';
  }

  /** Sends the challenges that are due to new addresses. */
  validate(now: Micros, transport: Transport<unknown>): void {
    for (let due = this.addresses.takeDue(now); due; due = this.addresses.takeDue(now))
      this.send(transport, due.address, wire.FRAME_CHALLENGE, due.data);
  }

  private send(transport: Transport<unknown>, to: string, frame: number, data: Uint8Array): void {
    const datagram = new Uint8Array(wire.CONTROL_SIZE);
    datagram[wire.PROTECTED_HEADER] = frame;
    datagram.set(data, wire.PROTECTED_HEADER + 1);
    transport.sealControl(datagram);
    this.context.transmit(to, datagram);
  }
}

function kindOf(datagram: Uint8Array, text: Uint8Array): 'data' | 'answer' | 'challenge' {
  if (datagram[0] !== wire.CONTROL) return 'data';
  return text[0] === wire.FRAME_ANSWER ? 'answer' : 'challenge';
}
