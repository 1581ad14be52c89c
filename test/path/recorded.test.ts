/**
 * Both ends of a path through good and bad hours, as they went: what each holds of the way to the other, twice a second.
 * Whoever changes what a path makes of acknowledgements, silence or probes is to know. After a change that is meant to:
 * `npx vitest run test/path/recorded.test.ts -u`, and see in the diff what has become of each story.
 */
import { expect, test } from 'vitest';
import { Bbr } from '../../src/congestion/bbr/bbr.js';
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { cubic } from '../../src/congestion/cubic.js';
import { newReno } from '../../src/congestion/newreno.js';
import { TimeHeap } from '../../src/core/heap.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import { Path } from '../../src/path/path.js';
import type { Frame } from '../../src/wire/frames.js';
import { MAX_DATAGRAM } from '../../src/wire/limits.js';

interface Way {
  delay: Micros;
  jitter: Micros;
  loss: number;
  /** Back to the sender. */
  lossBack: number;
  /** The largest datagram that it carries. */
  carries: number;
}

interface Story extends Partial<Way> {
  seconds?: number;
  controller?: ControllerFactory;
  /** Datagrams that the application offers, by the second; default 300. */
  rate?: (second: number) => number;
  /** What else happens, by the second. */
  events?: Record<number, (ends: Ends) => void>;
}

interface Ends {
  us: Path;
  peer: Path;
  way: Way;
  now: Micros;
}

const lie = ({ us, now }: Ends): void => {
  const { nextNumber } = us.recovery;
  us.onAck(now, { ranges: [nextNumber + 9, nextNumber], delay: 0, received: 1 });
};

const STORIES: Record<string, Story> = {
  'a clean path': {},
  'a clean path, cubic': { controller: cubic, delay: 5 * MILLISECOND },
  'a fast path, with the largest datagrams, that becomes lossy': {
    delay: 50,
    carries: MAX_DATAGRAM,
    rate: () => 2000,
    seconds: 8,
    events: {
      3: ({ way }) => {
        way.loss = 0.4;
      },
      5: ({ way }) => {
        way.loss = 0;
      },
    },
  },
  'a third is lost on both ways': { loss: 0.33, lossBack: 0.33, seconds: 6 },
  'seven of ten are lost, newreno': { loss: 0.7, controller: newReno, seconds: 6 },
  'nearly all is lost, for a while': {
    rate: () => 2000,
    controller: (mtu) => ({ ...newReno(mtu), window: () => 1e9 }),
    seconds: 22,
    events: {
      1: ({ way }) => {
        way.loss = 0.95;
      },
      7: ({ way }) => {
        way.loss = 0.01;
      },
    },
  },
  'nothing arrives, for fifteen seconds': {
    seconds: 20,
    rate: () => 50,
    events: {
      2: ({ way }) => {
        way.loss = way.lossBack = 1;
      },
      17: ({ way }) => {
        way.loss = way.lossBack = 0;
      },
    },
  },
  'acks do not come back, for two seconds': {
    seconds: 6,
    events: {
      2: ({ way }) => {
        way.lossBack = 1;
      },
      4: ({ way }) => {
        way.lossBack = 0;
      },
    },
  },
  'a path that becomes ten times as long, then short again': {
    jitter: 4 * MILLISECOND,
    seconds: 7,
    events: {
      2: ({ way }) => {
        way.delay = 200 * MILLISECOND;
      },
      4: ({ way }) => {
        way.delay = 8 * MILLISECOND;
      },
    },
  },
  'one that reorders': { delay: 2 * MILLISECOND, jitter: 30 * MILLISECOND, seconds: 4 },
  'one that carries large datagrams, and then does not': {
    seconds: 6,
    events: {
      2: ({ way }) => {
        way.carries = 1300;
      },
    },
  },
  'little to send, and heartbeats': { rate: (second) => (second < 2 ? 20 : 3), loss: 0.1, seconds: 6 },
  'a peer that restarts, and one that moves': {
    seconds: 6,
    events: {
      2: ({ us, peer }) => {
        us.restart(40);
        peer.restart(70);
      },
      4: ({ us }) => us.move(0, 12 * MILLISECOND),
    },
  },
  'a peer that lies, and goes on to': {
    seconds: 45,
    rate: () => 40,
    events: { 2: lie, 5: lie, 20: lie },
  },
};

test.each(Object.entries(STORIES))('%s', (name, story) => {
  expect(tell(name, story).join('\n')).toMatchSnapshot();
});

interface Arrival {
  to: Path;
  from: Path;
  number: number;
  frames: Frame[];
  asks: boolean;
  probe: number | undefined;
}

/** A story, three lines a second. */
function tell(name: string, story: Story): string[] {
  const {
    seconds = 5,
    rate = () => 300,
    events = {},
    controller = (mtu, seed) => new Bbr(mtu, seed),
  } = story;
  const rng = new Rng(name);
  const way: Way = { delay: 20 * MILLISECOND, jitter: 0, loss: 0, lossBack: 0, carries: 1452, ...story };
  const path = (fork: string): Path =>
    new Path({ controller, rng: new Rng(`${name} ${fork}`), maxDatagram: MAX_DATAGRAM });
  const us = path('us');
  const peer = path('peer');
  us.isOpen = peer.isOpen = true;
  const queue = new TimeHeap<Arrival>();
  const lines: string[] = [];
  let offered = 0;

  const send = (from: Path, now: Micros, bytes: number, frames: Frame[], asks: boolean, probe?: number) => {
    const number = from.onSent(now, bytes, asks ? 'soon' : 'none');
    const isLost = rng.chance(from === us ? way.loss : way.lossBack) || bytes > way.carries;
    const at = now + way.delay + Math.floor(rng.float() * way.jitter);
    if (isLost) return;
    const to = from === us ? peer : us;
    queue.push(at, { to, from, number, frames, asks, probe });
  };
  const act = (from: Path, now: Micros) => {
    if (from.nextTimeout() <= now) {
      from.handleTimeout(now);
      const size = from.mtu.takeProbe(now, from.rtt.smoothed);
      if (size !== undefined) send(from, now, size, [], false, size);
    }
    while (from.recovery.probesDue > 0) send(from, now, from.mtu.size, from.takeFrames(now), true);
    if (from.nextFrames() <= now) send(from, now, 60, from.takeFrames(now), false);
    if (from === us) {
      for (; offered >= 1 && us.askToSend(now) === 'any'; offered--) send(us, now, us.mtu.size, [], true);
      if (offered < 1 && us.askToSend(now) === 'any') us.recovery.onAppLimited(now);
    }
  };

  const tick = MILLISECOND;
  for (let now = 0, ticks = 0; now < seconds * SECOND; ticks++, now = ticks * tick) {
    if (ticks % 1000 === 0) events[ticks / 1000]?.({ us, peer, way, now });
    offered = Math.min(offered + rate(Math.floor(ticks / 1000)) / 1000, 500);
    while (queue.nextTime() <= now + tick) {
      const at = queue.nextTime();
      const { to, from, number, frames, asks, probe } = queue.pop()!;
      if (!to.onReceived(at, number, asks ? 'soon' : 'none')) continue;
      if (probe !== undefined) to.onMtuProbe(probe);
      for (const frame of frames) {
        if (frame.kind === 'ack') to.onAck(at, frame.ack);
        if (frame.kind === 'mtu-report') to.onMtuReport(at, frame.size);
        if (frame.kind === 'ack-policy') to.onPolicy(frame);
      }
      act(to, at);
      act(from, at);
    }
    if (ticks % 300 === 0) for (const each of [us, peer]) heartbeat(each, now, send);
    act(us, now);
    act(peer, now);
    if (ticks % 500 === 499) lines.push(`${now / SECOND}: ${said(us, now)}`);
    if (ticks % 1000 === 999) lines.push(`  the other end: ${said(peer, now)}`);
  }
  return lines;
}

function heartbeat(
  from: Path,
  now: Micros,
  send: (from: Path, now: Micros, bytes: number, frames: Frame[], asks: boolean) => void,
): void {
  const policy = from.takePolicy(now);
  send(from, now, 80, [...from.takeFrames(now), ...(policy ? [policy] : [])], true);
}

function said(path: Path, now: Micros): string {
  const { recovery, mtu, liveness, trust, rtt } = path;
  const { sentPackets, ackedPackets, lostPackets, spuriousPackets, probeTimeouts, persistentCongestion } =
    recovery.stats;
  const state = path.state();
  return [
    path.askToSend(now),
    `rtt ${rough(rtt.smoothed)} ${rough(rtt.variation)} ${rough(rtt.min ?? 0)}`,
    `loss ${rough(path.loss)} ${rough(path.inboundLoss)}`,
    `fates ${sentPackets} ${ackedPackets} ${lostPackets} ${spuriousPackets} ${recovery.inFlight}`,
    `timeouts ${probeTimeouts} ${persistentCongestion} ${wait(path.nextTimeout(), now)}`,
    `mtu ${mtu.size} ${wait(mtu.nextProbe(), now)}`,
    `alive ${path.isReachable(now)} ${path.isResponsive(now)} ${path.isGone(now, SECOND)}`,
    `silence ${rough(state.ackTimeout)} ${rough(state.answerTimeout)}`,
    `suspect ${wait(liveness.suspectAt(state), now)} ${wait(liveness.deadAt(state), now)}`,
    `challenges ${liveness.challengesNeeded(state)} ${liveness.challengesFor(state)}`,
    `breaker ${recovery.breaker.cause} ${recovery.breaker.trips} ${trust.losses}`,
    `frames ${wait(path.nextFrames(), now)}`,
  ].join('; ');
}

function wait(at: Micros, now: Micros): string {
  return Math.abs(at) === NEVER ? 'never' : rough(at - now);
}

/** Four digits: the last ones of a power or a root may differ between machines. */
function rough(value: number): string {
  return Math.abs(value) < 1e-4 ? '0' : Number(value.toPrecision(4)).toString();
}
