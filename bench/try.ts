import { Bbr } from '../src/congestion/bbr.js';
import type { ControllerFactory } from '../src/congestion/controller.js';
import { Cubic } from '../src/congestion/cubic.js';
import { NewReno } from '../src/congestion/newreno.js';
import { SECOND } from '../src/core/time.js';
import { Bottleneck } from '../src/sim/bottleneck.js';
import { FlowNetwork } from '../src/sim/flow.js';
import { gilbertElliott, iid } from '../src/sim/loss.js';

const C: Record<string, ControllerFactory> = {
  bbr: (m) => new Bbr(m),
  cubic: (m) => new Cubic(m),
  reno: (m) => new NewReno(m),
};
const what = process.argv[2];
const out = (...a: unknown[]) => console.log(...a);
const pct = (x: number) => (100 * x).toFixed(1).padStart(6);

function solo(c: string, mbit: number, ms: number, p: number, bufBdp = 1, ge = 0, seconds = 10) {
  const rtt = ms * 1000;
  const rate = mbit * 1e6;
  const bdp = (rate / 8) * (ms / 1000);
  const b = new Bottleneck({ rate, buffer: Math.max(bdp * bufBdp, 30_000) });
  const net = new FlowNetwork('x', b);
  const f = net.add({
    controller: C[c],
    rtt,
    loss: ge ? gilbertElliott({ meanLoss: p, meanBurst: ge }) : iid(p),
  });
  const warm = Math.max(3 * SECOND, 20 * rtt);
  net.run(warm);
  b.resetWaits();
  const end = warm + Math.max(seconds * SECOND, 30 * rtt);
  const t0 = process.hrtime.bigint();
  net.run(end);
  const wall = Number(process.hrtime.bigint() - t0) / 1e9;
  const share = f.rate(warm, end) / ((rate / 8) * (1 - p));
  return { share, p95: b.waitQuantile(0.95) / 1000, f, wall, m: f.controller.metrics() };
}
if (what === 'solo') {
  const c = process.argv[3];
  for (const mbit of (process.argv[4] ?? '10,100').split(',').map(Number))
    for (const ms of (process.argv[5] ?? '1,30,100,300').split(',').map(Number)) {
      let line = `${c} ${String(mbit).padStart(5)} Mbit ${String(ms).padStart(4)} ms: `;
      const t0 = Date.now();
      for (const p of [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5])
        line += pct(
          solo(
            c,
            mbit,
            ms,
            p,
            1,
            Number(process.argv[6] ?? 0) && p > 0 ? Math.max(Number(process.argv[6]), p / (1 - p)) : 0,
          ).share,
        );
      out(line, `${Date.now() - t0} ms`);
    }
}
if (what === 'one') {
  const [, , , c, mbit, ms, p, buf] = process.argv;
  const r = solo(c, +mbit, +ms, +p, +(buf ?? 1));
  out(r.share, 'p95', r.p95, r.wall, r.m, r.f.recovery.stats);
}
if (what === 'vs') {
  // share against others
  const [, , , a, bname] = process.argv;
  const secs = Number(process.argv[5] ?? 60);
  for (const [mbit, ms] of [
    [50, 40],
    [20, 20],
    [100, 80],
  ])
    for (const buf of [0.5, 1, 2, 5, 10]) {
      const rate = mbit * 1e6;
      const bdp = (rate / 8) * (ms / 1000);
      const b = new Bottleneck({ rate, buffer: bdp * buf });
      const net = new FlowNetwork('x', b);
      const f = net.add({ controller: C[a], rtt: ms * 1000, start: 0 });
      const g = net.add({ controller: C[bname], rtt: ms * 1000, start: 100_000 });
      net.run(secs * SECOND);
      const x = f.rate((secs * SECOND) / 4, secs * SECOND);
      const y = g.rate((secs * SECOND) / 4, secs * SECOND);
      out(
        `${mbit} Mbit ${ms} ms ${buf} BDP: ${a} ${pct(x / (x + y))} of total ${pct(((x + y) * 8) / rate)} p95 ${b.waitQuantile(0.95) / 1000} floor ${f.controller.metrics().lossFloor?.toFixed(3)}`,
      );
    }
}
if (what === 'jain') {
  const c = process.argv[3];
  for (const [mbit, ms] of process.argv[4]
    ? [process.argv[4].split(',').map(Number)]
    : [
        [50, 40],
        [20, 20],
        [100, 100],
      ])
    for (const n of [2, 4, 16])
      for (const buf of [0.5, 1, 5]) {
        const rate = mbit * 1e6;
        const bdp = (rate / 8) * (ms / 1000);
        const b = new Bottleneck({ rate, buffer: Math.max(20_000, bdp * buf) });
        const net = new FlowNetwork('x', b);
        const fs = Array.from({ length: n }, (_, i) =>
          net.add({ controller: C[c], rtt: ms * 1000, start: i * 500_000 }),
        );
        net.run(60 * SECOND);
        const xs = fs.map((f) => f.rate(30 * SECOND, 60 * SECOND));
        const s = xs.reduce((q, x) => q + x, 0);
        out(
          `${mbit} Mbit ${ms} ms n=${n} buf ${buf}: jain ${((s * s) / (n * xs.reduce((q, x) => q + x * x, 0))).toFixed(3)} util ${pct((s * 8) / rate)} p95 ${b.waitQuantile(0.95) / 1000} loss ${pct(b.dropped / fs.reduce((q, f) => q + f.recovery.stats.sentPackets, 0))} ${fs
            .map((f) => {
              const m = f.controller.metrics();
              return (
                m.state +
                ' ' +
                m.lossFloor?.toFixed(2) +
                ' ' +
                ((f.rate(50 * SECOND, 60 * SECOND) * 8) / 1e6).toFixed(1)
              );
            })
            .slice(0, 16)
            .join(', ')}`,
        );
      }
}
if (what === 'trace') {
  const [, , , c, mbit, ms, p, buf, secs, stepMs] = process.argv;
  const rtt = +ms * 1000;
  const rate = +mbit * 1e6;
  const b = new Bottleneck({ rate, buffer: Math.max((rate / 8) * (+ms / 1000) * +(buf ?? 1), 30_000) });
  const net = new FlowNetwork('x', b);
  const f = net.add({
    controller: C[c],
    rtt,
    loss: process.argv[10] ? gilbertElliott({ meanLoss: +p, meanBurst: +process.argv[10] }) : iid(+p),
  });
  let last = 0;
  for (let t = 0; t < +secs * SECOND; t += +(stepMs ?? 100) * 1000) {
    net.run(t);
    const m = f.controller.metrics();
    out(
      (t / 1e6).toFixed(2),
      m.state.padEnd(9),
      'cwnd',
      (m.window / 1232).toFixed(0),
      'infl',
      (f.recovery.inFlight / 1232).toFixed(0),
      'pace',
      ((m.pacingRate * 8) / 1e6).toFixed(2),
      'bw',
      (((m.bandwidth ?? 0) * 8) / 1e6).toFixed(2),
      'floor',
      m.lossFloor?.toFixed(3),
      'wait',
      (b.wait(t) / 1000).toFixed(1),
      'got',
      (((f.deliveredBytes - last) * 8) / (+(stepMs ?? 100) * 1000)).toFixed(2),
      'srtt',
      (f.recovery.rtt.smoothed / 1000).toFixed(1),
      f.recovery.stats.lostPackets,
      f.recovery.stats.spuriousPackets,
      f.recovery.stats.persistentCongestion,
    );
    last = f.deliveredBytes;
  }
}
if (what === 'trace2') {
  const [, , , c, d, mbit, ms, buf, secs, stepMs, n] = process.argv;
  const rtt = +ms * 1000;
  const rate = +mbit * 1e6;
  const b = new Bottleneck({ rate, buffer: (rate / 8) * (+ms / 1000) * +buf });
  const net = new FlowNetwork('x', b);
  const fs = [net.add({ controller: C[c], rtt })];
  for (let i = 1; i < +(n ?? 2); i++) fs.push(net.add({ controller: C[d], rtt, start: i * 100_000 }));
  const last = fs.map(() => 0);
  for (let t = 0; t < +secs * SECOND; t += +stepMs * 1000) {
    net.run(t);
    out(
      (t / 1e6).toFixed(2),
      'wait',
      (b.wait(t) / 1000).toFixed(0).padStart(4),
      b.dropped,
      ...fs.slice(0, 3).map((f, i) => {
        const m = f.controller.metrics();
        const got = ((f.deliveredBytes - last[i]) * 8) / (+stepMs * 1000);
        last[i] = f.deliveredBytes;
        const x = f.controller as unknown as { minRtt?: number; cycleMinRtt?: number };
        return `| ${m.state.padEnd(9)} cw ${(m.window / 1232).toFixed(0)} W ${((m.slowStartThreshold ?? 0) / 1232).toFixed(0)} pace ${((m.pacingRate * 8) / 1e6).toFixed(1)} bw ${(((m.bandwidth ?? 0) * 8) / 1e6).toFixed(1)} f ${m.lossFloor?.toFixed(2)} got ${got.toFixed(1)} min ${((x.minRtt ?? 0) / 1000).toFixed(0)}`;
      }),
    );
  }
}
if (what === 'storm') {
  const [, , , c, mbit, ms, buf, secs, n, stag] = process.argv;
  const rate = +mbit * 1e6;
  const b = new Bottleneck({ rate, buffer: (rate / 8) * (+ms / 1000) * +buf });
  const net = new FlowNetwork('x', b);
  const fs = Array.from({ length: +n }, (_, i) =>
    net.add({ controller: C[c], rtt: +ms * 1000, start: i * +(stag ?? 500) * 1000 }),
  );
  let drops = 0;
  let sent = 0;
  for (let t = 0; t < +secs * SECOND; t += 2 * SECOND) {
    net.run(t);
    const xs = fs.map((f) => f.rate(t - 2 * SECOND, t));
    const s = xs.reduce((q, x) => q + x, 0);
    const all = fs.reduce((q, f) => q + f.recovery.stats.sentPackets, 0);
    const states: Record<string, number> = {};
    for (const f of fs)
      states[f.controller.metrics().state] = (states[f.controller.metrics().state] ?? 0) + 1;
    out(
      t / SECOND,
      'loss',
      pct((b.dropped - drops) / (all - sent + 1)),
      'wait',
      (b.wait(t) / 1000).toFixed(0),
      'jain',
      ((s * s) / (+n * xs.reduce((q, x) => q + x * x, 0))).toFixed(3),
      JSON.stringify(states),
      'floors',
      fs.map((f) => Math.round((f.controller.metrics().lossFloor ?? 0) * 100)).join(' '),
      '| min',
      fs.map((f) => Math.round((f.controller as unknown as { minRtt: number }).minRtt / 1000)).join(' '),
    );
    drops = b.dropped;
    sent = all;
  }
}
if (what === 'stuck') {
  for (const [mbit, ms, p] of [[10, 1, 0.05]]) {
    const rate = mbit * 1e6;
    const b = new Bottleneck({ rate, buffer: Math.max(20 * 1232, (rate / 8) * (ms / 1000)) });
    const net = new FlowNetwork(`${mbit}/${ms}/1`, b);
    const f = net.add({
      controller: C.bbr,
      rtt: ms * 1000,
      loss: gilbertElliott({ meanLoss: p, meanBurst: 5 }),
    });
    let last = 0;
    for (let t = 0; t < 13e6; t += 450_000) {
      net.run(t);
      if (t > 200_000 && f.deliveredBytes === last) {
        const r = f.recovery;
        out(
          mbit,
          ms,
          p,
          'stuck at',
          t,
          f.controller.metrics(),
          r.stats,
          'infl',
          r.inFlight,
          r.canSend(t),
          r.nextSend(t),
          r.nextTimeout(),
          r.rtt,
          'wake',
          f.wakeAt,
          f.ackWakeAt,
          f.tracker.nextAck(),
        );
      }
      last = f.deliveredBytes;
    }
    out(mbit, ms, p, (f.rate(3e6, 13e6) * 8) / rate / (1 - p));
  }
}
if (what === 'rtt') {
  for (const buf of [0.5, 1, 2, 5]) {
    const b = new Bottleneck({ rate: 50e6, buffer: 312_500 * buf });
    const net = new FlowNetwork('rtt', b);
    const fs = [10, 100].map((ms) => net.add({ controller: C.bbr, rtt: ms * 1000 }));
    let line = '';
    for (let t = 5e6; t <= 60e6; t += 5e6) {
      net.run(t);
      line +=
        fs
          .map((f) => ((f.rate(t - 5e6, t) * 8) / 1e6).toFixed(0) + f.controller.metrics().state[0])
          .join('/') + ' ';
    }
    out(buf, line);
  }
}
if (what === 'vs2') {
  for (const buf of [0.5, 1, 2, 5, 10]) {
    let line = `${buf}: `;
    for (const [mbit, ms] of [[20, 20], [50, 40], [100, 80]])
      for (const first of [true, false]) {
        const rate = mbit * 1e6;
        const b = new Bottleneck({ rate, buffer: Math.max(24640, (rate / 8) * (ms / 1000) * buf) });
        const net = new FlowNetwork('cubic', b);
        const f = net.add({ controller: C.bbr, rtt: ms * 1000, start: first ? 0 : 2e6 });
        const g = net.add({ controller: C[process.argv[3] ?? 'cubic'], rtt: ms * 1000, start: first ? 2e6 : 0 });
        net.run(90e6);
        const x = f.rate(20e6, 90e6);
        const y = g.rate(20e6, 90e6);
        line += ` ${mbit}/${ms}${first ? 'A' : 'B'} ${(x / (x + y)).toFixed(2)}`;
      }
    out(line);
  }
}
if (what === 'later') {
  const b = new Bottleneck({ rate: 100e6, buffer: 10e6 });
  const net = new FlowNetwork('cubic', b);
  const f = net.add({ controller: C.bbr, rtt: 80000, start: 2e6 });
  const g = net.add({ controller: C.cubic, rtt: 80000 });
  for (let t = 2e6; t < 90e6; t += 3e6) {
    net.run(t);
    const m = f.controller.metrics();
    const x = f.controller as unknown as { minRtt: number; capacity: number };
    out(t / 1e6, m.state, 'cw', (m.window / 1232) | 0, 'W', ((m.slowStartThreshold ?? 0) / 1232) | 0, 'min', x.minRtt / 1000, 'cap', (x.capacity * 8) / 1e6, 'wait', (b.wait(t) / 1000) | 0, 'cubic', (g.controller.window() / 1232) | 0, b.dropped);
  }
}
