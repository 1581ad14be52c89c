/* Draws the report of `bench links`: lines over loss and round trip, bars for the other cases, a table of all. Data: Summary[] of report.ts. */
/* global uPlot */
(() => {
  const rows = JSON.parse(document.getElementById('data').textContent);
  const nameOf = ({ system, mode }) => `${system} ${mode}`;
  const systems = [...new Set(rows.map(nameOf))];
  const root = document.documentElement;
  root.dataset.theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';

  const element = (tag, text = '', more = {}) =>
    Object.assign(document.createElement(tag), { textContent: text, ...more });
  const css = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const isOurs = (name) => name.startsWith('headwater');
  /** Ours are the page's water and green; the others lie around the wheel. */
  function colorOf(name) {
    const isDark = root.dataset.theme === 'dark';
    if (isOurs(name))
      return css(name.endsWith('unicast') ? 'water' : name.endsWith('overlay') ? 'deep' : 'source');
    const others = systems.filter((each) => !isOurs(each));
    const hue = 20 + (others.indexOf(name) * 300) / others.length;
    return isDark ? `oklch(0.74 0.12 ${hue})` : `oklch(0.58 0.14 ${hue})`;
  }

  const LINES = [
    {
      group: 'loss',
      x: 'lossPercent',
      title: 'Goodput over loss',
      unit: 'Mbit/s, logarithmic; loss of a link, %',
      y: 'goodputMbit',
      log: true,
    },
    {
      group: 'loss',
      x: 'lossPercent',
      title: 'Share of what loss leaves',
      unit: 'goodput in C(1 − p); loss of a link, %',
      y: 'share',
    },
    {
      group: 'loss',
      x: 'lossPercent',
      title: 'Bytes sent',
      unit: 'by all nodes, over the file; loss of a link, %',
      y: 'sentRatio',
    },
    {
      group: 'loss',
      x: 'lossPercent',
      title: 'Processor time',
      unit: 's for each GiB, all processes, logarithmic; loss of a link, %',
      y: 'cpuSecondsPerGiB',
      log: true,
    },
  ];
  const BARS = [
    { group: 'rtt', title: 'Long and short round trips', y: 'share' },
    { group: 'receivers', title: 'Several receivers', y: 'share' },
    { group: 'rate', title: 'Slow links, and links without a limit', y: 'goodputMbit' },
    { group: 'bursts', title: 'Losses in bursts', y: 'share' },
    { group: 'queue', title: 'Small and large queues', y: 'share' },
    { group: 'policer', title: 'A policer', y: 'share' },
    { group: 'steps', title: 'A rate that changes', y: 'share' },
    { group: 'beside', title: 'What one TCP flow keeps beside it', y: 'tcpShare' },
  ];
  const UNITS = {
    share: 'goodput in C(1 − p)',
    goodputMbit: 'Mbit/s',
    tcpShare: "of both flows' bytes; a half is fair",
  };

  function draw() {
    const figures = document.getElementById('figures');
    figures.replaceChildren();
    const legend = document.getElementById('systems');
    legend.replaceChildren(
      ...systems.map((name) => {
        const item = element('li', name);
        const mark = element('i');
        mark.style.background = colorOf(name);
        item.prepend(mark);
        return item;
      }),
    );
    // Their widths are known once all are there.
    const later = [];
    for (const line of LINES) {
      const found = rows.filter(({ group }) => group === line.group);
      if (found.length > 0) {
        const body = panel(figures, line.title, line.unit);
        later.push(() => drawLines(body, line, found));
      }
    }
    for (const bar of BARS) {
      const found = rows.filter(({ group }) => group === bar.group);
      if (found.length > 0) drawBars(panel(figures, bar.title, UNITS[bar.y]), bar, found);
    }
    drawTable();
    for (const drawing of later) drawing();
  }

  function panel(host, title, unit) {
    const section = element('section');
    const heading = element('h2', title);
    heading.append(element('small', unit));
    const body = element('div');
    section.append(heading, body);
    host.append(section);
    return body;
  }

  function drawLines(host, { x, y, log }, found) {
    const xs = [...new Set(found.map((row) => row[x]))].sort((a, b) => a - b);
    const axis = {
      stroke: css('muted'),
      font: `10.5px ${css('font')}`,
      grid: { stroke: css('line'), width: 1 },
      ticks: { show: false },
    };
    const shown = systems.filter((name) => found.some((row) => nameOf(row) === name && row[y] !== null));
    const column = (name) =>
      xs.map((at) => found.find((row) => row[x] === at && nameOf(row) === name)?.[y] ?? null);
    const only = (isDone) => (name) =>
      column(name).map((value, i) =>
        found.some((row) => row[x] === xs[i] && nameOf(row) === name && row.success === isDone)
          ? value
          : null,
      );
    const marks = (name) => ({ stroke: colorOf(name), width: 1.5, paths: () => null });
    new uPlot(
      {
        width: host.clientWidth,
        height: 260,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        padding: [8, 12, 0, 0],
        scales: {
          x: { time: false },
          y: log ? { distr: 3 } : { range: (_, min, max) => [Math.min(0, min), max * 1.05] },
        },
        axes: [
          { ...axis, splits: () => xs, values: (_, splits) => splits.map(String) },
          {
            ...axis,
            size: 52,
            values: (_, splits) =>
              splits.map((value) => (value === null ? '' : String(Number(value.toPrecision(3))))),
          },
        ],
        series: [
          {},
          ...shown.map((name) => ({
            stroke: colorOf(name),
            width: isOurs(name) ? 2.6 : 1.5,
            spanGaps: true,
            points: { show: false },
          })),
          ...shown.map((name) => ({ ...marks(name), points: { show: true, size: 7, fill: colorOf(name) } })),
          ...shown.map((name) => ({ ...marks(name), points: { show: true, size: 7, fill: css('panel') } })),
        ],
      },
      [xs, ...shown.map(column), ...shown.map(only(true)), ...shown.map(only(false))],
      host,
    );
  }

  function drawBars(host, { y }, found) {
    const list = element('div', '', { className: 'bars' });
    for (const words of new Set(found.map(wordsOf))) {
      list.append(element('h3', words));
      const those = found.filter((row) => wordsOf(row) === words);
      const most = y === 'goodputMbit' ? Math.max(...those.map((row) => row[y] ?? 0)) : 1;
      for (const row of those) {
        const name = nameOf(row);
        const track = element('div');
        const bar = element('i');
        bar.style.background = row.success ? colorOf(name) : css('away');
        bar.style.width = `${Math.min(100, (100 * (row[y] ?? 0)) / most)}%`;
        track.append(bar);
        const value =
          row[y] === null
            ? ''
            : y === 'goodputMbit'
              ? row[y].toPrecision(3)
              : `${Math.round(100 * row[y])} %`;
        list.append(
          element('span', name),
          track,
          element('span', row.success ? value : `not done ${value}`, {
            className: row.success ? '' : 'failed',
            title: row.reason ?? '',
          }),
        );
      }
    }
    host.append(list);
  }

  function wordsOf({ receivers, lossPercent, burstPackets, rttMs, mbit, queueBdp, policedMbit, steps }) {
    return [
      `${receivers} receiver${receivers > 1 ? 's' : ''}`,
      steps ?? (mbit === null ? 'no limit' : `${mbit} Mbit/s`),
      `${rttMs} ms`,
      `${lossPercent} % a link${burstPackets === null ? '' : ` in bursts of ${burstPackets}`}`,
      ...(queueBdp === 1 ? [] : [`queue of ${queueBdp} BDP`]),
      ...(policedMbit === null ? [] : [`policed to ${policedMbit} Mbit/s`]),
    ].join(', ');
  }

  function drawTable() {
    const columns = [
      ['system', nameOf],
      ['links', wordsOf],
      ['path loss %', (row) => row.pathLossPercent],
      ['MiB', (row) => digits(row.bytes / 2 ** 20, 3)],
      ['s', (row) => digits(row.seconds, 3)],
      ['Mbit/s', (row) => digits(row.goodputMbit, 3)],
      ['share', (row) => digits(row.share, 3)],
      ['sent / files', (row) => digits(row.sentRatio, 3)],
      ['origin / file', (row) => digits(row.originRatio, 3)],
      ['CPU s/GiB', (row) => digits(row.cpuSecondsPerGiB, 3)],
      ['RSS MiB', (row) => digits(row.maxRssMiB, 3)],
      ['TCP beside', (row) => digits(row.tcpShare, 2)],
      ['runs', (row) => (row.failed > 0 ? `${row.runs - row.failed} of ${row.runs}` : row.runs)],
      ['', (row) => row.reason ?? ''],
    ];
    const table = document.getElementById('rows');
    const head = element('tr');
    head.append(...columns.map(([name]) => element('th', name)));
    table.replaceChildren(head);
    for (const row of rows) {
      const line = element('tr');
      line.append(
        ...columns.map(([, of], i) =>
          element('td', String(of(row)), {
            className: !row.success && i === columns.length - 1 ? 'failed' : '',
          }),
        ),
      );
      table.append(line);
    }
    const failed = rows.filter(({ success }) => !success).length;
    document.getElementById('count').textContent = `${rows.length} cases, ${failed} of them not done`;
  }

  function digits(value, count) {
    return value === null ? '–' : Number(value.toPrecision(count));
  }

  document.getElementById('theme').addEventListener('click', () => {
    root.dataset.theme = root.dataset.theme === 'dark' ? 'light' : 'dark';
    draw();
  });
  addEventListener('resize', draw);
  draw();
})();
