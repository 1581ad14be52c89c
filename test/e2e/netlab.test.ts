/**
 * The namespace lab does what it is asked: delay, loss and rate are those of the links' own counts and of a probe's, and
 * nothing is left when it is closed. Skipped, with the reason, where there can be none.
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { type Lab, labUnavailable, openLab } from '../../tools/lab/lab.js';
import { type CliEvent, cleanup, tempFolder } from './cli.js';
import { createLab } from './lab.js';

const reason = labUnavailable();
if (reason !== undefined) process.stderr.write(`skipped: ${reason}\n`);

describe.skipIf(reason !== undefined)('namespace lab', () => {
  test('no echo comes back sooner than two delays', async () => {
    await using lab = await openLab({ nodes: 2, delayMs: 10 });
    const { roundTrips } = await probe(lab, { count: 50, gapMs: 2 });
    expect(roundTrips).toHaveLength(50);
    expect(Math.min(...roundTrips)).toBeGreaterThanOrEqual(20);
  });

  test('each link loses its percentage, and a round trip meets four of them', async () => {
    await using lab = await openLab({ nodes: 2, lossPercent: 10 });
    const { roundTrips } = await probe(lab, { count: 4000, gapMs: 0.25 });
    const links = (await lab.counters()).flatMap(({ up, down }) => [up, down]);
    // Five standard deviations of a binomial. What a busy machine's sockets dropped has not come this far.
    for (const { lost, packets } of links)
      expect(Math.abs(lost / packets - 0.1)).toBeLessThan(5 * Math.sqrt(0.09 / packets));
    expect(links.reduce((left, { lost }) => left - lost, 4000)).toBeGreaterThanOrEqual(roundTrips.length);
  });

  test('loss may change while it runs, and applies to the links that were named', async () => {
    await using lab = await openLab({ nodes: 3 });
    await lab.shape({ lossPercent: 100 }, { node: 1, direction: 'down' });
    expect((await probe(lab, { count: 20, gapMs: 1 })).roundTrips).toHaveLength(0);
    await lab.shape({});
    expect((await probe(lab, { count: 20, gapMs: 1 })).roundTrips).toHaveLength(20);
  });

  test('a full queue drops what comes next', async () => {
    await using lab = await openLab({ nodes: 2, rateMbit: 0.2, queueBytes: 5000 });
    const { roundTrips } = await probe(lab, { count: 50, gapMs: 0 });
    const [{ up }] = await lab.counters();
    expect(up.dropped).toBeGreaterThan(0);
    expect([up.passed, roundTrips.length]).toEqual([50 - up.dropped, 50 - up.dropped]);
  });

  test('no more arrives than the rate lets through', async () => {
    await using lab = await openLab({ nodes: 2, rateMbit: 0.5 });
    const { roundTrips, lastMs } = await probe(lab, { count: 50, gapMs: 0 });
    expect(roundTrips).toHaveLength(50);
    // Packets of 228 bytes.
    expect(lastMs).toBeGreaterThanOrEqual((50 * 228 * 8) / 500);
  });

  test('losses in bursts are as many as single ones, and come together', async () => {
    await using lab = await openLab({ nodes: 2 });
    await lab.shape({ lossPercent: 20, burstPackets: 10 }, { node: 0, direction: 'up' });
    const { missing } = await probe(lab, { count: 6000, gapMs: 0.25 });
    const [{ up }] = await lab.counters();
    // Of bursts of 10 the variance is some 19 times that of single losses.
    expect(Math.abs(up.lost / up.packets - 0.2)).toBeLessThan(5 * Math.sqrt((19 * 0.16) / up.packets));
    const lone = missing.filter((seq) => !missing.includes(seq - 1)).length;
    expect(missing.length / lone).toBeGreaterThan(5);
  });

  test('a policer drops what is beyond its rate, and lets nothing wait', async () => {
    await using lab = await openLab({ nodes: 2, delayMs: 10 });
    const policer = { delayMs: 10, rateMbit: 0.2, queueBytes: 5000, police: true };
    await lab.shape(policer, { node: 0, direction: 'up' });
    await probe(lab, { count: 50, gapMs: 0 });
    const [{ up }] = await lab.counters();
    expect(up.dropped).toBeGreaterThan(0);
    expect(up.passed).toBe(50 - up.dropped);
  });

  test('what is sent to a multicast address takes one up link, and reaches all who joined', async () => {
    await using lab = await openLab({ nodes: 3 });
    const members = [1, 2].map((node) =>
      lab.spawn(node, process.execPath, ['-e', JOINED, lab.address(node)]),
    );
    await Promise.all(members.map((member) => firstLine(member)));
    const before = (await lab.counters())[0].up.bytes;
    const sender = lab.spawn(0, process.execPath, ['-e', TO_ALL, lab.address(0)]);
    const heard = members.map(
      (member) => new Promise<string>((done) => member.stdout!.once('data', (text) => done(String(text)))),
    );
    expect(await Promise.all(heard)).toEqual(['to all\n', 'to all\n']);
    expect((await lab.counters())[0].up.bytes - before).toBe(6 + 28);
    sender.kill();
  });

  test('two labs at once have the same addresses and do not meet', async () => {
    await using one = await openLab({ nodes: 2, lossPercent: 100 });
    await using two = await openLab({ nodes: 2 });
    const [lossy, clean] = await Promise.all([one, two].map((lab) => probe(lab, { count: 10, gapMs: 1 })));
    expect([lossy.roundTrips.length, clean.roundTrips.length]).toEqual([0, 10]);
  });

  test('what runs in it ends with it', async () => {
    const lab = await openLab({ nodes: 1 });
    const child = lab.spawn(0, process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)']);
    await new Promise((done) => child.stdout!.once('data', done));
    const namespace = readlinkSync(`/proc/${child.pid}/ns/net`);
    await lab.close();
    expect(namespacesOfProcesses()).not.toContain(namespace);
  });
});

describe.skipIf(reason !== undefined)('members in the namespace lab', () => {
  afterEach(cleanup);

  test('find out no more than what its 1500 bytes carry, although larger datagrams arrive in pieces', async () => {
    await using lab = await openLab({ nodes: 2, delayMs: 2 });
    const names = ['anna', 'ben'];
    const addresses = names.map((_, i) => `${lab.address(i)}:7000`);
    const members = await createLab(await tempFolder(), names, addresses);
    const [anna] = names.map((name, i) =>
      lab.spawn(i, process.execPath, ['dist/cli/main.js', 'node', '--json', ...members.as(name)]),
    );
    // A larger size is tried at once after the one before has arrived: the second status from then on has it.
    let seen = 0;
    const mtu = await new Promise<number>((resolve, reject) => {
      createInterface({ input: anna.stdout! }).on('line', (line) => {
        const [peer] = (JSON.parse(line) as CliEvent & { peers?: { datagramBytes: number }[] }).peers ?? [];
        if (peer && peer.datagramBytes >= 1452 && seen++ > 0) resolve(peer.datagramBytes);
      });
      anna.once('close', (code) => reject(new Error(`exit code ${code}`)));
    });
    expect(mtu).toBe(1452);
  });
});

/** Node 0 sends 200-byte datagrams to node 1, which sends them back. */
async function probe(lab: Lab, { count, gapMs }: { count: number; gapMs: number }) {
  const echo = lab.spawn(1, process.execPath, ['-e', ECHO, lab.address(1)]);
  await firstLine(echo);
  const sender = lab.spawn(0, process.execPath, ['-e', PROBE, lab.address(1), String(count), String(gapMs)]);
  const result = JSON.parse(await firstLine(sender)) as {
    roundTrips: number[];
    lastMs: number;
    missing: number[];
  };
  echo.kill('SIGKILL');
  await new Promise((done) => echo.once('close', done));
  return result;
}

function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  let errors = '';
  child.stderr!.on('data', (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    child.once('close', (code) => reject(new Error(`exit code ${code}: ${errors}`)));
  });
}

function namespacesOfProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readlinkSync(`/proc/${pid}/ns/net`)];
      } catch {
        return []; // It has just ended.
      }
    });
}

const JOINED = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (message) => console.log(String(message)));
socket.bind(9000, () => { socket.addMembership('239.7.7.7', process.argv[1]); console.log('ready'); });`;

const TO_ALL = `
const socket = require('node:dgram').createSocket('udp4');
socket.bind(0, () => { socket.setMulticastInterface(process.argv[1]); socket.send('to all', 9000, '239.7.7.7'); });`;

const ECHO = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (message, from) => socket.send(message, from.port, from.address));
socket.bind(9000, process.argv[1], () => console.log('ready'));
`;

/** Prints the round-trip times, when the last came, in ms, and which have not come back; waits half a second for it. */
const PROBE = `
const [address, count, gap] = [process.argv[1], Number(process.argv[2]), Number(process.argv[3])];
const socket = require('node:dgram').createSocket('udp4');
const roundTrips = [];
const back = new Set();
let lastMs = 0;
socket.on('message', (message) => {
  lastMs = performance.now() - started;
  back.add(message.readUInt32BE(8));
  roundTrips.push(performance.now() - message.readDoubleBE(0));
});
const started = performance.now();
let sent = 0;
const turn = () => {
  while (sent < count && performance.now() >= started + sent * gap) {
    const message = Buffer.alloc(200);
    message.writeDoubleBE(performance.now(), 0);
    message.writeUInt32BE(sent, 8);
    socket.send(message, 9000, address);
    sent++;
  }
  if (sent < count) return setTimeout(turn, 1);
  const missing = () => Array.from({ length: count }, (_, seq) => seq).filter((seq) => !back.has(seq));
  setTimeout(() => { console.log(JSON.stringify({ roundTrips, lastMs, missing: missing() })); socket.close(); }, 500);
};
turn();
`;
