/** The sender's end of a rendezvous as a running thing: a socket, a clock and the announcement around a `Host`. */
import { randomBytes } from 'node:crypto';
import { HeadwaterError } from '../../errors.js';
import { parseLocator } from '../../group/locator.js';
import { monotonic } from '../../node/clock.js';
import { openAny, type UdpSocket } from '../../node/udp.js';
import { type Code, MAX_NUMBER, makeCode } from '../code.js';
import { type Guest, Host, type HostEvent } from '../host.js';
import { announce, browse, type Search } from './mdns.js';

export interface LobbyOptions {
  /** Default: one is made, with a number that no sender nearby has. */
  code?: Code | undefined;
  /** Where the sender is to be found, `host:port`: its port is bound. Default: 7800, or any that is free. */
  at?: string | undefined;
  onEvent: (event: HostEvent) => void;
}

/** Opened by `openLobby`. */
export class Lobby implements AsyncDisposable {
  /** With the address in it, if one was given. */
  readonly code: Code;
  readonly port: number;
  private readonly host: Host;
  private readonly socket: UdpSocket;
  private readonly search: Search;
  private readonly onEvent: LobbyOptions['onEvent'];
  private timer: NodeJS.Timeout | undefined;

  /** @internal See `openLobby`. */
  constructor(code: Code, host: Host, socket: UdpSocket, onEvent: LobbyOptions['onEvent']) {
    this.code = code;
    this.host = host;
    this.socket = socket;
    this.onEvent = onEvent;
    this.port = parseLocator(socket.address).port;
    this.search = announce(code.number, this.port);
  }

  get wrong(): number {
    return this.host.wrong;
  }

  /** Interfaces on which receivers cannot look for us, and why. */
  get problems(): ReadonlyMap<string, string> {
    return this.search.problems;
  }

  waiting(): Guest[] {
    return this.host.waiting();
  }

  setRoom(room: number, expected: number): void {
    this.host.setRoom(room, expected);
  }

  introduce(guest: Guest, pieces: readonly Uint8Array[]): void {
    this.host.introduce(guest, pieces);
    this.turn();
  }

  /** @internal */
  handleDatagram(from: string, bytes: Uint8Array): void {
    this.host.handleDatagram(monotonic(), from, bytes);
    this.turn();
  }

  /** Tells those who wait that it is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.timer);
    this.host.end();
    this.flush();
    await Promise.all([this.search.close(), this.socket.close()]);
  }

  private turn(): void {
    this.flush();
    for (let event = this.host.pollEvent(); event; event = this.host.pollEvent()) this.onEvent(event);
    clearTimeout(this.timer);
    const next = this.host.nextTimeout();
    if (!Number.isFinite(next)) return;
    const wait = Math.max(0, Math.ceil((next - monotonic()) / 1000));
    this.timer = setTimeout(() => {
      this.host.handleTimeout(monotonic());
      this.turn();
    }, wait);
  }

  private flush(): void {
    for (let out = this.host.pollTransmit(); out; out = this.host.pollTransmit())
      this.socket.send(out.to, out.bytes);
    this.socket.flush();
  }
}

/** @throws HeadwaterError NETWORK if the port cannot be bound */
export async function openLobby({ code: given, at, onEvent }: LobbyOptions): Promise<Lobby> {
  const made = given ?? makeCode(await freeNumber(), randomBytes(4));
  const where = at ?? made.at;
  const code: Code = where === undefined ? made : { ...made, at: where };
  const random = (length: number) => Uint8Array.from(randomBytes(length));
  const host = new Host({ code: code.text, number: code.number, random });
  let lobby: Lobby | undefined;
  const onDatagram = (from: string, bytes: Uint8Array) => lobby?.handleDatagram(from, bytes);
  const socket =
    where === undefined
      ? await openUsual(onDatagram)
      : await openAny(parseLocator(where).port, [], onDatagram);
  lobby = new Lobby(code, host, socket, onEvent);
  return lobby;
}

async function openUsual(onDatagram: (from: string, bytes: Uint8Array) => void): Promise<UdpSocket> {
  try {
    return await openAny(USUAL_PORT, [], onDatagram);
  } catch (error) {
    if (!(error instanceof HeadwaterError && error.code === 'NETWORK')) throw error;
    return openAny(0, [], onDatagram);
  }
}

/** One that no sender who answers has; small ones are easy to say. */
async function freeNumber(): Promise<number> {
  const taken = new Set<number>();
  const search = browse(({ number }) => taken.add(number));
  await new Promise((done) => setTimeout(done, LISTEN_MS));
  await search.close();
  const free = Array.from({ length: MAX_NUMBER }, (_, i) => i + 1).filter((number) => !taken.has(number));
  const few = free.slice(0, FEW);
  return few[randomBytes(1)[0] % few.length] ?? 1;
}

/** Where receivers on the same machine look, too. */
export const USUAL_PORT = 7800;
const LISTEN_MS = 500;
const FEW = 64;
