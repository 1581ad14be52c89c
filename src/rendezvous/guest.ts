/**
 * A receiver's end of a rendezvous with one sender, sans-IO: proves that it knows the code, and asks until it is told who its group
 * are. In: the sender's datagrams, time. Out: datagrams to it, and what has become of it.
 */
import { equalBytes } from '../core/bytes.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { CpaceKeys } from '../crypto/cpace.js';
import { equalSecrets } from '../crypto/mac.js';
import { HeadwaterError } from '../errors.js';
import { beginExchange, Channel, type Exchange, inputsOf } from './channel.js';
import {
  decodeState,
  encodeJoin,
  encodeRequest,
  type Introduction,
  introductionOf,
  type Join,
  type State,
} from './contents.js';
import { decodeMessage, encodeMessage, ID_BYTES, type Message, type Refusal } from './messages.js';

export type GuestEvent =
  /** Not let in. */
  | { type: 'refused'; reason: Refusal }
  /** The code is right, and there is no room; or the sender has ended. */
  | { type: 'full'; expected: number }
  | { type: 'ended' }
  /** The code is right: it waits with so many. */
  | { type: 'waiting'; here: number; expected: number }
  | { type: 'introduced'; introduction: Introduction }
  /** Nothing has come for a while. `met`: the sender had proven that it has the code. */
  | { type: 'silent'; met: boolean };

export interface GuestOptions {
  /** As `Code.text`. */
  code: string;
  number: number;
  /** Asked once the sender has answered. */
  join: () => Join;
  /** Secret random bytes. */
  random: (length: number) => Uint8Array;
}

export class Guest {
  /** Names this run: what has it in its datagrams is for us. */
  readonly id: Uint8Array;
  private readonly options: GuestOptions;
  private step: 'hello' | 'share' | 'proof' | 'met' | 'over' = 'hello';
  /** What is sent until it is answered. */
  private request: Uint8Array;
  private sendAt: Micros;
  private pause = FIRST_PAUSE;
  private heardAt: Micros;
  private exchange: Exchange | undefined;
  private keys: CpaceKeys | undefined;
  private channel: Channel | undefined;
  private pieces: (Uint8Array | undefined)[] = [];
  private told = '';
  private readonly events: GuestEvent[] = [];

  constructor(now: Micros, options: GuestOptions) {
    this.options = options;
    this.id = options.random(ID_BYTES);
    this.request = encodeMessage({ type: 'hello', id: this.id, number: options.number });
    this.sendAt = now;
    this.heardAt = now;
  }

  handleDatagram(now: Micros, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (!message || !equalBytes(message.id, this.id) || this.step === 'over') return;
    if (message.type === 'cookie') this.onCookie(now, message);
    else if (message.type === 'answer') this.onAnswer(now, message);
    else if (message.type === 'welcome') this.onWelcome(now, message);
    else if (message.type === 'state') this.onState(now, message);
    else if (message.type === 'refusal') this.onRefusal(now, message);
  }

  nextTimeout(): Micros {
    return this.step === 'over' ? NEVER : Math.min(this.sendAt, this.heardAt + SILENCE);
  }

  handleTimeout(now: Micros): void {
    if (this.step === 'over' || now < this.heardAt + SILENCE) return;
    this.end({ type: 'silent', met: this.step === 'met' });
  }

  /** The next datagram to the sender, if one is due. */
  pollTransmit(now: Micros): Uint8Array | undefined {
    if (this.step === 'over' || now < this.sendAt) return undefined;
    this.sendAt = now + this.pause;
    if (this.step === 'met') return this.poll();
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    return this.request;
  }

  pollEvent(): GuestEvent | undefined {
    return this.events.shift();
  }

  /** Goes, and gives what tells the sender so. */
  leave(): Uint8Array | undefined {
    const isMet = this.step === 'met';
    this.step = 'over';
    if (!isMet || !this.channel) return undefined;
    return encodeMessage({
      type: 'poll',
      id: this.id,
      ...this.channel.seal(encodeRequest({ type: 'leave' })),
    });
  }

  private onCookie(now: Micros, { cookie }: Message & { type: 'cookie' }): void {
    if (this.step !== 'hello') return;
    const { code, random } = this.options;
    this.exchange = beginExchange(inputsOf(code, this.id, cookie), random(32), 'guest');
    this.ask(now, 'share', { type: 'share', id: this.id, cookie, share: this.exchange.share });
  }

  private onAnswer(now: Micros, { share }: Message & { type: 'answer' }): void {
    if (this.step !== 'share' || !this.exchange) return;
    const keys = this.exchange.finish(share);
    // Whoever sends such a share does not know the code.
    if (!keys) return this.end({ type: 'refused', reason: 'wrong' });
    this.keys = keys;
    this.channel = new Channel(keys, this.id, 'guest');
    const { sealed } = this.channel.seal(encodeJoin(this.options.join()));
    this.ask(now, 'proof', { type: 'proof', id: this.id, tag: keys.initiatorTag, sealed });
  }

  private onWelcome(now: Micros, { tag, sealed }: Message & { type: 'welcome' }): void {
    if (this.step !== 'proof' || !this.keys || !equalSecrets(tag, this.keys.responderTag)) return;
    const state = this.open(0, sealed);
    if (!state) return;
    this.step = 'met';
    this.keys = undefined;
    this.pause = POLL_PAUSE;
    this.sendAt = now + POLL_PAUSE;
    this.heardAt = now;
    this.take(now, state);
  }

  private onState(now: Micros, { counter, sealed }: Message & { type: 'state' }): void {
    if (this.step !== 'met') return;
    const state = this.open(counter, sealed);
    if (!state) return;
    this.heardAt = now;
    this.take(now, state);
  }

  /** Not proven, so it counts only where nothing was: who has met the sender hears it in what is sealed. */
  private onRefusal(now: Micros, { reason }: Message & { type: 'refusal' }): void {
    if (this.step === 'met') return;
    if (reason !== 'busy') return this.end({ type: 'refused', reason });
    this.heardAt = now;
    this.sendAt = now + LONGEST_PAUSE;
  }

  private take(now: Micros, state: State): void {
    if (state.type === 'piece') return this.takePiece(now, state);
    if (state.type !== 'waiting') return this.end(state);
    const told = `${state.here} ${state.expected}`;
    if (told !== this.told) this.events.push(state);
    this.told = told;
  }

  private takePiece(now: Micros, { index, count, bytes }: State & { type: 'piece' }): void {
    if (this.pieces.length !== count) this.pieces = new Array<Uint8Array | undefined>(count).fill(undefined);
    this.pieces[index] = bytes;
    if (this.pieces.includes(undefined)) {
      // The next one at once.
      this.sendAt = now;
      return;
    }
    this.end({ type: 'introduced', introduction: introductionOf(this.pieces as Uint8Array[]) });
  }

  private open(counter: number, sealed: Uint8Array): State | undefined {
    const plain = this.channel?.open(counter, sealed);
    if (!plain) return undefined;
    try {
      return decodeState(plain);
    } catch (error) {
      if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
      throw error;
    }
  }

  private poll(): Uint8Array {
    const missing = this.pieces.indexOf(undefined);
    const request = encodeRequest({ type: 'piece', index: Math.max(0, missing) });
    return encodeMessage({ type: 'poll', id: this.id, ...this.channel!.seal(request) });
  }

  private ask(now: Micros, step: 'share' | 'proof', message: Message): void {
    this.step = step;
    this.request = encodeMessage(message);
    this.sendAt = now;
    this.pause = FIRST_PAUSE;
    this.heardAt = now;
  }

  private end(event: GuestEvent): void {
    this.step = 'over';
    this.events.push(event);
  }
}

const FIRST_PAUSE: Micros = 250 * MILLISECOND;
const LONGEST_PAUSE: Micros = SECOND;
const POLL_PAUSE: Micros = 500 * MILLISECOND;
/** Twenty tries: a sender that three of ten datagrams do not reach is heard. */
const SILENCE: Micros = 20 * SECOND;
