/** The plot tool: what it reads from a trace, and that the picture says what it shows. */
import { describe, expect, test } from 'vitest';
import { renderChart } from '../../tools/plot/chart.js';
import { parseTrace, traceChart } from '../../tools/plot/trace.js';

describe('parseTrace', () => {
  test('gives one path for each peer, with times in seconds', () => {
    const [b, c] = parseTrace(trace('a', [metrics(1000, 'b', {}), metrics(2500, 'c', {})]));
    expect([b.name, c.name]).toEqual(['a to b', 'a to c']);
    expect([b.start, c.events[0].at]).toEqual([1000, 2.5]);
  });

  test('leaves out a last line that was cut short', () => {
    const [path] = parseTrace(`${trace('a', [metrics(0, 'b', {})])}{"time":1,"gro`);
    expect(path.events).toHaveLength(1);
  });

  test.each([
    ['no header', '{"time":1}\n', 'line 1'],
    ['no JSON', `${trace('a', [])}oops\n`, 'line 2'],
    ['an event without a peer', `${trace('a', [])}{"time":1,"name":"x","data":{}}\n`, 'line 2'],
    ['nothing', '', 'line 1'],
  ])('names the line of %s', (_, text, line) => {
    expect(() => parseTrace(text)).toThrow(new RegExp(`^${line}: expected`));
  });
});

describe('traceChart', () => {
  test('delivered rate and loss are differences of the running totals', () => {
    const events = [0, 1, 2].map((second) =>
      metrics(second * 1000, 'b', {
        delivered_bytes: second * 125_000,
        packets_acked: second * 90,
        packets_lost: second * 10,
      }),
    );
    const { panels } = traceChart('t', parseTrace(trace('a', events)));
    const points = (name: string) =>
      panels.flatMap(({ series }) => series).find((one) => one.name === name)!.points;
    expect(points('delivered')).toEqual([
      [0.5, 1],
      [1.5, 1],
    ]);
    expect(points('lost')).toEqual([
      [0.5, 10],
      [1.5, 10],
    ]);
  });

  test('totals that begin anew are no negative rate', () => {
    const totals = [500_000, 1_000_000, 0, 500_000].map((bytes, second) =>
      metrics(second * 1000, 'b', { delivered_bytes: bytes }),
    );
    const { panels } = traceChart('t', parseTrace(trace('a', totals)));
    expect(panels[0].series[0].points.every(([, rate]) => rate > 0)).toBe(true);
  });

  test('traces of several files share one axis of time', () => {
    const early = parseTrace(trace('a', [metrics(0, 'b', { smoothed_rtt: 5 })], 1_000_000));
    const late = parseTrace(trace('b', [metrics(0, 'a', { smoothed_rtt: 7 })], 1_003_000));
    const rtt = traceChart('t', [...early, ...late]).panels.find(({ axis }) => axis === 'RTT (ms)')!;
    expect(rtt.series.map(({ name, points }) => [name, points])).toEqual([
      ['a to b', [[0, 5]]],
      ['b to a', [[3, 7]]],
    ]);
  });

  test('a trace without events is an error that says so', () => {
    expect(() => traceChart('t', parseTrace(trace('a', [])))).toThrow('expected events');
  });
});

test('the picture is SVG with its title, axes with units and a legend', () => {
  const svg = renderChart({
    title: 'Two <flows>',
    end: 3,
    panels: [
      {
        axis: 'rate (Mbit/s)',
        series: [
          {
            name: 'ours',
            points: [
              [0, 1],
              [3, 2],
            ],
          },
        ],
      },
    ],
  });
  expect(svg).toMatch(/^<svg /);
  for (const text of ['Two &lt;flows&gt;', 'rate (Mbit/s)', 'time (s)', 'ours']) expect(svg).toContain(text);
});

function trace(viewer: string, events: object[], reference_time = 1_000_000): string {
  const header = {
    qlog_format: 'NDJSON',
    trace: { vantage_point: { name: viewer }, common_fields: { reference_time } },
  };
  return [header, ...events].map((line) => `${JSON.stringify(line)}\n`).join('');
}

function metrics(time: number, group_id: string, data: object): object {
  return { time, group_id, name: 'recovery:metrics_updated', data };
}
