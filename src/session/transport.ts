/**
 * The keys of one finished handshake and what has been done with them: protects and opens datagrams in place, with
 * packet numbers for data given by the caller (they go on from one set of keys to the next) and for control of its own.
 */
import { RecentNumbers } from '../core/bitset.js';
import { fullNumber } from '../core/serial.js';
import type { Micros } from '../core/time.js';
import type { AeadProvider, Cipher } from '../crypto/aead.js';
import type { Established } from '../crypto/noise.js';
import type { Agreed } from '../wire/dialect.js';
import { CONTROL_WINDOW, REPLAY_WINDOW } from './limits.js';
import { CONTROL, DATA, MAX_PACKET_NUMBER, nonceOf, PROTECTED_HEADER, readU32, writeU32 } from './wire.js';

/** Why a datagram was not opened; a packet number is never negative. */
export const BAD_TAG = -1;
export const REPLAYED = -2;
export const TOO_OLD = -3;

/** What a handshake has given. */
export interface Handshake {
  established: Established;
  localIndex: number;
  remoteIndex: number;
  /** Whether we started it. */
  initiator: boolean;
  /** Of the peer. */
  incarnation: number;
  /** The packet number of data that the peer said it would use next. */
  peerNext: number;
  /** What is spoken under these keys. */
  agreed: Agreed;
}

export interface TransportOptions<Owner> extends Handshake {
  owner: Owner;
  aead: AeadProvider;
  now: Micros;
  rekeyAt: Micros;
  rejectAt: Micros;
}

export class Transport<Owner> {
  readonly owner: Owner;
  /** What is spoken under these keys. */
  readonly agreed: Agreed;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly initiator: boolean;
  readonly incarnation: number;
  readonly createdAt: Micros;
  readonly rekeyAt: Micros;
  /** When these keys end, whatever happens. */
  readonly rejectAt: Micros;
  /** When they end as things stand; never after `rejectAt`. */
  expiresAt: Micros;
  /** DATA datagrams protected. */
  sent = 0;
  private readonly sendCipher: Cipher;
  private readonly receiveCipher: Cipher;
  // Looked up before decryption, marked only after it.
  private readonly dataWindow: RecentNumbers;
  private readonly controlWindow = new RecentNumbers(CONTROL_WINDOW);
  private controlNumber = 0;

  constructor(options: TransportOptions<Owner>) {
    this.owner = options.owner;
    this.localIndex = options.localIndex;
    this.remoteIndex = options.remoteIndex;
    this.initiator = options.initiator;
    this.incarnation = options.incarnation;
    this.agreed = options.agreed;
    this.createdAt = options.now;
    this.rekeyAt = options.rekeyAt;
    this.rejectAt = options.rejectAt;
    this.expiresAt = options.rejectAt;
    this.sendCipher = options.aead.cipher(options.established.sendKey);
    this.receiveCipher = options.aead.cipher(options.established.receiveKey);
    this.dataWindow = new RecentNumbers(REPLAY_WINDOW, options.peerNext);
  }

  /**
   * Protects a DATA datagram in place: its text stands from PROTECTED_HEADER on, with 16 bytes of room behind it.
   *
   * @param number never given twice to one Transport
   */
  sealData(datagram: Uint8Array, number: number): void {
    this.sent++;
    this.seal(DATA, datagram, number);
  }

  /** As `sealData`, for CONTROL, which counts for itself. */
  sealControl(datagram: Uint8Array): void {
    this.seal(CONTROL, datagram, this.controlNumber++);
  }

  /**
   * Opens a DATA or CONTROL datagram of at least PROTECTED_OVERHEAD bytes in place.
   *
   * @returns its packet number, or BAD_TAG, REPLAYED or TOO_OLD (its bytes are then of no use)
   */
  open(datagram: Uint8Array): number {
    const control = datagram[0] === CONTROL;
    const window = control ? this.controlWindow : this.dataWindow;
    const number = fullNumber(readU32(datagram, 5), window.highest);
    if (number > MAX_PACKET_NUMBER) return BAD_TAG;
    // Looked up first since it is cheap; marked last, so that a forged datagram cannot shadow the true one.
    if (window.isBehind(number)) return TOO_OLD;
    if (window.has(number)) return REPLAYED;
    const nonce = nonceOf(datagram[0], number);
    const text = this.receiveCipher.open(nonce, headerOf(datagram), datagram.subarray(PROTECTED_HEADER));
    if (!text) return BAD_TAG;
    opened = text;
    window.mark(number);
    return number;
  }

  /** The text of the datagram that was opened last, under whatever keys: a view of it, to be taken before the next one. */
  get text(): Uint8Array {
    return opened;
  }

  /** The highest number opened so far, of DATA or of CONTROL. */
  highest(kind: number): number {
    return kind === CONTROL ? this.controlWindow.highest : this.dataWindow.highest;
  }

  private seal(kind: number, datagram: Uint8Array, number: number): void {
    datagram[0] = kind;
    writeU32(datagram, 1, this.remoteIndex);
    writeU32(datagram, 5, number);
    this.sendCipher.seal(nonceOf(kind, number), headerOf(datagram), bodyOf(datagram));
  }
}

/** A copy, valid until the next call: nine bytes are copied in less time than a view of them is made. */
function headerOf(datagram: Uint8Array): Uint8Array {
  for (let i = 0; i < PROTECTED_HEADER; i++) header[i] = datagram[i];
  return header;
}

const header = new Uint8Array(PROTECTED_HEADER);

/** Behind the header. Datagrams are mostly made in the same memory, one after the other, and it costs more to make a view than to compare. */
function bodyOf(datagram: Uint8Array): Uint8Array {
  const isSame =
    datagram.buffer === body.buffer &&
    datagram.byteOffset + PROTECTED_HEADER === body.byteOffset &&
    datagram.length - PROTECTED_HEADER === body.length;
  if (!isSame) body = datagram.subarray(PROTECTED_HEADER);
  return body;
}

// Of all keys together: of each, they would keep the memory of a datagram for each peer.
let opened: Uint8Array = new Uint8Array(0);
let body: Uint8Array = opened;
