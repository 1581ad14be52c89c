/**
 * The only loop: it gives an endpoint the time, the datagrams and the wake-ups it asks for, and carries out what it
 * answers, at the socket and at the store. All I/O of a turn happens together, and a turn is bounded, so that receiving is never starved by sending.
 */
import type { StoreRequest } from '../broadcast/delivery/journal.js';
import type { BulkRequest } from '../bulk/ports.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import type { Endpoint, EndpointEvent } from '../member/endpoint.js';
import type { Store } from '../store/store.js';
import type { StreamId } from '../wire/symbol.js';
import { monotonic } from './clock.js';
import type { DropWatch } from './status/watch/drops.js';
import type { UdpSocket } from './udp.js';

export interface Driver {
  /** @param receivedAt when the kernel had it, by `now`; undefined where that is not known, or now */
  onDatagram(from: string, bytes: Uint8Array, receivedAt?: Micros): void;
  /** A datagram has come to a multicast group. @param key see `castKey` */
  onCast(key: string, bytes: Uint8Array): void;
  /** Looks again at what the endpoint wants: after every command given to it. */
  wake(): void;
  /** The same of what the endpoint is told while it tells: it has nothing to do that it has no deadline for. */
  stir(): void;
  now(): Micros;
  stop(): void;
}

export interface DriverOptions {
  socket: Pick<UdpSocket, 'send' | 'flush'>;
  store: Store;
  onEvent(event: EndpointEvent): void;
  /** A turn begins so much later than it was wanted. */
  onLate?(late: Micros): void;
  /** A commit begins; returns what is called at its end. */
  onCommit?(): (isDurable: boolean) => void;
  /** Who has the files of transfers; default: nobody. */
  transfers?: {
    /** Carries out what transfers ask for, and answers at the endpoint. */
    serve(request: BulkRequest): void;
    /** Sends a datagram to the multicast group of a transfer. */
    send(id: StreamId, bytes: Uint8Array): void;
    /** A transfer has changed. */
    onEvent(id: StreamId): void;
  };
  /** Is told of each datagram, before it is taken in and after. */
  drops?: Pick<DropWatch, 'begin' | 'end'>;
  /** A commit failed, by a full disk or otherwise: it will be tried again. */
  onStoreError(error: Error): void;
}

export function startDriver(endpoint: Endpoint, options: DriverOptions): Driver {
  const { socket, store, transfers, drops, onEvent, onLate, onCommit, onStoreError } = options;
  let immediate: NodeJS.Immediate | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timerAt: Micros = NEVER;
  let armedAt: Micros = 0;
  let stopped = false;
  /** Whether events are being told, and whether the endpoint was told something meanwhile. */
  let isTelling = false;
  let isStirred = false;
  /** When the next turn should begin. */
  let dueAt: Micros = NEVER;

  const wake = () => {
    if (stopped || immediate) return;
    dueAt = Math.min(dueAt, monotonic());
    immediate = setImmediate(turn);
  };
  const stir = () => {
    if (isTelling) isStirred = true;
    else wake();
  };
  const turn = () => {
    immediate = undefined;
    let now = monotonic();
    // What is measured of the network while this machine was busy elsewhere says little of the network.
    if (now - dueAt > STALL) {
      endpoint.handleStall(now);
      onLate?.(now - dueAt);
    }
    dueAt = NEVER;
    if (endpoint.nextTimeout(now) <= now) endpoint.handleTimeout(now);
    serveStore(now);
    serveTransfers();
    let sent = 0;
    let bytes = 0;
    for (; sent < SENDS_PER_TURN && bytes < BYTES_PER_TURN; sent++) {
      // Asked for now and then: it costs more than what a few datagrams may be early by is worth.
      if (sent % CLOCK_STEP === 0) now = monotonic();
      const datagram = endpoint.pollTransmit(now);
      if (!datagram) break;
      bytes += datagram.bytes.length;
      if (datagram.cast) transfers?.send(datagram.cast, datagram.bytes);
      else if (socket.send(datagram.to, datagram.bytes)) endpoint.takeBack();
    }
    if (sent > 0) socket.flush();
    isTelling = true;
    const events = tell();
    isTelling = false;
    if (stopped) return;
    if (sent === SENDS_PER_TURN || bytes >= BYTES_PER_TURN || events === EVENTS_PER_TURN) return wake();
    const deadline = endpoint.nextTimeout(now);
    const isDue = isStirred && deadline <= monotonic();
    isStirred = false;
    if (isDue) wake();
    else arm(now, deadline);
  };
  /** @returns how many there were */
  const tell = (): number => {
    for (let events = 0; events < EVENTS_PER_TURN; events++) {
      const event = endpoint.pollEvent();
      if (!event) return events;
      onEvent(event);
    }
    return EVENTS_PER_TURN;
  };
  const arm = (now: Micros, deadline: Micros) => {
    if (deadline === NEVER) return;
    // Never less than a tick: the pacer makes up for late timers, and a loop of immediates would take a whole core.
    dueAt = deadline + MILLISECOND;
    // One that fires a little too early does no harm; a new one for each turn costs more than what else an idle turn does.
    if (timer && timerAt <= deadline && (deadline - timerAt < EARLY || now - armedAt < EARLY)) return;
    clearTimeout(timer);
    timerAt = deadline;
    armedAt = now;
    timer = setTimeout(onTimer, Math.max(1, Math.ceil((deadline - now) / MILLISECOND)));
  };
  const onTimer = () => {
    timer = undefined;
    if (immediate) return;
    const now = monotonic();
    const deadline = endpoint.nextTimeout(now);
    // Most of what it was set for has come about otherwise since: then there is nothing to do but to wait on.
    if (deadline > now) return arm(now, deadline);
    // Not at once: what has come meanwhile is read first, or an answer that waits in the socket would pass for a lost one.
    wake();
  };
  const serveStore = (now: Micros) => {
    for (let request = endpoint.store.pollRequest(now); request; request = endpoint.store.pollRequest(now))
      carryOut(request);
  };
  const serveTransfers = () => {
    if (!transfers) return;
    const { files } = endpoint.bulk;
    for (let request = files.pollRequest(); request; request = files.pollRequest()) transfers.serve(request);
    for (let id = files.pollEvent(); id; id = files.pollEvent()) transfers.onEvent(id);
  };
  const carryOut = (request: StoreRequest) => {
    if (request.type === 'commit') {
      const ended = onCommit?.();
      store.commit(request.writes).then(
        (bytes) => {
          ended?.(true);
          answer(() => endpoint.store.handleCommitted(monotonic(), bytes));
        },
        (error: Error) => {
          ended?.(false);
          answer(() => {
            endpoint.store.handleCommitFailed(monotonic());
            onStoreError(error);
          });
        },
      );
    } else
      store.read(request.id).then(
        (object) => answer(() => endpoint.store.handleRead(monotonic(), request.id, object)),
        (error: Error) =>
          answer(() => {
            endpoint.store.handleRead(monotonic(), request.id, undefined);
            onStoreError(error);
          }),
      );
  };
  const answer = (tell: () => void) => {
    if (stopped) return;
    tell();
    wake();
  };
  wake();
  return {
    onDatagram(from, bytes, receivedAt) {
      if (stopped) return;
      drops?.begin();
      endpoint.handleDatagram(monotonic(), from, bytes, receivedAt);
      drops?.end(from);
      wake();
    },
    onCast(key, bytes) {
      if (stopped) return;
      endpoint.bulk.casts.handleDatagram(monotonic(), key, bytes);
      wake();
    },
    wake,
    stir,
    now: monotonic,
    stop() {
      stopped = true;
      clearTimeout(timer);
      if (immediate) clearImmediate(immediate);
    },
  };
}

/** A turn that begins so late has been kept waiting by more than a timer's coarseness. */
const STALL: Micros = 5 * MILLISECOND;
/** A timer that fires so much too early costs more than another one, which is made no more often than that. */
const EARLY: Micros = MILLISECOND;
/** After so many sends the event loop gets its turn, so that what has arrived is read. */
const SENDS_PER_TURN = 64;
/** Likewise: to make and send so much takes some 2 ms. */
const BYTES_PER_TURN = 512 * 1024;
/** Likewise for a consumer that takes messages as they come. */
const EVENTS_PER_TURN = 256;
/** Datagrams between two looks at the clock: some 50 us. */
const CLOCK_STEP = 8;
