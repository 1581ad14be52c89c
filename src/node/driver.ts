/**
 * The only loop: it gives an endpoint the time, the datagrams and the wake-ups it asks for, and carries out what it
 * answers. All I/O of a turn happens together, and a turn is bounded, so that receiving is never starved by sending.
 */
import type { BroadcastEvent } from '../broadcast/broadcast.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import type { Endpoint } from './endpoint.js';
import type { UdpSocket } from './udp.js';

export interface Driver {
  onDatagram(from: string, bytes: Uint8Array): void;
  /** Looks again at what the endpoint wants: after every command given to it. */
  wake(): void;
  now(): Micros;
  stop(): void;
}

export function startDriver(
  endpoint: Endpoint,
  send: UdpSocket['send'],
  onEvent: (event: BroadcastEvent) => void,
): Driver {
  let immediate: NodeJS.Immediate | undefined;
  let timer: NodeJS.Timeout | undefined;
  let timerAt: Micros = NEVER;
  let stopped = false;

  /** When the next turn should begin. */
  let dueAt: Micros = NEVER;

  const wake = () => {
    if (stopped || immediate) return;
    dueAt = Math.min(dueAt, monotonic());
    immediate = setImmediate(turn);
  };
  const turn = () => {
    immediate = undefined;
    let now = monotonic();
    // What is measured of the network while this machine was busy elsewhere says little of the network.
    if (now - dueAt > STALL) endpoint.noteStall(now);
    dueAt = NEVER;
    if (endpoint.pollTimeout() <= now) endpoint.handleTimeout(now);
    let sent = 0;
    for (; sent < SENDS_PER_TURN; sent++) {
      now = monotonic();
      const datagram = endpoint.pollTransmit(now);
      if (!datagram) break;
      send(datagram.to, datagram.bytes);
    }
    for (let event = endpoint.pollEvent(); event; event = endpoint.pollEvent()) onEvent(event);
    if (stopped) return;
    if (sent === SENDS_PER_TURN) return wake();
    const deadline = endpoint.pollTimeout();
    if (deadline === NEVER) return;
    // Never less than a tick: the pacer makes up for late timers, and a loop of immediates would take a whole core.
    dueAt = deadline + MILLISECOND;
    // A timer that fires too early does no harm; a new one for each turn costs more than what else an idle turn does.
    if (timer && timerAt <= deadline) return;
    clearTimeout(timer);
    timerAt = deadline;
    timer = setTimeout(onTimer, Math.max(1, Math.ceil((deadline - now) / MILLISECOND)));
  };
  const onTimer = () => {
    timer = undefined;
    if (!immediate) turn();
  };
  wake();
  return {
    onDatagram(from, bytes) {
      if (stopped) return;
      endpoint.handleDatagram(monotonic(), from, bytes);
      wake();
    },
    wake,
    now: monotonic,
    stop() {
      stopped = true;
      clearTimeout(timer);
      if (immediate) clearImmediate(immediate);
    },
  };
}

function monotonic(): Micros {
  return Math.floor(performance.now() * MILLISECOND);
}

/** A turn that begins so late has been kept waiting by more than a timer's coarseness. */
const STALL: Micros = 5 * MILLISECOND;
/** After so many sends the event loop gets its turn, so that what has arrived is read. */
const SENDS_PER_TURN = 64;
