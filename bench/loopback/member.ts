/**
 * One member of a group of two: the node as users run it. The sender keeps some objects under way, so that symbols never run
 * out; the receiver verifies, decodes, hashes and delivers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { serveHttp } from '../../src/cli/http.js';
import { Feed } from '../../src/cli/page/feed.js';
import { type ControllerName, createGroup, keyPair, Node } from '../../src/index.js';
import type { Tick } from '../../src/node/status/sight.js';
import { Sights } from '../../src/node/status/sights.js';
import { MAX_SYMBOL_SIZE } from '../../src/wire/limits.js';
import { roleOptions, serveRole } from './process.js';
import { startProfile, stopProfile } from './profile.js';
import { usage } from './usage.js';

export interface MemberOptions {
  /** Ports of both members on 127.0.0.1: of the sender and of the receiver. */
  ports: [number, number];
  role: 'send' | 'receive';
  /** Bytes. */
  objectSize: number;
  maxDatagram: number;
  controller: ControllerName;
  /** Objects that the sender keeps under way. Default 2. */
  underWay?: number;
}

/** What it takes to be watched, once. */
export interface Watching {
  tickMicros: number;
  tickBytes: number;
  textMicros: number;
  /** On their way. */
  objects: number;
}

const { underWay = 2, ports, role, objectSize, maxDatagram, controller } = roleOptions<MemberOptions>();
const secrets = [1, 2].map((fill) => new Uint8Array(32).fill(fill));
const group = createGroup({
  name: 'loopback',
  members: secrets.map((secret, i) => ({
    name: ['sender', 'receiver'][i],
    publicKey: keyPair(secret).publicKey,
    locator: `127.0.0.1:${ports[i]}`,
  })),
});
const node = await Node.start({
  group,
  secretKey: secrets[role === 'send' ? 0 : 1],
  maxDatagram,
  controller,
  // Who only sends asks for no messages.
  ...(role === 'receive' ? { deliver() {} } : {}),
});
/** As `headwater node --page --metrics` would, at one port; returns its address. */
async function open(): Promise<string> {
  const { address } = await serveHttp('bench', ANYWHERE, {
    '/metrics': { type: 'text/plain', text: () => node.metrics() },
    '/events': { type: 'text/event-stream', stream: (response) => feed.watch(response) },
  });
  return `http://127.0.0.1:${(address as { port: number }).port}`;
}

/** What a page is sent at a time. */
function tick(): Tick {
  return { at: Date.now(), sights: [sights.next(node.status({ detail: true }))], events: [] };
}

/** Microseconds of CPU that this process takes for it, by many, so that garbage counts too. */
function costOf(work: () => void, times = TIMES): number {
  const begun = process.cpuUsage();
  for (let i = 0; i < times; i++) work();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / times;
}

/** In turns with what a member does besides, so that objects come and go, and the viewer reads. */
async function watching(): Promise<Watching> {
  const ticks: number[] = [];
  const texts: number[] = [];
  for (let i = 0; i < TURNS; i++) {
    ticks.push(costOf(() => feed.push(tick()), TIMES / TURNS));
    texts.push(costOf(() => node.metrics(), TIMES / TURNS));
    await sleep(TURN_MS);
  }
  const mean = (values: number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;
  return {
    tickMicros: mean(ticks),
    textMicros: mean(texts),
    tickBytes: JSON.stringify(tick()).length,
    objects: node.status().objects.length,
  };
}

const ANYWHERE = { host: '127.0.0.1', port: 0 };
const TIMES = 1000;
const TURNS = 50;
const TURN_MS = 50;
const feed = new Feed({ title: 'bench', kind: 'live', members: group.members.map(({ name }) => name) });
const sights = new Sights();
serveRole({
  open,
  watching,
  text: () => costOf(() => node.metrics()),
  start() {
    const objects = Array.from({ length: underWay }, (_, i) => i).map((fill) =>
      new Uint8Array(objectSize).fill(fill),
    );
    const keepOn = async (object: Uint8Array) => {
      for (;;) await node.broadcast(object);
    };
    return node.reach(1).then(() => {
      for (const object of objects) void keepOn(object);
      return true;
    });
  },
  usage() {
    const { sentDatagrams, sentBytes, receivedDatagrams, receivedBytes, usefulSymbols } =
      node.status().metrics;
    return role === 'send'
      ? usage(sentDatagrams, sentBytes, 0)
      : usage(receivedDatagrams, receivedBytes, usefulSymbols * MAX_SYMBOL_SIZE);
  },
  mtu: () => node.status().peers[0].datagramBytes,
  status: () => ({ m: node.status().metrics, p: node.status().peers[0].path, o: node.status().objects }),
  profile: startProfile,
  profiled: stopProfile,
});
