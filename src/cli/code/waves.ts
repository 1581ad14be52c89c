/**
 * What a sender with a code sends: a wave for those who were there when it began, and one more for each time that others have come
 * later, since the members of a group cannot change. Each wave is a member of its own group, with its own port.
 */
import { randomBytes } from 'node:crypto';
import { equalBytes, toHex } from '../../core/bytes.js';
import { keyPair } from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import { type FileSending, type Receiver, type SendProgress, sendSource } from '../../file/send.js';
import type { FileSource } from '../../file/source.js';
import { parseGroup } from '../../group/group.js';
import { Node } from '../../node/node.js';
import { WARNED } from '../../node/status/hints.js';
import { type Guest, MAX_GUESTS } from '../../rendezvous/host.js';
import type { Lobby } from '../../rendezvous/lan/lobby.js';
import { machineHosts, machineName, reservePort } from '../../rendezvous/lan/machine.js';
import { makeRoster, unlike } from '../../rendezvous/roster.js';
import { Events } from '../events.js';
import { note } from '../io.js';
import { type MemberOptions, settingsOf } from '../member.js';
import { type MulticastFlags, multicastOf, noteMulticast } from '../transfer/multicast.js';

export interface WavesOptions extends MemberOptions, MulticastFlags {
  /** What is sent, once it has been read. */
  source: Promise<FileSource>;
  /** Milliseconds. */
  timeout: number;
  /** The first of the ports to be used; default: any that are free. */
  port?: number | undefined;
  signal: AbortSignal;
}

/** Somebody who is, or was, in a wave. */
export interface Participant {
  readonly name: string;
  readonly place: Uint8Array;
  receiver: Receiver | undefined;
  /** Whether it has been heard in its group. */
  isSeen: boolean;
  /** Nothing more will change. */
  isOver: boolean;
  /** It has come back, as somebody else. */
  isReplaced: boolean;
}

interface Wave {
  node: Node;
  participants: Participant[];
  stop: AbortController;
  latest: SendProgress | undefined;
  aloneSince: number;
  isOver: boolean;
  sentBytes: number;
  /** Resolves once it is over. */
  done: Promise<void>;
}

export class Waves implements AsyncDisposable {
  /** Why it must end: the files have changed, or cannot be read. */
  failure: Error | undefined;
  /** What is sent, once it has begun. */
  sending: FileSending | undefined;
  private readonly options: WavesOptions;
  private readonly secretKey = Uint8Array.from(randomBytes(32));
  private readonly waves: Wave[] = [];
  private readonly names = new WeakMap<Guest, string>();
  private source: FileSource | undefined;

  constructor(options: WavesOptions) {
    this.options = options;
    options.source.then(
      (source) => {
        this.source = source;
      },
      (error: Error) => {
        this.failure ??= error;
      },
    );
  }

  /** Whether what is to be sent has been read. */
  get isReady(): boolean {
    return this.source !== undefined;
  }

  get count(): number {
    return this.waves.length;
  }

  /** Those who have come back as others left out. */
  get participants(): Participant[] {
    return this.waves.flatMap(({ participants }) => participants.filter(({ isReplaced }) => !isReplaced));
  }

  get isOver(): boolean {
    return this.waves.every(({ isOver }) => isOver);
  }

  /** Whether one more may be begun now. */
  get hasRoom(): boolean {
    return this.waves.filter(({ isOver }) => !isOver).length < MAX_AT_ONCE;
  }

  /** Places that are taken: by those who have saved it, and those who may still. */
  get used(): number {
    return this.participants.filter(({ receiver, isSeen, isOver }) => {
      if (receiver?.state === 'saved') return true;
      if (isOver || receiver?.state === 'failed') return false;
      return !isSeen || receiver?.state !== 'absent';
    }).length;
  }

  get sentBytes(): number {
    return this.waves.reduce(
      (sum, wave) => sum + (wave.isOver ? wave.sentBytes : wave.node.status().metrics.sentBytes),
      0,
    );
  }

  /** Somebody has come: it gets a name that nobody else has. Whoever was in a wave with its folder and has not saved it is here again. */
  meet(guest: Guest, waiting: readonly Guest[]): void {
    const others = waiting.filter((each) => each !== guest).map((each) => this.nameOf(each));
    for (const participant of this.participants)
      if (participant.receiver?.state !== 'saved' && equalBytes(participant.place, guest.join.place))
        participant.isReplaced = true;
    const names = new Set([machineName(), ...others, ...this.participants.map(({ name }) => name)]);
    this.names.set(guest, unlike(names, guest.join.name));
  }

  /** What it is called here, and in its group. */
  nameOf(guest: Guest): string {
    return this.names.get(guest) ?? guest.join.name;
  }

  /** Makes a group of those who wait, and sends it the files. */
  async begin(lobby: Lobby): Promise<void> {
    const { options, secretKey, waves } = this;
    const guests = lobby.waiting().slice(0, MAX_GUESTS);
    const { port } = options;
    const ports =
      port === undefined
        ? [0]
        : Array.from({ length: PORTS_TRIED }, (_, i) => port + i).filter((each) => each <= 65535);
    const reserved = await reservePort(ports);
    const { publicKey } = keyPair(secretKey);
    const sender = { publicKey, name: machineName(), port: reserved.port, hosts: machineHosts() };
    const roster = makeRoster(`code-${toHex(Uint8Array.from(randomBytes(4)))}`, sender, guests, (guest) =>
      this.nameOf(guest),
    );
    const bind = await reserved.release();
    if (roster.guests.length === 0) return;
    const events = new Events(options.json === true, ['peer', 'lost', ...WARNED]);
    const settings = settingsOf(options);
    if (waves.length > 0) delete settings.trace;
    const node = await Node.start({
      ...settings,
      ...{ group: parseGroup(roster.group), secretKey, bind },
      onEvent: (event) => events.on(event),
    });
    const participants = roster.guests.map(({ guest, name }): Participant => {
      const { place } = guest.join;
      return { name, place, receiver: undefined, isSeen: false, isOver: false, isReplaced: false };
    });
    const wave: Wave = {
      ...{ node, participants, stop: new AbortController(), latest: undefined },
      ...{ aloneSince: performance.now(), isOver: false, sentBytes: 0, done: Promise.resolve() },
    };
    waves.push(wave);
    for (const { guest, pieces } of roster.guests) lobby.introduce(guest, pieces);
    wave.done = this.send(wave);
  }

  /** Ends once those who still receive have been told so. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stop } of this.waves) stop.abort();
    await Promise.all(this.waves.map(({ done }) => done));
    await this.source?.close();
  }

  private async send(wave: Wave): Promise<void> {
    const { timeout, signal, source } = this.options;
    const { node, stop } = wave;
    try {
      // Its files stay open for the other waves.
      const shared = { ...(await source), close: async () => {} };
      const both = AbortSignal.any([signal, stop.signal]);
      const sending = await sendSource(shared, {
        ...{ node, timeout, signal: both },
        ...multicastOf(this.options),
      });
      this.sending ??= sending;
      for await (const progress of sending) this.take(wave, progress);
      const report = await sending.report;
      this.take(wave, report);
      if (!this.options.json) noteMulticast(report);
    } catch (error) {
      // Nobody is there any more; that is told of each.
      const isLonely = error instanceof HeadwaterError && ['UNREACHABLE', 'ABORTED'].includes(error.code);
      if (!isLonely) this.failure ??= error as Error;
    }
    wave.sentBytes = node.status().metrics.sentBytes;
    wave.isOver = true;
    for (const participant of wave.participants) participant.isOver = true;
    await node.close();
  }

  private take(wave: Wave, progress: SendProgress): void {
    wave.latest = progress;
    for (const receiver of progress.receivers) {
      const participant = wave.participants.find(({ name }) => name === receiver.member.name);
      if (!participant) continue;
      participant.receiver = receiver;
      if (receiver.state !== 'absent') participant.isSeen = true;
    }
  }

  /** Ends waves that nobody has come to, or that all have left. */
  look(): void {
    const now = performance.now();
    for (const wave of this.waves) {
      const isAlone = wave.participants.every(({ receiver }) => !receiver || receiver.state === 'absent');
      if (!isAlone || !wave.latest) wave.aloneSince = now;
      else if (!wave.isOver && now - wave.aloneSince >= ALONE_MS) {
        if (!wave.stop.signal.aborted)
          note(`nobody of ${wave.participants.map(({ name }) => name).join(', ')} is there`);
        wave.stop.abort();
      }
    }
  }
}

/** Each has sockets and memory of its own: more wait until one is over. */
const MAX_AT_ONCE = 16;
const PORTS_TRIED = 16;
const ALONE_MS = 15_000;
