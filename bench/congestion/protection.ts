/**
 * What protects the network and the path: the circuit breaker, the size of bursts and windows, losses of our own making,
 * receivers that lie, repair symbols counted like any other, datagrams that change their size, lines that change their rate.
 */
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { fixedRate } from '../../src/congestion/controller.js';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { Recovery } from '../../src/path/recovery.js';
import { createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';
import { type BenchRow, row } from '../report.js';
import { alone, capacity, describe, type Line, network, rtt, worst } from './scenario.js';
import { watch } from './watch.js';

const LINE: Line = { mbit: 50, ms: 40, bdp: 1 };

export function protection(controller: ControllerFactory): BenchRow[] {
  return [
    ...breaker(controller),
    ...[1, 15.6].map((tick) => bursts(controller, tick)),
    inflation(controller),
    ownLoss(controller),
    codelDelay(controller),
    ...sizes(controller),
    optimism(controller),
    ...repair(controller),
    ...cellular(controller),
    batches(controller),
  ];
}

function breaker(controller: ControllerFactory): BenchRow[] {
  const flood = watch(LINE, { controller: () => fixedRate(10 * capacity(LINE)) });
  flood.through(5 * SECOND);
  const sent = flood.flow.recovery.stats.sentPackets;
  const trips = flood.until(() => false, 5 * SECOND).trips;
  const perTrip = (flood.flow.recovery.stats.sentPackets - sent) / trips;

  const dead = watch(LINE, { controller });
  const back = 40 * SECOND;
  dead.flow.outage = { from: 5 * SECOND, to: back };
  dead.net.run(20 * SECOND);
  const before = dead.flow.recovery.stats.sentPackets;
  dead.net.run(back);
  const probes = (dead.flow.recovery.stats.sentPackets - before) / 20;
  const again = dead.untilFull(20 * SECOND).time;

  const lossy = [CONTROLLERS.bbr, CONTROLLERS.cubic].map((controllerOf) => {
    const { flow } = alone(
      LINE,
      { controller: controllerOf, loss: iid(0.75) },
      { warm: 0, measure: 60 * SECOND },
    );
    return flow.recovery.breaker.trips;
  });
  return [
    row('breaker: datagrams a round trip of a sender that ignores 90 % loss', perTrip, 'max', 2.2, 2),
    row('breaker: datagrams a second into a path that has gone silent', probes, 'max', 2, 1),
    row('breaker: seconds to 90 % once the path is back', again / SECOND, 'max', 5, 2),
    row('breaker: trips in a minute of 75 % random loss, bbr and cubic', Math.max(...lossy), 'max', 0, 0),
  ];
}

/** Against what 20 ms at the fastest pace after startup give, and two datagrams. */
function bursts(controller: ControllerFactory, tick: number): BenchRow {
  const path = watch(LINE, { controller, tick: tick * MILLISECOND });
  path.through(3 * SECOND);
  path.flow.maxBurst = 0;
  path.through(15 * SECOND);
  const cap = 0.02 * 1.3 * capacity(LINE) + 2 * path.flow.size;
  return row(
    `timer tick ${tick} ms: largest burst against its cap`,
    (path.flow.maxBurst * path.flow.size) / cap,
    'max',
    1,
    0.8,
  );
}

/** RFC 9002 section 7.8: a window that is not used must not grow. */
function inflation(controller: ControllerFactory): BenchRow {
  const path = watch(LINE, { controller });
  path.throttle(capacity(LINE) / 10);
  path.through(30 * SECOND);
  const bdp = capacity(LINE) * (rtt(LINE) / SECOND);
  return row(
    'window after 30 s of a tenth of the line, in BDP',
    path.flow.controller.window() / bdp,
    'max',
    4,
    2,
  );
}

/** No random loss: what is lost then is lost by our own pushing. */
function ownLoss(controller: ControllerFactory): BenchRow {
  const results = [0.1, 0.25, 0.5, 1].flatMap((bdp) =>
    [1, 2, 4].map((count) => {
      const net = network({ ...LINE, bdp }, 'own');
      const flows = Array.from({ length: count }, (_, i) =>
        net.add({ controller, rtt: rtt(LINE), start: i * 50 * MILLISECOND }),
      );
      const sum = (key: 'sentPackets' | 'lostPackets') =>
        flows.reduce((total, flow) => total + flow.recovery.stats[key], 0);
      net.run(10 * SECOND);
      const [sent, lost] = [sum('sentPackets'), sum('lostPackets')];
      net.run(40 * SECOND);
      return { bdp, count, loss: (sum('lostPackets') - lost) / (sum('sentPackets') - sent) };
    }),
  );
  const most = worst(results, ({ loss }) => -loss);
  return row(
    `loss without random loss, worst with ${most.count} flows at ${most.bdp} BDP`,
    most.loss,
    'max',
    0.05,
    0.02,
  );
}

function codelDelay(controller: ControllerFactory): BenchRow {
  const { wait95 } = alone(
    { ...LINE, bdp: 10 },
    { controller },
    { warm: 3 * SECOND, measure: 20 * SECOND },
    'codel',
  );
  return row(
    'queueing delay p95 in ms under CoDel',
    wait95 / MILLISECOND,
    'max',
    LINE.ms / 2 + 5,
    LINE.ms / 4,
  );
}

/** What path MTU discovery finds, and a path that carries less than it did. */
function sizes(controller: ControllerFactory): BenchRow[] {
  const path = watch(LINE, { controller });
  path.through(5 * SECOND);
  const shares = [1452, 8952, 1232].map((size) => {
    path.net.resize(path.flow, size);
    const from = path.net.now;
    path.through(5 * SECOND);
    return { size, share: path.flow.rate(from, from + 5 * SECOND) / capacity(LINE) };
  });
  const least = worst(shares, ({ share }) => share);
  return [
    row(
      `datagrams of 1232, 1452, 8952, 1232 bytes: share of C, worst at ${least.size}`,
      least.share,
      'min',
      0.9,
      0.96,
    ),
  ];
}

/** A receiver that acknowledges all that may have been sent, to be sent more: RFC 9000 section 21.4. */
function optimism(controller: ControllerFactory): BenchRow {
  const counts = [1, 2, 3, 4, 5].map((seed) => {
    const recovery = new Recovery({ controller: controller(1232, seed), rng: new Rng(seed) });
    let now = 0;
    for (let sent = 1; ; sent++) {
      now += 10 * MILLISECOND;
      const largest = recovery.onSent(now, 1232);
      const ack = { ranges: [largest, 0], delay: 0, received: largest + 1 };
      if (!recovery.onAckReceived(now + MILLISECOND, ack).ok) return sent;
    }
  });
  return row(
    'datagrams until a receiver that acks what it did not get is refused',
    Math.max(...counts),
    'max',
    4097,
    4097,
  );
}

/** RFC 9265: with half and with as many repair symbols again as source symbols the same goes over the wire. */
function repair(controller: ControllerFactory): BenchRow[] {
  const mbit = 10;
  const rates = [0, 256, 512].map((pessimism) => {
    const cluster = createCluster({
      seed: 'repair',
      members: 2,
      faulty: 0,
      pessimism,
      controller,
      links: { delay: 20 * MILLISECOND, rate: mbit * 1e6, queue: 50_000 },
    });
    const { world, members } = cluster;
    const { counters } = world.link(members[0].address, members[1].address);
    world.runUntil(world.now + SECOND);
    cluster.broadcast(0, new Rng('object').bytes(16 << 20));
    world.runUntil(world.now + 3 * SECOND);
    const { bytes, lost, queueDropped } = counters;
    world.runUntil(world.now + 5 * SECOND);
    const result = {
      wire: ((counters.bytes - bytes) * 8) / 5 / (mbit * 1e6),
      lost: counters.lost + counters.queueDropped - lost - queueDropped,
    };
    cluster.dispose();
    return result;
  });
  const [none] = rates;
  const off = Math.max(...rates.map(({ wire }) => Math.abs(wire / none.wire - 1)));
  return [
    row('wire rate without repair symbols: share of C', none.wire, 'min', 0.9, 0.96),
    row('wire rate with 50 and 100 % repair symbols: distance from that without', off, 'max', 0.03, 0.01),
  ];
}

/** A radio link with half a second of buffer: what is right in flight at its fastest takes 450 ms at its slowest. */
function cellular(controller: ControllerFactory): BenchRow[] {
  const line: Line = { mbit: 20, ms: 50, bdp: 10 };
  const path = watch(line, { controller });
  const rng = new Rng('cellular');
  let offered = 0;
  for (let i = 0; i < 300; i++) {
    const rate = (4 + 32 * rng.float()) * 1e6;
    path.net.bottleneck.setRate(path.net.now, rate);
    if (i === 50) path.net.bottleneck.resetWaits();
    if (i >= 50) offered += rate / 10 / 8;
    path.net.run(path.net.now + 100 * MILLISECOND);
  }
  const delivered = path.flow.rate(5 * SECOND, 30 * SECOND) * 25;
  return [
    row(
      'rate redrawn from 4 to 36 Mbit/s each 100 ms: share of what there was',
      delivered / offered,
      'min',
      0.6,
      0.8,
    ),
    row(
      'rate redrawn from 4 to 36 Mbit/s each 100 ms: queueing delay p95 in ms',
      path.net.bottleneck.waitQuantile(0.95) / MILLISECOND,
      'max',
      300,
      150,
    ),
  ];
}

/** A shared medium that collects datagrams for 10 ms and sends them together, both ways. */
function batches(controller: ControllerFactory): BenchRow {
  const results = [LINE, { mbit: 100, ms: 10, bdp: 2 }].map((line) => {
    const options = { controller, aggregation: 10 * MILLISECOND, ackAggregation: 10 * MILLISECOND };
    return { line, share: alone(line, options, { warm: 3 * SECOND, measure: 10 * SECOND }).share };
  });
  const least = worst(results, ({ share }) => share);
  return row(
    `layer 2 batches of 10 ms both ways: share of C, worst at ${describe(least.line)}`,
    least.share,
    'min',
    0.8,
    0.95,
  );
}
